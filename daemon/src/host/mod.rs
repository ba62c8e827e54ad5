//! The worker host.
