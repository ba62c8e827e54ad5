//! The bytes of all calls that are here at one time, and their bound.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes that calls hold, up to a limit that always admits one call.
#[derive(Debug)]
pub(super) struct Held {
    total: AtomicU64,
    limit: u64,
}

impl Held {
    /// Nothing yet.
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Held { total: AtomicU64::new(0), limit })
    }

    /// The share of a call that has no bytes yet.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { held: Arc::clone(self), bytes: 0 }
    }
}

/// What one call holds, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    held: Arc<Held>,
    bytes: u64,
}

impl Share {
    /// Takes more; whether there is room for it.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        let total = self.held.total.fetch_add(bytes, Relaxed) + bytes;
        total <= self.held.limit || total == self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.total.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_is_always_admitted_and_several_up_to_the_limit() {
        let held = Held::new(10);
        let mut large = held.share();
        assert!(large.grow(100));
        assert!(!held.share().grow(1));
        drop(large);
        let (mut one, mut other) = (held.share(), held.share());
        assert!(one.grow(4) && other.grow(6));
        assert!(!one.grow(1));
    }
}
