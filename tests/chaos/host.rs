//! A worker host that the suite has started: how it is struck, and how it comes back.

use std::path::Path;
use std::time::{Duration, Instant};

use pylm_tests::machine::Machine;
use pylm_tests::process::Process;
use pylm_tests::programs::programs;
use rustix::process::Signal;

use crate::node::{children, strike_child};
use crate::plan::{Event, Trouble};
use crate::stage::{Logged, Stage};

/// How long a host may finish what it has begun, before it is told again.
const GRACE: Duration = Duration::from_secs(6);
/// How long it may take to end after that.
const END: Duration = Duration::from_secs(10);

/// A host.
pub struct Host<'a> {
    stage: &'a Stage,
    name: String,
    /// What says where its node is, and with what it comes in.
    node: [String; 2],
    /// Where it runs, if not here.
    machine: Option<&'a Machine>,
    current: Option<Logged>,
}

impl<'a> Host<'a> {
    /// Starts it for the node at `db`. Whether it finds the node is its own matter.
    pub fn start(stage: &'a Stage, number: usize, db: &str) -> Self {
        Self::start_at(stage, number, ["--db", db], None)
    }

    /// Starts it on a machine, for the node with this encrypted door, where it has a grant already.
    pub fn start_on(stage: &'a Stage, number: usize, file: &Path, machine: &'a Machine) -> Self {
        Self::start_at(stage, number, ["--access", &file.to_string_lossy()], Some(machine))
    }

    fn start_at(stage: &'a Stage, number: usize, node: [&str; 2], machine: Option<&'a Machine>) -> Self {
        let (name, node) = (format!("host-{number}"), node.map(str::to_owned));
        let mut host = Self { stage, name, node, machine, current: None };
        host.rise();
        host
    }

    fn rise(&mut self) {
        let program = programs(self.stage.profile).program("pylm-worker");
        let plan = match self.machine {
            Some(machine) => machine.plan(&self.name, program),
            None => Process::plan(&self.name, program),
        };
        let process =
            plan.args(&self.node).args(["--name", &self.name, "--plugin", "testing", "--slots", "4"]).start();
        self.current = Some(Logged::new(self.stage, &self.name, process));
    }

    fn process(&mut self) -> &mut Process {
        &mut self.current.as_mut().unwrap().process
    }

    /// Does to it what the plan says, and waits until that is over.
    pub fn strike(&mut self, event: &Event) {
        match event.trouble {
            Trouble::Kill => {
                self.current = None;
                self.stage.wait(event.lasts);
                self.rise();
            }
            Trouble::Replace => {
                self.end();
                self.stage.wait(event.lasts);
                self.rise();
            }
            Trouble::Freeze => {
                self.process().signal_group(Signal::STOP);
                self.stage.wait(event.lasts);
                self.process().signal_group(Signal::CONT);
            }
            Trouble::KillChild | Trouble::FreezeChild => match children(self.process().id()).first() {
                Some(child) => strike_child(self.stage, *child, event),
                None => self.stage.tell(format_args!("  {} has no child now", self.name)),
            },
            other => unreachable!("{other:?} does not happen to a host"),
        }
    }

    /// Ends it in order. A function that hangs would make it wait for ever: then it is told again, as an operator would.
    pub fn end(&mut self) {
        let mut logged = self.current.take().unwrap();
        logged.process.signal(Signal::TERM);
        let told_again = Instant::now() + GRACE;
        while logged.process.try_wait().is_none() && Instant::now() < told_again {
            std::thread::sleep(Duration::from_millis(5));
        }
        if logged.process.try_wait().is_none() {
            self.stage.tell(format_args!("{} did not end within {GRACE:?}, and is told again", self.name));
            logged.process.signal(Signal::TERM);
        }
        logged.process.wait(END);
    }
}
