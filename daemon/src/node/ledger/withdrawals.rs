//! Withdrawals: what a slow host was sent and has not begun is asked back when others have nothing to do.
//!
//! Which of its leases a host has begun, the node does not know: it asks for the latest ones, and the host gives back what it
//! can.

use super::credit::Credit;
use super::{FunctionKey, HostKey, LeaseKey, Ledger};

/// Of 65,536: a host with no more of its limit in use may take over.
const IDLE: u64 = 1 << 14;
/// Of 65,536: a host with no less of its limit in use may be asked for some.
const BUSY: u64 = 3 << 14;

impl Ledger {
    /// Leases that their hosts are to be asked for back, none of them twice, and none from after the first `settled` moves
    /// ([`moves`](Self::moves)): what is on its way is not called back.
    pub fn withdraw(&mut self, settled: u64) -> Vec<(HostKey, LeaseKey)> {
        let mut asked = Vec::new();
        if self.leases.is_empty() {
            return asked;
        }
        let functions: Vec<_> = self
            .functions
            .iter()
            .filter(|(_, function)| function.hosts.len() > 1 && !function.waits() && !function.is_follower())
            .map(|(key, _)| key)
            .collect();
        for function in functions {
            if let Some((host, count)) = self.imbalance(function) {
                self.ask_back(function, host, count, settled, &mut asked);
            }
        }
        asked
    }

    /// The busiest host of a function of which others could take something over, and how much.
    fn imbalance(&self, function: FunctionKey) -> Option<(HostKey, u64)> {
        let hosts = self.functions.hosts(function);
        let credits = || hosts.iter().filter_map(|&host| self.hosts.get(host).map(|credit| (host, credit)));
        let idle = |credit: &Credit| if credit.load() <= IDLE { credit.left() } else { 0 };
        let room: u64 = credits().map(|(_, credit)| idle(credit)).sum();
        let unasked = |credit: &Credit| credit.leases - credit.asked_back;
        let (host, busiest) = credits()
            .filter(|(_, credit)| credit.load() >= BUSY && unasked(credit) > 1)
            .max_by_key(|(_, credit)| unasked(credit))?;
        (room > 0).then(|| (host, room.min(unasked(busiest) / 2)))
    }

    fn ask_back(
        &mut self,
        function: FunctionKey,
        host: HostKey,
        count: u64,
        settled: u64,
        asked: &mut Vec<(HostKey, LeaseKey)>,
    ) {
        let mut latest: Vec<_> = self
            .leases
            .iter()
            .filter(|(_, lease)| lease.host == host && lease.out && !lease.asked_back && !lease.alone)
            .filter(|(_, lease)| lease.serial < settled)
            .filter(|(_, lease)| self.entries.part(lease.part).is_some_and(|part| part.function == function))
            .map(|(key, lease)| (lease.serial, key))
            .collect();
        latest.sort_unstable_by(|one, other| other.cmp(one));
        for (_, key) in latest.into_iter().take(count as usize) {
            if let Some(lease) = self.leases.get_mut(key) {
                lease.asked_back = true;
            }
            if let Some(credit) = self.hosts.get_mut(host) {
                credit.asked_back += 1;
            }
            asked.push((host, key));
        }
    }
}
