//! The program `pylm`: jobs, cache, plugins, clusters, journals and measurements from the command line. A file for each subcommand.

#![warn(clippy::print_stderr, reason = "it panics where nobody takes what is written")]

mod arguments;
mod attach;
mod beginning;
mod bench;
mod cache;
mod cluster;
mod completions;
mod failed;
mod failure;
mod interrupt;
mod job;
mod journal;
mod man;
mod node;
mod plugin;
mod readiness;
mod run;
mod status;

use arguments::{Arguments, Command};
use clap::Parser;
use failure::written;
use pylm_protocol::visible_lines;
use std::io::{self, Write};
use std::process::ExitCode;

/// The exit code for a command line that makes no sense.
const WRONG_USAGE: u8 = 2;

/// Does what the command line says, and returns the program's exit code.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return answer(&error),
    };
    let outcome = match arguments.command {
        Command::Job(arguments) => job::command::job(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Cache(arguments) => cache::cache(&arguments),
        Command::Status(arguments) => status::status(&arguments),
        Command::Top(arguments) => status::top::top(&arguments),
        Command::Jobs(arguments) => status::jobs::jobs(&arguments),
        Command::Attach(arguments) => attach::attach(&arguments),
        Command::Cancel(arguments) => status::cancel::cancel(&arguments),
        Command::Failed(arguments) => failed::failed(&arguments),
        Command::Explain(arguments) => status::explain::explain(&arguments),
        Command::Functions(arguments) => status::functions::functions(&arguments),
        Command::Bench(arguments) => bench::bench(&arguments),
        Command::Up(arguments) => cluster::up(&arguments),
        Command::Graph(arguments) => cluster::graph(&arguments),
        Command::Tied(arguments) => cluster::tied(&arguments),
        Command::Plugin(arguments) => plugin::plugin(&arguments),
        Command::Journal(arguments) => journal::journal(&arguments),
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Man(arguments) => man::man(&arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// Writes help or the version, or what is wrong with the command line.
fn answer(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // What was typed may have colours of somebody else.
        let _ = io::stderr().write_all(visible_lines(&error.to_string()).to_string().as_bytes());
        return ExitCode::from(WRONG_USAGE);
    }
    match written(error.print().and_then(|()| io::stdout().flush())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
