//! Answers that a peer has asked for and has not read. libzmq would keep any number of them: they are counted from when they are made
//! until the system has taken them.

use super::bounds::{CALLS, UNREAD_BYTES};
use bytes::Bytes;
use pylm_transport::Frame;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is on its way to one peer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unread(Arc<Load>);

#[derive(Debug, Default)]
struct Load {
    answers: AtomicUsize,
    bytes: AtomicUsize,
}

/// Bytes that are counted for as long as they are kept.
struct Counted {
    bytes: Bytes,
    answers: usize,
    unread: Unread,
}

impl Unread {
    /// Answers on their way.
    pub(crate) fn answers(&self) -> usize {
        self.0.answers.load(Relaxed)
    }

    /// Whether there are too many of them, or too many bytes, for another one.
    pub(crate) fn is_full(&self) -> bool {
        self.answers() >= CALLS || self.0.bytes.load(Relaxed) >= UNREAD_BYTES
    }

    /// A frame with so many answers in it, counted until libzmq lets go of it.
    pub(crate) fn frame(&self, bytes: Bytes, answers: usize) -> Frame {
        self.0.answers.fetch_add(answers, Relaxed);
        self.0.bytes.fetch_add(bytes.len(), Relaxed);
        Frame::lent(Bytes::from_owner(Counted { bytes, answers, unread: self.clone() }))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.unread.0.answers.fetch_sub(self.answers, Relaxed);
        self.unread.0.bytes.fetch_sub(self.bytes.len(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_count_until_their_frames_are_gone() {
        let unread = Unread::default();
        let small = unread.frame(Bytes::from_static(b"x"), CALLS - 1);
        assert!(!unread.is_full());
        let second = unread.frame(Bytes::new(), 1);
        assert!(unread.is_full());
        drop(second);
        assert_eq!(unread.answers(), CALLS - 1);
        let large = unread.frame(vec![0; UNREAD_BYTES].into(), 0);
        drop(small);
        assert!(unread.is_full() && large.len() == UNREAD_BYTES);
        drop(large);
        assert!(!unread.is_full());
    }
}
