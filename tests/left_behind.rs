//! What is left when a message takes down every host, or a client goes without its results: kept, told, taken over, run again,
//! cancelled.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::thread;
use std::time::{Duration, Instant};

use pylm_client::{Error, Event, JobOptions, codes};
use pylm_protocol::palm::PalmMessage;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use pylm_tests::pylm;
use pylm_tests::waiting::wait_until;
use pylm_transport::{Context, Frame, Options, SocketKind};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn host(node: &Node) -> WorkerHost {
    host_named(node, "host")
}

fn host_named(node: &Node, name: &str) -> WorkerHost {
    WorkerHost::start(&node.db, &["testing"], name, &["--slots", "1"])
}

/// Waits until the only job of the node looks like this; gives its identity.
#[track_caller]
fn wait_for_job(node: &Node, wanted: impl Fn(&Value) -> bool) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let (_, text) = node.pylm(&["jobs", "--json"]);
        let jobs: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        // `pylm jobs` opens none.
        if jobs[0].is_object() && wanted(&jobs[0]) {
            return jobs[0]["identity"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < end, "no such job: {jobs}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn ids_of_failed(node: &Node) -> Vec<String> {
    let (code, text) = node.pylm(&["failed", "list", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let list: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    list.as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_poison_message_is_kept_over_a_crash_shown_run_again_and_dropped() {
    let _limit = limit();
    let folder = TempDir::new().unwrap();
    let flags = ["--max-attempts", "1", "--journal", folder.path().to_str().unwrap()];
    let mut node = Node::start(&flags);
    // Each is started again after delays that grow with every crash of its own.
    let _hosts = ["host1", "host2", "host3"].map(|name| host_named(&node, name));
    let client = node.client();
    // Twice a suspect, once alone.
    let poison = |times: u32, name: &str| format!("{times} {}", folder.path().join(name).display());
    let (cured, for_ever) = (poison(3, "cured"), poison(1_000, "for_ever"));
    for message in [&cured, &for_ever] {
        let failed = client.eval("server.crash", message.clone()).unwrap_err();
        assert!(matches!(&failed, Error::Failed { code, .. } if code == codes::LOST), "{failed}");
    }
    drop(client);
    node.process.kill();
    let node = node.start_again(Profile::Debug, &flags);
    // That the last of them has failed was perhaps not on disk; then it fails again.
    wait_until("both are kept", || ids_of_failed(&node).len() == 2);
    let ids = ids_of_failed(&node);
    let (_, text) = node.pylm(&["status"]);
    assert!(text.contains("2 messages that took down every host are kept"), "{text}");

    let (code, text) = node.pylm(&["failed", "show", &ids[0]]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("server.crash") && text.contains("lost") && text.contains("--max-attempts"),
        "{text}"
    );
    let (_, text) = node.pylm(&["failed", "show", &ids[1], "--payload"]);
    assert_eq!(text, for_ever);
    assert_eq!(node.pylm(&["failed", "show", "nothing"]).0, Some(1));

    let (code, text) = node.pylm(&["failed", "retry", &ids[0]]);
    assert_eq!((code, &*text), (Some(0), "survived after 3"));
    assert_eq!(ids_of_failed(&node), ids[1..]);
    let (code, text) = node.pylm(&["failed", "retry", "--all"]);
    assert_eq!(code, Some(3), "{text}");
    // In its place stands what has just failed.
    let again = ids_of_failed(&node);
    assert!(again.len() == 1 && again != ids[1..], "{again:?}");
    assert_eq!(node.pylm(&["failed", "drop", &again[0]]).0, Some(0));
    assert!(ids_of_failed(&node).is_empty());
    let client = node.client();
    assert!(matches!(client.cache().set("failed/mine", "x"), Err(Error::CacheRefused(_))));
    node.end(PATIENCE);
}

#[test]
fn a_kept_message_of_a_stage_below_zero_is_listed_shown_and_run_again() {
    let _limit = limit();
    let folder = TempDir::new().unwrap();
    let node = Node::start(&["--max-attempts", "1"]);
    let _hosts = ["host1", "host2", "host3"].map(|name| host_named(&node, name));
    // Twice a suspect, once alone.
    let poison = format!("3 {}", folder.path().join("cured").display());
    // pylm's field is signed, and its workers take a function that stands alone for every stage.
    let palm = PalmMessage {
        pipeline: "p",
        client: "c",
        stage: -1,
        function: "server.crash",
        payload: poison.as_bytes(),
        ..PalmMessage::default()
    };
    let options = Options { linger: PATIENCE, ..Options::default() };
    let context = Context::new().unwrap();
    let push = context.socket(SocketKind::Push, &options).unwrap();
    push.connect(&node.pull).unwrap();
    assert!(push.wait_writable(Some(PATIENCE)).unwrap());
    push.send(&mut vec![Frame::from_vec(palm.encode())]).unwrap();

    wait_until("it is kept", || ids_of_failed(&node).len() == 1);
    let (code, text) = node.pylm(&["failed", "list"]);
    assert!(code == Some(0) && text.contains("server.crash"), "{text}");
    let (_, text) = node.pylm(&["failed", "show", &ids_of_failed(&node)[0]]);
    assert!(text.lines().any(|line| line == "stage     -1"), "{text}");
    let (code, text) = node.pylm(&["failed", "retry", "--all"]);
    assert_eq!((code, &*text), (Some(0), "survived after 3"));
    assert!(ids_of_failed(&node).is_empty());
}

#[test]
fn of_messages_that_took_down_every_host_the_newest_are_kept_as_far_as_there_is_room() {
    let _limit = limit();
    let folder = TempDir::new().unwrap();
    // Large beside what is told of each, for which there has to be room too.
    let path = format!("{}/{}", folder.path().display(), "./".repeat(1_700));
    let poison: Vec<_> = (0..3).map(|number| format!("1000 {path}{number}")).collect();
    // Room for two of the three.
    let room = (poison[0].len() * 5 / 2).to_string();
    let journal = folder.path().join("journal").display().to_string();
    let flags = [["--max-attempts", "1"], ["--failed-bytes", &room], ["--journal", &journal]].concat();
    let mut node = Node::start(&flags);
    let _hosts = ["host1", "host2", "host3"].map(|name| host_named(&node, name));
    let client = node.client();
    let mut ids = Vec::new();
    for message in &poison {
        client.eval("server.crash", message.clone()).unwrap_err();
        ids.extend(ids_of_failed(&node).last().cloned());
    }
    assert_eq!(ids_of_failed(&node), ids[1..]);
    let line = node.process.wait_for_line("--failed-bytes", PATIENCE);
    assert!(line.contains("WARN") && line.contains(&ids[0]), "{line}");
    assert_eq!(node.pylm(&["failed", "show", &ids[0]]).0, Some(1));
    drop(client);
    node.process.kill();
    let node = node.start_again(Profile::Debug, &flags);
    assert_eq!(ids_of_failed(&node), ids[1..]);
    for (id, message) in ids.iter().zip(&poison).skip(1) {
        assert_eq!(&node.pylm(&["failed", "show", id, "--payload"]).1, message);
    }
    node.end(PATIENCE);
}

/// A client of its own process, with a job whose `messages` sleep for 20 ms each.
fn doomed(node: &Node, messages: usize) -> Process {
    let program = programs(Profile::Debug).program("pylm");
    let mut client =
        Process::plan("doomed", program).args(["job", "server.sleep_for", "--db", &*node.db]).start();
    client.write_stdin("20\n".repeat(messages).as_bytes());
    client
}

#[test]
fn who_attaches_gets_what_a_killed_client_has_still_to_get_also_after_the_node_was_killed() {
    let _limit = limit();
    let folder = TempDir::new().unwrap();
    let flags = ["--journal", folder.path().to_str().unwrap()];
    let mut node = Node::start(&flags);
    let host = host(&node);
    let mut client = doomed(&node, 200);
    let job = wait_for_job(&node, |job| {
        job["counts"]["accepted"] == 200 && job["counts"]["done"].as_u64() > Some(10)
    });
    let (code, text) = node.pylm(&["attach", &job]);
    assert!(code == Some(1) && text.contains("still connected"), "{text}");
    client.kill();
    let had = client.stdout_lines().len();
    wait_for_job(&node, |job| job["away"].is_number());
    node.process.kill();
    let node = node.start_again(Profile::Debug, &flags);
    let (code, text) = node.pylm(&["attach", &job[..13]]);
    assert_eq!(code, Some(0), "{text}");
    let rest = text.lines().count();
    assert!(text.lines().all(|line| line == "20"), "{text}");
    // What it has taken, and not acknowledged when it was killed, comes once more.
    assert!((200 - had..=200).contains(&rest) && rest < 200, "{rest} after {had}");
    let (code, text) = node.pylm(&["attach", &job]);
    assert!(code == Some(1) && text.contains("no such job"), "{text}");
    drop(host);
    node.end(PATIENCE);
}

#[test]
fn who_stops_to_attach_leaves_the_job_to_the_next_one() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = host(&node);
    let mut client = doomed(&node, 100);
    let job = wait_for_job(&node, |job| job["counts"]["accepted"] == 100);
    client.kill();
    wait_for_job(&node, |job| job["away"].is_number());
    let identity = job.parse().unwrap();
    let first = node.client();
    let mut results = first.attach(identity, JobOptions::new());
    let mut numbers: Vec<u64> = Vec::new();
    while numbers.len() < 20 {
        let output = results.next().unwrap().unwrap();
        if let Event::Done { .. } = output.event {
            numbers.push(output.number);
        }
    }
    drop(results);
    first.close();
    wait_for_job(&node, |job| job["away"].is_number());
    for output in node.client().attach(identity, JobOptions::new()) {
        let output = output.unwrap();
        if let Event::Done { .. } = output.event {
            numbers.push(output.number);
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.last(), Some(&99));
    assert_eq!(node.end(PATIENCE).done, 100);
}

#[test]
fn a_job_is_cancelled_from_outside_and_its_client_hears_of_it() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = host(&node);
    let client = node.client();
    let (sender, results) = client.job("server.sleep_for", JobOptions::new());
    for _ in 0..100 {
        sender.send("50").unwrap();
    }
    let job = wait_for_job(&node, |job| job["counts"]["done"].as_u64() > Some(0));
    assert_eq!(job, sender.identity().to_string());
    assert_eq!(node.pylm(&["cancel", &job[..8]]).0, Some(0));
    let ends: Vec<_> = results.map(Result::unwrap).filter(pylm_client::Output::is_end).collect();
    assert_eq!(ends.len(), 100);
    let is_cancelled =
        |event: &Event| matches!(event, Event::Failed { code, .. } if &**code == codes::CANCELLED);
    let cancelled = ends.iter().filter(|end| is_cancelled(&end.event)).count();
    assert!((50..100).contains(&cancelled), "{cancelled} were cancelled");
    assert!(matches!(sender.send("50"), Err(Error::Cancelled)));
    assert_eq!(node.pylm(&["cancel", "0000"]).0, Some(1));
    let account = node.end(PATIENCE);
    assert_eq!(account.done + account.cancelled, 100);
}

#[test]
fn a_job_of_a_pylm_client_is_cancelled_from_outside_and_its_next_one_is_served() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = host(&node);
    let what = ["--function", "server.sleep_for", "--payload", "100", "--count", "100", "--timeout", "3"];
    let mut client = pylm::client(&node.db, &what);
    let job = wait_for_job(&node, |job| {
        job["counts"]["accepted"] == 100 && job["counts"]["done"].as_u64() > Some(2)
    });
    assert_eq!(node.pylm(&["cancel", &job]).0, Some(0));
    // pylm has no word for it: its client waits for the rest.
    client.wait_for_line("no result for 3.0 s", PATIENCE);
    assert_eq!(client.wait(PATIENCE).code(), Some(4));
    let (_, text) = node.pylm(&["status", "--json"]);
    let status: Value = serde_json::from_str(&text).unwrap();
    let count = |key: &str| status["counts"][key].as_u64().unwrap();
    let [done, cancelled] = ["done", "cancelled"].map(count);
    assert!((3..100).contains(&done) && done + cancelled == 100, "{text}");
    assert_eq!((count("accepted"), count("failed"), count("under_way")), (100, 0, 0), "{text}");

    let what = ["--function", "server.echo", "--count", "3"];
    assert_eq!(pylm::client_lines(&node.db, &what, PATIENCE), ["b'a message'"; 3]);
    let account = node.end(PATIENCE);
    assert_eq!((account.done, account.cancelled), (done + 3, cancelled));
}
