//! Leases: which host has which part, and what becomes of it when the host answers or is lost.

use super::{HostKey, LeaseKey, Ledger, MessageKey, Part, PartKey, Settled};
use crate::node::bounds::{LEASE_RESULT_BYTES, LEASE_RESULTS};
use crate::node::message::{Identity, Message};
use bytes::Bytes;

/// A part that is out at a host.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) part: PartKey,
    pub(super) host: HostKey,
    /// Results that came under this lease.
    pub(super) results: u64,
    /// Bytes of them.
    pub(super) result_bytes: u64,
    /// The bytes that the host has of it.
    pub(super) bytes: usize,
    /// The host has it; otherwise its connection was lost, and it may come back with an answer.
    pub(super) out: bool,
    /// The host had nothing else.
    pub(super) alone: bool,
    /// The function's results count only all together.
    pub(super) atomic: bool,
}

/// A result that counts.
#[derive(Debug, Clone)]
pub struct Passed {
    /// The message it is a result of.
    pub message: MessageKey,
    /// The part it is a result of.
    pub identity: Identity,
    /// Its place among the part's results.
    pub index: u64,
    /// It counts only together with the message's end.
    pub held: bool,
    /// The part with the result's data.
    pub result: Message,
}

impl Part {
    /// A result of this part.
    fn pass(&self, index: u64, held: bool, payload: Bytes) -> Passed {
        let result = self.body.with_payload(payload);
        Passed { message: self.message, identity: self.identity, index, held, result }
    }
}

/// How a host ended a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseEnd {
    /// With that many results.
    Done(u64),
    /// With an error.
    Failed,
    /// It had not begun.
    Released,
    /// With as many results as it gave; a pylm worker does not tell.
    Quiet,
}

/// What the end of a lease means.
#[derive(Debug)]
#[must_use]
pub enum Ended {
    /// Nothing: the part has ended before, or goes to another host.
    Nothing,
    /// The part is done: results that were held until now, and what is next for its message.
    Done {
        /// Results that were held until now.
        held: Vec<Passed>,
        /// What is next.
        settled: Settled,
    },
    /// The part failed.
    Failed(MessageKey),
    /// A rerun gave fewer results than were passed on before.
    Inconsistent(MessageKey),
}

impl Ledger {
    /// Takes a result of a lease; `None` when it does not count, or is held until the last.
    pub fn result(&mut self, host: HostKey, key: LeaseKey, index: u64, payload: Bytes) -> Option<Passed> {
        let lease = self.leases.get_mut(key).filter(|lease| lease.host == host && lease.results == index)?;
        lease.results += 1;
        lease.result_bytes += payload.len() as u64;
        let part = self.parts.get_mut(lease.part)?;
        if lease.atomic {
            // An answer under an older lease does not mix with that of the latest.
            let held = &mut part.history().held;
            if held.len() as u64 == index {
                held.push(payload);
            }
            return None;
        }
        if index < part.passed {
            return None;
        }
        part.passed = index + 1;
        Some(part.pass(index, false, payload))
    }

    /// Ends a lease. The answer that came first counts; a lease that another host still has of the same part is pushed to
    /// `abandoned`.
    pub fn end_lease(
        &mut self,
        host: HostKey,
        key: LeaseKey,
        end: LeaseEnd,
        abandoned: &mut Vec<(HostKey, LeaseKey)>,
    ) -> Ended {
        if self.leases.get(key).is_none_or(|lease| lease.host != host) {
            return Ended::Nothing;
        }
        let Some(lease) = self.leases.remove(key) else { return Ended::Nothing };
        if lease.out
            && let Some(credit) = self.hosts.get_mut(host)
        {
            credit.give_back(lease.bytes);
        }
        let Some(part) = self.parts.get_mut(lease.part) else { return Ended::Nothing };
        let results = match end {
            LeaseEnd::Done(results) => results,
            LeaseEnd::Quiet => lease.results,
            LeaseEnd::Released => {
                if part.lease == Some(key) {
                    part.lease = None;
                    self.requeue(lease.part);
                }
                return Ended::Nothing;
            }
            LeaseEnd::Failed => {
                let message = part.message;
                self.retire_part(lease.part, key, abandoned);
                return Ended::Failed(message);
            }
        };
        let message = part.message;
        if results < part.passed {
            self.retire_part(lease.part, key, abandoned);
            return Ended::Inconsistent(message);
        }
        let held = part.history.as_mut().map(|history| std::mem::take(&mut history.held)).unwrap_or_default();
        let held =
            held.into_iter().zip(0..).map(|(payload, index)| part.pass(index, true, payload)).collect();
        self.retire_part(lease.part, key, abandoned);
        Ended::Done { held, settled: self.settle(message) }
    }

    /// The part of a lease that is out, for what its host may want to know of it.
    pub fn leased_part(&self, lease: LeaseKey) -> Option<&Part> {
        self.parts.get(self.leases.get(lease)?.part)
    }

    /// How many results came under a lease.
    pub fn lease_results(&self, lease: LeaseKey) -> Option<u64> {
        self.leases.get(lease).map(|lease| lease.results)
    }

    /// The leases that are out of a message, with their hosts.
    pub fn leases_of(&self, message: MessageKey) -> Vec<(HostKey, LeaseKey)> {
        let of_message =
            |lease: &Lease| self.parts.get(lease.part).is_some_and(|part| part.message == message);
        let out = self.leases.iter().filter(|(_, lease)| lease.out && of_message(lease));
        out.map(|(key, lease)| (lease.host, key)).collect()
    }

    /// The host that has a lease.
    pub fn lease_host(&self, lease: LeaseKey) -> Option<HostKey> {
        self.leases.get(lease).map(|lease| lease.host)
    }

    /// How many results, and bytes of them, a host may send in all from now on. The bounds are those of what is beyond the
    /// results that were taken.
    pub fn room(&self, lease: LeaseKey) -> Option<(u64, u64)> {
        let lease = self.leases.get(lease)?;
        Some((lease.results + LEASE_RESULTS, lease.result_bytes + LEASE_RESULT_BYTES))
    }

    /// Puts a part whose lease has ended without an answer to where it is next.
    pub(super) fn requeue(&mut self, key: PartKey) {
        let Some(part) = self.parts.get(key) else { return };
        if part.is_suspect() {
            if let Some(function) = self.functions.get_mut(part.function) {
                function.alone.push_back(key);
            }
        } else if let Some(job) = self.jobs.get_mut(part.job) {
            let lane = self.functions.lane(part.job, part.function, &mut job.lanes);
            self.functions.push_front(lane, key);
        }
    }

    /// Ends a part that was answered under `lease`.
    fn retire_part(&mut self, key: PartKey, lease: LeaseKey, abandoned: &mut Vec<(HostKey, LeaseKey)>) {
        let Some(part) = self.remove_part(key) else { return };
        for orphan in part.history.map(|history| history.orphans).unwrap_or_default() {
            self.leases.remove(orphan);
        }
        if let Some(other) = part.lease.filter(|&other| other != lease)
            && let Some(other_lease) = self.leases.get(other)
        {
            abandoned.push((other_lease.host, other));
        }
    }

    /// Takes a part out of the books of its message and job.
    pub(super) fn remove_part(&mut self, key: PartKey) -> Option<Part> {
        let part = self.parts.remove(key)?;
        if let Some(message) = self.messages.get_mut(part.message) {
            message.open_parts -= 1;
        }
        if let Some(job) = self.jobs.get_mut(part.job) {
            job.open_parts = job.open_parts.saturating_sub(1);
            job.open_bytes = job.open_bytes.saturating_sub(part.body.payload.len());
        }
        Some(part)
    }
}
