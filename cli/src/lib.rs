//! The program `pylm`: jobs, cache, plugins, clusters, journals and measurements from the command line. A file for each subcommand.

#![warn(clippy::print_stderr, reason = "it panics where nobody takes what is written")]

mod access;
mod arguments;
mod attach;
mod beginning;
mod bench;
mod cache;
mod cluster;
mod completions;
mod failed;
mod failure;
#[cfg(test)]
mod help;
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
use pylm_units::no_number;
use std::error::Error as _;
use std::ffi::OsString;
use std::io::{self, Write};
use std::num::ParseIntError;
use std::process::ExitCode;

/// The exit code for a command line that makes no sense.
const WRONG_USAGE: u8 = 2;

/// Does what the command line says, and returns the program's exit code.
pub fn run() -> ExitCode {
    pylm_transport::settle_process();
    if let Some(code) = pylm_transport::run_below_init() {
        return code;
    }
    let arguments = match Arguments::try_parse_from(behind_the_command(std::env::args_os().collect())) {
        Ok(arguments) => arguments,
        Err(error) => return answer(&error),
    };
    let outcome = match arguments.command {
        Command::Job(arguments) => job::command::job(&arguments),
        Command::Run(arguments) => run::run(&arguments.plugin, &arguments.private),
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
        Command::Access(arguments) => access::access(&arguments),
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

#[cfg(test)]
fn commands() -> [clap::Command; 1] {
    [<Arguments as clap::CommandFactory>::command()]
}

/// Writes help or the version, or what is wrong with the command line.
fn answer(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // What was typed may have colours of somebody else.
        let _ = io::stderr().write_all(visible_lines(&usage(error)).to_string().as_bytes());
        return ExitCode::from(WRONG_USAGE);
    }
    match written(error.print().and_then(|()| io::stdout().flush())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// What is wrong with the command line.
fn usage(error: &clap::Error) -> String {
    let text = error.to_string();
    match error.source().and_then(|source| source.downcast_ref::<ParseIntError>()) {
        Some(number) => text.replace(&number.to_string(), no_number(number)),
        None => text,
    }
}

/// The arguments with those that say where the node is behind the command, as most commands take them, and where they may stand
/// before it, too.
fn behind_the_command(mut args: Vec<OsString>) -> Vec<OsString> {
    const OF_THE_NODE: [&str; 4] = ["--access", "--db", "--session", "--wait"];
    let mut end = 1;
    while let Some(arg) = args.get(end).and_then(|arg| arg.to_str()) {
        end += match arg.split_once('=') {
            Some((name, _)) if OF_THE_NODE.contains(&name) => 1,
            None if OF_THE_NODE.contains(&arg) && end + 1 < args.len() => 2,
            _ => break,
        };
    }
    if end < args.len() {
        args[1..=end].rotate_right(1);
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_may_be_named_before_the_command() {
        for (typed, read) in [
            ("pylm --db a --wait=1s jobs --json", "pylm jobs --db a --wait=1s --json"),
            ("pylm jobs --db a", "pylm jobs --db a"),
            ("pylm --help", "pylm --help"),
            ("pylm --db", "pylm --db"),
            ("pylm --db a", "pylm --db a"),
            ("pylm", "pylm"),
        ] {
            let args = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
            assert_eq!(behind_the_command(args(typed)), args(read), "{typed}");
        }
    }
}
