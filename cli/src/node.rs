//! A private node: a `pylmd` with worker hosts, on ports of its own, for as long as one job takes.

use crate::arguments::PrivateArguments;
use crate::failure::Failure;
use crate::readiness::{self, Readiness};
use pylm_protocol::visible;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, PipeReader, Write, pipe};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// The node's name, before the dot of its functions.
pub(crate) const NAME: &str = "server";

/// How long the node may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// How long its last words are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Lines of the log that are kept to tell why the node ended.
const KEPT: usize = 20;

/// The one setting of the environment that is meant for private nodes too.
const PLUGIN_PATH: &str = "PYLMD_PLUGIN_PATH";

/// A running node; killed if it is dropped before it was stopped.
pub(crate) struct PrivateNode {
    child: Child,
    /// The address of its db socket.
    pub(crate) db: String,
    log: Arc<Log>,
}

/// The node's log, of which the user sees what comes while it runs. What comes before is told when it cannot start, and what
/// comes behind is of no interest: what ends together complains about each other.
#[derive(Debug, Default)]
struct Log(Mutex<(Phase, Vec<String>)>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Starting,
    Running,
    Ending,
}

impl Log {
    /// Takes a line; gives it back when it is to be shown.
    fn take(&self, line: String) -> Option<String> {
        let (phase, kept) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match phase {
            Phase::Starting if kept.len() < KEPT => kept.push(line),
            Phase::Starting => {
                kept.remove(0);
                kept.push(line);
            }
            Phase::Running => return Some(line),
            Phase::Ending => {}
        }
        None
    }

    /// Goes on to the next phase; gives what was kept.
    fn enter(&self, next: Phase) -> Vec<String> {
        let (phase, kept) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *phase = next;
        std::mem::take(kept)
    }

    /// What a node said that could not start.
    fn last_words(&self, status: ExitStatus) -> String {
        let (_, kept) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.is_empty() {
            true => format!("pylmd ended early ({status}), without a word"),
            false => format!("pylmd ended early ({status}):\n{}", kept.join("\n")),
        }
    }
}

impl PrivateNode {
    /// Starts a node with these plugins, and waits until it is ready.
    ///
    /// # Errors
    /// When there is no `pylmd`, or it ends early, with its own words.
    pub(crate) async fn start(plugins: &[PathBuf], arguments: &PrivateArguments) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("pylm-run-").tempdir();
        let folder = folder.map_err(Failure::running("cannot make a temporary folder"))?;
        let notify = folder.path().join("ready");
        let readiness =
            Readiness::listen(&notify).map_err(Failure::running("cannot listen in a temporary folder"))?;
        let program = program("pylmd");
        let (log_lines, stderr) = pipe().map_err(Failure::running("cannot start"))?;
        let mut command = command(&program, plugins, arguments);
        let mut child =
            command.stderr(stderr).env(readiness::VARIABLE, &notify).spawn().map_err(|error| {
                Failure::Usage(format!(
                    "cannot start {}: {error}; install it beside pylm or in PATH",
                    program.display()
                ))
            })?;
        // It holds the other end of the pipe.
        drop(command);
        let log = Arc::<Log>::default();
        let kept = Arc::clone(&log);
        let follower = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || follow(BufReader::new(log_lines), &kept))
            .map_err(Failure::running("cannot start a thread"))?;
        let status = tokio::select! {
            ready = readiness.next() => {
                let fields = ready.map_err(Failure::running("cannot hear of pylmd"))?;
                let Some(db) = fields.get("db").and_then(Value::as_str) else {
                    let why = format!("{} is of another version than this program", program.display());
                    return Err(Failure::Usage(why));
                };
                let lines = log.enter(Phase::Running);
                // A reader who stands still holds up nothing else.
                spawn_blocking(move || lines.iter().for_each(|line| show(line)));
                return Ok(PrivateNode { child, db: db.to_owned(), log });
            }
            status = child.wait() => status.map_err(Failure::running("cannot wait for pylmd"))?,
        };
        // What it has started may hold its log open.
        let end = Instant::now() + LAST_WORDS;
        while !follower.is_finished() && Instant::now() < end {
            sleep(Duration::from_millis(5)).await;
        }
        Err(Failure::Usage(log.last_words(status)))
    }

    /// Waits for an end that nobody asked for.
    pub(crate) async fn early_end(&mut self) -> Failure {
        match self.child.wait().await {
            Ok(status) => Failure::Running(format!("pylmd ended early ({status})")),
            Err(error) => Failure::Running(format!("cannot wait for pylmd: {error}")),
        }
    }

    /// Lets the node end: by itself within a time of grace, or else at once.
    pub(crate) async fn stop(mut self) {
        self.log.enter(Phase::Ending);
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            // It may have ended just now.
            let _ = kill_process(pid, Signal::TERM);
            if timeout(GRACE, self.child.wait()).await.is_err() {
                let _ = self.child.kill().await;
            }
        }
    }
}

/// The program of this name in the folder of this one, or the one in `PATH`.
pub(crate) fn program(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(name));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}

/// Lets a program be configured by its arguments alone: what configures the nodes of this machine is not about this one.
pub(crate) fn without_settings(command: &mut Command) {
    for (key, _) in std::env::vars_os() {
        if key.as_encoded_bytes().starts_with(b"PYLMD_") && key != PLUGIN_PATH {
            command.env_remove(key);
        }
    }
}

fn command(program: &Path, plugins: &[PathBuf], arguments: &PrivateArguments) -> Command {
    let workers = arguments.workers.or_else(|| std::thread::available_parallelism().ok());
    let mut command = Command::new(program);
    without_settings(&mut command);
    command.args(["--name", NAME]);
    for socket in ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"] {
        command.args([socket, "tcp://127.0.0.1:0"]);
    }
    // What is of no interest to whoever wants results is not written.
    command.args(["--log", if arguments.verbose { "info" } else { "warn" }]);
    command.arg("--workers").arg(workers.map_or(1, std::num::NonZero::get).to_string());
    for folder in &arguments.plugin_dir {
        command.arg("--plugin-dir").arg(folder);
    }
    for plugin in plugins {
        command.arg("--plugin").arg(plugin);
    }
    for setting in &arguments.set {
        command.arg("--set").arg::<&OsStr>(setting.as_ref());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    // A group of its own: Ctrl-C reaches this program alone, which then ends the node in order.
    command.process_group(0);
    command
}

/// Shows a line of the log. Nobody is left to tell where standard error is closed.
fn show(line: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(line));
}

/// Reads the node's log to its end. A reader of that who stands still stops this thread alone: the node leaves out of its log what does
/// not fit.
fn follow(mut lines: BufReader<PipeReader>, log: &Log) {
    let mut bytes = Vec::new();
    while lines.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let line = String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
        bytes.clear();
        if let Some(line) = log.take(line) {
            show(&line);
        }
    }
}
