//! The program `pylm-worker`: a supervisor, and the child that does the work.

use super::life::Life;
use super::options::WorkerOptions;
use super::web::WebHost;
use super::{Host, plugins};
use crate::logging;
use crate::service::{self, Stop};
use crate::settings::{self, ENV_PREFIX, Origins};
use crate::supervisor::{ChildSpec, Ended, Supervisor};
use std::ffi::OsString;
use std::io;
use std::process::{self, ExitCode};
use std::time::Duration;

const PROGRAM: &str = "pylm-worker";
/// A child whose thread that moves messages was silent for so long is stuck.
const SILENCE: Duration = Duration::from_secs(10);
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Runs the program, and gives its exit code.
pub fn main() -> ExitCode {
    let code = run();
    logging::finish();
    code
}

fn run() -> ExitCode {
    let (options, origins) = match settings::parse::<WorkerOptions>(ENV_PREFIX, std::env::args_os()) {
        Ok(settings) => settings,
        Err(error) => return error.report(PROGRAM),
    };
    match options.pages.print::<WorkerOptions>() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => return fail(FAILED, format_args!("cannot write to standard output: {error}")),
    }
    if let Err(error) = logging::start(&options.log) {
        return fail(WRONG_USAGE, error);
    }
    if options.plugin.is_empty() {
        let hint = "no plugin is given, so there is nothing to run; name one with --plugin, as in --plugin ./libparallel.so";
        return fail(WRONG_USAGE, hint);
    }
    if options.supervised { work(options, &origins) } else { supervise(&options) }
}

fn fail(code: u8, why: impl std::fmt::Display) -> ExitCode {
    logging::last_words(PROGRAM, why);
    ExitCode::from(code)
}

/// The child: loads the plugins, and serves.
fn work(options: WorkerOptions, origins: &Origins) -> ExitCode {
    let set = plugins::load(&options.plugin, &options.plugin_dir, &options.set, origins);
    let set = match set {
        Ok(set) => set,
        Err(error) => return fail(WRONG_USAGE, error),
    };
    let name = options.name.map_or_else(default_name, String::from);
    let slots = options.slots.map_or_else(cores, usize::from);
    let functions = set.functions().cloned().collect();
    let served = match options.http {
        Some(address) => WebHost {
            address,
            name,
            slots,
            wait: options.http_wait.into(),
            max_message: options.max_message.bytes(),
            limit_bytes: options.limit_bytes.bytes(),
            functions,
        }
        .serve(),
        None => {
            let db = options.db.map(|db| db.to_string()).unwrap_or_default();
            let grace = options.grace.into();
            let (limit_bytes, max_message) = (options.limit_bytes.bytes(), options.max_message.bytes());
            let spin = options.spin.into();
            Host { db, name, slots, limit_bytes, max_message, grace, spin, functions }.serve(Life::begin)
        }
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.exit_code(), error),
    }
}

/// The parent: keeps a child running until it is told to end.
fn supervise(options: &WorkerOptions) -> ExitCode {
    match supervise_child(options) {
        Ok(Ended::Stopped(Some(0) | None)) => ExitCode::SUCCESS,
        Ok(Ended::Stopped(Some(_))) => ExitCode::from(FAILED),
        Ok(Ended::Refused) => ExitCode::from(WRONG_USAGE),
        Err(error) => fail(FAILED, format_args!("cannot start the worker: {error}")),
    }
}

fn supervise_child(options: &WorkerOptions) -> io::Result<Ended> {
    let name = options.name.clone().map_or_else(default_name, String::from);
    let mut args: Vec<OsString> = vec!["--supervised".into()];
    args.extend(std::env::args_os().skip(1));
    if options.name.is_none() {
        // The child's own number would change with each restart.
        args.splice(1..1, ["--name".into(), OsString::from(&name)]);
    }
    let supervisor = Supervisor::start(ChildSpec {
        name,
        program: std::env::current_exe()?,
        args,
        env_remove: vec!["NOTIFY_SOCKET".into()],
        silence: SILENCE,
        on_ready: Some(service::notify_ready),
    })?;
    let child = supervisor.remote();
    service::watch_signals(move |stop| match stop {
        Stop::Drain => {
            service::notify_stopping();
            child.drain();
        }
        // The child goes with its parent.
        Stop::Now => logging::exit(i32::from(FAILED)),
    })?;
    Ok(supervisor.wait())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn default_name() -> String {
    let system = rustix::system::uname();
    format!("worker-{}-{}", system.nodename().to_string_lossy(), process::id())
}
