//! A look at what is counted, for whoever asks how the node is. Nothing changes here.

use super::{Activity, HostKey, JobKey, Ledger};
use std::collections::HashMap;
use std::time::{Duration, Instant};

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
    /// One of these has room.
    pub has_room: bool,
    /// When one of these last moved on with what it has.
    pub hosts_moved: Option<Instant>,
}

/// Parts of one job that are at hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leased {
    /// How many they are.
    pub parts: u64,
    /// The longest time that their functions ever took.
    pub longest: Duration,
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
            for part in function.alone.iter().filter_map(|&part| self.entries.part(part)) {
                *parts.entry((part.job, key)).or_default() += 1;
            }
        }
        let described = parts.into_iter().filter_map(|((job, key), parts)| {
            let function = self.functions.get(key)?;
            let hosts = self.functions.hosts(key);
            let credits = || hosts.iter().filter_map(|&host| self.hosts.get(host));
            Some(Waiting {
                job,
                name: function.name(),
                is_topic: function.is_follower(),
                parts,
                hosts: hosts.len(),
                has_room: credits().any(|credit| credit.left() > 0),
                hosts_moved: credits().filter_map(|credit| credit.moved).max(),
            })
        });
        described.collect()
    }

    /// What of each job is at hosts.
    pub fn leased(&self) -> HashMap<JobKey, Leased> {
        let mut leased: HashMap<JobKey, Leased> = HashMap::new();
        for lease in self.leases.values().filter(|lease| lease.out) {
            if let Some(part) = self.entries.part(lease.part) {
                let leased = leased.entry(part.job).or_default();
                leased.parts += 1;
                let function = self.functions.get(part.function);
                leased.longest =
                    leased.longest.max(function.map_or(Duration::ZERO, |function| function.longest));
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

    /// What has happened, and how long it took.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// How many leases, results and ends of messages there were: a number that stands still only when nothing moves.
    pub fn moves(&self) -> u64 {
        self.moves
    }
}
