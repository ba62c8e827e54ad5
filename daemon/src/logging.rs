//! The log of both programs: lines on standard error, as text or JSON, behind a filter.

use clap::{Args, ValueEnum};
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The flags of the log; flatten them into a program's own.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogOptions {
    /// What is logged: a level, or a list of TARGET=LEVEL, as in `info,wordcount=debug`
    #[arg(long, value_name = "FILTER", default_value = "info")]
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
}

/// Starts the log of this process.
///
/// # Errors
/// When the filter cannot be parsed, or the process has a log already.
pub fn start(options: &LogOptions) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&options.log)
        .map_err(|why| LogError::Filter { filter: options.log.clone(), why })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(io::stderr)
        // Whoever read the log may be gone: a complaint about that could only go there too, and would end its thread.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    let started = match options.log_format {
        LogFormat::Text => log.compact().try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_target(true).try_init(),
    };
    started.map_err(|_| LogError::Twice)
}
