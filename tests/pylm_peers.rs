//! Unmodified Python peers beside our own programs, in every mixture: pylm's examples give pylm's answers.
//!
//! Clients of our node send as soon as they have asked for their subscription, as pylm's do: none of its answers may be
//! lost to that. Clients of pylm's own Master wait until their subscription is there, since it loses them.

use std::time::Duration;

use pylm_tests::address::wait_for_peers;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::pylm::{self, PylmNode};

const CLIENT: Duration = Duration::from_secs(30);
const NAMES: [&str; 2] = ["worker1", "worker2"];
const SET: [&str; 2] = ["--set", "cached= cached data "];
const THREE: [&str; 4] = ["--copies", "3", "--extra-wait", "1"];
const TWO: [&str; 4] = ["--copies", "2", "--extra-wait", "1"];
/// The native function that yields what pylm's example of a MuxWorker yields.
const TWICE: [&str; 2] = ["--function", "server.twice"];

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

/// Two of our worker hosts under a Python Master, which deals messages only to those whose connection stands.
fn hosts_of_pylm(master: &PylmNode, plugin: &str) -> [WorkerHost; 2] {
    let hosts = hosts(&master.db, plugin);
    wait_for_peers(&master.worker_push, 2, CLIENT);
    hosts
}

/// What a Python client of our node prints.
fn answers(db: &str, args: &[&[&str]]) -> Vec<String> {
    pylm::client_lines(db, &args.concat(), CLIENT)
}

/// What a Python client of a Python Master prints.
fn answers_of_pylm(db: &str, args: &[&[&str]]) -> Vec<String> {
    pylm::client_lines(db, &[&args.concat()[..], &["--send-after", "0.5"]].concat(), CLIENT)
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

/// See that `lines` are the output of the gather example, whose thirtieth result is replaced.
#[track_caller]
fn assert_final_message_last(lines: &[String]) {
    let Some((last, others)) = lines.split_last() else { panic!("the client printed nothing") };
    assert_eq!(last, "b'Final message'");
    assert_cached_answers(others, 29);
}

/// See that each of ten messages gave two answers, the first and the second of one worker.
#[track_caller]
fn assert_muxed_answers(lines: &[String]) {
    let count = |line: String| lines.iter().filter(|other| **other == line).count();
    let firsts_and_seconds = NAMES.map(|name| {
        let of = |number| count(format!("b'{name} processed a message {number}'"));
        (of(1), of(2))
    });
    let firsts: usize = firsts_and_seconds.iter().map(|(first, _)| first).sum();
    assert_eq!((lines.len(), firsts), (20, 10), "{lines:?}");
    assert!(firsts_and_seconds.iter().all(|(first, second)| first == second), "{lines:?}");
}

mod our_node_and_our_workers {
    use super::*;

    #[test]
    fn parallel_answers_ten_times() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _hosts = hosts(&node.db, "parallel");
        assert_answers(&answers(&node.db, &[]), 10, " processed a message");
    }

    #[test]
    fn cache_is_seen_by_the_workers() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _hosts = hosts(&node.db, "cached");
        assert_cached_answers(&answers(&node.db, &[&SET]), 10);
    }

    #[test]
    fn scatter_answers_thirty_times_and_no_more() {
        let _limit = limit();
        let node = Node::start(&["--plugin", "scatter3"]);
        let _hosts = hosts(&node.db, "cached");
        assert_cached_answers(&answers(&node.db, &[&SET, &THREE]), 30);
    }

    #[test]
    fn gather_replaces_the_thirtieth_answer() {
        let _limit = limit();
        let node = Node::start(&["--plugin", "scatter3", "--plugin", "final-message"]);
        let _hosts = hosts(&node.db, "cached");
        assert_final_message_last(&answers(&node.db, &[&SET, &THREE]));
    }

    #[test]
    fn every_value_of_a_muxed_function_is_an_answer() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _hosts = hosts(&node.db, "testing");
        assert_muxed_answers(&answers(&node.db, &[&TWO, &TWICE]));
    }

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
    fn parallel_answers_ten_times() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _workers = python_workers(&node.db, &[]);
        assert_answers(&answers(&node.db, &[]), 10, " processed a message");
    }

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
    fn cache_is_seen_by_the_workers() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _workers = python_workers(&node.db, &["--cached"]);
        assert_cached_answers(&answers(&node.db, &[&SET]), 10);
    }

    #[test]
    fn scatter_answers_thirty_times_and_no_more() {
        let _limit = limit();
        let node = Node::start(&["--plugin", "scatter3"]);
        let _workers = python_workers(&node.db, &["--cached"]);
        assert_cached_answers(&answers(&node.db, &[&SET, &THREE]), 30);
    }

    #[test]
    fn gather_replaces_the_thirtieth_answer() {
        let _limit = limit();
        let node = Node::start(&["--plugin", "scatter3", "--plugin", "final-message"]);
        let _workers = python_workers(&node.db, &["--cached"]);
        assert_final_message_last(&answers(&node.db, &[&SET, &THREE]));
    }

    #[test]
    fn every_value_of_a_mux_worker_is_an_answer() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _workers = NAMES.map(|name| pylm::mux_worker(name, &node.db, &[]));
        assert_muxed_answers(&answers(&node.db, &[&TWO]));
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
    fn parallel_answers_ten_times() {
        let _limit = limit();
        let master = pylm::master(&[]);
        let _hosts = hosts_of_pylm(&master, "parallel");
        assert_answers(&answers_of_pylm(&master.db, &[]), 10, " processed a message");
    }

    #[test]
    fn cache_is_seen_by_the_workers() {
        let _limit = limit();
        let master = pylm::master(&[]);
        let _hosts = hosts_of_pylm(&master, "cached");
        assert_cached_answers(&answers_of_pylm(&master.db, &[&SET]), 10);
    }

    #[test]
    fn scatter_answers_thirty_times_and_no_more() {
        let _limit = limit();
        let master = pylm::master(&["--copies", "3"]);
        let _hosts = hosts_of_pylm(&master, "cached");
        assert_cached_answers(&answers_of_pylm(&master.db, &[&SET, &THREE]), 30);
    }

    #[test]
    fn gather_replaces_the_thirtieth_answer() {
        let _limit = limit();
        let master = pylm::master(&["--copies", "3", "--final", "30"]);
        let _hosts = hosts_of_pylm(&master, "cached");
        assert_final_message_last(&answers_of_pylm(&master.db, &[&SET, &THREE]));
    }

    #[test]
    fn every_value_of_a_muxed_function_is_an_answer() {
        let _limit = limit();
        let master = pylm::master(&[]);
        let _hosts = hosts_of_pylm(&master, "testing");
        assert_muxed_answers(&answers_of_pylm(&master.db, &[&TWO, &TWICE]));
    }

    #[test]
    fn a_function_that_no_plugin_has_is_the_payload_that_pylm_sends() {
        let _limit = limit();
        let master = pylm::master(&[]);
        let _hosts = hosts_of_pylm(&master, "parallel");
        let lines = answers_of_pylm(&master.db, &[&["--count", "4", "--function", "server.nothing"]]);
        assert_eq!(lines, ["b'0'"; 4]);
    }
}
