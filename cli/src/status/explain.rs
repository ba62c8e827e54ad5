//! `pylm explain`: why a job does not move.

use super::snapshot::Job;
use super::{look, print};
use crate::arguments::NamedJobArguments;
use crate::failure::Failure;
use std::process::ExitCode;

/// Does what the arguments say.
pub(crate) fn explain(arguments: &NamedJobArguments) -> Result<ExitCode, Failure> {
    let (_, node) = look(&arguments.node)?;
    let job = find(&node.jobs, &arguments.job)?;
    print(&format!("{} ({}, client {}): {}", job.identity, job.function, job.client, job.why))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn find<'a>(jobs: &'a [Job], prefix: &str) -> Result<&'a Job, Failure> {
    let mut found = jobs.iter().filter(|job| job.identity.starts_with(prefix));
    match (found.next(), found.next()) {
        (Some(job), None) => Ok(job),
        (Some(_), Some(_)) => {
            Err(Failure::Usage(format!("several jobs begin with `{prefix}`; write more of the identity")))
        }
        (None, _) => Err(Failure::Running(format!("no open job begins with `{prefix}`; see `pylm jobs`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_found_by_a_prefix_that_only_it_has() {
        let job = |identity: &str| Job { identity: identity.into(), ..Job::default() };
        let jobs = [job("abc"), job("abd")];
        assert!(find(&jobs, "abc").is_ok_and(|job| job.identity == "abc"));
        assert!(matches!(find(&jobs, "ab"), Err(Failure::Usage(_))));
        assert!(matches!(find(&jobs, "x"), Err(Failure::Running(_))));
    }
}
