//! The program `pylm-worker`: a supervisor, and the child that does the work.

use super::life::Life;
use super::options::{WorkerOptions, stack};
use super::web::WebHost;
use super::{Host, HostError, plugins};
use crate::entrance::Entrance;
use crate::gate;
use crate::logging;
use crate::service::{self, Stop};
use crate::settings::{self, ENV_PREFIX, Origins};
use crate::supervisor::{ChildSpec, Ended, ParentLink, Supervisor, Surroundings};
use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::Duration;

const PROGRAM: &str = "pylm-worker";
/// A child whose thread that moves messages was silent for so long is stuck.
const SILENCE: Duration = Duration::from_secs(10);
/// The flag by which the program knows that it is the child.
const SUPERVISED: &str = "--supervised";
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Why the program cannot do what it is for.
#[derive(Debug, thiserror::Error)]
enum Unable {
    /// No further attempt can help, as things are.
    #[error("{0}")]
    Refused(String),
    /// The node wants no further attempt.
    #[error("{0}")]
    Dismissed(String),
    /// The next attempt may have more luck.
    #[error("{0}")]
    Failed(String),
}

impl Unable {
    fn refused(why: impl Display) -> Self {
        Unable::Refused(why.to_string())
    }

    fn code(&self) -> u8 {
        match self {
            Unable::Refused(_) | Unable::Dismissed(_) => WRONG_USAGE,
            Unable::Failed(_) => FAILED,
        }
    }
}

impl From<HostError> for Unable {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Final(why) => Unable::Refused(why),
            HostError::Dismissed(why) => Unable::Dismissed(why),
            HostError::System(_) => Unable::Failed(error.to_string()),
        }
    }
}

/// Runs the program, and gives its exit code.
pub fn main() -> ExitCode {
    pylm_transport::settle_process();
    if let Some(code) = pylm_transport::run_below_init() {
        return code;
    }
    let code = run();
    logging::finish();
    code
}

fn run() -> ExitCode {
    // Before anything else: whatever is wrong is told to the parent.
    let parent = match take_parent() {
        Ok(parent) => parent,
        Err(error) => {
            return fail(FAILED, format_args!("--supervised is for a child of this program: {error}"));
        }
    };
    let unable = match serve(parent.clone()) {
        Ok(code) => return code,
        Err(unable) => unable,
    };
    match (&unable, parent) {
        (Unable::Refused(why), Some(parent)) => parent.refuse(why),
        (Unable::Dismissed(why), Some(parent)) => parent.dismissed(why),
        _ => return fail(unable.code(), &unable),
    }
    ExitCode::from(unable.code())
}

fn take_parent() -> io::Result<Option<Arc<ParentLink>>> {
    let is_child = std::env::args_os().any(|arg| arg == SUPERVISED);
    is_child.then(|| ParentLink::take(|| logging::exit(i32::from(FAILED))).map(Arc::new)).transpose()
}

fn serve(parent: Option<Arc<ParentLink>>) -> Result<ExitCode, Unable> {
    let (options, origins) =
        match settings::parse::<WorkerOptions>(ENV_PREFIX, &crate::node::command(), std::env::args_os()) {
            Ok(settings) => settings,
            Err(error) if parent.is_some() => return Err(Unable::refused(error)),
            Err(error) => return Ok(error.report(PROGRAM)),
        };
    match options.pages.print::<WorkerOptions>() {
        Ok(true) => return Ok(ExitCode::SUCCESS),
        Ok(false) => {}
        Err(error) => return Err(Unable::Failed(format!("cannot write to standard output: {error}"))),
    }
    let name = options.name.clone().map_or_else(default_name, String::from);
    let child = parent
        .as_ref()
        .map(|parent| logging::Child { name: &name, is_terminal: parent.origin().is_terminal });
    logging::start(&options.log, child).map_err(Unable::refused)?;
    if options.plugin.is_empty() {
        let hint = "no plugin is given, so there is nothing to run; name one with --plugin, as in --plugin ./libparallel.so";
        return Err(Unable::refused(hint));
    }
    match parent {
        Some(parent) => work(options, &origins, name, parent),
        None => supervise(&options, name),
    }
}

fn fail(code: u8, why: impl Display) -> ExitCode {
    logging::last_words(PROGRAM, why);
    ExitCode::from(code)
}

/// The child: loads the plugins, and serves.
fn work(
    options: WorkerOptions,
    origins: &Origins,
    name: String,
    parent: Arc<ParentLink>,
) -> Result<ExitCode, Unable> {
    let set = plugins::load(&options.plugin, &options.plugin_dir, &options.set, origins);
    let set = set.map_err(Unable::refused)?;
    // What plugins do at their start is theirs; how this process hears signals is not.
    pylm_transport::settle_process();
    let slots = options.slots.map_or_else(cores, usize::from);
    let functions: Vec<_> = set.functions().cloned().collect();
    if functions.is_empty() {
        tracing::warn!("no plugin of this host has a function, so that it gets no messages");
    }
    let stack = stack(options.stack);
    match options.http {
        Some(address) => {
            if let Err(why) = gate::admit(&options.allow_user) {
                tracing::warn!(%why, "the system does not tell whose a connection is");
            }
            WebHost {
                address,
                name,
                slots,
                stack,
                wait: options.http_wait.into(),
                max_message: options.max_message.bytes(),
                limit_bytes: options.limit_bytes.bytes(),
                functions,
            }
            .serve(&parent)?;
        }
        None => {
            let entrance = match (&options.access, &options.db) {
                (Some(file), _) => Entrance::load(file),
                (None, Some(db)) => Entrance::to(db, &[]),
                (None, None) => Err("say where the node is, with --db or --access".to_owned()),
            };
            let Entrance { address, security } = entrance.map_err(Unable::Refused)?;
            let db = address.to_string();
            let grace = options.grace.into();
            let (limit_bytes, max_message) = (options.limit_bytes.bytes(), options.max_message.bytes());
            let spin = options.spin.into();
            Host { db, security, name, slots, stack, limit_bytes, max_message, grace, spin, functions }
                .serve(|waker| Life::begin(parent, waker))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The parent: keeps a child running until it is told to end.
fn supervise(options: &WorkerOptions, name: String) -> Result<ExitCode, Unable> {
    let ended = supervise_child(options, name);
    match ended.map_err(|error| Unable::Failed(format!("cannot start the worker: {error}")))? {
        Ended::Stopped(Some(0) | None) => Ok(ExitCode::SUCCESS),
        Ended::Stopped(Some(_)) => Ok(ExitCode::from(FAILED)),
        Ended::Refused(why) => Err(Unable::Refused(why)),
    }
}

fn supervise_child(options: &WorkerOptions, name: String) -> io::Result<Ended> {
    let mut args: Vec<OsString> = vec![SUPERVISED.into()];
    args.extend(std::env::args_os().skip(1));
    if options.name.is_none() {
        // The child's own number would change with each restart.
        args.splice(1..1, ["--name".into(), OsString::from(&name)]);
    }
    let supervisor = Supervisor::start(ChildSpec {
        name,
        program: std::env::current_exe()?,
        args,
        surroundings: Surroundings::now().without(|name| name == service::NOTIFY_SOCKET),
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
