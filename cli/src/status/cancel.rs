//! `pylm cancel`: ends what has not ended of a job, for its client too.

use super::job_named;
use crate::arguments::NamedJobArguments;
use crate::failure::Failure;
use crate::job::connect;
use std::process::ExitCode;

/// Does what the arguments say.
pub(crate) fn cancel(arguments: &NamedJobArguments) -> Result<ExitCode, Failure> {
    let client = connect(&arguments.node)?;
    let job = job_named(&client, &arguments.job)?;
    let was = client.cache().delete(&format!("jobs/{job}"))?;
    client.close();
    if was {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::Running(format!("the job {job} has ended meanwhile, or belongs to an earlier node")))
    }
}
