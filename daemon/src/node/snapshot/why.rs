//! Why a job does not move, in one sentence.

use super::standing::Standing;
use crate::node::ledger::Waiting;

/// The sentence.
pub(super) fn why(job: &Standing<'_>) -> String {
    let unoffered = job.waiting.iter().find(|waiting| waiting.hosts == 0);
    if let Some(away) = job.away.filter(|_| job.held || job.under_way == 0) {
        return format!(
            "its client is away for {} s, and {} wait for it",
            away.as_secs(),
            number(job.outputs, "output")
        );
    }
    if job.is_deaf && job.outputs > 0 {
        return format!("its client does not listen, and {} wait for it", number(job.outputs, "result"));
    }
    if job.held {
        return format!("its client reads slowly: {} wait for it", number(job.outputs, "output"));
    }
    if let Some(Waiting { name, parts, is_topic, .. }) = unoffered {
        let name = super::short(name);
        let parts = format!("{} {}", number(*parts, "part"), if *parts == 1 { "waits" } else { "wait" });
        return if *is_topic {
            format!("nobody follows `{name}`: {parts} for it")
        } else {
            format!("no host offers `{name}`: {parts} for one")
        };
    }
    if job.is_starved {
        return "it waits for room: its results are to be taken before hosts send more".into();
    }
    let at_hosts = number(job.leased.parts as usize, "part");
    match job.waiting {
        [Waiting { name, parts, has_room: true, .. }, ..] => format!(
            "hosts of `{}` have room: {} of this job are about to go there, {at_hosts} of it at hosts",
            super::short(name),
            number(*parts, "part")
        ),
        [Waiting { name, parts, .. }, ..] => format!(
            "hosts of `{}` are busy: {} of this job wait, {at_hosts} of it at hosts",
            super::short(name),
            number(*parts, "part")
        ),
        [] if job.leased.parts > 0 => format!("moving: {at_hosts} at hosts"),
        [] if job.retrying > 0 => {
            format!("{} of it failed, and wait until they are run again", number(job.retrying, "part"))
        }
        [] if job.under_way > 0 => "moving: hooks of the node have its messages".into(),
        [] if job.outputs > 0 => format!("its client has yet to take {}", number(job.outputs, "output")),
        [] => "nothing of it is under way".into(),
    }
}

fn number(count: usize, of: &str) -> String {
    format!("{count} {of}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::ledger::{JobKey, Leased};
    use std::time::Duration;

    fn waits(hosts: usize, is_topic: bool) -> [Waiting<'static>; 1] {
        let (job, hosts_moved) = (JobKey::default(), None);
        [Waiting { job, name: "f", is_topic, parts: 3, hosts, has_room: false, hosts_moved }]
    }

    #[test]
    fn the_first_thing_in_its_way_is_told() {
        let job = || Standing { under_way: 3, ..Standing::default() };
        let leased = Leased { parts: 1, ..Leased::default() };
        let says = |standing: Standing<'_>, words: &str| {
            let text = why(&standing);
            assert!(text.contains(words), "{text:?} does not say {words:?}");
        };
        says(Standing::default(), "nothing");
        says(Standing { waiting: &waits(0, false), ..job() }, "no host offers `f`: 3 parts");
        says(Standing { waiting: &waits(0, true), ..job() }, "nobody follows `f`");
        says(Standing { waiting: &waits(2, false), leased, ..job() }, "busy");
        says(Standing { leased, ..job() }, "moving: 1 part at hosts");
        says(Standing { held: true, outputs: 9, waiting: &waits(0, false), ..job() }, "reads slowly");
        says(
            Standing { outputs: 9, away: Some(Duration::from_secs(4)), ..Standing::default() },
            "away for 4 s",
        );
        says(Standing { leased, away: Some(Duration::from_secs(4)), ..job() }, "moving");
        says(Standing { is_deaf: true, outputs: 1, ..job() }, "does not listen, and 1 result");
        says(Standing { is_starved: true, leased, ..job() }, "room");
        says(Standing { retrying: 2, ..job() }, "2 parts of it failed");
        says(Standing { outputs: 2, ..Standing::default() }, "yet to take 2 outputs");
    }
}
