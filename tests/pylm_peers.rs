//! Unmodified Python peers beside our own programs: what pylm's examples (`pylm_examples`) do not show.
//!
//! Clients of our node send as soon as they have asked for their subscription, as pylm's do: none of its answers may be
//! lost to that. Clients of pylm's own Master wait until their subscription is there, since it loses them.

use std::time::Duration;

use pylm_tests::address::wait_for_peers;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::pylm;

const CLIENT: Duration = Duration::from_secs(30);
const NAMES: [&str; 2] = ["worker1", "worker2"];
const SET: [&str; 2] = ["--set", "cached= cached data "];

fn limit() -> Deadline {
    // The first test also builds the programs and makes the Python environment.
    deadline(Duration::from_secs(900))
}

/// Two of our worker hosts with one plugin.
fn hosts(db: &str, plugin: &str) -> [WorkerHost; 2] {
    NAMES.map(|name| WorkerHost::start(db, &[plugin], name, &[]))
}

/// Two Python workers.
fn python_workers(db: &str, args: &[&str]) -> [Process; 2] {
    NAMES.map(|name| pylm::worker(name, db, args))
}

/// What a Python client of our node prints.
fn answers(db: &str, args: &[&[&str]]) -> Vec<String> {
    pylm::client_lines(db, &args.concat(), CLIENT)
}

/// See that `lines` are `count` answers, each that of one of the two workers followed by `rest`.
#[track_caller]
fn assert_answers(lines: &[String], count: usize, rest: &str) {
    let expected = NAMES.map(|name| format!("b'{name}{rest}'"));
    assert_eq!(lines.len(), count, "{lines:?}");
    assert!(lines.iter().all(|line| expected.contains(line)), "not all are one of {expected:?}: {lines:?}");
}

/// See that `lines` are what the examples with the cache print: the value that was set, then `count` answers.
#[track_caller]
fn assert_cached_answers(lines: &[String], count: usize) {
    assert_eq!(lines[0], "b' cached data '");
    assert_answers(&lines[1..], count, " cached data a message");
}

mod our_node_and_our_workers {
    use super::*;

    #[test]
    fn eval_answers_each_call() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _hosts = hosts(&node.db, "parallel");
        assert_answers(&answers(&node.db, &[&["--eval", "--count", "5"]]), 5, " processed a message");
    }
}

mod our_node_and_python_workers {
    use super::*;

    #[test]
    fn workers_share_what_takes_time() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _workers = python_workers(&node.db, &["--delay", "0.05"]);
        let lines = answers(&node.db, &[&["--count", "40"]]);
        assert_answers(&lines, 40, " processed a message");
        for name in NAMES {
            assert!(lines.iter().any(|line| line.contains(name)), "{name} had nothing to do: {lines:?}");
        }
    }

    #[test]
    fn an_exception_is_the_payload_that_pylm_sends() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _workers = python_workers(&node.db, &[]);
        assert_eq!(answers(&node.db, &[&["--count", "2", "--function", "server.fail"]]), ["b'0'", "b'0'"]);
    }

    #[test]
    fn a_call_that_would_kill_a_worker_does_not_reach_it() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _workers = python_workers(&node.db, &[]);
        assert_eq!(answers(&node.db, &[&["--count", "4", "--function", "no-dot"]]), ["b'0'"; 4]);
        assert_answers(&answers(&node.db, &[]), 10, " processed a message");
    }

    #[test]
    fn deleting_a_missing_key_leaves_the_cache_at_work() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _workers = python_workers(&node.db, &["--cached"]);
        let lines =
            answers(&node.db, &[&SET, &["--delete", "cached", "--delete", "cached", "--delete", "nothing"]]);
        assert_cached_answers(&lines, 10);
        assert_cached_answers(&answers(&node.db, &[&SET]), 10);
    }

    #[test]
    fn a_session_goes_before_the_keys_that_are_set() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _workers = python_workers(&node.db, &[]);
        let lines = answers(&node.db, &[&["--session", "mine", "--set", "key=value"]]);
        assert_eq!(lines[0], "b''");
        assert_answers(&lines[1..], 10, " processed a message");
        let lines = answers(&node.db, &[&["--session", "min", "--set", "ekey=other"]]);
        assert_eq!(lines[0], "b''");
        let lines = answers(&node.db, &[&["--set", "unrelated=1", "--count", "1", "--eval"]]);
        assert_eq!(lines[0], "b'1'");
    }

    #[test]
    fn a_client_of_another_server_refuses_to_go_on() {
        let _limit = limit();
        let node = Node::start(&["--name", "mine"]);
        let mut client = pylm::client(&node.db, &[]);
        assert_eq!(client.wait(CLIENT).code(), Some(1));
        assert!(client.stderr_lines().iter().any(|line| line.contains("wrong server")));
    }
}

mod our_node_and_workers_of_both_kinds {
    use super::*;

    #[test]
    fn what_a_host_offers_goes_to_it_and_the_rest_to_python() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _host = WorkerHost::start(&node.db, &["parallel"], "worker1", &[]);
        let _worker = pylm::worker("worker2", &node.db, &[]);
        assert_eq!(answers(&node.db, &[]), ["b'worker1 processed a message'"; 10]);
        assert_eq!(answers(&node.db, &[&["--function", "server.echo"]]), ["b'a message'"; 10]);
    }
}

mod a_python_master_and_our_workers {
    use super::*;

    #[test]
    fn a_function_that_no_plugin_has_is_the_payload_that_pylm_sends() {
        let _limit = limit();
        let master = pylm::master(&[]);
        let _hosts = hosts(&master.db, "parallel");
        wait_for_peers(&master.worker_push, 2, CLIENT);
        let how = ["--count", "4", "--function", "server.nothing", "--send-after", "0.5"];
        let lines = answers(&master.db, &[&how]);
        assert_eq!(lines, ["b'0'"; 4]);
    }
}
