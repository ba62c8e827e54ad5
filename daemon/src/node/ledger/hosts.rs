//! Hosts come, change their limits, leave, are lost, and come back.

use super::credit::{Alone, Credit};
use super::entries::History;
use super::{FunctionKey, HostKey, LeaseKey, Ledger, Part, PartOf};
use crate::node::bounds::{MOST_WINDOW, SUSPECT_PAUSE};
use pylm_protocol::FunctionOffer;
use std::time::Instant;

impl Ledger {
    /// A host called `name` that offers these functions (`None`: any that nobody offers), or follows these topics.
    pub fn add_host(
        &mut self,
        limit: u64,
        limit_bytes: u64,
        functions: Option<&[FunctionOffer<'_>]>,
        name: &str,
        now: Instant,
    ) -> HostKey {
        let functions = functions.map(|functions| self.intern_all(functions, name, now));
        let host = self.hosts.insert(Credit::new(limit, limit_bytes, functions, name));
        self.offer(host);
        // Now, when what it offers is offered again, so that no function is forgotten in between.
        let blamed = self.greet(name);
        if let Some(credit) = self.hosts.get_mut(host) {
            credit.blamed = blamed;
        }
        host
    }

    /// A host that was lost is back.
    pub fn return_host(
        &mut self,
        host: HostKey,
        limit: u64,
        limit_bytes: u64,
        functions: Option<&[FunctionOffer<'_>]>,
        name: &str,
        now: Instant,
    ) {
        let functions = functions.map(|functions| self.intern_all(functions, name, now));
        self.set_travelling(host, 0);
        if let Some(credit) = self.hosts.get_mut(host) {
            *credit = Credit::new(limit, limit_bytes, functions, name);
            self.offer(host);
        }
        self.greet(name);
    }

    fn offer(&mut self, host: HostKey) {
        if let Some(credit) = self.hosts.get(host).filter(|credit| !credit.offers_nothing()) {
            self.functions.offer(host, credit.functions.as_deref());
        }
    }

    fn intern_all(&mut self, functions: &[FunctionOffer<'_>], host: &str, now: Instant) -> Vec<FunctionKey> {
        let intern = |offer: &FunctionOffer<'_>| {
            if offer.topic {
                return self.follow(offer.name, host, now);
            }
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
    pub fn set_limit(&mut self, host: HostKey, limit: u64, limit_bytes: u64, now: Instant) {
        let Some(credit) = self.hosts.get_mut(host) else { return };
        let before = credit.offers_nothing();
        credit.limit = limit;
        credit.limit_bytes = limit_bytes;
        self.functions.dispatchable = true;
        match (before, credit.offers_nothing()) {
            _ if !credit.open => {}
            (false, true) => self.functions.withdraw(host, None, now),
            (true, false) => self.offer(host),
            _ => {}
        }
    }

    /// So many of the leases that a host takes are on their way there and back.
    pub fn set_travelling(&mut self, host: HostKey, travelling: u64) {
        let Some(credit) = self.hosts.get_mut(host) else { return };
        // All hosts together may say more than a number can hold.
        self.travelling -= std::mem::take(&mut credit.travelling);
        credit.travelling = travelling.min(MOST_WINDOW);
        self.travelling += credit.travelling;
    }

    /// Leases that are on their way to all hosts and back: as many messages of a job may be under way beside the usual ones.
    pub fn travelling(&self) -> u64 {
        self.travelling
    }

    /// A host is leaving: it gets nothing more, and answers what it has.
    pub fn retire_host(&mut self, host: HostKey, now: Instant) {
        if let Some(credit) = self.hosts.get_mut(host)
            && std::mem::replace(&mut credit.open, false)
        {
            self.functions.withdraw(host, credit.functions.as_deref(), now);
        }
    }

    /// A host's connection is lost: what it had goes to others. Parts that were alone at `max_attempts` hosts that were lost
    /// are returned; their messages have failed. A host that `may_return` keeps its key for answers.
    pub fn lose_host(&mut self, host: HostKey, may_return: bool, now: Instant) -> Vec<PartOf<Part>> {
        let attempts = self.rules.max_attempts;
        self.lose(host, may_return, attempts, now, |history, _, alone| match alone {
            true => history.deaths += 1,
            false => history.suspicions += 1,
        })
    }

    /// A host that does one message after the other, in order, is lost: it was `at` these, and the others had no part in it. Those
    /// that were at as many as `attempts` such hosts are returned.
    pub fn lose_worker(
        &mut self,
        host: HostKey,
        at: &[LeaseKey],
        attempts: u32,
        now: Instant,
    ) -> Vec<PartOf<Part>> {
        self.lose(host, false, attempts, now, |history, lease, _| {
            history.deaths += u32::from(at.contains(&lease));
        })
    }

    fn lose(
        &mut self,
        host: HostKey,
        may_return: bool,
        attempts: u32,
        now: Instant,
        blame: impl Fn(&mut History, LeaseKey, bool),
    ) -> Vec<PartOf<Part>> {
        if may_return {
            self.expect_back(host, now);
        }
        self.retire_host(host, now);
        self.set_travelling(host, 0);
        let lost: Vec<_> = self
            .leases
            .iter()
            .filter(|(_, lease)| lease.host == host && lease.out)
            .map(|(key, lease)| (key, lease.part, lease.alone))
            .collect();
        self.activity.deaths += lost.len() as u64;
        self.activity.hosts_lost += u64::from(!lost.is_empty());
        if let [(_, part, _)] = lost[..] {
            self.blame(host, part);
        }
        let mut failed = Vec::new();
        for (key, part_key, alone) in lost.into_iter().rev() {
            let keep = may_return && self.entries.part(part_key).is_some();
            match self.leases.get_mut(key) {
                Some(lease) if keep => lease.out = false,
                _ => drop(self.leases.remove(key)),
            }
            let Some(mut part) = self.entries.part_mut(part_key) else { continue };
            part.lease = None;
            let history = part.history();
            if keep {
                history.orphans.push(key);
            }
            blame(history, key, alone);
            let is_over = history.deaths >= attempts;
            if alone {
                self.functions.spare(part.function, now + SUSPECT_PAUSE);
            }
            if is_over {
                failed.extend(self.remove_part(part_key));
            } else {
                self.requeue(part_key);
            }
        }
        if let Some(credit) = self.hosts.get_mut(host) {
            credit.leases = 0;
            credit.bytes = 0;
            credit.asked_back = 0;
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
        self.set_travelling(host, 0);
        self.hosts.remove(host);
        self.leases.retain(|_, lease| lease.host != host);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::*;

    #[test]
    fn what_is_on_its_way_to_hosts_is_a_sum_of_those_that_are_there() {
        let now = Instant::now();
        let mut ledger = Ledger::new(Rules { max_attempts: 3, gathers: false });
        let offer = [FunctionOffer::function("f")];
        let hosts = [(); 3].map(|()| ledger.add_host(10, 1 << 20, Some(&offer), "host", now));
        for (host, travelling) in hosts.into_iter().zip([100, 7, u64::MAX]) {
            ledger.set_travelling(host, travelling);
        }
        assert_eq!(ledger.travelling(), 107 + MOST_WINDOW);
        ledger.set_travelling(hosts[0], 3);
        ledger.forget_host(hosts[2]);
        assert_eq!(ledger.travelling(), 10);
        ledger.lose_host(hosts[1], true, now);
        ledger.return_host(hosts[1], 10, 1 << 20, Some(&offer), "host", now);
        assert_eq!(ledger.travelling(), 3);
    }
}
