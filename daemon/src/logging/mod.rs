//! The log of both programs: lines on standard error, as text or JSON, behind a filter. Nobody who logs ever waits for its reader.

mod child;
mod lines;

pub use child::Child;

use child::{Mark, Marked};
use clap::{Args, ValueEnum};
use lines::Lines;
use pylm_protocol::{visible, visible_lines};
use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};
use std::process;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

/// The lines of this process, up to 1 MiB of them.
static LINES: Lines = Lines::new(1 << 20);
/// Set when there is somebody who writes them.
static STARTED: OnceLock<()> = OnceLock::new();
/// How long the end of a program waits for the reader of its log.
const PATIENCE: Duration = Duration::from_secs(1);

/// The flags of the log; flatten them into a program's own.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogOptions {
    /// What is logged: a level, or a list of TARGET=LEVEL, as in `info,wordcount=debug`
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = filter)]
    pub log: String,
    /// How the lines of the log look
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How the lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Time in UTC, level, text, fields
    Text,
    /// One JSON object for each line
    Json,
}

/// The log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error("--log {filter} is no filter: {why}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        why: ParseError,
    },
    /// This process has a log already.
    #[error("the log was started twice")]
    Twice,
    /// The system gave no thread.
    #[error("cannot start the thread of the log: {0}")]
    Thread(#[from] io::Error),
}

/// Reads a filter. A word alone is a level: as a target it would let nothing else through, and what is misspelt is silent.
fn filter(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for part in text.split(',').map(str::trim).filter(|part| !part.contains(['=', '['])) {
        if !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part)) {
            let levels = LEVELS.join(", ");
            return Err(format!("{part:?} is no level; there are {levels}, or write TARGET=LEVEL"));
        }
    }
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Writes a field of a line: names and texts of peers and plugins neither move a terminal's cursor nor begin lines of their own.
fn field(line: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = format!("{value:?}");
    match field.name() {
        "message" => write!(line, "{}", visible(&text)),
        name if line.has_ansi_escapes() => {
            write!(line, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{}", visible(&text))
        }
        name => write!(line, "{}={}", name.trim_start_matches("r#"), visible(&text)),
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}

/// Starts the log of this process, which may be a supervisor's child.
///
/// # Errors
/// When the filter cannot be parsed, the process has a log already, or the system has no thread to give.
pub fn start(options: &LogOptions, child: Option<Child<'_>>) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&options.log)
        .map_err(|why| LogError::Filter { filter: options.log.clone(), why })?;
    let is_terminal = child.map_or_else(|| io::stderr().is_terminal(), |child| child.is_terminal);
    let mark = child.map(|child| Arc::new(Mark::new(child.name, options.log_format)));
    let log = tracing_subscriber::fmt()
        .fmt_fields(debug_fn(field).delimited(" "))
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(move || Marked { out: &LINES, mark: mark.clone() })
        // Whoever read the log may be gone: a complaint about that could only go there too, and would end its thread.
        .log_internal_errors(false)
        .with_ansi(is_terminal);
    let started = match options.log_format {
        LogFormat::Text => log.compact().try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_target(true).try_init(),
    };
    started.map_err(|_| LogError::Twice)?;
    thread::Builder::new().name("log".to_owned()).spawn(|| {
        LINES.write(&mut io::stderr(), |lines| {
            tracing::warn!(lines, "lines of the log are left out, as nobody read them in time");
        });
    })?;
    // Only the first start comes here.
    let _ = STARTED.set(());
    Ok(())
}

/// Tells on standard error, behind what was logged, why `program` ends.
pub fn last_words(program: &str, why: impl Display) {
    let line = format!("{program}: {}\n", visible_lines(&why.to_string()));
    match STARTED.get() {
        Some(()) => LINES.push(line.as_bytes()),
        // Nobody is left to tell where standard error is closed.
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// Waits, at the end of a program, until its log is written, unless nobody reads it.
pub fn finish() {
    if STARTED.get().is_some() {
        LINES.wait_until_written(PATIENCE);
    }
}

/// Ends this process at once, but for what it has logged.
pub fn exit(code: i32) -> ! {
    finish();
    process::exit(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_silences_nothing() {
        for text in ["info", "WARN", "off", "info,wordcount=debug", "wordcount=trace", "debug,[span]=info"] {
            assert_eq!(filter(text).as_deref(), Ok(text));
        }
        for text in ["inf", "", "info,wordcount", "wordcount=inf", "info,"] {
            assert!(filter(text).is_err(), "{text}");
        }
        assert!(filter("inf").unwrap_err().contains("no level"));
    }
}
