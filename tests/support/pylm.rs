//! Python peers: the unmodified package pylm, under our own scripts in `tests/python`.

use std::time::Duration;

use serde::Deserialize;

use crate::address;
use crate::process::Process;
use crate::python;

/// How long a Python peer may take to start.
const START: Duration = Duration::from_secs(90);

/// How often a node that needs fixed ports is given others, when somebody else was quicker.
const ATTEMPTS: usize = 5;

/// Start one of our Python scripts.
///
/// # Panics
/// Where there is no Python environment.
#[must_use]
#[track_caller]
pub fn script(name: &str, script: &str, args: &[&str]) -> Process {
    Process::plan(name, python::interpreter())
        .args([python::script(script)])
        .args(args)
        .env("PEER_ENDS_WITH_STDIN", "1")
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .start()
}

/// A running pylm node, and its addresses. Where its kind lacks a socket, nobody uses the address.
pub struct PylmNode {
    /// The process.
    pub process: Process,
    /// Where clients push their messages.
    pub pull: String,
    /// Where clients, and nodes that follow, subscribe to results.
    pub publish: String,
    /// Where workers push their results.
    pub worker_pull: String,
    /// Where workers pull their messages.
    pub worker_push: String,
    /// The cache service.
    pub db: String,
    /// Where clients of a gateway ask.
    pub http: String,
}

/// A pylm Master named `server`, ready; `args` as in `tests/python/master.py`.
///
/// # Panics
/// Where it does not get ready.
#[must_use]
#[track_caller]
pub fn master(args: &[&str]) -> PylmNode {
    node("master.py", args)
}

/// A plain pylm Server named `server`, ready; `args` as in `tests/python/server.py`.
///
/// # Panics
/// Where it does not get ready.
#[must_use]
#[track_caller]
pub fn server(args: &[&str]) -> PylmNode {
    node("server.py", args)
}

/// A pylm node of any kind, ready: that of one of the scripts in `tests/python`, with its arguments.
///
/// # Panics
/// Where it does not get ready.
#[must_use]
#[track_caller]
pub fn node(file: &str, args: &[&str]) -> PylmNode {
    let sockets: &[&str] = match file {
        "server.py" | "http_master.py" => &["--pull", "--pub", "--db"],
        "pipeline.py" | "sink.py" => &["--pub", "--db"],
        "hub.py" => &["--pub", "--worker-pull", "--worker-push", "--db"],
        "gateway.py" => &["--http", "--worker-pull", "--worker-push", "--db"],
        _ => &["--pull", "--pub", "--worker-pull", "--worker-push", "--db"],
    };
    for _ in 0..ATTEMPTS {
        let [pull, publish, worker_pull, worker_push, db, http] = address::free();
        let flags = [
            ["--pull", &*pull],
            ["--pub", &publish],
            ["--worker-pull", &worker_pull],
            ["--worker-push", &worker_push],
            ["--db", &db],
            ["--http", &http],
        ];
        let flags = flags.into_iter().filter(|[flag, _]| sockets.contains(flag)).flatten();
        let process = script(file, file, &flags.chain(args.iter().copied()).collect::<Vec<_>>());
        let said = process.find_line(START, |line| {
            line.starts_with("ready ")
                || line.starts_with("not started: ")
                || line.contains("Address already in use")
        });
        match said {
            Some(line) if line.starts_with("ready ") => {
                return PylmNode { process, pull, publish, worker_pull, worker_push, db, http };
            }
            Some(_) => {}
            None => panic!("{file} did not get ready within {START:?}"),
        }
    }
    panic!("{file} found its ports taken {ATTEMPTS} times");
}

/// A pylm Worker that has its addresses; `args` as in `tests/python/worker.py`.
///
/// Its connections come up in the background: see [`address::wait_for_peers`].
///
/// # Panics
/// Where it does not get its addresses.
#[must_use]
#[track_caller]
pub fn worker(name: &str, db: &str, args: &[&str]) -> Process {
    serving(name, "worker.py", db, args)
}

/// A pylm MuxWorker that has its addresses; `args` as in `tests/python/mux_worker.py`.
///
/// # Panics
/// Where it does not get its addresses.
#[must_use]
#[track_caller]
pub fn mux_worker(name: &str, db: &str, args: &[&str]) -> Process {
    serving(name, "mux_worker.py", db, args)
}

/// A pylm worker of any kind that has its addresses: that of one of the scripts in `tests/python`, with its arguments.
///
/// # Panics
/// Where it does not get its addresses.
#[must_use]
#[track_caller]
pub fn serving(name: &str, file: &str, db: &str, args: &[&str]) -> Process {
    let process = script(name, file, &[&[name, "--db", db], args].concat());
    process.wait_for_line(&format!("ready {name}"), START);
    process
}

/// A pylm web worker, listening; its URL. `args` as in `tests/python/web_worker.py`.
///
/// # Panics
/// Where it does not get ready.
#[must_use]
#[track_caller]
pub fn web_worker(name: &str, args: &[&str]) -> (Process, String) {
    let process = script(name, "web_worker.py", &[&[name], args].concat());
    let line = process.wait_for_line(&format!("ready {name} http://"), START);
    let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
    (process, url)
}

/// A pylm node named `server` that hands its messages to the web worker at `url`, ready.
///
/// # Panics
/// Where it does not get ready.
#[must_use]
#[track_caller]
pub fn http_master(url: &str) -> PylmNode {
    node("http_master.py", &["--url", url])
}

/// Start a pylm Client; `args` as in `tests/python/client.py`.
///
/// # Panics
/// Where there is no Python environment.
#[must_use]
#[track_caller]
pub fn client(db: &str, args: &[&str]) -> Process {
    script("client", "client.py", &[&["--db", db], args].concat())
}

/// Run a pylm Client to its end; the lines that it printed: one for each result, as Python writes bytes.
///
/// # Panics
/// Where it does not end well within `timeout`.
#[must_use]
#[track_caller]
pub fn client_lines(db: &str, args: &[&str], timeout: Duration) -> Vec<String> {
    let mut client = client(db, args);
    client.wait_for_success(timeout);
    client.stdout_lines()
}

/// What a client found out about the answers to its checked job (`--verify`).
#[derive(Debug, Deserialize, PartialEq)]
pub struct Report {
    /// Results that should come.
    pub expected: u64,
    /// Results that came, whatever they were.
    pub received: u64,
    /// Results that did not come.
    pub missing: u64,
    /// Results that came more often than they should.
    pub duplicate: u64,
    /// Results whose checksum is wrong.
    pub corrupt: u64,
    /// Whole results that belong to somebody else.
    pub foreign: u64,
    /// Whether the client gave up waiting.
    pub late: bool,
    /// From the client's start to its last result.
    pub seconds: f64,
}

impl Report {
    /// The report of a client that has ended.
    ///
    /// # Panics
    /// Where its output has none.
    #[must_use]
    #[track_caller]
    pub fn of(client: &Process) -> Self {
        let lines = client.stdout_lines();
        let report = lines.last().and_then(|line| serde_json::from_str(line).ok());
        report.unwrap_or_else(|| panic!("the client printed no report, but {lines:?}"))
    }

    /// See that every answer came once, whole, to its own client.
    ///
    /// # Panics
    /// Where that is not so.
    #[track_caller]
    pub fn assert_every_answer_once(&self) {
        let faults = self.missing + self.duplicate + self.corrupt + self.foreign;
        assert!(
            faults == 0 && !self.late && self.received == self.expected,
            "not every answer came once: {self:?}"
        );
    }
}
