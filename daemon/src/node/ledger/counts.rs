//! The sum that must come out.

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With all of its results.
    Done,
    /// With one error.
    Failed,
    /// With its job.
    Cancelled,
}

/// Messages of clients: accepted = done + failed + cancelled + under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// All that were ever accepted.
    pub accepted: u64,
    /// Ended with all of their results.
    pub done: u64,
    /// Ended with one error.
    pub failed: u64,
    /// Ended with their job.
    pub cancelled: u64,
    /// Not ended.
    pub under_way: u64,
}

impl Counts {
    /// One more is under way.
    pub fn accept(&mut self) {
        self.accepted += 1;
        self.under_way += 1;
        self.check();
    }

    /// One of those under way has ended.
    pub fn end(&mut self, outcome: Outcome) {
        self.under_way -= 1;
        match outcome {
            Outcome::Done => self.done += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Cancelled => self.cancelled += 1,
        }
        self.check();
    }

    fn check(&self) {
        debug_assert_eq!(
            self.accepted,
            self.done + self.failed + self.cancelled + self.under_way,
            "{self:?}"
        );
    }
}
