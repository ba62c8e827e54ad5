//! A job's roll: the entries of its messages and parts, so that nobody has to look for them among those of all jobs.

use super::entries::Entries;
use super::{Cancelled, Job, JobKey, LeaseKey, Ledger, MessageKey, Outcome, PartKey};
use crate::node::ledger::HostKey;

/// Entries that have ended are struck off when there are so many times as many on the roll as are open, ...
const TIMES: usize = 4;
/// ... and so many more: a strike that is rare costs each message little.
const FEW: usize = 1_024;

impl Job {
    /// Puts an entry on the roll.
    #[inline]
    pub(super) fn enrol(&mut self, entry: MessageKey, entries: &Entries) {
        if self.roll.len() >= TIMES * (self.counts.under_way as usize + self.open_parts) + FEW {
            self.roll.retain(|&entry| entries.has(entry));
        }
        self.roll.push(entry);
    }
}

impl Ledger {
    /// The messages of a job that have not ended.
    pub fn messages_of(&self, job: JobKey) -> impl Iterator<Item = MessageKey> {
        let roll = self.jobs.get(job).map_or(&[][..], |job| &job.roll);
        roll.iter().copied().filter(|&entry| self.entries.message(entry).is_some())
    }

    /// The leases that are out of a message, with their hosts.
    pub fn leases_of(&self, message: MessageKey) -> Vec<(HostKey, LeaseKey)> {
        let Some(open) = self.entries.message(message) else { return Vec::new() };
        let own = PartKey(message);
        let only = open.open_parts == 1 && self.entries.part(own).is_some();
        let entries = match self.jobs.get(open.job) {
            _ if only => std::slice::from_ref(&message),
            Some(job) => &job.roll,
            None => &[],
        };
        let parts = entries.iter().filter_map(|&entry| self.entries.part(PartKey(entry)));
        parts.filter(|part| part.message == message).filter_map(|part| self.out(part.lease?)).collect()
    }

    /// A lease that is out, with its host.
    fn out(&self, key: LeaseKey) -> Option<(HostKey, LeaseKey)> {
        self.leases.get(key).filter(|lease| lease.out).map(|lease| (lease.host, key))
    }

    /// Ends what has not ended of a job, as cancelled.
    pub fn cancel_job(&mut self, job: JobKey) -> Cancelled {
        let mut cancelled = Cancelled::default();
        let Some(open) = self.jobs.get_mut(job) else { return cancelled };
        open.open_parts = 0;
        open.open_bytes = 0;
        open.relays = 0;
        open.relay_bytes = 0;
        open.lanes.iter().for_each(|&lane| self.functions.clear(lane));
        for entry in std::mem::take(&mut open.roll) {
            if let Some(message) = self.end(entry, Outcome::Cancelled) {
                cancelled.messages.push(entry);
                cancelled.bytes += message.bytes;
            }
            let part = self.entries.end_part(PartKey(entry));
            cancelled.abandoned.extend(part.and_then(|part| self.out(part.lease?)));
        }
        cancelled
    }
}
