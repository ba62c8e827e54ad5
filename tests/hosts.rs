//! Worker hosts whose process ends, whatever the reason: nothing that a message does ends their parent or the node, and what
//! happened is said.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::time::Duration;

use pylm_client::blocking::Client;
use pylm_client::{Error, Event, JobOptions, codes};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::{Process, children};
use pylm_tests::programs::{Profile, programs};
use pylm_tests::waiting::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn kill_children(process: &Process) {
    for child in children(process.id()).into_iter().filter_map(Pid::from_raw) {
        // It may have ended just now.
        let _ = kill_process(child, Signal::KILL);
    }
}

/// Why a message failed, which was lost.
#[track_caller]
fn lost(client: &Client, function: &str, payload: &str) -> String {
    match client.eval(function, payload.to_owned()).unwrap_err() {
        Error::Failed { code, text, .. } if code == codes::LOST => text,
        other => panic!("{other}"),
    }
}

#[test]
fn an_exit_code_of_a_function_ends_its_message_and_nothing_else() {
    let _limit = limit();
    let folder = TempDir::new().unwrap();
    let journal = folder.path().to_str().unwrap();
    let flags = ["--max-attempts", "1", "--plugin", "testing", "--workers", "1", "--journal", journal];
    let mut node = Node::start(&flags);
    let client = node.client();
    for code in ["0", "2", "75", "101"] {
        let text = lost(&client, "server.leave", code);
        assert!(text.contains(&format!("host \"server-1\" ended with exit code {code}")), "{text}");
        assert_eq!(client.eval("server.echo", "still").unwrap(), ["still"]);
    }
    drop(client);
    node.process.kill();
    let node = node.start_again(Profile::Debug, &flags);
    assert_eq!(node.client().eval("server.echo", "again").unwrap(), ["again"]);
    node.end(PATIENCE);
}

#[test]
fn a_parent_outlives_what_its_child_does() {
    let _limit = limit();
    let node = Node::start(&["--max-attempts", "1"]);
    let mut host = WorkerHost::start(&node.db, &["testing"], "only", &[]);
    let client = node.client();
    let text = lost(&client, "server.leave", "2");
    assert!(text.contains("host \"only\" ended with exit code 2"), "{text}");
    assert_eq!(client.eval("server.echo", "still").unwrap(), ["still"]);
    host.process.signal(Signal::TERM);
    host.process.wait_for_success(PATIENCE);
    drop(client);
    node.end(PATIENCE);
}

#[test]
fn a_plugin_that_is_half_copied_when_its_host_starts_again_is_tried_until_it_is_whole() {
    let _limit = limit();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("libtesting.so");
    let whole = fs::read(programs(Profile::Debug).plugin("testing")).unwrap();
    fs::write(&file, &whole).unwrap();
    let mut node = Node::start(&["--plugin", file.to_str().unwrap(), "--workers", "1"]);
    let client = node.client();
    assert_eq!(client.eval("server.echo", "first").unwrap(), ["first"]);
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    kill_children(&node.process);
    node.process.wait_for_line("cannot start as it did before", PATIENCE);
    fs::remove_file(&file).unwrap();
    node.process.wait_for_line("plugin-not-found", PATIENCE);
    fs::write(&file, &whole).unwrap();
    assert_eq!(client.eval("server.echo", "then").unwrap(), ["then"]);
    assert_eq!(node.process.try_wait(), None);
    drop(client);
    node.end(PATIENCE);
}

#[test]
fn messages_that_end_every_host_cost_the_others_nothing_but_time() {
    let _limit = limit();
    let node = Node::start(&["--plugin", "testing", "--workers", "2"]);
    let (bad, good) = (node.client(), node.client());
    let (poison, ends) = bad.job("server.leave", JobOptions::new());
    for _ in 0..6 {
        poison.send("134").unwrap();
    }
    poison.finish();
    let (sender, results) = good.job("server.sleep_for", JobOptions::new());
    let count = 3_000;
    for _ in 0..count {
        sender.send("2").unwrap();
    }
    sender.finish();
    let done = results
        .filter(|event| matches!(event, Ok(output) if matches!(output.event, Event::Done { .. })))
        .count();
    assert_eq!(done, count);
    let mut lost = 0;
    for event in ends {
        if let Event::Failed { code, text, .. } = event.unwrap().event {
            assert_eq!(&*code, codes::LOST, "{text}");
            lost += 1;
        }
    }
    assert_eq!(lost, 6);
    drop((bad, good));
    node.end(PATIENCE);
}

#[test]
fn a_slot_has_the_stack_of_a_main_thread_or_what_is_said_and_an_overflow_is_named() {
    let _limit = limit();
    let node = Node::start(&["--plugin", "testing", "--workers", "1", "--max-attempts", "1"]);
    let client = node.client();
    assert_eq!(client.eval("server.deep", "7000").unwrap(), ["7000"]);
    let text = lost(&client, "server.deep", "20000");
    assert!(text.contains("overflowed its stack") && text.contains("SIGABRT"), "{text}");
    let line = node.process.wait_for_line("has ended, and is started again", PATIENCE);
    assert!(line.contains("overflowed its stack") && line.contains("server-1"), "{line}");
    drop(client);
    node.end(PATIENCE);
    for flags in [&["--workers", "1"][..], &["--inline"]] {
        let node = Node::start(&[&["--plugin", "testing", "--stack", "67108864"], flags].concat());
        assert_eq!(node.client().eval("server.deep", "30000").unwrap(), ["30000"]);
        node.end(PATIENCE);
    }
}

#[test]
fn whatever_a_program_inherits_it_notices_dead_children_and_hears_its_signals() {
    let _limit = limit();
    let surroundings: [&[&str]; 2] =
        [&["--ignore-signal=CHLD", "--ignore-signal=TERM", "--ignore-signal=PIPE"], &["--block-signal"]];
    for signals in surroundings {
        let addresses = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"]
            .map(|flag| [flag, pylm_tests::address::ANY_PORT]);
        let built = programs(Profile::Debug);
        let mut node = Process::plan("pylmd", "env")
            .args(signals)
            .args(["sh", "-c", "umask 777; exec \"$0\" \"$@\" <&- >&-"])
            .arg(built.program("pylmd"))
            .args(addresses.concat())
            .args(["--plugin", "testing", "--workers", "1", "--journal", "journal"])
            .start();
        let db = node.wait_until_ready(PATIENCE).field("db");
        let mut host = Process::plan("pylm-worker", "env")
            .args(signals)
            .arg(built.program("pylm-worker"))
            .args(["--db", &db, "--plugin", "testing", "--name", "other"])
            .start();
        host.wait_until_ready(PATIENCE);
        for process in [&node, &host] {
            wait_until("the child is there", || !children(process.id()).is_empty());
            kill_children(process);
            process.wait_for_line("has ended, and is started again", PATIENCE);
        }
        for process in [&mut host, &mut node] {
            process.signal(Signal::TERM);
            process.wait_for_success(PATIENCE);
        }
    }
}

#[test]
fn whatever_a_function_changes_for_its_process_the_programs_go_on_and_end_as_they_should() {
    let _limit = limit();
    let always = ["--plugin", "upset", "--plugin", "testing", "--journal", "journal"];
    for flags in [&["--inline"][..], &["--workers", "1"]] {
        let mut node = Node::start(&[&always, flags].concat());
        let client = node.client();
        for message in ["one", "two"] {
            assert_eq!(client.eval("server.upset", message).unwrap(), [message]);
            assert_eq!(client.eval("server.echo", message).unwrap(), [message]);
        }
        if flags == ["--inline"] {
            for what in ["how this process takes signals", "the limit of open files", "the umask"] {
                let told = format!("a plugin has changed {what}, which was put back");
                node.process.wait_for_line(&told, PATIENCE);
            }
        } else {
            kill_children(&node.process);
            node.process.wait_for_line("has ended, and is started again", PATIENCE);
        }
        // Connections that come later, and the journal in its folder, are as before.
        assert_eq!(node.client().eval("server.echo", "three").unwrap(), ["three"]);
        drop(client);
        node.process.signal(Signal::TERM);
        node.process.wait_for_success(PATIENCE);
        assert!(node.process.folder().join("journal").is_dir());
    }
}

#[test]
fn a_clean_end_warns_of_nothing_and_each_line_of_a_local_host_says_which_it_is() {
    let _limit = limit();
    let mut node = Node::start(&["--plugin", "testing", "--workers", "2", "--log-format", "json"]);
    let client = node.client();
    assert_eq!(client.eval("server.echo", "one").unwrap(), ["one"]);
    drop(client);
    wait_until("both hosts are there", || {
        node.process.stderr_lines().iter().filter(|line| line.contains("\"native\":true")).count() == 2
    });
    node.process.signal(Signal::TERM);
    node.process.wait_for_success(PATIENCE);
    let lines = node.process.stderr_lines();
    let lines: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let mut said: Vec<_> = lines
        .iter()
        .map(|line| {
            assert_ne!(line["level"], "WARN", "{line}");
            (line["message"].to_string(), line["host"].to_string(), line["target"].to_string())
        })
        .collect();
    let count = said.len();
    said.sort();
    said.dedup();
    assert_eq!(said.len(), count, "something is said twice: {lines:#?}");
    let of_hosts = lines.iter().filter(|line| line["native"] == true);
    assert!(of_hosts.clone().all(|line| line["host"] == line["name"]) && of_hosts.count() == 2);
}
