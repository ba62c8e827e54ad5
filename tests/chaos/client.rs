//! A client of a run, in a process of its own: what it is to do, how it is struck, and what it has to report.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pylm_tests::chaos::{Poison, Report};
use pylm_tests::process::Process;
use rustix::process::Signal;

use crate::plan::{Event, Trouble};
use crate::stage::{Logged, Stage};

/// A client that has no end of any message for so long, at the end of a run when nobody is struck any more, waits in vain.
const STANDSTILL: Duration = Duration::from_secs(45);

/// What a client is to do.
#[derive(Clone, Debug)]
pub struct Task {
    pub function: &'static str,
    pub lasts: Duration,
    pub pace: Duration,
    pub window: u64,
    pub ordered: bool,
    pub timeout: Option<Duration>,
    pub poison: Poison,
}

/// A client.
pub struct Client<'a> {
    stage: &'a Stage,
    name: String,
    db: String,
    task: Task,
    /// Whose messages it sends: another number in each life.
    owner: u64,
    /// The numbers of its former lives, when it has been killed.
    former: Vec<u64>,
    current: Logged,
}

impl<'a> Client<'a> {
    /// Starts it, for the node at `db`.
    pub fn start(stage: &'a Stage, name: String, owner: u64, db: &str, task: Task) -> Self {
        let current = rise(stage, &name, owner, db, &task);
        Self { stage, name, db: db.to_owned(), task, owner, former: Vec::new(), current }
    }

    /// Does to it what the plan says, and waits until that is over.
    pub fn strike(&mut self, event: &Event) {
        match event.trouble {
            Trouble::Kill => {
                self.kill();
                self.stage.wait(event.lasts);
                self.owner += 1;
                self.current = rise(self.stage, &self.name, self.owner, &self.db, &self.task);
            }
            Trouble::Freeze => {
                self.current.process.signal(Signal::STOP);
                self.stage.wait(event.lasts);
                self.current.process.signal(Signal::CONT);
            }
            other => unreachable!("{other:?} does not happen to a client"),
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.current.kill_alone();
        self.former.push(self.owner);
    }

    /// Clients that take what its former lives had still to get, started.
    pub fn heirs(&self) -> Vec<Client<'a>> {
        let heir = |&owner: &u64| {
            let name = format!("{}-{owner}", self.name);
            let mut arguments = arguments(&self.db, owner, &self.task);
            arguments.push(format!("attach={}", ends(self.stage, owner).display()));
            arguments.push(format!("ends={}", ends(self.stage, owner).with_extension("attached").display()));
            let current = start(self.stage, &name, arguments);
            let (db, task) = (self.db.clone(), self.task.clone());
            Client { stage: self.stage, name, db, task, owner, former: Vec::new(), current }
        };
        self.former.iter().map(heir).collect()
    }

    /// Waits until its job is over, and sees that it was as it should be.
    ///
    /// # Panics
    /// Where nothing moves, or something is wrong.
    pub fn report(mut self) -> Report {
        let mut since = Instant::now();
        let mut seen = 0;
        while self.current.process.try_wait().is_none() {
            let lines = self.current.process.stderr_lines().len();
            if lines != seen {
                (seen, since) = (lines, Instant::now());
            }
            assert!(since.elapsed() < STANDSTILL, "{} waits in vain for the ends of messages", self.name);
            if self.stage.is_over() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let lines = self.current.process.stdout_lines();
        let report = lines.last().and_then(|line| serde_json::from_str::<Report>(line).ok());
        let report = report.unwrap_or_else(|| panic!("{} has reported nothing, but {lines:?}", self.name));
        self.stage.tell(format_args!("{} reports {report:?}", self.name));
        assert!(report.wrong.is_empty(), "{}: {:#?}", self.name, report.wrong);
        report
    }
}

/// The file in which a client writes down its job, and the numbers of messages that have ended.
fn ends(stage: &Stage, owner: u64) -> PathBuf {
    stage.folder.join(format!("ends-{owner}"))
}

fn rise(stage: &Stage, name: &str, owner: u64, db: &str, task: &Task) -> Logged {
    let mut arguments = arguments(db, owner, task);
    arguments.push(format!("ends={}", ends(stage, owner).display()));
    start(stage, name, arguments)
}

fn start(stage: &Stage, name: &str, arguments: Vec<String>) -> Logged {
    Logged::new(stage, name, Process::plan(name, env!("CARGO_BIN_EXE_chaos-client")).args(arguments).start())
}

fn arguments(db: &str, owner: u64, task: &Task) -> Vec<String> {
    let Task { function, lasts, pace, window, ordered, timeout, poison } = task;
    let mut arguments = vec![
        format!("db={db}"),
        format!("owner={owner}"),
        format!("function=server.{function}"),
        format!("lasts={}", lasts.as_millis()),
        format!("pace={}", pace.as_micros()),
        format!("window={window}"),
        format!("ordered={ordered}"),
        format!("crash={}", poison.crash),
        format!("hang={}", poison.hang),
    ];
    arguments.extend(timeout.map(|timeout| format!("timeout={}", timeout.as_millis())));
    arguments
}
