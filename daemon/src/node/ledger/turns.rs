//! Turns: which part goes to which host next.

use super::credit::{Alone, Credit};
use super::entries::History;
use super::functions::{Function, TURN};
use super::leases::Lease;
use super::{FunctionKey, HostKey, LeaseKey, Ledger, Part, PartKey, PartOf};
use std::time::{Duration, Instant};

/// What a host is to be given.
#[derive(Debug)]
pub struct Assignment<'a> {
    /// Who.
    pub host: HostKey,
    /// Under which key.
    pub lease: LeaseKey,
    /// What.
    pub part: PartOf<&'a Part>,
    /// The function's name.
    pub function: &'a str,
    /// When the message is to have ended.
    pub deadline: Option<Instant>,
}

/// A part that waited in vain.
#[derive(Debug)]
pub struct Unoffered {
    /// What waited.
    pub part: PartOf<Part>,
    /// The function that nobody offers, or the topic that nobody follows.
    pub name: String,
}

/// Functions that a job remembers to have waited for in vain.
const GIVEN_UP: usize = 16;

impl Ledger {
    /// Whether something may go to a host that could not when hosts were given something last.
    #[inline]
    pub fn may_dispatch(&self) -> bool {
        self.functions.dispatchable
    }

    /// Gives waiting parts to hosts with credit, the least loaded first.
    pub fn dispatch(&mut self, mut assign: impl FnMut(Assignment<'_>)) {
        let waiting: Vec<_> =
            self.functions.iter().filter(|(_, function)| function.waits()).map(|(key, _)| key).collect();
        // Who was kept free for a message is kept no longer than there is one: another host may have had it meanwhile.
        self.hosts.values_mut().for_each(Credit::stop_waiting);
        for &function in &waiting {
            self.dispatch_alone(function, &mut assign);
        }
        for function in waiting {
            while let Some((host, share)) = self.least_loaded(function) {
                if !self.dispatch_turn(function, host, share.min(TURN as u64), &mut assign) {
                    break;
                }
            }
        }
        self.functions.dispatchable = false;
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
            match self.lease(key, host, false, assign) {
                true => given += 1,
                false => self.functions.passed_over(lane),
            }
        }
        self.functions.end_turn(function, given, held);
        true
    }

    /// Gives parts that may be what kills hosts to hosts that have nothing else.
    fn dispatch_alone(&mut self, function: FunctionKey, assign: &mut impl FnMut(Assignment<'_>)) {
        while let Some(key) = self.next_suspect(function) {
            let Some(part) = self.entries.part(key) else { continue };
            if self.entries.message(part.message).is_none() {
                // No host is kept for a message that has ended meanwhile, as when its time was over.
                self.remove_part(key);
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

    /// Takes the first of the parts that are to be tried alone which may be tried now. Those that were alone at a host that was
    /// lost wait until all hosts are back, and a while longer: so others go on in the meantime, however few hosts there are.
    fn next_suspect(&mut self, function: FunctionKey) -> Option<PartKey> {
        let function = self.functions.get_mut(function)?;
        let is_spared = |until: Instant| self.clock.now.is_some_and(|now| now < until);
        let waits = function.absent > 0 || function.spared_until.is_some_and(is_spared);
        let is_deadly = |part: PartKey| self.entries.part(part).is_some_and(|part| part.is_deadly());
        let place = function.alone.iter().position(|&part| !waits || !is_deadly(part))?;
        function.alone.remove(place)
    }

    /// Time has passed: parts that were to be run again are queued, and those that are to be tried alone may be tried.
    pub fn resume(&mut self, now: Instant) {
        self.resume_retries(now);
        self.functions.dispatchable |= self.has_suspects();
    }

    /// Whether parts wait to be tried alone.
    pub(super) fn has_suspects(&self) -> bool {
        self.functions.iter().any(|(_, function)| !function.alone.is_empty())
    }

    /// Leases a part to a host; false when its message has ended meanwhile.
    fn lease(
        &mut self,
        key: PartKey,
        host: HostKey,
        alone: bool,
        assign: &mut impl FnMut(Assignment<'_>),
    ) -> bool {
        let Some(message) = self.entries.part(key).map(|part| part.message) else { return false };
        let Some(deadline) = self.entries.message(message).map(|message| message.deadline) else {
            self.remove_part(key);
            return false;
        };
        let Some(mut part) = self.entries.part_mut(key) else { return false };
        let Some(credit) = self.hosts.get_mut(host) else { return false };
        let bytes = part.body.payload.len();
        if credit.leases == 0 {
            credit.moved = self.clock.now;
        }
        credit.take(bytes);
        let function = self.functions.get(part.function);
        let atomic = credit.functions.is_some() && function.is_some_and(Function::is_atomic);
        let lease = self.leases.insert(Lease {
            part: key,
            host,
            results: 0,
            result_bytes: 0,
            bytes,
            out: true,
            roomless: false,
            alone,
            atomic,
            serial: self.moves,
            asked_back: false,
            since: self.clock.nanos,
        });
        part.lease = Some(lease);
        self.moves += 1;
        self.activity.attempts += 1;
        part.attempt += 1;
        if let Some(history) = &mut part.history {
            let History { held, orphans, .. } = &mut **history;
            held.retain(|(lease, ..)| orphans.contains(lease));
        }
        let function = function.map_or("", Function::name);
        let deadline = deadline.and_then(|deadline| self.clock.time_at(deadline));
        let PartOf { message, job, identity, part } = part;
        let part = PartOf { message, job, identity, part: &*part };
        assign(Assignment { host, lease, part, function, deadline });
        true
    }

    /// Takes what waited for a function that nobody has offered for so long, or for a follower that was not there.
    pub fn expire_unoffered(&mut self, wait: Duration, now: Instant) -> Vec<Unoffered> {
        let any = !self.functions.any.is_empty();
        let is_over = |function: &&Function| {
            let unoffered = function.unoffered.is_some_and(|since| now.duration_since(since) >= wait);
            let is_unknown = !any && function.absent == 0 && function.waits();
            unoffered && (function.is_follower() || is_unknown)
        };
        let expired: Vec<_> = self
            .functions
            .iter()
            .filter(|(_, function)| is_over(function))
            .map(|(key, function)| (key, function.name().to_owned(), function.is_follower()))
            .collect();
        let mut unoffered = Vec::new();
        for (part, function) in self.functions.take_hopeless() {
            let name = self.functions.get(function).map_or("", Function::name).to_owned();
            unoffered.extend(self.remove_part(part).map(|part| Unoffered { part, name }));
        }
        for (function, name, is_follower) in expired {
            let (waiting, lanes) = self.functions.take_waiting(function);
            let parts = waiting.into_iter().filter_map(|part| self.remove_part(part));
            unoffered.extend(parts.map(|part| Unoffered { part, name: name.clone() }));
            for (job, lane) in lanes {
                if let Some(job) = self.jobs.get_mut(job) {
                    if !is_follower && job.lanes.len() <= GIVEN_UP {
                        self.functions.give_up(lane, now);
                        continue;
                    }
                    job.lanes.retain(|&other| other != lane);
                }
                self.functions.remove_lane(lane);
            }
            if is_follower {
                self.forget_follower(function, &name);
            }
        }
        unoffered
    }

    /// Whether parts came for functions that their jobs have waited for in vain.
    #[inline]
    pub fn has_hopeless(&self) -> bool {
        self.functions.hopeless
    }

    /// The names of the functions that hosts offer.
    pub fn offered_functions(&self) -> impl Iterator<Item = &str> {
        self.offered().filter(|function| !function.is_follower()).map(Function::name)
    }

    /// The topics that somebody follows.
    pub fn followed_topics(&self) -> impl Iterator<Item = &str> {
        self.offered().filter(|function| function.is_follower()).map(Function::name)
    }

    fn offered(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().map(|(_, function)| function).filter(|function| !function.hosts.is_empty())
    }
}
