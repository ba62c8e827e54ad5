//! A child process that cannot outlive its test, and whose output is at hand when the test fails.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::SIGINT;
use tempfile::TempDir;

use crate::capture::{Capture, Stream};
use crate::ready::Ready;

/// Lines of a process's output that a failed test shows.
const SHOWN: usize = 60;

/// The variable that tells a program where to say that it is ready.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// How often is looked whether a process that is not ready has ended.
const LOOK: Duration = Duration::from_millis(50);

/// Whether the processes of this test binary take SIGINT as usual.
static INTERRUPTIBLE: Once = Once::new();

/// Children hear SIGINT, also where a shell has started the tests in the background and told them to ignore it: what has a handler here
/// is as usual there. The handler does what would be done without it.
fn be_interruptible() {
    let _ = signal_hook::flag::register_conditional_default(SIGINT, Arc::new(AtomicBool::new(true)));
}

/// Processes of this test binary that have not been reaped, by process id.
static ALIVE: Mutex<BTreeMap<i32, (String, Capture)>> = Mutex::new(BTreeMap::new());

fn alive() -> MutexGuard<'static, BTreeMap<i32, (String, Capture)>> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kill every process that this test binary has started, and show what each wrote last.
pub fn kill_all() {
    for (id, (name, capture)) in std::mem::take(&mut *alive()) {
        if let Some(group) = Pid::from_raw(id) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        // Not eprintln: the test harness would keep it for a report that an abort never lets it write.
        let _ = writeln!(std::io::stderr(), "--- {name} ({id}), killed\n{}", capture.tail(SHOWN));
    }
}

/// The ids of a process's children, zombies among them; none of a process that is gone.
#[must_use]
pub fn children(process: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// A running child process.
///
/// It has a process group and a temporary working folder of its own. When it is dropped the whole group is killed, the
/// process is reaped, and its output is printed if the test panicked.
pub struct Process {
    name: String,
    child: Child,
    id: Pid,
    status: Option<ExitStatus>,
    capture: Capture,
    readers: Vec<JoinHandle<()>>,
    stdin: Option<ChildStdin>,
    folder: TempDir,
    /// Where it says that it is ready.
    notify: UnixDatagram,
}

/// What to start; see [`Process::plan`].
pub struct Plan {
    name: String,
    command: Command,
}

impl Process {
    /// A plan to run `program`, called `name` in the output of a failed test.
    ///
    /// Its standard input is a pipe that stays open until [`Process::close_stdin`], or the end of this process.
    #[must_use]
    pub fn plan(name: &str, program: impl AsRef<OsStr>) -> Plan {
        Plan { name: name.to_owned(), command: Command::new(program) }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.id.as_raw_nonzero().get()
    }

    /// Its working folder, empty at the start, and gone when the process is dropped.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The first line of either stream that contains `pattern`, waiting for it up to `timeout`.
    ///
    /// # Panics
    /// When the time is up, or the process has closed its output without such a line.
    #[track_caller]
    pub fn wait_for_line(&self, pattern: &str, timeout: Duration) -> String {
        let found = self.capture.wait_for(timeout, |line| line.contains(pattern));
        found.unwrap_or_else(|| panic!("{} did not write {pattern:?} within {timeout:?}", self.name))
    }

    /// As [`Process::wait_for_line`], for any condition, without a panic.
    pub fn find_line(&self, timeout: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.capture.wait_for(timeout, wanted)
    }

    /// Waits until it has said that it is ready, and gives what it told of itself.
    ///
    /// # Panics
    /// When the time is up, or it has ended.
    #[track_caller]
    pub fn wait_until_ready(&mut self, timeout: Duration) -> Ready {
        let end = Instant::now() + timeout;
        let mut said = vec![0; 256 << 10];
        loop {
            match self.notify.recv(&mut said) {
                Ok(length) => {
                    if let Some(ready) = Ready::heard(&said[..length]) {
                        return ready;
                    }
                }
                Err(_) => {
                    let ended = self.try_wait();
                    assert!(ended.is_none(), "{} has ended, and was not ready: {ended:?}", self.name);
                    assert!(Instant::now() < end, "{} is not ready within {timeout:?}", self.name);
                }
            }
        }
    }

    /// What it has written to standard output so far, line by line. After [`Process::wait`] that is all of it.
    #[must_use]
    #[track_caller]
    pub fn stdout_lines(&self) -> Vec<String> {
        self.capture.lines(Stream::Out)
    }

    /// As [`Process::stdout_lines`], as it was written.
    #[must_use]
    #[track_caller]
    pub fn stdout_bytes(&self) -> Vec<u8> {
        self.capture.bytes(Stream::Out)
    }

    /// What it has written to standard error so far, line by line.
    #[must_use]
    #[track_caller]
    pub fn stderr_lines(&self) -> Vec<String> {
        self.capture.lines(Stream::Err)
    }

    /// Read nothing more of what it writes, as a reader that stands still, or go on.
    pub fn hold_output(&self, held: bool) {
        self.capture.hold(held);
    }

    /// Write to its standard input.
    ///
    /// # Panics
    /// Where the input is closed on either side.
    #[track_caller]
    pub fn write_stdin(&mut self, bytes: &[u8]) {
        let Some(stdin) = &mut self.stdin else { panic!("standard input of {} is closed", self.name) };
        if let Err(error) = stdin.write_all(bytes).and_then(|()| stdin.flush()) {
            panic!("cannot write to {}: {error}", self.name);
        }
    }

    /// Close its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Send a signal to the process itself, not to its children. A process that has ended gets none.
    pub fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            let _ = kill_process(self.id, signal);
        }
    }

    /// Send a signal to it and everything in its process group, as long as it was not seen to have ended.
    pub fn signal_group(&self, signal: Signal) {
        if self.status.is_none() {
            let _ = kill_process_group(self.id, signal);
        }
    }

    /// Kill it and everything in its process group, and reap it.
    pub fn kill(&mut self) {
        let _ = kill_process_group(self.id, Signal::KILL);
        if let Ok(status) = self.child.wait() {
            self.status = Some(status);
        }
        alive().remove(&self.id());
    }

    /// How it has ended, or `None` while it runs.
    ///
    /// # Panics
    /// Where the system cannot say.
    #[track_caller]
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self
                .child
                .try_wait()
                .unwrap_or_else(|error| panic!("cannot wait for {}: {error}", self.name));
            if self.status.is_some() {
                self.finish_output();
            }
        }
        self.status
    }

    /// After its end, wait until what it had written is there. Children may hold its streams open: two seconds at most.
    pub fn finish_output(&self) {
        let end = Instant::now() + Duration::from_secs(2);
        while self.readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Wait for its end.
    ///
    /// # Panics
    /// When `timeout` has passed.
    #[track_caller]
    pub fn wait(&mut self, timeout: Duration) -> ExitStatus {
        let end = Instant::now() + timeout;
        loop {
            if let Some(status) = self.try_wait() {
                return status;
            }
            assert!(Instant::now() < end, "{} has not ended within {timeout:?}", self.name);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Wait for its end, and see that it is exit code 0.
    ///
    /// # Panics
    /// When `timeout` has passed, or with any other end.
    #[track_caller]
    pub fn wait_for_success(&mut self, timeout: Duration) {
        let status = self.wait(timeout);
        assert!(status.success(), "{} ended with {status}", self.name);
    }

    /// Its resident memory, in bytes.
    ///
    /// # Panics
    /// Where the process has ended, or the system has no `/proc`.
    #[must_use]
    #[track_caller]
    pub fn rss_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse::<u64>().ok());
        kibibytes.unwrap_or_else(|| panic!("{} has no resident memory: it has ended", self.name)) << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.capture.hold(false);
        if thread::panicking() {
            let ended = self.status.map_or_else(String::new, |status| format!(", {status}"));
            eprintln!("--- {} ({}{ended})\n{}", self.name, self.id(), self.capture.tail(SHOWN));
        }
    }
}

impl Plan {
    /// Add arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Add an argument.
    #[must_use]
    pub fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        self.args([arg])
    }

    /// Set an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Start it.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    #[track_caller]
    pub fn start(mut self) -> Process {
        INTERRUPTIBLE.call_once(be_interruptible);
        let name = self.name;
        let folder = TempDir::new().unwrap_or_else(|error| panic!("no temporary folder for {name}: {error}"));
        self.command.current_dir(folder.path()).process_group(0);
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let notify = folder.path().join(".ready");
        if !self.command.get_envs().any(|(name, _)| name == NOTIFY_SOCKET) {
            self.command.env(NOTIFY_SOCKET, &notify);
        }
        let notify = UnixDatagram::bind(&notify)
            .and_then(|socket| socket.set_read_timeout(Some(LOOK)).map(|()| socket))
            .unwrap_or_else(|error| panic!("{name} cannot be heard: {error}"));
        let mut child = self.command.spawn().unwrap_or_else(|error| {
            panic!("cannot start {name} ({:?}): {error}", self.command.get_program())
        });
        let id = Pid::from_child(&child);
        let capture = Capture::default();
        let out = child.stdout.take().map(|stream| capture.read(Stream::Out, stream));
        let err = child.stderr.take().map(|stream| capture.read(Stream::Err, stream));
        let stdin = child.stdin.take();
        alive().insert(id.as_raw_nonzero().get(), (name.clone(), capture.clone()));
        Process {
            name,
            child,
            id,
            status: None,
            capture,
            readers: out.into_iter().chain(err).collect(),
            stdin,
            folder,
            notify,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::Process;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn output_of_both_streams_is_captured_to_the_end() {
        let mut shell =
            Process::plan("shell", "sh").args(["-c", "echo one; echo two >&2; printf three"]).start();
        assert_eq!(shell.wait_for_line("tw", SOON), "two");
        shell.wait_for_success(SOON);
        assert_eq!(shell.stdout_lines(), ["one", "three"]);
        assert_eq!(shell.stdout_bytes(), b"one\nthree");
        assert_eq!(shell.find_line(SOON, |line| line == "four"), None);
    }

    #[test]
    fn a_dropped_process_takes_its_children_with_it() {
        let shell = Process::plan("shell", "sh").args(["-c", "sleep 600 & echo $!; wait"]).start();
        let child = shell.find_line(SOON, |_| true).unwrap();
        let (shell_entry, child_entry) = (format!("/proc/{}", shell.id()), format!("/proc/{child}/cmdline"));
        assert!(shell.rss_bytes() > 0);
        drop(shell);
        assert!(!Path::new(&shell_entry).exists());
        // The orphan is reaped by whoever adopts it, at a time of its own: killed, it has no command line.
        while std::fs::read(&child_entry).is_ok_and(|line| !line.is_empty()) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn standard_input_reaches_the_process() {
        let mut cat = Process::plan("cat", "cat").start();
        cat.write_stdin(b"hello\n");
        cat.wait_for_line("hello", SOON);
        cat.close_stdin();
        cat.wait_for_success(SOON);
    }
}
