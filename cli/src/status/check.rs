//! Whether a node stands still though work waits.

use super::snapshot::Snapshot;

/// Why the node counts as stuck, as two looks at it tell; `None` when it moves, or has nothing to do. A part that is at a host is
/// being worked on, however long that takes: hosts that are lost are found by their heartbeat.
pub(super) fn standstill(before: &Snapshot, now: &Snapshot) -> Option<String> {
    let moved = before.run != now.run
        || before.counts != now.counts
        || before.moves != now.moves
        || before.outputs != now.outputs;
    if moved || now.counts.under_way == 0 || now.leases > 0 {
        return None;
    }
    let stuck = now.jobs.iter().find(|job| job.counts.under_way > 0);
    let example = stuck.map(|job| format!("; job {}: {}", job.identity, job.why)).unwrap_or_default();
    Some(format!("nothing moves, though {} messages are under way{example}", now.counts.under_way))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::snapshot::{Counts, Job};

    fn node(under_way: u64) -> Snapshot {
        let counts = Counts { accepted: under_way, under_way, ..Counts::default() };
        let job = Job { counts: counts.clone(), why: "no host".into(), ..Job::default() };
        Snapshot { counts, jobs: vec![job], ..Snapshot::default() }
    }

    #[test]
    fn work_that_waits_while_nothing_moves_is_a_standstill() {
        assert_eq!(standstill(&node(0), &node(0)), None);
        assert!(standstill(&node(3), &node(3)).is_some_and(|reason| reason.ends_with("no host")));
        assert_eq!(standstill(&node(4), &node(3)), None);
        assert_eq!(standstill(&node(3), &Snapshot { moves: 1, ..node(3) }), None);
        assert_eq!(standstill(&node(3), &Snapshot { leases: 1, ..node(3) }), None);
    }
}
