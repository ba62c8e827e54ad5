//! What the gateway has under way, and when it is too much.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of bodies that the gateway holds; one is always allowed.
const BODIES: u64 = 256 << 20;

/// The calls under way, and the bytes of their bodies.
#[derive(Debug)]
pub(super) struct Load {
    calls: Arc<Semaphore>,
    bytes: AtomicU64,
}

/// One call under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    load: Arc<Load>,
    bytes: u64,
    _call: OwnedSemaphorePermit,
}

impl Load {
    /// Nothing is under way; at most so many calls may be.
    pub(super) fn new(calls: usize) -> Arc<Self> {
        let calls = Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS)));
        Arc::new(Load { calls, bytes: AtomicU64::new(0) })
    }

    /// Admits another call, where there is room for it.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Admission> {
        let call = Arc::clone(&self.calls).try_acquire_owned().ok()?;
        Some(Admission { load: Arc::clone(self), bytes: 0, _call: call })
    }
}

impl Admission {
    /// Counts further bytes of this call's body; whether there is room for them.
    pub(super) fn hold(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        let all = self.load.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        all <= BODIES || all == self.bytes
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_admitted_up_to_the_bound_and_again_when_one_has_ended() {
        let load = Load::new(2);
        let first = load.admit().unwrap();
        let _second = load.admit().unwrap();
        assert!(load.admit().is_none());
        drop(first);
        assert!(load.admit().is_some());
    }

    #[test]
    fn one_body_is_always_allowed_and_no_second_beyond_the_bound() {
        let load = Load::new(3);
        let mut first = load.admit().unwrap();
        assert!(first.hold(2 * BODIES) && first.hold(1));
        let mut second = load.admit().unwrap();
        assert!(!second.hold(1));
        drop(first);
        assert!(second.hold(BODIES - 1));
        assert!(!load.admit().unwrap().hold(1));
        assert!(!second.hold(1) || second.bytes > BODIES);
    }
}
