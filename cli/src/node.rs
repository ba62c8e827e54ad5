//! A private node: a `pylmd` with worker hosts, on ports of its own, for as long as one job takes.

use crate::arguments::RunArguments;
use crate::failure::Failure;
use pylm_protocol::visible;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, PipeReader, Write, pipe};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The node's name, before the dot of its functions.
pub(crate) const NAME: &str = "server";

/// How long the node may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// Lines of the log that are kept to tell why the node ended.
const KEPT: usize = 20;

/// The one setting of the environment that is meant for private nodes too.
const PLUGIN_PATH: &str = "PYLMD_PLUGIN_PATH";

/// A running node; killed if it is dropped before it was stopped.
pub(crate) struct PrivateNode {
    child: Child,
    /// The address of its db socket.
    pub(crate) db: String,
    log: Log,
    /// From here on the log is of no interest: what ends together complains about each other.
    is_stopping: Arc<AtomicBool>,
}

/// The last lines of the node's log.
type Log = Arc<Mutex<Vec<String>>>;

impl PrivateNode {
    /// Starts a node, and waits until it is ready.
    ///
    /// # Errors
    /// When there is no `pylmd`, or it ends early, with its own words.
    pub(crate) async fn start(arguments: &RunArguments) -> Result<Self, Failure> {
        let (program, is_verbose) = (program("pylmd"), arguments.verbose);
        let (log_lines, stderr) = pipe().map_err(Failure::running("cannot start"))?;
        let mut child = command(&program, arguments).stderr(stderr).spawn().map_err(|error| {
            Failure::Usage(format!(
                "cannot start {}: {error}; install it beside pylm or in PATH",
                program.display()
            ))
        })?;
        let log = Log::default();
        let is_stopping = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = oneshot::channel();
        let (lines, kept, stopping) = (BufReader::new(log_lines), Arc::clone(&log), Arc::clone(&is_stopping));
        let is_shown = move |line: &str| is_verbose || (is_serious(line) && !stopping.load(Relaxed));
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || follow(lines, &kept, ready, is_shown))
            .map_err(Failure::running("cannot start a thread"))?;
        match is_ready.await {
            Ok(db) => Ok(PrivateNode { child, db, log, is_stopping }),
            Err(_) => {
                let status = child.wait().await.map_err(Failure::running("cannot wait for pylmd"))?;
                Err(Failure::Usage(last_words(&log, status)))
            }
        }
    }

    /// Waits for an end that nobody asked for.
    pub(crate) async fn early_end(&mut self) -> Failure {
        match self.child.wait().await {
            Ok(status) => Failure::Running(last_words(&self.log, status)),
            Err(error) => Failure::Running(format!("cannot wait for pylmd: {error}")),
        }
    }

    /// Lets the node end: by itself within a time of grace, or else at once.
    pub(crate) async fn stop(mut self) {
        self.is_stopping.store(true, Relaxed);
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

fn command(program: &std::path::Path, arguments: &RunArguments) -> Command {
    let workers = arguments.workers.or_else(|| std::thread::available_parallelism().ok());
    let mut command = Command::new(program);
    without_settings(&mut command);
    command.args(["--name", NAME]);
    for socket in ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"] {
        command.args([socket, "tcp://127.0.0.1:0"]);
    }
    command.arg("--workers").arg(workers.map_or(1, std::num::NonZero::get).to_string());
    for folder in &arguments.plugin_dir {
        command.arg("--plugin-dir").arg(folder);
    }
    for plugin in &arguments.plugin {
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

/// Reads the node's log to its end: tells the address once it is ready, and passes on what the user should see. A reader of that who
/// stands still stops this thread alone: the node leaves out of its log what does not fit.
fn follow(
    mut lines: BufReader<PipeReader>,
    log: &Log,
    ready: oneshot::Sender<String>,
    is_shown: impl Fn(&str) -> bool,
) {
    let mut ready = Some(ready);
    let mut bytes = Vec::new();
    while lines.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let line = String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
        bytes.clear();
        if let Some(db) = ready_address(&line)
            && let Some(ready) = ready.take()
        {
            // Nobody waits any more where the user has interrupted.
            let _ = ready.send(db.to_owned());
        }
        if is_shown(&line) {
            // Nobody is left to tell where standard error is closed.
            let _ = writeln!(io::stderr(), "{}", visible(&line));
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == KEPT {
            log.remove(0);
        }
        log.push(line);
    }
}

/// The address of the db socket, in the line that says that the node is ready.
fn ready_address(line: &str) -> Option<&str> {
    let (_, address) = line.split_once(" db=").filter(|_| line.contains(" ready"))?;
    let address = address.split([' ', ',']).next()?.trim_matches('"');
    (!address.is_empty()).then_some(address)
}

fn is_serious(line: &str) -> bool {
    line.contains(" WARN") || line.contains(" ERROR")
}

/// What a node said that ended early: its errors, or else all that is left of its log.
fn last_words(log: &Log, status: ExitStatus) -> String {
    let log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let errors: Vec<&str> = log.iter().map(String::as_str).filter(|line| !line.contains(" INFO")).collect();
    let words = if errors.is_empty() { log.join("\n") } else { errors.join("\n") };
    match words.is_empty() {
        true => format!("pylmd ended early ({status}), without a word"),
        false => format!("pylmd ended early ({status}):\n{words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_tells_the_address() {
        let quoted = r#"2026-01-01T00:00:00Z  INFO pylmd: ready name="server" db="tcp://127.0.0.1:4000" pull="tcp://127.0.0.1:1""#;
        assert_eq!(ready_address(quoted), Some("tcp://127.0.0.1:4000"));
        assert_eq!(ready_address("INFO ready db=tcp://127.0.0.1:4000"), Some("tcp://127.0.0.1:4000"));
        assert_eq!(ready_address("INFO bound db=tcp://127.0.0.1:4000"), None);
        assert_eq!(ready_address("INFO ready"), None);
    }
}
