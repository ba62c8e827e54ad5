//! Watches one program: starts it, starts it again when it has died, and ends it when it is told to.

use super::logs::Logs;
use super::plan::Program;
use crate::node;
use crate::readiness::{self, Readiness};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The delay before the first restart, which doubles with each that follows.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest delay before a restart.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// A program that lived for so long is started again as if it had never failed.
const STEADY: Duration = Duration::from_secs(30);
/// How long the last lines of a program that has ended are waited for; what it has started may hold its pipes open.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The exit code by which a program says that its settings or plugins are wrong.
const REFUSED: i32 = 2;

/// What a program is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Finish what is under way, and end; within its grace.
    Stop,
    /// End now.
    Kill,
}

/// What becomes of a program.
#[derive(Debug)]
pub(crate) enum Event {
    /// It serves: for the first time, or again.
    Ready,
    /// It ended before it was ever ready, and is not tried again; whether its settings are to blame, and its last words.
    NotStarted { is_refused: bool, words: String },
    /// It ended as it was told to; whether in order.
    Ended { is_clean: bool },
}

/// What a watched program needs from its surroundings.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The place of the program among the others.
    pub(crate) at: usize,
    /// The folder that it runs in.
    pub(crate) folder: PathBuf,
    /// A path at which it says that it is ready.
    pub(crate) notify: PathBuf,
    pub(crate) logs: Logs,
    pub(crate) orders: UnboundedReceiver<Order>,
    pub(crate) events: UnboundedSender<(usize, Event)>,
}

/// Keeps a program running until it is told to end.
pub(crate) async fn watch(program: Program, mut around: Surroundings) {
    let event = match Readiness::listen(&around.notify) {
        Ok(readiness) => keep(&program, &readiness, &mut around).await,
        Err(error) => Event::NotStarted {
            is_refused: false,
            words: format!("cannot listen at {}: {error}", around.notify.display()),
        },
    };
    // Nobody listens where the whole has ended.
    let _ = around.events.send((around.at, event));
}

async fn keep(program: &Program, readiness: &Readiness, around: &mut Surroundings) -> Event {
    let (mut delay, mut was_ready) = (FIRST_DELAY, false);
    loop {
        let started = Instant::now();
        let end = match Running::start(program, around) {
            Ok(mut running) => running.run(program, readiness, around, &mut was_ready).await,
            Err(error) => {
                End { told: None, how: error.to_string(), is_refused: true, is_clean: false, words: None }
            }
        };
        if end.told.is_some() {
            return Event::Ended { is_clean: end.is_clean };
        }
        if !was_ready {
            let words = match end.words {
                Some(words) => format!("{words} ({})", end.how),
                None => end.how,
            };
            return Event::NotStarted { is_refused: end.is_refused, words };
        }
        if started.elapsed() >= STEADY {
            delay = FIRST_DELAY;
        }
        if end.is_refused {
            delay = LONGEST_DELAY;
        }
        let seconds = delay.as_secs_f32();
        around
            .logs
            .say(&format!("{} has died ({}), and is started again in {seconds} s", program.name, end.how));
        tokio::select! {
            () = sleep(delay) => delay = (delay * 2).min(LONGEST_DELAY),
            _ = around.orders.recv() => return Event::Ended { is_clean: true },
        }
    }
}

/// How a process has ended.
struct End {
    /// The last order that it was given.
    told: Option<Order>,
    how: String,
    is_refused: bool,
    is_clean: bool,
    /// The last that it wrote to standard error.
    words: Option<String>,
}

struct Running {
    child: Child,
    /// Also the number of its process group.
    pid: Option<Pid>,
    output: JoinHandle<Option<String>>,
    errors: JoinHandle<Option<String>>,
}

impl Running {
    fn start(program: &Program, around: &Surroundings) -> io::Result<Running> {
        let mut command = Command::new(node::program("pylm"));
        command.arg("tied").arg(std::process::id().to_string()).arg(node::program(program.program));
        node::without_settings(&mut command);
        command.args(&program.args).current_dir(&around.folder).env(readiness::VARIABLE, &around.notify);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A group of its own: Ctrl-C reaches this program alone, which then ends the others in order.
        command.process_group(0);
        let mut child = command.spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let (at, logs) = (around.at, around.logs.clone());
        let output = tokio::spawn(async move { logs.follow(at, output?).await });
        let logs = around.logs.clone();
        let errors = tokio::spawn(async move { logs.follow(at, errors?).await });
        Ok(Running { child, pid, output, errors })
    }

    /// Waits for the end of the process.
    async fn run(
        &mut self,
        program: &Program,
        readiness: &Readiness,
        around: &mut Surroundings,
        was_ready: &mut bool,
    ) -> End {
        let (mut told, mut kill_at) = (None, None);
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status,
                Ok(_) = readiness.next() => {
                    *was_ready = true;
                    let _ = around.events.send((around.at, Event::Ready));
                }
                order = around.orders.recv(), if told != Some(Order::Kill) => {
                    told = order.or(Some(Order::Kill));
                    if told == Some(Order::Stop) {
                        self.terminate();
                        kill_at = Some(Instant::now() + program.grace);
                    } else {
                        self.kill();
                    }
                }
                () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => {
                    around.logs.say(&format!("{} does not end, and is killed", program.name));
                    kill_at = None;
                    self.kill();
                }
            }
        };
        // What it has started ends by itself; whatever is still there then holds its pipes open, and is not waited for.
        let _ = timeout(LAST_WORDS, &mut self.output).await;
        let words = timeout(LAST_WORDS, &mut self.errors).await.ok().and_then(Result::ok).flatten();
        End::new(told, status, words)
    }

    fn terminate(&self) {
        if let Some(pid) = self.pid {
            // It may have ended just now.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// With all that it has started.
    fn kill(&self) {
        if let Some(pid) = self.pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl End {
    fn new(told: Option<Order>, status: io::Result<ExitStatus>, words: Option<String>) -> End {
        match status {
            Ok(status) => End {
                told,
                how: status.to_string(),
                is_refused: status.code() == Some(REFUSED),
                is_clean: status.success(),
                words,
            },
            Err(error) => End { told, how: error.to_string(), is_refused: false, is_clean: false, words },
        }
    }
}
