//! `pylm explain`: why a job does not move.

use super::snapshot::{Job, Snapshot};
use super::{look, print};
use crate::arguments::NamedJobArguments;
use crate::beginning::Beginning;
use crate::failure::Failure;
use std::process::ExitCode;

/// Does what the arguments say.
pub(crate) fn explain(arguments: &NamedJobArguments) -> Result<ExitCode, Failure> {
    let (_, node) = look(&arguments.node)?;
    let job = find(&node, &arguments.job)?;
    print(&format!("{} ({}, client {}): {}", job.identity, job.function, job.client, job.why))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn find<'a>(node: &'a Snapshot, beginning: &Beginning) -> Result<&'a Job, Failure> {
    let is_whole = |job: &Job| job.identity == beginning.text();
    if node.left_off.jobs > 0 && !node.jobs.iter().any(is_whole) {
        // Others that are not listed may begin so too.
        let text = format!("the node lists {} of its jobs only; write all of the identity", node.jobs.len());
        return Err(Failure::Usage(text));
    }
    beginning.choose(("open job", "pylm jobs"), &node.jobs, |job| &job.identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::snapshot::LeftOff;

    #[test]
    fn where_not_all_jobs_are_listed_a_beginning_is_not_enough() {
        let job = |identity: &str| Job { identity: identity.into(), ..Job::default() };
        let mut node = Snapshot { jobs: vec![job("abc"), job("bcd")], ..Snapshot::default() };
        let find =
            |node: &Snapshot, text: &str| find(node, &text.parse().unwrap()).map(|job| job.identity.clone());
        assert!(find(&node, "ab").is_ok());
        node.left_off = LeftOff { jobs: 1 };
        assert!(matches!(find(&node, "ab"), Err(Failure::Usage(_))));
        assert!(find(&node, "abc").is_ok());
    }
}
