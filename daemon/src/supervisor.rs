//! Starts a child process, watches it, and starts it again when it crashes or falls silent.
//!
//! Parent and child are tied by a socket pair that is the child's standard input: the child ends when its parent is gone
//! ([`ParentLink`]), and the parent hears on it how the child is. So it works on every Unix, for any way in which
//! either side can end. Exit codes say nothing here: anything that runs in the child may choose one.

mod backoff;
mod link;
mod output;
mod report;
mod running;

pub use backoff::{Backoff, growing, random_fraction};
pub use link::{Fields, Origin, ParentLink};
pub use output::LOG_MARK;

use running::{End, Running};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

/// The delay before the first restart, which doubles with each that follows.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest delay before a child is started again that could not get ready.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// The longest delay after a life in which the child was ready: what ended it then was its work, and other work waits.
const LONGEST_DELAY_OF_READY: Duration = Duration::from_secs(1);
/// A child that lived for so long is started again as if it had never failed.
const STEADY: Duration = Duration::from_secs(30);

/// What to start.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// Its name, for the log.
    pub name: String,
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments, without the program itself.
    pub args: Vec<OsString>,
    /// Its variables and its working folder.
    pub surroundings: Surroundings,
    /// The child is killed, and started again, when it was silent for so long; counted from its first sign of life.
    pub silence: Duration,
    /// Called each time the child says that it is ready, and what there is to know of it.
    pub on_ready: Option<fn(&Fields)>,
}

/// The variables and the working folder of this process, for all children that it will have: what runs in it meanwhile may change
/// both for itself.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// All variables.
    pub env: Vec<(OsString, OsString)>,
    /// The working folder; `None` where that is gone.
    pub folder: Option<PathBuf>,
}

impl Surroundings {
    /// As they are now.
    pub fn now() -> Self {
        Surroundings { env: std::env::vars_os().collect(), folder: std::env::current_dir().ok() }
    }

    /// Without some variables.
    pub fn without(mut self, is_left_out: impl Fn(&OsString) -> bool) -> Self {
        self.env.retain(|(name, _)| !is_left_out(name));
        self
    }
}

/// How the supervision of a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// As it was told to, with this exit code; `None` where a signal ended it, or it did not run.
    Stopped(Option<i32>),
    /// The child said why no restart can help: it was never ready, or was dismissed by whom it works for.
    Refused(String),
}

#[derive(Debug)]
enum Order {
    Drain,
    Stop { grace: Duration },
}

/// A child that is being watched. When this is dropped, the child is killed.
#[derive(Debug)]
pub struct Supervisor {
    name: String,
    orders: UnboundedSender<Order>,
    ended: Arc<OnceLock<Ended>>,
    thread: JoinHandle<()>,
}

impl Supervisor {
    /// Starts the child, on a thread that watches it from then on.
    ///
    /// # Errors
    /// When the system gives no thread or descriptors. A child that cannot be started is tried again.
    pub fn start(spec: ChildSpec) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (orders, received) = unbounded_channel();
        let ended = Arc::<OnceLock<Ended>>::default();
        let (name, how) = (spec.name.clone(), Arc::clone(&ended));
        let thread = thread::Builder::new().name(format!("watch {name}")).spawn(move || {
            // Set once: here.
            let _ = how.set(runtime.block_on(supervise(&spec, received)));
        })?;
        Ok(Supervisor { name, orders, ended, thread })
    }

    /// The child's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells the child to finish, and starts it no more.
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
        let Supervisor { orders, thread, ended, .. } = self;
        // A thread that panicked has set nothing.
        let _ = thread.join();
        drop(orders);
        ended.get().cloned().unwrap_or(Ended::Stopped(None))
    }

    /// How the child has ended for good, if it has.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.get()
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

/// The delays before restarts.
struct Delays {
    of_ready: Backoff,
    of_others: Backoff,
}

impl Delays {
    fn new() -> Self {
        Delays {
            of_ready: Backoff::new(FIRST_DELAY, LONGEST_DELAY_OF_READY),
            of_others: Backoff::new(FIRST_DELAY, LONGEST_DELAY),
        }
    }

    fn next(&mut self, was_ready: bool, lived: Duration) -> Duration {
        if lived >= STEADY {
            *self = Delays::new();
        }
        match was_ready {
            true => self.of_ready.next_delay(),
            false => self.of_others.next_delay(),
        }
    }
}

async fn supervise(spec: &ChildSpec, mut orders: UnboundedReceiver<Order>) -> Ended {
    let mut delays = Delays::new();
    let (mut was_ever_ready, mut predecessor) = (false, None);
    loop {
        let started = Instant::now();
        let end = match Running::start(spec, predecessor.take()) {
            Ok(running) => running.watch(spec, &mut orders).await,
            Err(error) => {
                warn!(host = spec.name, program = ?spec.program, %error, "a worker host's process cannot be started");
                End::default()
            }
        };
        was_ever_ready |= end.was_ready;
        if let Some(why) = end.refused.as_ref().filter(|_| !was_ever_ready || end.is_dismissed) {
            return Ended::Refused(why.clone());
        }
        if end.was_told {
            return Ended::Stopped(end.code());
        }
        if end.again && end.was_ready {
            info!(host = spec.name, "a worker host's process is started again, as it wants to be");
            continue;
        }
        let delay = delays.next(end.was_ready, started.elapsed());
        tell(spec, &end, delay);
        predecessor = Some(end.how());
        tokio::select! {
            () = sleep(delay) => {}
            _ = orders.recv() => return Ended::Stopped(None),
        }
    }
}

/// Says how a child has ended that nobody has told to.
fn tell(spec: &ChildSpec, end: &End, delay: Duration) {
    let again_in_ms = delay.as_millis() as u64;
    match &end.refused {
        None => {
            warn!(
                host = spec.name,
                how = end.how(),
                again_in_ms,
                "a worker host's process has ended, and is started again"
            );
        }
        Some(why) => {
            warn!(
                host = spec.name,
                why, again_in_ms, "a worker host cannot start as it did before, and is tried again"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    pub(super) fn shell(script: &str, folder: &Path) -> ChildSpec {
        ChildSpec {
            name: "test".to_owned(),
            program: "/bin/sh".into(),
            args: ["-c".to_owned(), format!("cd '{}'; {script}", folder.display())]
                .map(OsString::from)
                .into(),
            surroundings: Surroundings::now(),
            silence: Duration::from_millis(200),
            on_ready: None,
        }
    }

    pub(super) fn lines(folder: &Path) -> usize {
        std::fs::read_to_string(folder.join("starts")).unwrap_or_default().lines().count()
    }

    pub(super) fn wait_for_starts(folder: &Path, wanted: usize) {
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
        let script = r#"echo x >> starts; echo '{"refused":"no such plugin"}' >&0"#;
        let supervisor = Supervisor::start(shell(script, folder.path())).unwrap();
        assert_eq!(supervisor.wait(), Ended::Refused("no such plugin".to_owned()));
        assert_eq!(lines(folder.path()), 1);
    }

    #[test]
    fn an_exit_code_says_nothing() {
        for code in [0, 1, 2, 75, 101] {
            let folder = tempfile::tempdir().unwrap();
            let script = format!("echo x >> starts; exit {code}");
            let supervisor = Supervisor::start(shell(&script, folder.path())).unwrap();
            wait_for_starts(folder.path(), 2);
            assert_eq!(supervisor.ended(), None);
            supervisor.stop(Duration::ZERO);
        }
    }

    #[test]
    fn a_child_that_was_ready_once_is_tried_again_when_it_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"echo x >> starts; [ -e ready ] && echo '{"refused":"half a file"}' >&0 && exit 2
            touch ready; echo '{"ready":{}}' >&0"#;
        let supervisor = Supervisor::start(shell(script, folder.path())).unwrap();
        wait_for_starts(folder.path(), 3);
        assert_eq!(supervisor.ended(), None);
        supervisor.stop(Duration::ZERO);
    }

    #[test]
    fn a_child_that_wants_to_be_started_again_is_only_when_it_was_ready() {
        let again = r#"echo '"again"' >&0"#;
        let (ready, never) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let script = format!(r#"echo '{{"ready":{{}}}}' >&0; echo x >> starts; {again}"#);
        let first = Supervisor::start(shell(&script, ready.path())).unwrap();
        let second = Supervisor::start(shell(&format!("echo x >> starts; {again}"), never.path())).unwrap();
        // By then, the other one waits for more than a second between its starts.
        wait_for_starts(ready.path(), 20);
        assert!(lines(never.path()) < 10, "{} starts", lines(never.path()));
        first.stop(Duration::ZERO);
        second.stop(Duration::ZERO);
    }

    #[test]
    fn delays_stay_short_for_a_child_that_was_ready() {
        let mut delays = Delays::new();
        let of_ready = (0..20).map(|_| delays.next(true, Duration::ZERO)).max().unwrap();
        let of_others = (0..20).map(|_| delays.next(false, Duration::ZERO)).max().unwrap();
        assert!(of_ready <= LONGEST_DELAY_OF_READY && of_others > LONGEST_DELAY / 2);
        assert!(delays.next(false, STEADY) <= FIRST_DELAY);
    }

    #[test]
    fn the_next_child_hears_how_the_one_before_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let script =
            "echo x >> starts; read -r line; echo \"$line\" >> origins; echo too deep >&2; kill -6 $$";
        let supervisor = Supervisor::start(shell(script, folder.path())).unwrap();
        wait_for_starts(folder.path(), 3);
        supervisor.stop(Duration::ZERO);
        let origins = std::fs::read_to_string(folder.path().join("origins")).unwrap();
        let origins: Vec<&str> = origins.lines().collect();
        assert!(origins[0].contains("null") && origins[1].contains("SIGABRT: too deep"), "{origins:?}");
    }

    #[test]
    fn a_child_that_falls_silent_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo x >> starts; echo '\"alive\"' >&0; exec cat > copy";
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
}
