//! How the program fails: a sentence on standard error, and an exit code.

use pylm_client::Error;
use pylm_protocol::visible_lines;
use std::fmt;
use std::io::{self, Write};
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
                say(text);
                ExitCode::from(1)
            }
            Failure::Usage(text) => {
                say(text);
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
            Error::Address { .. } | Error::TooLong(_) | Error::NotAdmitted(_) | Error::CacheNotGranted(_) => {
                Failure::Usage(error.to_string())
            }
            _ => Failure::Running(error.to_string()),
        }
    }
}

/// Tells something on standard error. Where that is closed or full, nobody is left to tell.
pub(crate) fn say(what: impl fmt::Display) {
    let line = format!("pylm: {}\n", visible_lines(&what.to_string()));
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Writes all of it to standard output. One that was closed when the program was started (`>&-`) cannot be told from one that was thrown
/// away: before `main`, Rust opens `/dev/null` in its place, for reading and writing, as other programs open it for their children (Python's
/// `subprocess.DEVNULL`). So that nothing was written is no mishap there.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    // What stays in a buffer would be written at the end of the program, where nobody looks whether it can be.
    written(output.write_all(bytes).and_then(|()| output.flush()))
}

/// What came of writing to standard output; a reader that has gone is no mishap.
pub(crate) fn written(outcome: io::Result<()>) -> Result<(), Failure> {
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::Running(format!("cannot write to standard output: {error}")),
    })
}
