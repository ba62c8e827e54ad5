//! A node with a journal that is killed, or whose disk takes nothing, goes on with all that it had accepted.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use memchr::memmem::find;
use pylm_client::Error;
use pylm_tests::checked_job::{CheckedJob, RunningJob};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::{Plan, Process};
use pylm_tests::programs::{Profile, programs};
use pylm_tests::waiting::wait_until;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(40);
/// All of them fit into a job's window.
const COUNT: u64 = 4_000;
/// As many are given at once.
const PART: usize = 1_000;

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

/// A folder for a journal, and what tells a node of it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(TempDir::new().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn start(&self) -> Node {
        Node::start(&self.flags())
    }

    /// The node again, after its end.
    fn start_again(&self, node: &Node) -> Node {
        node.start_again(Profile::Debug, &self.flags())
    }

    fn flags(&self) -> [&str; 2] {
        ["--journal", self.path().to_str().unwrap()]
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut segments: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|ending| ending == "segment")).collect();
        segments.sort();
        segments
    }

    /// Waits until the journal has these bytes.
    #[track_caller]
    fn wait_for(&self, bytes: &[u8]) {
        wait_until("the bytes are in the journal", || {
            let has = |segment: &PathBuf| find(&fs::read(segment).unwrap_or_default(), bytes).is_some();
            self.segments().iter().any(has)
        });
    }

    /// What `pylm journal check` says, and its exit code.
    fn check(&self) -> (Option<i32>, String) {
        let program = programs(Profile::Debug).program("pylm");
        let plan = Process::plan("pylm journal", program);
        let mut process = plan.args(["journal", "check", self.path().to_str().unwrap()]).start();
        let code = process.wait(PATIENCE).code();
        (code, process.stdout_lines().join("\n"))
    }
}

fn host(node: &Node) -> WorkerHost {
    WorkerHost::start(&node.db, &["testing"], "host", &[])
}

fn job() -> CheckedJob {
    CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, COUNT) }
}

/// A node that was killed when a job had 500 results, with its host and the job, which both wait for it.
fn killed_in_the_middle_of_a_job(folder: &Folder) -> (Node, WorkerHost, RunningJob) {
    let mut node = folder.start();
    let host = host(&node);
    let job = job().start(&node.db);
    job.wait_for(500, PATIENCE);
    node.process.kill();
    (node, host, job)
}

/// Changes the last byte that was written, as a write that was not finished leaves it.
fn damage_tail(segment: &Path) {
    let mut content = fs::read(segment).unwrap();
    let last = content.iter().rposition(|&byte| byte != 0).unwrap();
    content[last] ^= 0xFF;
    fs::write(segment, content).unwrap();
}

/// Changes a byte between each two of so many parts.
fn damage(segment: &Path, parts: usize) {
    let mut content = fs::read(segment).unwrap();
    let used = content.iter().rposition(|&byte| byte != 0).unwrap();
    for part in 1..parts {
        content[part * used / parts] ^= 0xFF;
    }
    fs::write(segment, content).unwrap();
}

#[test]
fn a_node_that_is_killed_goes_on_and_every_answer_comes_once() {
    let _limit = limit();
    let folder = Folder::new();
    let mut node = folder.start();
    let _host = host(&node);
    let job = job().start(&node.db);
    for results in [200, 1_500] {
        job.wait_for(results, PATIENCE);
        node.process.kill();
        let (code, summary) = folder.check();
        assert_eq!(code, Some(0), "{summary}");
        node = folder.start_again(&node);
        node.process.wait_for_line("going on with what the journal has jobs=1", PATIENCE);
    }
    job.assert_every_answer_once(PATIENCE);
    let account = node.end(END);
    assert_eq!((account.failed, account.cancelled), (0, 0));
    let (code, summary) = folder.check();
    assert_eq!(code, Some(0), "{summary}");
}

#[test]
fn what_was_accepted_is_run_also_when_its_client_and_the_node_were_killed() {
    let _limit = limit();
    let folder = Folder::new();
    let mut node = folder.start();
    let files: Vec<_> = (0..20).map(|number| folder.path().join(format!("made-by-{number}"))).collect();
    let lines: Vec<_> = files.iter().map(|file| format!("0 {}\n", file.display())).collect();
    let program = programs(Profile::Debug).program("pylm");
    let plan = Process::plan("pylm job", program);
    let mut client = plan.args(["job", "--db", &*node.db, "server.crash"]).start();
    client.write_stdin(lines.concat().as_bytes());
    // Nobody offers the function yet.
    folder.wait_for(lines.last().unwrap().trim().as_bytes());
    client.kill();
    node.process.kill();

    node = folder.start_again(&node);
    node.process.wait_for_line("messages=20", PATIENCE);
    let _host = host(&node);
    wait_until("every message was run", || files.iter().all(|file| file.exists()));
    assert_eq!(node.end(END).done, 20);
    let (code, summary) = folder.check();
    assert_eq!(code, Some(0), "{summary}");

    // What nobody took is still there.
    let plain = Node::start(&folder.flags());
    plain.process.wait_for_line("messages=0 outputs=20", PATIENCE);
    plain.end(END);
}

#[test]
fn a_job_that_nobody_comes_back_for_is_closed_after_its_time() {
    let _limit = limit();
    let folder = Folder::new();
    let times = ["--client-grace", "1", "--keep", "3"];
    let node = Node::start(&[&folder.flags()[..], &times].concat());
    let program = programs(Profile::Debug).program("pylm");
    let mut client =
        Process::plan("pylm job", program).args(["job", "--db", &*node.db, "server.echo"]).start();
    client.write_stdin(b"a message to be kept\n");
    folder.wait_for(b"a message to be kept");
    client.kill();
    let killed = Instant::now();
    node.process.wait_for_line("did not come back", PATIENCE);
    assert!(
        killed.elapsed() > Duration::from_secs(2),
        "it was closed after the time of jobs without a journal"
    );
    assert_eq!(node.end(END).cancelled, 1);
    let plain = Node::start(&folder.flags());
    let told = plain.process.find_line(Duration::ZERO, |line| line.contains("going on with"));
    assert_eq!(told, None);
    plain.end(END);
}

#[test]
fn a_job_ends_by_its_deadline_though_its_client_and_the_node_were_killed() {
    let _limit = limit();
    let folder = Folder::new();
    let mut node = folder.start();
    let program = programs(Profile::Debug).program("pylm");
    let plan = Process::plan("pylm job", program);
    // Nobody offers the function.
    let begun = Instant::now();
    let mut client = plan.args(["job", "--db", &*node.db, "--deadline", "15", "server.echo"]).start();
    client.write_stdin(b"a message without a host\n");
    folder.wait_for(b"a message without a host");
    client.kill();
    node.process.kill();

    node = folder.start_again(&node);
    node.process.wait_for_line("jobs=1 messages=1", PATIENCE);
    // Without the deadline, it would wait for the function longer than that.
    assert_eq!(node.end(END).failed, 1);
    assert!(begun.elapsed() >= Duration::from_secs(15), "it ended before its time");
    assert_eq!(folder.check().0, Some(0));
}

#[test]
fn the_cache_survives() {
    let _limit = limit();
    let folder = Folder::new();
    let mut node = folder.start();
    let host = host(&node);
    let client = node.client();
    client.cache().set("native", "first").unwrap();
    client.cache().set("native", "second").unwrap();
    client.cache().set("gone", "for ever").unwrap();
    client.cache().delete("gone").unwrap();
    client.eval("server.set", "function=from a function").unwrap();
    folder.wait_for(b"from a function");
    drop((client, host));
    node.process.kill();

    node = folder.start_again(&node);
    let client = node.client();
    assert_eq!(client.cache().get("native").unwrap().unwrap(), "second");
    assert_eq!(client.cache().get("function").unwrap().unwrap(), "from a function");
    assert_eq!(client.cache().get("gone").unwrap(), None);
    drop(client);
    node.end(END);
}

#[test]
fn a_disk_that_takes_nothing_stops_the_source_until_it_does_again() {
    let _limit = limit();
    let folder = Folder::new();
    let node = folder.start();
    let _host = host(&node);
    // More than a window, so that there are messages to be accepted when the disk is full.
    let job = CheckedJob { count: 3 * COUNT, ..job() }.start(&node.db);
    job.wait_for(200, PATIENCE);
    let id = Pid::from_raw(node.process.id()).unwrap();
    let before = prlimit(Some(id), Resource::Fsize, Rlimit { current: Some(4_096), maximum: None }).unwrap();
    node.process.wait_for_line("the journal takes no new messages for now", PATIENCE);
    // What was accepted before goes on to its end, and nothing more.
    let (mut results, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        sleep(Duration::from_millis(10));
        if job.progress().results != results {
            (results, since) = (job.progress().results, Instant::now());
        }
    }
    assert!(results < 3 * COUNT - 1_000, "messages were accepted all the same: {results} results");
    let client = node.client();
    match client.cache().set("key", "value") {
        Err(Error::CacheRefused(reason)) => assert!(reason.contains("journal"), "{reason}"),
        other => panic!("{other:?}"),
    }
    prlimit(Some(id), Resource::Fsize, before).unwrap();
    node.process.wait_for_line("the journal takes messages again", PATIENCE);
    wait_until("the cache takes values again", || client.cache().set("key", "value").is_ok());
    job.assert_every_answer_once(PATIENCE);
    drop(client);
    assert_eq!(node.end(END).done, 3 * COUNT);
}

#[test]
fn a_disk_that_is_full_from_the_start_loses_nothing() {
    let _limit = limit();
    let folder = Folder::new();
    let node = folder.start();
    let _host = host(&node);
    let id = Pid::from_raw(node.process.id()).unwrap();
    let before = prlimit(Some(id), Resource::Fsize, Rlimit { current: Some(0), maximum: None }).unwrap();
    // The journal only notices when it writes.
    let noticed = node.client();
    let (sender, results) = noticed.job("server.echo", pylm_client::JobOptions::new());
    sender.send("first").unwrap();
    node.process.wait_for_line("the journal takes no new messages for now", PATIENCE);
    let job = CheckedJob::new(1, COUNT).start(&node.db);
    // Word of it has come to the node, and back.
    node.client().cache().get("name").unwrap();
    prlimit(Some(id), Resource::Fsize, before).unwrap();
    job.assert_every_answer_once(PATIENCE);
    drop(sender);
    assert_eq!(results.count(), 2, "a result and the end");
    drop(noticed);
    assert_eq!(node.end(END).done, COUNT + 1);
}

#[test]
fn a_damaged_tail_is_cut_and_told() {
    let _limit = limit();
    let folder = Folder::new();
    let (node, _host, job) = killed_in_the_middle_of_a_job(&folder);
    damage_tail(folder.segments().last().unwrap());
    let node = folder.start_again(&node);
    node.process.wait_for_line("were not finished", PATIENCE);
    job.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(END).failed, 0);
}

#[test]
fn what_is_damaged_is_sent_again_by_a_client_that_comes_back() {
    let _limit = limit();
    let folder = Folder::new();
    let (node, _host, job) = killed_in_the_middle_of_a_job(&folder);
    damage(&folder.segments()[0], 20);
    assert_eq!(folder.check().0, Some(1));
    let node = folder.start_again(&node);
    node.process.wait_for_line("are damaged", PATIENCE);
    job.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(END).failed, 0);
}

#[test]
fn a_second_node_does_not_take_the_journal_of_the_first() {
    let _limit = limit();
    let folder = Folder::new();
    let node = folder.start();
    let program = programs(Profile::Debug).program("pylmd");
    let mut second = Process::plan("pylmd", program).args(folder.flags()).start();
    assert_eq!(second.wait(PATIENCE).code(), Some(2));
    second.wait_for_line("pylmd: ", PATIENCE);
    node.end(END);
}

/// A `pylm job` that was killed with its node when a folder's journal had four parts of its messages, and two values behind them, and
/// nobody had offered the function; `damaged` is done to what is left.
struct Abandoned {
    messages: Vec<String>,
    node: Node,
    _host: WorkerHost,
}

fn pylm(arguments: &[&str]) -> Plan {
    Process::plan("pylm", programs(Profile::Debug).program("pylm")).args(arguments)
}

impl Abandoned {
    fn new(folder: &Folder, damaged: impl FnOnce(&Path)) -> Self {
        let mut node = folder.start();
        let mut client = pylm(&["job", "--db", &*node.db, "server.echo"]).start();
        let messages: Vec<_> = (0..COUNT).map(|number| format!("message {number:06} of many")).collect();
        // What is written together is lost together.
        for part in messages.chunks(PART) {
            client.write_stdin((part.join("\n") + "\n").as_bytes());
            folder.wait_for(part.last().unwrap().as_bytes());
        }
        // What is damaged at the very end is a write that was not finished: only later ones show that it was on disk.
        for value in ["the first value behind it", "the second value behind it"] {
            assert!(
                pylm(&["cache", "set", value, value, "--db", &*node.db]).start().wait(PATIENCE).success()
            );
            folder.wait_for(value.as_bytes());
        }
        client.kill();
        node.process.kill();
        damaged(&folder.segments()[0]);
        node = folder.start_again(&node);
        node.process.wait_for_line("are damaged", PATIENCE);
        let host = host(&node);
        Abandoned { messages, node, _host: host }
    }

    /// What `pylm attach` says of the job, and its exit code.
    fn attach(&self) -> (Option<i32>, Process) {
        let mut jobs = pylm(&["jobs", "--json", "--db", &*self.node.db]).start();
        assert!(jobs.wait(PATIENCE).success());
        let jobs: serde_json::Value = serde_json::from_str(&jobs.stdout_lines().concat()).unwrap();
        let job = jobs[0]["identity"].as_str().unwrap();
        let mut attach = pylm(&["attach", job, "--db", &*self.node.db]).start();
        (attach.wait(PATIENCE).code(), attach)
    }
}

#[test]
fn what_damage_has_taken_is_told_to_whoever_attaches() {
    let _limit = limit();
    let folder = Folder::new();
    let abandoned = Abandoned::new(&folder, |segment| damage(segment, 2));
    let (code, attach) = abandoned.attach();
    assert_eq!(code, Some(3));
    let results: HashSet<String> = attach.stdout_lines().into_iter().collect();
    let lost: HashSet<String> = attach
        .stderr_lines()
        .iter()
        .filter_map(|line| line.strip_prefix("pylm: message ")?.split_once(": lost: "))
        .map(|(number, _)| abandoned.messages[number.parse::<usize>().unwrap()].clone())
        .collect();
    assert!(!lost.is_empty() && lost.is_disjoint(&results));
    assert_eq!(results.len() + lost.len(), COUNT as usize);
    assert!(abandoned.messages.iter().all(|message| results.contains(message) || lost.contains(message)));
    abandoned.node.end(END);
}

#[test]
fn that_damage_may_have_taken_what_nobody_can_name_is_told_to_whoever_attaches() {
    let _limit = limit();
    let folder = Folder::new();
    // All but the first part: nothing that is left tells that there was more.
    let abandoned = Abandoned::new(&folder, |segment| {
        let mut content = fs::read(segment).unwrap();
        let place = |message| find(&content, message).unwrap();
        let (first, last) = (place(b"message 001000 of many"), place(b"message 003999 of many"));
        content[first..last].fill(0xFF);
        fs::write(segment, content).unwrap();
    });
    let (code, attach) = abandoned.attach();
    assert_eq!(code, Some(1));
    attach.wait_for_line("the node's journal was damaged: more messages", PATIENCE);
    let mut results = attach.stdout_lines();
    results.sort_unstable();
    assert_eq!(results, abandoned.messages[..PART]);
    abandoned.node.end(END);
}
