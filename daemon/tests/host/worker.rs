//! The program `pylm-worker`, running.

use super::node::LIMIT;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The plugin with the functions of `fixtures/functions.rs`.
fn plugin() -> &'static PathBuf {
    static PLUGIN: OnceLock<PathBuf> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "-p", "pylmd", "--example", "host-functions"]).stdout(Stdio::null());
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the fixture does not compile");
        let name = format!("{}host_functions{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        PathBuf::from(env!("CARGO_BIN_EXE_pylm-worker")).with_file_name("examples").join(name)
    })
}

/// A worker host's process; killed when it is dropped.
pub struct Worker {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Worker {
    /// Starts one for the node at `db`, with the fixture's functions.
    pub fn start(db: &str, slots: usize) -> Self {
        let plugin = plugin().display().to_string();
        Self::run(&["--db", db, "--plugin", &plugin, "--name", "host", "--slots", &slots.to_string()])
    }

    /// Runs the program.
    pub fn run(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pylm-worker"));
        command.args(args).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Worker { child, lines, seen: Vec::new() }
    }

    /// Waits for a line on standard error.
    #[track_caller]
    pub fn line(&mut self, part: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {part:?}, but {:#?}", self.seen),
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The process that does the work.
    pub fn working(&self) -> Pid {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let mut all: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
        // The one that was started by another thread of the supervisor is listed there.
        for task in std::fs::read_dir(format!("/proc/{id}/task")).unwrap() {
            let path = task.unwrap().path().join("children");
            all.extend(
                std::fs::read_to_string(path).unwrap_or_default().split_whitespace().map(str::to_owned),
            );
        }
        Pid::from_raw(all.first().unwrap().parse().unwrap()).unwrap()
    }

    /// Waits for the end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the worker does not end: {:#?}", self.seen);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            self.seen.extend(self.lines.try_iter());
            eprintln!("{}", self.seen.join("\n"));
        }
    }
}
