//! What is lost elsewhere: the same plan against Python pylm and gearmand, and against a node, for the table in `docs/chaos.md`.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use pylm_tests::address;
use pylm_tests::chaos::Report;
use pylm_tests::process::Process;
use pylm_tests::programs::programs;
use pylm_tests::pylm;
use rustix::process::Signal;
use serde_json::Value;

use crate::node::Addresses;
use crate::plan::{Cast, Event, Plan, Target, Trouble};
use crate::stage::{Logged, Stage};

/// Workers of each system, and clients.
const CAST: Cast = Cast { locals: 0, hosts: 3, links: 0, clients: 2, doomed: 0, machines: 0 };
/// The time from one message of a client to the next; an SQLite queue keeps up with not many more.
const PACE: Duration = Duration::from_millis(20);
/// What a function takes.
const DELAY: &str = "0.001";
/// How long a server may take to end in order, and to listen.
const END: Duration = Duration::from_secs(12);
/// How long clients may take after the last message.
const PATIENCE: Duration = Duration::from_secs(300);

/// Who is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// A node with a journal, native hosts and clients.
    Pylmd,
    /// A Master, Workers and Clients of Python pylm.
    Pylm,
    /// Jobs in the foreground; what was open when a connection was lost is given up.
    Gearmand,
    /// Jobs in the foreground; the client submits again what was open when its connection was lost.
    GearmandAgain,
    /// Jobs in the background, in an SQLite queue.
    GearmandBackground,
}

impl System {
    /// All that can be tried here.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Pylmd, Self::Pylm];
        let there =
            Command::new("gearmand").arg("--version").output().is_ok_and(|output| output.status.success());
        if there {
            all.extend([Self::Gearmand, Self::GearmandAgain, Self::GearmandBackground]);
        }
        all
    }
}

/// What became of the messages of all clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub submitted: u64,
    pub once: u64,
    pub twice: u64,
    pub never: u64,
}

/// Does the run of a seed.
pub fn run(stage: &Stage, system: System, seed: u64, length: Duration) -> Outcome {
    let addresses = Addresses::new();
    let place = Place { stage, system, addresses: &addresses, length };
    let plan = Plan::new(seed, length, CAST);
    stage.tell(format_args!("seed {seed}, {system:?}, {length:?}"));
    let mut actors = Vec::new();
    for (target, events) in plan.targets() {
        let actor = Actor::start(&place, *target);
        if *target == Target::Node {
            place.wait_until_it_listens();
        }
        actors.push((actor, events));
    }
    thread::scope(|scope| {
        for (actor, events) in &mut actors {
            scope.spawn(|| {
                for event in events.iter().take_while(|event| stage.wait_until(event.at)) {
                    stage.tell(format_args!("> {event}"));
                    actor.strike(&place, event);
                }
            });
        }
    });
    stage.tell("nobody is struck any more");
    let clients = actors.iter_mut().filter(|(actor, _)| matches!(actor.target, Target::Client(_)));
    let outcomes = clients.map(|(actor, _)| actor.outcome(&place));
    outcomes.fold(Outcome::default(), |sum, outcome| Outcome {
        submitted: sum.submitted + outcome.submitted,
        once: sum.once + outcome.once,
        twice: sum.twice + outcome.twice,
        never: sum.never + outcome.never,
    })
}

/// Where, and with what, everybody is started.
struct Place<'a> {
    stage: &'a Stage,
    system: System,
    addresses: &'a Addresses,
    length: Duration,
}

impl Place<'_> {
    fn count(&self) -> u128 {
        self.length.as_micros() / PACE.as_micros()
    }

    fn port(&self) -> String {
        address::port(self.addresses.db()).to_string()
    }

    fn wait_until_it_listens(&self) {
        let end = Instant::now() + END;
        while TcpStream::connect(("127.0.0.1", address::port(self.addresses.db()))).is_err() {
            assert!(Instant::now() < end, "{:?} does not listen", self.system);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts whoever is at `target`.
    fn start(&self, target: Target) -> Process {
        match (target, self.system) {
            (Target::Node, System::Pylmd) => {
                let program = programs(self.stage.profile).program("pylmd");
                Process::plan("node", program)
                    .args(self.addresses.flags())
                    .args(["--journal".as_ref(), self.stage.folder.join("journal").as_os_str()])
                    .args(["--drain-limit", "5"])
                    .start()
            }
            (Target::Node, System::Pylm) => {
                let flags = self.addresses.flags();
                pylm::script("master", "master.py", &flags.iter().map(String::as_str).collect::<Vec<_>>())
            }
            (Target::Node, _) => {
                let file = |name: &str| self.stage.folder.join(name).display().to_string();
                Process::plan("gearmand", "gearmand")
                    .args(["--listen", "127.0.0.1", "--port", &self.port(), "--pid-file", &file("pid")])
                    .args(["--log-file", &file("gearmand.log")])
                    .args(["-q", "libsqlite3", &format!("--libsqlite3-db={}", file("queue"))])
                    .start()
            }
            (Target::Host(number), System::Pylmd) => {
                let program = programs(self.stage.profile).program("pylm-worker");
                Process::plan("host", program)
                    .args(["--db", self.addresses.db(), "--name", &format!("host-{number}")])
                    .args(["--plugin", "testing", "--slots", "1"])
                    .start()
            }
            (Target::Host(number), System::Pylm) => {
                let name = format!("worker-{number}");
                pylm::script(&name, "worker.py", &[&name, "--db", self.addresses.db(), "--delay", DELAY])
            }
            (Target::Host(number), _) => {
                let done = self.stage.folder.join(format!("done-{number}")).display().to_string();
                pylm::script(
                    "worker",
                    "gearman.py",
                    &["work", "--port", &self.port(), "--delay", DELAY, "--done", &done],
                )
            }
            (Target::Client(number), System::Pylmd) => {
                let arguments = [
                    format!("db={}", self.addresses.db()),
                    format!("owner={number}"),
                    "function=server.chaos".to_owned(),
                    format!("lasts={}", self.length.as_millis()),
                    format!("pace={}", PACE.as_micros()),
                ];
                Process::plan("client", env!("CARGO_BIN_EXE_chaos-client")).args(arguments).start()
            }
            (Target::Client(_), System::Pylm) => {
                let (count, pause) = (self.count().to_string(), PACE.as_secs_f64().to_string());
                let paces =
                    ["--count", &count, "--send-pause", &pause, "--send-after", "0.5", "--timeout", "20"];
                let checks = ["--verify", "--function", "server.echo", "--extra-wait", "3"];
                pylm::client(self.addresses.db(), &[&paces[..], &checks].concat())
            }
            (Target::Client(number), system) => {
                let (count, pause) = (self.count().to_string(), PACE.as_secs_f64().to_string());
                let done = self.stage.folder.join("done-*").display().to_string();
                let owner = number.to_string();
                let mut arguments = vec!["client", "--port"];
                let port = self.port();
                arguments.extend([
                    &*port, "--owner", &owner, "--count", &count, "--pause", &pause, "--done", &done,
                ]);
                match system {
                    System::GearmandAgain => arguments.push("--again"),
                    System::GearmandBackground => {
                        arguments.extend(["--background", "--again", "--timeout", "60"])
                    }
                    _ => {}
                }
                pylm::script("client", "gearman.py", &arguments)
            }
            _ => unreachable!("nobody else takes part"),
        }
    }
}

/// Somebody who takes part, whatever the system.
struct Actor {
    target: Target,
    current: Option<Logged>,
}

impl Actor {
    fn start(place: &Place<'_>, target: Target) -> Self {
        let mut actor = Self { target, current: None };
        actor.rise(place);
        actor
    }

    fn rise(&mut self, place: &Place<'_>) {
        let process = place.start(self.target);
        self.current = Some(Logged::new(place.stage, &self.target.to_string(), process));
    }

    fn process(&mut self) -> &mut Process {
        &mut self.current.as_mut().unwrap().process
    }

    /// Every system has processes to be killed, frozen and ended; what else the plan says happens to none of them.
    fn strike(&mut self, place: &Place<'_>, event: &Event) {
        match event.trouble {
            Trouble::Kill | Trouble::KillChild => {
                self.current = None;
                place.stage.wait(event.lasts);
                self.rise(place);
            }
            Trouble::Replace => {
                self.process().signal(Signal::TERM);
                let end = Instant::now() + END;
                while self.process().try_wait().is_none() && Instant::now() < end {
                    thread::sleep(Duration::from_millis(10));
                }
                self.current = None;
                place.stage.wait(event.lasts);
                self.rise(place);
            }
            Trouble::Freeze | Trouble::FreezeChild => {
                self.process().signal_group(Signal::STOP);
                place.stage.wait(event.lasts);
                self.process().signal_group(Signal::CONT);
            }
            _ => {}
        }
    }

    /// What a client reports when it has ended.
    fn outcome(&mut self, place: &Place<'_>) -> Outcome {
        let end = Instant::now() + PATIENCE;
        while self.process().try_wait().is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        let line = self.process().stdout_lines().pop().unwrap_or_default();
        place.stage.tell(format_args!("{} reports {line}", self.target));
        let report: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let count = |key: &str| report[key].as_u64().unwrap_or(0);
        match place.system {
            System::Pylmd => {
                let report: Report = serde_json::from_str(&line).unwrap_or_default();
                let twice = report.wrong.len() as u64;
                let never = report.submitted - report.done;
                Outcome { submitted: report.submitted, once: report.done - twice, twice, never }
            }
            System::Pylm => {
                let submitted = u64::try_from(place.count()).unwrap_or(0);
                // A client that reports nothing has hung.
                let never = if report.is_null() { submitted } else { count("missing") };
                let twice = count("duplicate");
                Outcome { submitted, once: submitted - never - twice, twice, never }
            }
            _ => Outcome {
                submitted: count("submitted"),
                once: count("once"),
                twice: count("twice"),
                never: count("never"),
            },
        }
    }
}

/// The folder of one system's run.
pub fn folder(seed: u64, system: System) -> std::path::PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("chaos")
        .join(format!("peers-{seed}-{system:?}").to_lowercase())
}
