//! What the writer tells the node, without either waiting for the other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What both sides see.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// All lower sequence numbers are durable.
    pub(crate) durable: AtomicU64,
    /// What the queue holds and what is being written, in bytes.
    pub(crate) queued: AtomicU64,
    /// The journal takes no new messages for now.
    pub(crate) troubled: AtomicBool,
    /// Why.
    trouble: Mutex<Option<String>>,
    /// Nobody waits for the rest any more.
    pub(crate) abandoned: AtomicBool,
    /// How long all files are.
    pub(crate) disk_bytes: AtomicU64,
    /// How much of that is alive.
    pub(crate) alive_bytes: AtomicU64,
}

impl Shared {
    /// Tells what is wrong, or that nothing is; whether that is news.
    pub(crate) fn set_trouble(&self, trouble: Option<String>) -> bool {
        let is_troubled = trouble.is_some();
        let mut told = self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_news = *told != trouble;
        *told = trouble;
        self.troubled.store(is_troubled, Ordering::Release);
        is_news
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        if !self.troubled.load(Ordering::Acquire) {
            return None;
        }
        self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// How a journal is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// All lower sequence numbers are durable.
    pub durable: u64,
    /// What waits to be durable, in bytes.
    pub queued_bytes: u64,
    /// How long all files are, in bytes.
    pub disk_bytes: u64,
    /// How much of that is still needed, in bytes.
    pub alive_bytes: u64,
    /// Why no new messages are taken for now; the journal goes on by itself when it can.
    pub trouble: Option<String>,
}
