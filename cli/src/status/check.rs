//! Whether a node is well: by the node's own judgement, or by what nobody works on for a shorter while.

use super::snapshot::{Job, Snapshot};
use std::time::Duration;

/// What a look at a node tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Well,
    /// Why it is not.
    Stuck(String),
    /// That is known in so long at the latest.
    Unknown(Duration),
}

/// What a look at a node tells, where work that no host has may wait for `within`, or for as long as the node itself allows.
pub(super) fn verdict(node: &Snapshot, within: Option<Duration>) -> Verdict {
    if let Some(trouble) = &node.trouble {
        return Verdict::Stuck(trouble.clone());
    }
    let Some(within) = within else { return Verdict::Well };
    // For how long hosts may take is the node's to say.
    let waits = |job: &&Job| !job.worked_on && job.still.is_some();
    let Some(job) = node
        .jobs
        .iter()
        .filter(waits)
        .max_by(|one, other| one.still.unwrap_or(0.0).total_cmp(&other.still.unwrap_or(0.0)))
    else {
        return Verdict::Well;
    };
    let still = Duration::try_from_secs_f64(job.still.unwrap_or_default().max(0.0)).unwrap_or(Duration::MAX);
    match within.checked_sub(still).filter(|left| !left.is_zero()) {
        Some(left) => Verdict::Unknown(left),
        None => Verdict::Stuck(format!(
            "{}; job {} ({}) has {} under way and has not moved for {:.1} s",
            job.why,
            job.identity,
            job.function,
            job.counts.under_way,
            still.as_secs_f64()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::snapshot::Counts;

    fn node(still: Option<f64>, worked_on: bool) -> Snapshot {
        let counts = Counts { accepted: 3, under_way: 3, ..Counts::default() };
        let job = Job { counts: counts.clone(), why: "no host".into(), still, worked_on, ..Job::default() };
        let moving = Job { still: Some(0.1), ..Job::default() };
        Snapshot { counts, jobs: vec![moving, job], ..Snapshot::default() }
    }

    #[test]
    fn the_nodes_own_judgement_counts_and_what_no_host_has_may_be_given_less_time() {
        let second = Duration::from_secs(1);
        let troubled = Snapshot { trouble: Some("stuck".into()), ..node(None, false) };
        assert_eq!(verdict(&troubled, None), Verdict::Stuck("stuck".into()));
        assert_eq!(verdict(&node(Some(600.0), false), None), Verdict::Well);
        assert_eq!(
            verdict(&node(Some(0.25), false), Some(second)),
            Verdict::Unknown(Duration::from_millis(750))
        );
        assert!(
            matches!(verdict(&node(Some(1.0), false), Some(second)), Verdict::Stuck(reason) if reason.starts_with("no host; job "))
        );
        assert_eq!(verdict(&Snapshot::default(), Some(second)), Verdict::Well);
    }

    #[test]
    fn what_is_worked_on_may_take_its_time() {
        let mut node = node(Some(600.0), true);
        node.jobs.remove(0);
        assert_eq!(verdict(&node, Some(Duration::from_secs(1))), Verdict::Well);
    }
}
