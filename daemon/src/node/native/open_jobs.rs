//! The jobs that a client has open, by the numbers that it calls them.

use crate::node::ledger::JobKey;
use std::collections::HashMap;

/// A client's open jobs. Most records are about the same one as the record before.
#[derive(Debug, Default)]
pub struct OpenJobs {
    by_number: HashMap<u32, JobKey>,
    last: Option<(u32, JobKey)>,
}

impl OpenJobs {
    /// The job that the client calls so.
    #[inline]
    pub fn find(&mut self, number: u32) -> Option<JobKey> {
        if let Some((last, key)) = self.last
            && last == number
        {
            return Some(key);
        }
        let key = *self.by_number.get(&number)?;
        self.last = Some((number, key));
        Some(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// One more is open.
    pub fn insert(&mut self, number: u32, job: JobKey) {
        self.last = None;
        self.by_number.insert(number, job);
    }

    /// One is closed.
    pub fn remove(&mut self, number: u32) {
        self.last = None;
        self.by_number.remove(&number);
    }

    /// All of them.
    pub fn keys(&self) -> impl Iterator<Item = JobKey> {
        self.by_number.values().copied()
    }
}
