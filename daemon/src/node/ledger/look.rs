//! A look at what is counted, for whoever asks how the node is. Nothing changes here.

use super::{HostKey, JobKey, Ledger};
use std::collections::HashMap;

/// Parts that wait for one function, or for a follower of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// The job they belong to.
    pub job: JobKey,
    /// The function, or the topic.
    pub name: &'a str,
    /// It is a topic.
    pub is_topic: bool,
    /// How many they are.
    pub parts: usize,
    /// Hosts that they may go to.
    pub hosts: usize,
}

impl Ledger {
    /// What waits, by job and function.
    pub fn waiting(&self) -> Vec<Waiting<'_>> {
        let mut parts = HashMap::new();
        for (job, function, count) in self.functions.waiting() {
            *parts.entry((job, function)).or_default() += count;
        }
        // Those that are to be tried alone are in no lane.
        for (key, function) in self.functions.iter() {
            for part in function.alone.iter().filter_map(|&part| self.parts.get(part)) {
                *parts.entry((part.job, key)).or_default() += 1;
            }
        }
        let described = parts.into_iter().filter_map(|((job, key), parts)| {
            let function = self.functions.get(key)?;
            let hosts = self.functions.hosts(key).len();
            Some(Waiting { job, name: function.name(), is_topic: function.is_follower(), parts, hosts })
        });
        described.collect()
    }

    /// How many parts of each job are at hosts.
    pub fn leased(&self) -> HashMap<JobKey, u64> {
        let mut leased = HashMap::new();
        for lease in self.leases.values().filter(|lease| lease.out) {
            if let Some(part) = self.parts.get(lease.part) {
                *leased.entry(part.job).or_default() += 1;
            }
        }
        leased
    }

    /// The functions that a host offers, or the topics that it follows, and whether they are topics; `None`: any function that
    /// nobody else offers.
    pub fn offer_of(&self, host: HostKey) -> Option<(Vec<&str>, bool)> {
        let keys = self.hosts.get(host)?.functions.as_ref()?;
        let functions: Vec<_> = keys.iter().filter_map(|&key| self.functions.get(key)).collect();
        let follows = functions.iter().any(|function| function.is_follower());
        Some((functions.iter().map(|function| function.name()).collect(), follows))
    }

    /// How many leases, results and ends of messages there were: a number that stands still only when nothing moves.
    pub fn moves(&self) -> u64 {
        self.moves
    }
}
