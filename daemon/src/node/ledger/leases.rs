//! Leases: which host has which part, and what becomes of it when the host answers or is lost.

use super::{FunctionKey, HostKey, LeaseKey, Ledger, MessageKey, Part, PartKey, PartOf};
use crate::node::bounds::{LEASE_RESULT_BYTES, LEASE_RESULTS};
use crate::node::message::{Identity, Message};
use bytes::Bytes;
use pylm_protocol::Place;
use std::time::Duration;

/// Of leases that took less, in nanoseconds, no function's longest one is told: patience is longer than that anyway.
const LONG: u64 = 100_000_000;

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
    /// It takes none of the host's room any more, though it is out.
    pub(super) roomless: bool,
    /// The host had nothing else.
    pub(super) alone: bool,
    /// The function's results count only all together.
    pub(super) atomic: bool,
    /// Its place in the order of all leases and moves.
    pub(super) serial: u64,
    /// Its host was asked for it back.
    pub(super) asked_back: bool,
    /// When it was given, by the ledger's clock.
    pub(super) since: u64,
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
    /// It comes from a follower and goes on to the client as it is: its place among all results of the message.
    pub relayed: Option<Place>,
    /// It counts only together with the message's end.
    pub held: bool,
    /// The part with the result's data.
    pub result: Message,
}

impl PartOf<&mut Part> {
    /// A result of this part, of the function's that is its own, or of a follower's of this number.
    fn pass(&self, place: &Place, follower: Option<u32>, held: bool, payload: Bytes) -> Passed {
        let relayed = self.relay().zip(follower).map(|(relay, follower)| relay.place(follower, place));
        let result = self.body.with_payload(payload);
        let index = index(place).unwrap_or_default();
        Passed { message: self.message, identity: self.identity, index, relayed, held, result }
    }
}

/// The place of a function's result: how many of its message went before.
fn index(place: &Place) -> Option<u64> {
    match place.0.as_slice() {
        [] => Some(0),
        [index] => Some(*index),
        _ => None,
    }
}

/// A result that a host gave under a lease.
#[derive(Debug, Clone, Default)]
pub struct LeaseResult {
    /// Where it stands among the lease's results.
    pub place: Place,
    /// It counts only together with the end of its message.
    pub held: bool,
    /// It is the only one, and the end of the lease follows.
    pub only: bool,
    /// The data.
    pub payload: Bytes,
}

/// How a host ended a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseEnd {
    /// With that many results.
    Done(u64),
    /// With an error, which no retry mends where it is permanent.
    Failed {
        /// It is.
        permanent: bool,
    },
    /// It gives the lease back, as a rule before it was begun.
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
    /// The part is done: results that were held until now.
    Done {
        /// Results that were held until now.
        held: Vec<Passed>,
        /// Its message, to be settled when these are handed on.
        message: MessageKey,
    },
    /// The part failed.
    Failed(MessageKey),
    /// The part failed for this time, and is to be run again later.
    Retry {
        /// The part, for [`Ledger::retry_at`].
        part: PartKey,
        /// How often it has failed so far.
        errors: u32,
    },
    /// A rerun gave fewer results than were passed on before: the part.
    Inconsistent(Box<PartOf<Part>>),
}

impl Ledger {
    /// Takes a result of a lease; `None` when it does not count, or is held until the last.
    pub fn result(&mut self, host: HostKey, key: LeaseKey, result: LeaseResult) -> Option<Passed> {
        let LeaseResult { place, held, only, payload } = result;
        let lease = self.leases.get_mut(key).filter(|lease| lease.host == host)?;
        let mut part = self.entries.part_mut(lease.part)?;
        let follower = self.functions.follower(part.function);
        if follower.is_none() && index(&place) != Some(lease.results) {
            return None;
        }
        lease.results += 1;
        self.moves += 1;
        if let Some(job) = self.jobs.get_mut(part.job) {
            job.moved = self.clock.now;
        }
        if let Some(credit) = self.hosts.get_mut(host) {
            credit.moved = self.clock.now;
        }
        lease.result_bytes += payload.len() as u64;
        if lease.atomic || held || part.relay().is_some_and(|relay| relay.held) {
            part.history().held.push((key, place, payload));
            return None;
        }
        if follower.is_none() {
            if lease.results <= part.passed() {
                return None;
            }
            // Behind its only result the part ends.
            if !only {
                part.history().passed = lease.results;
            }
        } else {
            // A follower's results come in any order, so that they are known by their places; one that comes alone is not
            // asked for again.
            let is_first = only && part.passed() == 0;
            let history = part.history();
            if !is_first && !history.places.insert(place.clone()) {
                return None;
            }
            history.passed += 1;
        }
        Some(part.pass(&place, follower, false, payload))
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
        let function = self.entries.part(lease.part).map(|part| part.function).unwrap_or_default();
        self.close_lease(&lease, function, end == LeaseEnd::Released);
        let Some(mut part) = self.entries.part_mut(lease.part) else { return Ended::Nothing };
        if end != LeaseEnd::Released
            && let Some(job) = self.jobs.get_mut(part.job)
        {
            job.moved = self.clock.now;
        }
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
            LeaseEnd::Failed { permanent } => {
                let retries = self.jobs.get(part.job).map_or(0, |job| job.terms.retries);
                if !permanent && part.errors() < retries {
                    let history = part.history();
                    history.errors += 1;
                    let errors = history.errors;
                    // The failure of a lease that was lost meanwhile is none of the one that has taken its place.
                    if part.lease != Some(key) {
                        return Ended::Nothing;
                    }
                    part.lease = None;
                    return Ended::Retry { part: lease.part, errors };
                }
                let message = part.message;
                self.retire_part(lease.part, key, abandoned);
                return Ended::Failed(message);
            }
        };
        let message = part.message;
        if results < part.passed() && end != LeaseEnd::Quiet {
            let part = self.retire_part(lease.part, key, abandoned);
            return part.map_or(Ended::Nothing, |part| Ended::Inconsistent(Box::new(part)));
        }
        let held = part.history.as_mut().map(|history| std::mem::take(&mut history.held)).unwrap_or_default();
        let follower = self.functions.follower(part.function);
        // An answer under one lease does not mix with that of another.
        let own = held.into_iter().filter(|(lease, ..)| *lease == key);
        let held = own.map(|(_, place, payload)| part.pass(&place, follower, true, payload)).collect();
        self.retire_part(lease.part, key, abandoned);
        Ended::Done { held, message }
    }

    /// Gives a host its credit back for a lease that has ended, and takes note of the time that its function took.
    #[inline]
    pub(super) fn close_lease(&mut self, lease: &Lease, function: FunctionKey, released: bool) {
        if lease.out
            && let Some(credit) = self.hosts.get_mut(lease.host)
        {
            if !lease.roomless {
                credit.give_back(lease.bytes, lease.asked_back);
                self.functions.dispatchable = true;
            }
            credit.moved = self.clock.now;
        }
        if released {
            self.activity.released += 1;
            return;
        }
        let took = self.clock.since(lease.since);
        self.activity.leases.add(took);
        if took > LONG
            && let Some(function) = self.functions.get_mut(function)
        {
            function.longest = function.longest.max(Duration::from_nanos(took));
        }
    }

    /// A lease that is out needs no room at its host any more; the bytes that it took until now.
    pub fn free_room(&mut self, key: LeaseKey) -> u64 {
        let Some(lease) = self.leases.get_mut(key).filter(|lease| lease.out && !lease.roomless) else {
            return 0;
        };
        lease.roomless = true;
        if let Some(credit) = self.hosts.get_mut(lease.host) {
            credit.give_back(lease.bytes, std::mem::take(&mut lease.asked_back));
            self.functions.dispatchable = true;
        }
        lease.bytes as u64
    }

    /// The part of a lease that is out, for what its host may want to know of it.
    pub fn leased_part(&self, lease: LeaseKey) -> Option<PartOf<&Part>> {
        self.entries.part(self.leases.get(lease)?.part)
    }

    /// How many results came under a lease.
    pub fn lease_results(&self, lease: LeaseKey) -> Option<u64> {
        self.leases.get(lease).map(|lease| lease.results)
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
        let Some(part) = self.entries.part(key) else { return };
        if part.is_suspect() {
            self.functions.push_alone(part.function, key);
        } else if let Some(job) = self.jobs.get_mut(part.job) {
            let lane = self.functions.lane(part.job, part.function, job.terms.priority, &mut job.lanes);
            self.functions.push_front(lane, key);
        }
    }

    /// Drops a part that no host has. Its place in its lane is passed over.
    pub(super) fn drop_waiting(&mut self, key: PartKey) {
        if self.entries.part(key).is_none_or(|part| part.lease.is_some()) {
            return;
        }
        let Some(part) = self.remove_part(key) else { return };
        let lanes = self.jobs.get(part.job).map_or(&[][..], |job| &job.lanes);
        let entries = &self.entries;
        self.functions.pass_over(lanes, part.function, |part| entries.has(part.0));
    }

    /// Ends a part that was answered under `lease`.
    fn retire_part(
        &mut self,
        key: PartKey,
        lease: LeaseKey,
        abandoned: &mut Vec<(HostKey, LeaseKey)>,
    ) -> Option<PartOf<Part>> {
        let part = self.remove_part(key)?;
        for &orphan in part.history.iter().flat_map(|history| &history.orphans) {
            self.leases.remove(orphan);
        }
        if let Some(other) = part.lease.filter(|&other| other != lease)
            && let Some(other_lease) = self.leases.get(other)
        {
            abandoned.push((other_lease.host, other));
        }
        Some(part)
    }

    /// Takes a part out of the books of its message and job.
    pub(super) fn remove_part(&mut self, key: PartKey) -> Option<PartOf<Part>> {
        let part = self.entries.end_part(key)?;
        if let Some(job) = self.jobs.get_mut(part.job) {
            job.open_parts = job.open_parts.saturating_sub(1);
            job.open_bytes = job.open_bytes.saturating_sub(part.body.payload.len());
            if part.relay().is_some() {
                job.relays = job.relays.saturating_sub(1);
                job.relay_bytes = job.relay_bytes.saturating_sub(part.body.payload.len());
            }
        }
        Some(part)
    }
}
