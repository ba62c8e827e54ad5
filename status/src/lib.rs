//! What a node tells under reserved keys of its cache, as it writes it and others read it.

mod failed;

pub use failed::{FAILED_KEY, FailedMessage};
