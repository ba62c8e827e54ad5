//! `pylm job`: a job on a node that is there.

use crate::arguments::JobArguments;
use crate::failure::Failure;
use crate::job::connect_in;
use crate::job::stream::{self, Ending, Prepared};
use std::process::ExitCode;

/// Does the job.
pub(crate) fn job(arguments: &JobArguments) -> Result<ExitCode, Failure> {
    let prepared = Prepared::new(&arguments.stream)?;
    let client = connect_in(&arguments.session, &arguments.node)?;
    let runtime = stream::runtime()?;
    runtime
        .block_on(stream::stream(
            client,
            &arguments.function,
            &arguments.stream,
            prepared,
            std::future::pending(),
        ))
        .map(Ending::code)
}
