//! libzmq
