//! `pylm job`: a job on a node that is there.

use crate::arguments::JobArguments;
use crate::failure::Failure;
use crate::job::connect;
use crate::job::input::Sources;
use crate::job::stream::{self, Ending};
use std::process::ExitCode;

/// Does the job.
pub(crate) fn job(arguments: &JobArguments) -> Result<ExitCode, Failure> {
    let sources = Sources::new(&arguments.stream.files)?;
    let client = connect(&arguments.node)?;
    let runtime = stream::runtime()?;
    runtime
        .block_on(stream::stream(
            client,
            &arguments.function,
            &arguments.stream,
            sources,
            std::future::pending(),
        ))
        .map(Ending::code)
}
