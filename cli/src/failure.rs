//! How the program fails: a sentence on standard error, and an exit code.

use pylm_client::Error;
use pylm_protocol::visible_lines;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why the program ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something went wrong while running: exit code 1.
    Running(String),
    /// The command line, the configuration or a plugin is wrong: exit code 2.
    Usage(String),
    /// A signal asked for the end: exit code 128 and its number, without a word.
    Interrupted(u8),
    /// Whoever read the output has gone: exit code 0, without a word, as nobody misses the rest.
    OutputClosed,
}

impl Failure {
    /// Something went wrong while `doing` it.
    pub(crate) fn running(doing: impl fmt::Display) -> impl FnOnce(io::Error) -> Failure {
        move |error| Failure::Running(format!("{doing}: {error}"))
    }

    /// Tells on standard error, and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Failure::Running(text) => {
                eprintln!("pylm: {}", visible_lines(&text));
                ExitCode::from(1)
            }
            Failure::Usage(text) => {
                eprintln!("pylm: {}", visible_lines(&text));
                ExitCode::from(2)
            }
            Failure::Interrupted(signal) => ExitCode::from(128 + signal),
            Failure::OutputClosed => ExitCode::SUCCESS,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Address { .. } => Failure::Usage(error.to_string()),
            _ => Failure::Running(error.to_string()),
        }
    }
}

/// Writes to standard output; a reader that has gone is no mishap.
pub(crate) fn written(outcome: io::Result<()>) -> Result<(), Failure> {
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::Running(format!("cannot write to standard output: {error}")),
    })
}
