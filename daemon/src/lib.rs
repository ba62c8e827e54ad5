//! The node and the worker host
