//! Retries: parts whose function has failed, and which wait until they are run again.

use super::{JobKey, Ledger, PartKey};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

/// Parts that wait for their time, the next one on top. Those of messages that ended meanwhile leave it at that time.
#[derive(Debug, Default)]
pub(super) struct Retries(BinaryHeap<Reverse<(Instant, PartKey)>>);

impl Ledger {
    /// A part that has failed (see [`Ended::Retry`](super::Ended::Retry)) is to be run again, not before that time.
    pub fn retry_at(&mut self, part: PartKey, when: Instant) {
        self.retries.0.push(Reverse((when, part)));
    }

    /// Queues the parts whose time has come.
    pub(super) fn resume_retries(&mut self, now: Instant) {
        while let Some(&Reverse((when, part))) = self.retries.0.peek()
            && when <= now
        {
            self.retries.0.pop();
            self.requeue(part);
        }
    }

    /// How many parts of each job wait until they are run again.
    pub fn retrying(&self) -> HashMap<JobKey, usize> {
        let mut retrying = HashMap::new();
        for part in self.retries.0.iter().filter_map(|&Reverse((_, part))| self.entries.part(part)) {
            *retrying.entry(part.job).or_default() += 1;
        }
        retrying
    }
}
