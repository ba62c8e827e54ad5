//! Starts a child process, watches it, and starts it again when it crashes or falls silent.
//!
//! Parent and child are tied by a socket pair that is the child's standard input: the child ends when its parent is gone
//! ([`ParentLink`]), and the parent hears the child's signs of life on it. So it works on every Unix, for any way in which
//! either side can end.

mod backoff;
mod link;
mod report;

pub use backoff::{Backoff, growing, random_fraction};
pub use link::ParentLink;

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

/// The delay before the first restart, which doubles with each that follows.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest delay before a restart.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// A child that lived for so long is started again as if it had never failed.
const STEADY: Duration = Duration::from_secs(30);
/// The exit code by which a child says that no restart can help: usage, configuration or a plugin is wrong.
const REFUSED: i32 = 2;
/// The exit code by which a child says that it is to be started again at once: it has done what it could, and nothing is wrong
/// with the next one.
pub const AGAIN: i32 = 75;

/// What to start.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// Its name, for the log.
    pub name: String,
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments, without the program itself.
    pub args: Vec<OsString>,
    /// Variables of this process that the child does not get.
    pub env_remove: Vec<OsString>,
    /// The child is killed, and started again, when it was silent for so long; counted from its first sign of life.
    pub silence: Duration,
    /// Called each time the child says that it is ready.
    pub on_ready: Option<fn()>,
}

/// How the supervision of a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As it was told to, with this exit code; `None` where a signal ended it, or it did not run.
    Stopped(Option<i32>),
    /// The child said (with exit code 2) that no restart can help. It has said why itself.
    Refused,
}

#[derive(Debug)]
enum Order {
    Drain,
    Stop { grace: Duration },
}

/// A child that is being watched. When this is dropped, the child is killed.
#[derive(Debug)]
pub struct Supervisor {
    orders: UnboundedSender<Order>,
    thread: JoinHandle<Ended>,
}

impl Supervisor {
    /// Starts the child, on a thread that watches it from then on.
    ///
    /// # Errors
    /// When the system gives no thread or descriptors. A child that cannot be started is tried again.
    pub fn start(spec: ChildSpec) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (orders, received) = unbounded_channel();
        let name = format!("watch {}", spec.name);
        let thread =
            thread::Builder::new().name(name).spawn(move || runtime.block_on(supervise(&spec, received)))?;
        Ok(Supervisor { orders, thread })
    }

    /// Tells the child to finish (SIGTERM), and starts it no more.
    pub fn drain(&self) {
        self.remote().drain();
    }

    /// A handle with which another thread, such as that of the signals, can drain the child.
    pub fn remote(&self) -> Remote {
        Remote(self.orders.clone())
    }

    /// Tells the child to finish, and kills it when it has not within `grace`.
    pub fn stop(self, grace: Duration) -> Ended {
        self.stop_soon(grace);
        self.wait()
    }

    /// As [`stop`](Self::stop), without waiting: to stop several at once.
    pub fn stop_soon(&self, grace: Duration) {
        let _ = self.orders.send(Order::Stop { grace });
    }

    /// Waits until the child has ended for good.
    pub fn wait(self) -> Ended {
        let Supervisor { orders, thread } = self;
        let ended = thread.join().unwrap_or(Ended::Stopped(None));
        drop(orders);
        ended
    }

    /// Whether the child has ended for good.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Drains a supervised child from elsewhere. While there is one, a dropped [`Supervisor`] does not kill its child.
#[derive(Debug, Clone)]
pub struct Remote(UnboundedSender<Order>);

impl Remote {
    /// As [`Supervisor::drain`].
    pub fn drain(&self) {
        // It fails only when the child has ended for good.
        let _ = self.0.send(Order::Drain);
    }
}

async fn supervise(spec: &ChildSpec, mut orders: UnboundedReceiver<Order>) -> Ended {
    let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
    loop {
        let started = Instant::now();
        match Running::start(spec) {
            Ok(mut running) => {
                let (status, told) = running.watch(spec, &mut orders).await;
                if status.code() == Some(REFUSED) {
                    return Ended::Refused;
                }
                if told {
                    return Ended::Stopped(status.code());
                }
                if status.code() == Some(AGAIN) {
                    info!(child = spec.name, "a child is started again, as it wants to be");
                    continue;
                }
                warn!(child = spec.name, how = %report::describe(status), "a child ended");
            }
            Err(error) => {
                warn!(child = spec.name, program = ?spec.program, %error, "a child cannot be started")
            }
        }
        if started.elapsed() >= STEADY {
            backoff.reset();
        }
        let delay = backoff.next_delay();
        tokio::select! {
            () = sleep(delay) => info!(child = spec.name, "a child is started again"),
            _ = orders.recv() => return Ended::Stopped(None),
        }
    }
}

struct Running {
    child: Child,
    link: UnixStream,
    /// When it last gave a sign of life; `None` before the first.
    alive: Option<Instant>,
    linked: bool,
}

impl Running {
    fn start(spec: &ChildSpec) -> io::Result<Self> {
        let (ours, childs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).stdin(Stdio::from(OwnedFd::from(childs))).kill_on_drop(true);
        for name in &spec.env_remove {
            command.env_remove(name);
        }
        let child = command.spawn()?;
        Ok(Running { child, link: UnixStream::from_std(ours)?, alive: None, linked: true })
    }

    /// Waits for the child's end; says whether it was told to end.
    async fn watch(&mut self, spec: &ChildSpec, orders: &mut UnboundedReceiver<Order>) -> (ExitStatus, bool) {
        let mut signs = [0; 64];
        let mut told = false;
        let mut kill_at = None;
        loop {
            let silent_at = self.alive.map(|alive| alive + spec.silence);
            let next = [kill_at, silent_at].into_iter().flatten().min();
            tokio::select! {
                status = self.child.wait() => match status {
                    Ok(status) => return (status, told),
                    Err(error) => {
                        warn!(child = spec.name, %error, "a child cannot be waited for");
                        sleep(FIRST_DELAY).await;
                    }
                },
                read = self.link.read(&mut signs), if self.linked => match read {
                    Ok(read @ 1..) => {
                        self.alive = Some(Instant::now());
                        if let Some(on_ready) = spec.on_ready && signs[..read].contains(&link::READY) {
                            on_ready();
                        }
                    }
                    Ok(0) | Err(_) => self.linked = false,
                },
                order = orders.recv(), if kill_at.is_none() => {
                    told = true;
                    match order {
                        Some(Order::Drain) => self.signal(Signal::TERM),
                        Some(Order::Stop { grace }) => {
                            self.signal(Signal::TERM);
                            kill_at = Some(Instant::now() + grace);
                        }
                        None => kill_at = Some(Instant::now()),
                    }
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    if kill_at.is_none() {
                        let silence = spec.silence.as_secs_f64();
                        warn!(child = spec.name, seconds = silence, "a child gives no sign of life, and is killed");
                    }
                    self.signal(Signal::KILL);
                    self.alive = None;
                    kill_at = kill_at.map(|_| Instant::now() + spec.silence);
                }
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It fails only when the child has ended just now, which is what the signal is for.
            let _ = kill_process(pid, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn shell(script: &str, folder: &Path) -> ChildSpec {
        ChildSpec {
            name: "test".to_owned(),
            program: "/bin/sh".into(),
            args: ["-c".to_owned(), format!("cd '{}'; {script}", folder.display())]
                .map(OsString::from)
                .into(),
            env_remove: Vec::new(),
            silence: Duration::from_millis(200),
            on_ready: None,
        }
    }

    fn lines(folder: &Path) -> usize {
        std::fs::read_to_string(folder.join("starts")).unwrap_or_default().lines().count()
    }

    fn wait_for_starts(folder: &Path, wanted: usize) {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while lines(folder) < wanted {
            assert!(std::time::Instant::now() < end, "only {} starts", lines(folder));
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_child_that_crashes_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let supervisor = Supervisor::start(shell("echo x >> starts; kill -9 $$", folder.path())).unwrap();
        wait_for_starts(folder.path(), 3);
        assert!(matches!(supervisor.stop(Duration::ZERO), Ended::Stopped(_)));
    }

    #[test]
    fn a_child_that_refuses_is_not_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let supervisor = Supervisor::start(shell("echo x >> starts; exit 2", folder.path())).unwrap();
        assert_eq!(supervisor.wait(), Ended::Refused);
        assert_eq!(lines(folder.path()), 1);
    }

    #[test]
    fn a_child_that_falls_silent_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo x >> starts; echo alive >&0; exec cat > copy";
        let supervisor = Supervisor::start(shell(script, folder.path())).unwrap();
        wait_for_starts(folder.path(), 2);
        supervisor.stop(Duration::ZERO);
    }

    #[test]
    fn a_drained_child_ends_with_its_own_code() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'exit 7' TERM; echo x >> starts; while :; do read line || exit 9; done";
        let supervisor = Supervisor::start(shell(script, folder.path())).unwrap();
        wait_for_starts(folder.path(), 1);
        supervisor.drain();
        assert_eq!(supervisor.wait(), Ended::Stopped(Some(7)));
    }

    #[test]
    fn a_child_that_ignores_the_end_is_killed_after_the_grace() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo x >> starts; while :; do read line || exit 9; done";
        let supervisor = Supervisor::start(shell(script, folder.path())).unwrap();
        wait_for_starts(folder.path(), 1);
        assert_eq!(supervisor.stop(Duration::from_millis(50)), Ended::Stopped(None));
    }

    #[test]
    fn a_child_goes_with_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo x >> starts; cat > copy; echo gone > end";
        let running = {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _in_runtime = runtime.enter();
            let Running { child, link, .. } = Running::start(&shell(script, folder.path())).unwrap();
            wait_for_starts(folder.path(), 1);
            drop(link);
            (runtime, child)
        };
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !folder.path().join("end").exists() {
            assert!(std::time::Instant::now() < end, "the child goes on without its parent");
            thread::sleep(Duration::from_millis(5));
        }
        drop(running);
    }
}
