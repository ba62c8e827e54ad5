//! Hosts that were lost without a word: whatever watches over them starts them again, so that what they offered is not unknown,
//! and how they ended is told by the processes that take their places.

use super::{FunctionKey, HostKey, Ledger, PartKey};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Hosts that are expected back at one time; beyond that, none is.
const MOST: usize = 1_024;
/// What is kept of how a host ended, in bytes.
const KEPT_BYTES: usize = 1_024;

/// A host that is expected back.
#[derive(Debug)]
pub(super) struct Absent {
    since: Instant,
    functions: Vec<FunctionKey>,
    /// What it had when it was lost, where that was one part.
    blamed: Option<PartKey>,
}

/// All of them, by name: the process that comes back is another one.
pub(super) type AbsentHosts = HashMap<Box<str>, Absent>;

impl Ledger {
    /// A host was lost, and may come back.
    pub(super) fn expect_back(&mut self, host: HostKey, now: Instant) {
        let Some(credit) = self.hosts.get(host).filter(|credit| credit.open) else { return };
        let Some(offered) = credit.functions.as_ref().filter(|_| self.absent.len() < MOST) else { return };
        let name = credit.name.clone();
        let functions: Vec<_> =
            offered.iter().copied().filter(|&key| self.functions.follower(key).is_none()).collect();
        self.greet(&name);
        functions.iter().for_each(|&function| self.functions.expect(function));
        self.absent.insert(name, Absent { since: now, functions, blamed: None });
    }

    /// What a host had when it was lost was one part.
    pub(super) fn blame(&mut self, host: HostKey, part: PartKey) {
        let Some(credit) = self.hosts.get(host) else { return };
        if let Some(mut part) = self.entries.part_mut(part) {
            part.history().lost_at = Some(credit.name.clone());
        }
        if let Some(absent) = self.absent.get_mut(&credit.name) {
            absent.blamed = Some(part);
        }
    }

    /// A host of this name is here; what the one before it had when it was lost.
    pub(super) fn greet(&mut self, name: &str) -> Option<PartKey> {
        let absent = self.absent.remove(name)?;
        absent.functions.into_iter().for_each(|function| self.functions.expect_no_more(function));
        absent.blamed
    }

    /// Hosts that were lost so long ago are expected no more.
    pub fn expire_absent(&mut self, wait: Duration, now: Instant) {
        let is_over = |absent: &Absent| now.saturating_duration_since(absent.since) >= wait;
        let over: Vec<_> =
            self.absent.iter().filter(|(_, absent)| is_over(absent)).map(|(name, _)| name.clone()).collect();
        for name in over {
            self.greet(&name);
        }
    }

    /// A host tells how the process ended in whose place it is.
    pub fn explain(&mut self, host: HostKey, how: &str) {
        let Some(credit) = self.hosts.get_mut(host) else { return };
        let Some(blamed) = credit.blamed.take() else { return };
        let how = &how[..how.floor_char_boundary(KEPT_BYTES)];
        let cause = format!("the process of host {:?} ended with {how}", credit.name);
        if let Some(mut part) = self.entries.part_mut(blamed) {
            part.history().cause = Some(cause.into());
        }
    }
}
