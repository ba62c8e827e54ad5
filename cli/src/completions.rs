//! `pylm completions`: scripts with which a shell completes the command line.

use crate::arguments::{Arguments, CompletionsArguments};
use crate::failure::{Failure, print};
use clap::CommandFactory;
use std::process::ExitCode;

/// Writes the script.
pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "pylm", &mut script);
    print(&script)?;
    Ok(ExitCode::SUCCESS)
}
