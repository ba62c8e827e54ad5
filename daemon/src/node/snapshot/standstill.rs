//! Whether a job stands still though it should not: what `/health` and `pylm status --check` tell of.
//!
//! Progress is a result or an end, of that job: that others move does not help it. What may take its time is what is at hosts, which
//! are there, as their heartbeats say; so patience is long there, and short for what no host has.

use super::standing::Standing;
use std::time::{Duration, Instant};

/// For how long work may wait while no host has any of it, though one could.
const WAITING: Duration = Duration::from_secs(10);
/// For how long hooks of the node may have a job's messages; and the least time for work at hosts.
const WORKING: Duration = Duration::from_secs(60);
/// How many times as long as the longest lease so far of the same function may take, while something waits for its end.
const LONGER: u32 = 20;

/// A job that does not move at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stillness {
    /// For how long it has not.
    pub(super) lasts: Duration,
    /// For how long it may not.
    pub(super) patience: Duration,
    /// Hosts or hooks are at work on it, or on what has its turn before it.
    pub(super) is_worked_on: bool,
}

impl Stillness {
    pub(super) fn is_over(&self) -> bool {
        self.lasts >= self.patience
    }
}

/// How still a job stands; `None` where it has nothing to do, or waits for its own client. `most` is how long it may at most.
pub(super) fn stillness(job: &Standing<'_>, most: Duration, now: Instant) -> Option<Stillness> {
    if job.under_way == 0 || job.awaits_client() {
        return None;
    }
    let since =
        |then: Option<Instant>| then.map_or(Duration::ZERO, |then| now.saturating_duration_since(then));
    let at_hosts = |longest: Duration| (longest * LONGER).max(WORKING).min(most);
    let lasts = since(job.moved);
    if job.leased.parts > 0 {
        // With nothing behind it, a long message harms nobody but the one that waits for it, who may set a time limit.
        let patience = if job.waiting.is_empty() { most } else { at_hosts(job.leased.longest) };
        return Some(Stillness { lasts, patience, is_worked_on: true });
    }
    if job.waiting.is_empty() {
        return Some(Stillness { lasts, patience: WORKING.min(most), is_worked_on: true });
    }
    // Its turn comes when the hosts that it waits for have done something of what they have, of whatever job.
    if job.waiting.iter().all(|waiting| waiting.hosts > 0 && !waiting.has_room) {
        let lasts = job.waiting.iter().map(|waiting| since(waiting.hosts_moved)).fold(lasts, Duration::min);
        return Some(Stillness { lasts, patience: most, is_worked_on: true });
    }
    Some(Stillness { lasts, patience: WAITING.min(most), is_worked_on: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::ledger::{JobKey, Leased, Waiting};

    const MOST: Duration = Duration::from_secs(900);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn waits(hosts: usize, has_room: bool, hosts_moved: Option<Instant>) -> [Waiting<'static>; 1] {
        [Waiting {
            job: JobKey::default(),
            name: "f",
            is_topic: false,
            parts: 1,
            hosts,
            has_room,
            hosts_moved,
        }]
    }

    #[test]
    fn patience_is_short_where_no_host_works_and_long_where_one_does() {
        let now = Instant::now() + seconds(100);
        let job = || Standing { under_way: 1, moved: Some(now - seconds(40)), ..Standing::default() };
        let patience = |job: Standing<'_>| stillness(&job, MOST, now).map(|still| still.patience);
        let leased = |longest: u64| Leased { parts: 1, longest: seconds(longest) };
        assert_eq!(patience(Standing { under_way: 0, ..job() }), None);
        assert_eq!(patience(Standing { held: true, ..job() }), None);
        assert_eq!(patience(Standing { waiting: &waits(0, false, None), ..job() }), Some(WAITING));
        assert_eq!(patience(Standing { waiting: &waits(1, true, None), ..job() }), Some(WAITING));
        assert_eq!(patience(job()), Some(WORKING));
        assert_eq!(patience(Standing { leased: leased(0), ..job() }), Some(MOST));
        let behind = waits(1, false, Some(now));
        assert_eq!(patience(Standing { leased: leased(0), waiting: &behind, ..job() }), Some(WORKING));
        assert_eq!(patience(Standing { leased: leased(9), waiting: &behind, ..job() }), Some(seconds(180)));
        assert_eq!(patience(Standing { leased: leased(600), waiting: &behind, ..job() }), Some(MOST));
        assert_eq!(
            stillness(&Standing { leased: leased(0), ..job() }, seconds(1), now),
            Some(Stillness { lasts: seconds(40), patience: seconds(1), is_worked_on: true })
        );
    }

    #[test]
    fn a_job_that_waits_for_busy_hosts_stands_still_only_as_long_as_they_do() {
        let now = Instant::now() + seconds(2_000);
        let still = |waiting: &[Waiting<'_>]| {
            let moved = Some(now - seconds(1_000));
            stillness(&Standing { under_way: 1, moved, waiting, ..Standing::default() }, MOST, now).unwrap()
        };
        let behind_busy = still(&waits(1, false, Some(now - seconds(5))));
        assert_eq!((behind_busy.lasts, behind_busy.is_over()), (seconds(5), false));
        assert!(still(&waits(1, false, Some(now - seconds(950)))).is_over());
    }
}
