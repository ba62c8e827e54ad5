//! The node of a run, and the worker hosts that it has started: how they are struck, and how they come back.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use pylm_tests::account::Account;
use pylm_tests::checked_job::mixed;
use pylm_tests::process::{self, Process};
use pylm_tests::programs::programs;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit, test_kill_process_group};

use crate::plan::{Event, Trouble};
use crate::stage::{Logged, Stage};

/// Worker hosts of the node's own.
pub const LOCALS: usize = 2;
/// How long the node may finish what is under way when it is to end, in seconds.
const DRAIN: u64 = 3;
/// How long it may take for all of its end.
const END: Duration = Duration::from_secs(20);
const START: Duration = Duration::from_secs(30);
/// Beyond the first bytes of a file, the disk of a node is full.
const FULL: Rlimit = Rlimit { current: Some(4_096), maximum: None };

/// Where a node listens, over all of its lives.
pub struct Addresses {
    addresses: [String; 6],
}

const FLAGS: [&str; 5] = ["--db", "--pull", "--pub", "--worker-pull", "--worker-push"];

impl Addresses {
    /// Free ports below those that the system gives to connections: otherwise, while the node is away, a peer that tries again
    /// and again is sooner or later given the very port that it tries, and connects to itself.
    pub fn new() -> Self {
        let mut number = u64::from(std::process::id());
        let addresses = std::array::from_fn(|_| {
            loop {
                number += 1;
                let port = 10_240 + mixed(number) % 9_000;
                let address = format!("127.0.0.1:{port}");
                if TcpListener::bind(&address).is_ok() {
                    return format!("tcp://{address}");
                }
            }
        });
        Self { addresses }
    }

    /// The flags that tell them to a node, ours or pylm's.
    pub fn flags(&self) -> Vec<String> {
        let pairs = FLAGS.iter().zip(&self.addresses);
        pairs.flat_map(|(flag, address)| [(*flag).to_owned(), address.clone()]).collect()
    }

    /// The address of the encrypted door, which other machines reach.
    pub fn door(&self) -> &str {
        &self.addresses[5]
    }

    /// The address for native peers.
    pub fn db(&self) -> &str {
        &self.addresses[0]
    }
}

/// The node.
pub struct Node<'a> {
    stage: &'a Stage,
    addresses: &'a Addresses,
    /// Its process number, for those who look for its hosts.
    id: &'a AtomicI32,
    current: Option<Logged>,
    /// Lives that have ended; hosts of theirs must end too.
    former: Vec<Logged>,
}

impl<'a> Node<'a> {
    /// Where its keys and grants are.
    pub fn state(stage: &Stage) -> PathBuf {
        stage.folder.join("state")
    }

    /// Starts it, and waits until it is ready.
    pub fn start(stage: &'a Stage, addresses: &'a Addresses, id: &'a AtomicI32) -> Self {
        let mut node = Self { stage, addresses, id, current: None, former: Vec::new() };
        node.rise();
        node
    }

    /// Where its journal is.
    pub fn journal(stage: &Stage) -> PathBuf {
        stage.folder.join("journal")
    }

    fn rise(&mut self) {
        let program = programs(self.stage.profile).program("pylmd");
        let mut process = Process::plan("node", program)
            .args(self.addresses.flags())
            .args(["--listen", &self.addresses.door().replace("tcp://127.0.0.1", "0.0.0.0")])
            .args(["--state-dir".as_ref(), Self::state(self.stage).as_os_str()])
            .args(["--plugin", "testing", "--workers", &LOCALS.to_string()])
            .args(["--journal".as_ref(), Self::journal(self.stage).as_os_str()])
            .args(["--drain-limit", &DRAIN.to_string()])
            .start();
        self.id.store(process.id(), Ordering::Relaxed);
        process.wait_until_ready(START);
        self.stage.tell("the node is ready");
        self.current = Some(Logged::new(self.stage, "node", process));
    }

    fn process(&mut self) -> &mut Process {
        match &mut self.current {
            Some(logged) => &mut logged.process,
            None => unreachable!("a node is there but while it is struck"),
        }
    }

    /// Does to it what the plan says, and waits until that is over.
    pub fn strike(&mut self, event: &Event) {
        match event.trouble {
            Trouble::Kill => {
                self.kill();
                self.stage.wait(event.lasts);
                self.rise();
            }
            Trouble::Replace => {
                self.end();
                self.stage.wait(event.lasts);
                self.rise();
            }
            Trouble::Freeze => {
                self.process().signal(Signal::STOP);
                self.stage.wait(event.lasts);
                self.process().signal(Signal::CONT);
            }
            Trouble::FullDisk => {
                let id = Pid::from_raw(self.process().id()).unwrap();
                let before = prlimit(Some(id), Resource::Fsize, FULL).unwrap();
                self.stage.wait(event.lasts);
                prlimit(Some(id), Resource::Fsize, before).unwrap();
            }
            other => unreachable!("{other:?} does not happen to a node"),
        }
    }

    fn kill(&mut self) {
        let mut logged = self.current.take().unwrap();
        logged.kill_alone();
        self.former.push(logged);
    }

    /// Ends it in order, and gives its sum, which must come out.
    pub fn end(&mut self) -> Account {
        let mut logged = self.current.take().unwrap();
        logged.process.signal(Signal::TERM);
        let status = logged.process.wait(END);
        let account = Account::of(&logged.process);
        // What a frozen host has is not finished in time.
        let expected = if account.under_way == 0 { 0 } else { 1 };
        assert_eq!(status.code(), Some(expected), "the node ended with {status}: {account:?}");
        self.stage.tell(format_args!("the node has ended: {account:?}"));
        self.former.push(logged);
        account
    }

    /// See that no host has outlived its node.
    pub fn assert_no_orphans(&self) {
        let end = Instant::now() + END;
        for logged in &self.former {
            let group = Pid::from_raw(logged.process.id()).unwrap();
            while test_kill_process_group(group).is_ok() {
                assert!(Instant::now() < end, "a host has outlived its node, process {group:?}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Does to one of the node's own hosts what the plan says.
pub fn strike_local(stage: &Stage, node: &AtomicI32, number: usize, event: &Event) {
    let Some(child) = children(node.load(Ordering::Relaxed)).get(number).copied() else {
        return stage.tell("  there is no such host now");
    };
    strike_child(stage, child, event);
}

/// Kills or freezes the child of a supervisor.
pub fn strike_child(stage: &Stage, child: Pid, event: &Event) {
    match event.trouble {
        Trouble::KillChild => drop(kill_process(child, Signal::KILL)),
        Trouble::FreezeChild => {
            let _ = kill_process(child, Signal::STOP);
            stage.wait(event.lasts);
            // It may have been killed and replaced meanwhile.
            let _ = kill_process(child, Signal::CONT);
        }
        other => unreachable!("{other:?} does not happen to a child"),
    }
}

/// The children of a process, in the order of their numbers.
pub fn children(parent: i32) -> Vec<Pid> {
    let mut children = process::children(parent);
    children.sort_unstable();
    children.into_iter().filter_map(Pid::from_raw).collect()
}
