//! Windows: how much may be under way at once, in messages and in bytes of their payload.

/// A bound on what is under way. One message is always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) messages: u64,
    /// Of payload.
    pub(crate) bytes: u64,
}

impl Window {
    /// What may be submitted of a job before its Opened has told the real window.
    pub(crate) const EARLY: Window = Window { messages: 16, bytes: 64 << 10 };

    /// Whether a message of that many bytes may join what is under way.
    #[inline]
    pub(crate) fn admits(self, under_way: Load, bytes: u64) -> bool {
        under_way.messages == 0
            || (under_way.messages < self.messages && under_way.bytes.saturating_add(bytes) <= self.bytes)
    }

    /// That share of the window, rounded up.
    pub(crate) fn part(self, divisor: u64) -> Load {
        Load { messages: self.messages.div_ceil(divisor), bytes: self.bytes.div_ceil(divisor) }
    }
}

/// A number of messages, and the bytes of their payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Load {
    /// Adds a message of that many bytes.
    #[inline]
    pub(crate) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    /// Takes a message of that many bytes away.
    #[inline]
    pub(crate) fn remove(&mut self, bytes: usize) {
        self.messages -= 1;
        self.bytes -= bytes as u64;
    }

    /// Whether this is as much as `other` in messages or in bytes.
    pub(crate) fn reaches(self, other: Load) -> bool {
        self.messages >= other.messages || self.bytes >= other.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_is_always_allowed_and_no_second_beyond_the_window() {
        let window = Window { messages: 0, bytes: 0 };
        let mut load = Load::default();
        assert!(window.admits(load, 1 << 40));
        load.add(5);
        assert!(!window.admits(load, 0));
        let window = Window { messages: 2, bytes: 10 };
        assert!(window.admits(load, 5));
        assert!(!window.admits(load, 6));
        load.add(1);
        assert!(!window.admits(load, 1));
    }
}
