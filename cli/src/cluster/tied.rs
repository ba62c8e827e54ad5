//! Becomes a program that is told to end when the one that started it is gone.
//!
//! A `pylm up` that is killed can tell nobody. On Linux the system does it then; the wish for it has to come from the
//! process itself, before it becomes the program. Elsewhere the programs go on.

use super::arguments::TiedArguments;
use crate::failure::Failure;
use rustix::process::{Pid, getppid};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Turns this process into the program; returns only when that fails.
pub(crate) fn tied(arguments: &TiedArguments) -> Result<ExitCode, Failure> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .map_err(|error| Failure::Running(format!("cannot hear of the end of pylm: {error}")))?;
    if getppid().map(Pid::as_raw_pid) != Some(arguments.parent) {
        return Err(Failure::Running("the pylm that started this is gone".into()));
    }
    let error = Command::new(&arguments.program).args(&arguments.args).exec();
    let program = arguments.program.display();
    Err(Failure::Usage(format!("cannot start {program}: {error}; install it beside pylm or in PATH")))
}
