//! Leases: which host has which part, and what becomes of it when the host answers or is lost.

use super::credit::Alone;
use super::functions::TURN;
use super::{Credit, FunctionKey, HostKey, LeaseKey, Ledger, MessageKey, Part, PartKey, Settled};
use crate::node::bounds::{LEASE_RESULT_BYTES, LEASE_RESULTS};
use crate::node::message::{Identity, Message};
use bytes::Bytes;
use pylm_protocol::FunctionOffer;
use std::time::{Duration, Instant};

/// A part that is out at a host.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) part: PartKey,
    pub(super) host: HostKey,
    /// Results that came under this lease.
    results: u64,
    /// Bytes of them.
    result_bytes: u64,
    /// The bytes that the host has of it.
    bytes: u32,
    /// The host has it; otherwise its connection was lost, and it may come back with an answer.
    pub(super) out: bool,
    /// The host had nothing else.
    alone: bool,
    /// The function's results count only all together.
    atomic: bool,
}

/// What a host is to be given.
#[derive(Debug)]
pub struct Assignment<'a> {
    /// Who.
    pub host: HostKey,
    /// Under which key.
    pub lease: LeaseKey,
    /// What.
    pub part: &'a Part,
    /// The function's name.
    pub function: &'a str,
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
    /// A host that offers these functions (`None`: any that nobody offers).
    pub fn add_host(
        &mut self,
        limit: u64,
        limit_bytes: u64,
        functions: Option<&[FunctionOffer<'_>]>,
        now: Instant,
    ) -> HostKey {
        let functions = functions.map(|functions| self.intern_all(functions, now));
        let host = self.hosts.insert(Credit::new(limit, limit_bytes, functions));
        let functions = self.hosts[host].functions.as_deref();
        self.functions.offer(host, functions);
        host
    }

    /// A host that was lost is back.
    pub fn return_host(
        &mut self,
        host: HostKey,
        limit: u64,
        limit_bytes: u64,
        functions: &[FunctionOffer<'_>],
        now: Instant,
    ) {
        let functions = self.intern_all(functions, now);
        if let Some(credit) = self.hosts.get_mut(host) {
            *credit = Credit::new(limit, limit_bytes, Some(functions));
            self.functions.offer(host, credit.functions.as_deref());
        }
    }

    fn intern_all(&mut self, functions: &[FunctionOffer<'_>], now: Instant) -> Vec<FunctionKey> {
        let intern = |offer: &FunctionOffer<'_>| {
            let function = self.functions.intern(offer.name, now);
            self.functions.set_atomic(function, offer.atomic);
            function
        };
        functions.iter().map(intern).collect()
    }

    /// The credit of a host.
    pub fn credit(&self, host: HostKey) -> Option<&Credit> {
        self.hosts.get(host)
    }

    /// A host takes more, or less, than before.
    pub fn set_limit(&mut self, host: HostKey, limit: u64, limit_bytes: u64) {
        if let Some(credit) = self.hosts.get_mut(host) {
            credit.limit = limit;
            credit.limit_bytes = limit_bytes;
        }
    }

    /// A host is leaving: it gets nothing more, and answers what it has.
    pub fn retire_host(&mut self, host: HostKey, now: Instant) {
        if let Some(credit) = self.hosts.get_mut(host)
            && std::mem::replace(&mut credit.open, false)
        {
            self.functions.withdraw(host, credit.functions.as_deref(), now);
        }
    }

    /// A host's connection is lost: what it had goes to others. Those that it took down alone too often, the host's last
    /// `max_attempts` of them, are returned; they have failed. A host that `may_return` keeps its key for answers.
    pub fn lose_host(&mut self, host: HostKey, may_return: bool, now: Instant) -> Vec<MessageKey> {
        self.retire_host(host, now);
        let lost: Vec<_> = self
            .leases
            .iter()
            .filter(|(_, lease)| lease.host == host && lease.out)
            .map(|(key, lease)| (key, lease.part, lease.alone))
            .collect();
        let mut failed = Vec::new();
        for (key, part_key, alone) in lost.into_iter().rev() {
            let keep = may_return && self.parts.contains_key(part_key);
            match self.leases.get_mut(key) {
                Some(lease) if keep => lease.out = false,
                _ => drop(self.leases.remove(key)),
            }
            let Some(part) = self.parts.get_mut(part_key) else { continue };
            part.lease = None;
            let history = part.history();
            if keep {
                history.orphans.push(key);
            }
            if alone {
                history.deaths += 1
            } else {
                history.suspicions += 1
            };
            if history.deaths >= self.rules.max_attempts {
                failed.push(part.message);
                self.remove_part(part_key);
            } else {
                self.requeue(part_key);
            }
        }
        if let Some(credit) = self.hosts.get_mut(host) {
            credit.leases = 0;
            credit.bytes = 0;
            credit.alone = Alone::No;
        }
        if !may_return {
            self.forget_host(host);
        }
        failed
    }

    /// Whether a lost host could still come back with an answer that counts.
    pub fn is_awaited(&self, host: HostKey) -> bool {
        self.leases.values().any(|lease| lease.host == host)
    }

    /// Forgets a host that was lost.
    pub fn forget_host(&mut self, host: HostKey) {
        self.hosts.remove(host);
        self.leases.retain(|_, lease| lease.host != host);
    }

    /// Gives waiting parts to hosts with credit, the least loaded first.
    pub fn dispatch(&mut self, mut assign: impl FnMut(Assignment<'_>)) {
        let waiting: Vec<_> =
            self.functions.iter().filter(|(_, function)| function.waits()).map(|(key, _)| key).collect();
        for function in waiting {
            self.dispatch_alone(function, &mut assign);
            while let Some((host, share)) = self.least_loaded(function) {
                if !self.dispatch_turn(function, host, share.min(TURN as u64), &mut assign) {
                    break;
                }
            }
        }
    }

    /// The host with the smallest share of its limit in use, and how much of what it has left is its to take now.
    fn least_loaded(&self, function: FunctionKey) -> Option<(HostKey, u64)> {
        let hosts = self.functions.hosts(function);
        let (host, left) = hosts
            .iter()
            .filter_map(|&key| self.hosts.get(key).map(|credit| (key, credit)))
            .filter(|(_, credit)| credit.left() > 0)
            .min_by_key(|(_, credit)| credit.load())
            .map(|(key, credit)| (key, credit.left()))?;
        // Not all at once: the next look may find another one less loaded.
        let share = if hosts.len() == 1 { left } else { left.div_ceil(8) };
        Some((host, share))
    }

    /// Gives up to `count` parts of the job whose turn it is to a host; false when nothing is left that may go.
    fn dispatch_turn(
        &mut self,
        function: FunctionKey,
        host: HostKey,
        count: u64,
        assign: &mut impl FnMut(Assignment<'_>),
    ) -> bool {
        let Some((lane, job)) = self.functions.turn(function) else { return false };
        let held = self.jobs.get(job).is_none_or(|job| job.held);
        let mut given = 0;
        while !held && given < count && self.hosts.get(host).is_some_and(|credit| credit.left() > 0) {
            let Some(key) = self.functions.pop(lane) else { break };
            if self.lease(key, host, false, assign) {
                given += 1;
            }
        }
        self.functions.end_turn(function, held);
        true
    }

    /// Gives parts that may be what kills hosts to hosts that have nothing else.
    fn dispatch_alone(&mut self, function: FunctionKey, assign: &mut impl FnMut(Assignment<'_>)) {
        while let Some(key) = self.functions.get_mut(function).and_then(|function| function.alone.pop_front())
        {
            if !self.parts.contains_key(key) {
                continue;
            }
            let free = |ledger: &Self, host: HostKey| {
                ledger
                    .hosts
                    .get(host)
                    .is_some_and(|credit| credit.open && credit.limit > 0 && credit.leases == 0)
            };
            let hosts = self.functions.hosts(function);
            let chosen = hosts.iter().copied().find(|&host| free(self, host));
            let awaited = || {
                let known = hosts.iter().filter_map(|&key| self.hosts.get(key).map(|credit| (key, credit)));
                known
                    .filter(|(_, credit)| credit.open)
                    .min_by_key(|(_, credit)| credit.leases)
                    .map(|(key, _)| key)
            };
            match chosen {
                Some(host) => {
                    if let Some(credit) = self.hosts.get_mut(host) {
                        credit.alone = Alone::Busy;
                    }
                    self.lease(key, host, true, assign);
                }
                None => {
                    let awaited = awaited();
                    if let Some(credit) = awaited.and_then(|host| self.hosts.get_mut(host)) {
                        credit.alone = if credit.alone == Alone::Busy { Alone::Busy } else { Alone::Awaited };
                    }
                    if let Some(function) = self.functions.get_mut(function) {
                        function.alone.push_front(key);
                    }
                    return;
                }
            }
        }
    }

    /// Leases a part to a host; false when its message has ended meanwhile.
    fn lease(
        &mut self,
        key: PartKey,
        host: HostKey,
        alone: bool,
        assign: &mut impl FnMut(Assignment<'_>),
    ) -> bool {
        let Some(part) = self.parts.get_mut(key) else { return false };
        if !self.messages.contains_key(part.message) {
            self.remove_part(key);
            return false;
        }
        let Some(credit) = self.hosts.get_mut(host) else { return false };
        let bytes = part.body.payload.len();
        credit.take(bytes);
        let atomic = credit.functions.as_ref().is_some_and(|_| self.functions.is_atomic(part.function));
        let lease = self.leases.insert(Lease {
            part: key,
            host,
            results: 0,
            result_bytes: 0,
            bytes: bytes as u32,
            out: true,
            alone,
            atomic,
        });
        part.lease = Some(lease);
        part.attempt += 1;
        if let Some(history) = &mut part.history {
            history.held.clear();
        }
        let function = self.functions.get(part.function).map_or("", |function| function.name());
        assign(Assignment { host, lease, part, function });
        true
    }

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
            credit.give_back(lease.bytes as usize);
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

    /// Fails what waited for a function that nobody has offered for so long.
    pub fn expire_unoffered(&mut self, wait: Duration, now: Instant) -> Vec<(MessageKey, String)> {
        if !self.functions.any.is_empty() {
            return Vec::new();
        }
        let expired: Vec<_> = self
            .functions
            .iter()
            .filter(|(_, function)| function.waits())
            .filter(|(_, function)| function.unoffered.is_some_and(|since| now.duration_since(since) >= wait))
            .map(|(key, function)| (key, function.name().to_owned()))
            .collect();
        let mut failed = Vec::new();
        for (function, name) in expired {
            let (waiting, lanes) = self.functions.take_waiting(function);
            for part in waiting {
                if let Some(part) = self.remove_part(part) {
                    failed.push((part.message, name.clone()));
                }
            }
            for (job, lane) in lanes {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.lanes.retain(|&other| other != lane);
                }
                self.functions.remove_lane(lane);
            }
        }
        failed
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
    fn requeue(&mut self, key: PartKey) {
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
    fn remove_part(&mut self, key: PartKey) -> Option<Part> {
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
