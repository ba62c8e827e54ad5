//! What messages to pylm workers carry beside what they say, and their answers too: Python's protobuf keeps fields that it does not know.

use crate::node::ledger::LeaseKey;
use pylm_protocol::palm::Tracking;
use slotmap::{Key, KeyData};
use uuid::Uuid;

/// The bits of the mark that say by which worker port a message went.
const PORT: u64 = 0xffff;

/// This run of the node: what an earlier one has sent is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunMark(u64);

impl RunMark {
    /// The mark of a run.
    pub fn of(run: Uuid) -> Self {
        RunMark(run.as_u64_pair().0 & !PORT)
    }

    /// What a message carries that goes out by this port under this lease.
    pub fn tracking(self, port: usize, lease: LeaseKey) -> Tracking {
        Tracking { lease: lease.data().as_ffi(), node: self.0 | (port as u64 & PORT) }
    }

    /// The port and the lease that an answer is for; none where it is for those of another run.
    pub fn read(self, tracking: Tracking) -> Option<(usize, LeaseKey)> {
        let lease = LeaseKey::from(KeyData::from_ffi(tracking.lease));
        (tracking.node & !PORT == self.0).then_some(((tracking.node & PORT) as usize, lease))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_the_port_and_the_lease_of_its_own_run() {
        let (run, other) = (RunMark::of(Uuid::from_u128(7 << 100)), RunMark::of(Uuid::from_u128(8 << 100)));
        let lease = LeaseKey::from(KeyData::from_ffi((3 << 32) | 9));
        for port in [0, 1, 65_535] {
            assert_eq!(run.read(run.tracking(port, lease)), Some((port, lease)));
            assert_eq!(other.read(run.tracking(port, lease)), None);
        }
    }
}
