//! Measures the node against raw libzmq, in one run
