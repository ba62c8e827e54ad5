//! The worker host as a node sees it: the real program, with a real plugin, against a node of a few lines.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic, and is its own documentation")]

#[path = "host/master.rs"]
mod master;
#[path = "host/node.rs"]
mod node;
#[path = "host/worker.rs"]
mod worker;

use master::Master;
use node::{Node, assignment, end, function};
use pylm_protocol::palm::{PalmMessage, Tracking};
use pylm_protocol::{Payload, Record};
use rustix::process::{Signal, kill_process};
use std::collections::BTreeMap;
use worker::Worker;

fn texts(ends: Vec<(u64, String)>) -> BTreeMap<u64, String> {
    let count = ends.len();
    let texts: BTreeMap<u64, String> = ends.into_iter().collect();
    assert_eq!(texts.len(), count, "a lease ended twice");
    texts
}

/// The cache call with which the fixture's `wait_cancelled` begins.
fn get(record: &Record<'_>) -> Option<u64> {
    match record {
        Record::Get { call, .. } => Some(*call),
        _ => None,
    }
}

fn no_such_key(call: u64) -> Record<'static> {
    Record::Answer { call, status: 1, payload: Payload::default() }
}

#[test]
fn a_host_says_hello_and_answers_its_leases() {
    let mut node = Node::bind();
    let mut worker = Worker::start(&node.address, 2);
    let hello = node.welcome();
    assert_eq!((hello.name.as_str(), hello.limit), ("host", 4));
    let functions = ["count", "echo", "fails", "panics", "remember", "slow", "wait_cancelled"];
    assert_eq!(hello.functions, functions);
    let line = worker.line(" ready ");
    assert!(line.contains(&format!("db=\"{}\"", node.address)) && line.contains("native=true"), "{line}");

    node.describe(function::ECHO, 1);
    let long = "x".repeat(100_000);
    node.say(&[
        assignment(function::ECHO, 1, "one"),
        assignment(function::ECHO, 2, ""),
        assignment(function::ECHO, 3, long.clone()),
    ]);
    let ends = texts(node.ends(3));
    assert_eq!(ends, [(1, "=one".into()), (2, "=".into()), (3, format!("={long}"))].into());
}

#[test]
fn errors_panics_and_what_is_not_there_end_their_lease_and_nothing_else() {
    let mut node = Node::bind();
    let _worker = Worker::start(&node.address, 1);
    node.welcome();
    for index in [function::FAILS, function::PANICS, function::ECHO, 99] {
        node.describe(index, 1);
    }
    node.say(&[
        assignment(function::FAILS, 1, ""),
        assignment(function::PANICS, 2, ""),
        assignment(99, 3, ""),
        assignment(77, 4, ""),
        assignment(function::ECHO, 5, "on"),
    ]);
    let ends = texts(node.ends(5));
    assert!(ends[&1].starts_with("failed: it was told to fail"), "{ends:?}");
    assert!(ends[&2].starts_with("panicked: ") && ends[&2].contains("it was told to panic"), "{ends:?}");
    assert!(ends[&3].starts_with("no-function: ") && ends[&4].starts_with("no-function: "), "{ends:?}");
    assert_eq!(ends[&5], "=on");
}

#[test]
fn leases_that_are_not_begun_are_given_back_and_others_told() {
    let mut node = Node::bind();
    let _worker = Worker::start(&node.address, 1);
    node.welcome();
    node.describe(function::WAIT_CANCELLED, 1);
    node.describe(function::ECHO, 1);
    node.assign(function::WAIT_CANCELLED, 1, "");
    let call = node.hear("that the first is begun", get);
    node.say(&[assignment(function::ECHO, 2, ""), assignment(function::ECHO, 3, "")]);
    node.say(&[Record::Withdraw { lease: 1 }, Record::Withdraw { lease: 2 }, Record::Abandon { lease: 3 }]);
    assert_eq!(node.ends(2), [(2, "released".into()), (3, "released".into())]);
    node.say(&[no_such_key(call), Record::Abandon { lease: 1 }]);
    assert_eq!(node.ends(1), [(1, "=cancelled".into())]);
}

#[test]
fn one_slow_lease_holds_up_no_other_while_a_slot_is_free() {
    let mut node = Node::bind();
    let _worker = Worker::start(&node.address, 2);
    node.welcome();
    node.describe(function::ECHO, 1);
    node.describe(function::SLOW, 1);
    // Many quick ones teach the host to take many at once.
    let quick: Vec<_> = (0..2000).map(|lease| assignment(function::ECHO, lease, "quick")).collect();
    node.say(&quick);
    node.ends(quick.len());
    let mut mixed = vec![assignment(function::SLOW, 5000, "3000")];
    mixed.extend((5001..5100).map(|lease| assignment(function::SLOW, lease, "0")));
    node.say(&mixed);
    let ends = node.ends(100);
    assert_eq!(ends.last().map(|(lease, _)| *lease), Some(5000));
}

#[test]
fn a_function_of_several_results_waits_for_room() {
    let mut node = Node::bind();
    let _worker = Worker::start(&node.address, 1);
    node.welcome();
    node.describe(function::COUNT, 2);
    node.assign(function::COUNT, 1, "5");
    let result = |node: &mut Node| {
        node.hear("a result", |record| match record {
            Record::LeaseResult { lease: 1, place, payload, .. } => {
                Some((place.0.clone(), payload.0.to_vec()))
            }
            other => end(other).map(|end| panic!("ended too early: {end:?}")),
        })
    };
    assert_eq!(result(&mut node), (vec![0], b"0".to_vec()));
    assert_eq!(result(&mut node), (vec![1], b"1".to_vec()));
    node.say(&[Record::Room { lease: 1, results: 4, results_bytes: 1 << 20 }]);
    assert_eq!(result(&mut node), (vec![2], b"2".to_vec()));
    assert_eq!(result(&mut node), (vec![3], b"3".to_vec()));
    node.say(&[Record::Room { lease: 1, results: 9, results_bytes: 1 << 20 }]);
    assert_eq!(result(&mut node), (vec![4], b"4".to_vec()));
    assert_eq!(node.ends(1), [(1, "done 5".into())]);
    node.assign(function::COUNT, 2, "0");
    assert_eq!(node.ends(1), [(2, "done 0".into())]);
}

#[test]
fn functions_use_the_cache_of_the_node() {
    let mut node = Node::bind();
    let _worker = Worker::start(&node.address, 1);
    node.welcome();
    node.describe(function::REMEMBER, 1);
    node.assign(function::REMEMBER, 5, "data");
    let job = uuid::Uuid::from_u128(7);
    let derived = format!("{job}/5/0");
    let (call, value) = node.hear("Set", |record| match record {
        Record::Set { call, key, payload } if *key == derived => Some((*call, payload.clone())),
        _ => None,
    });
    node.say(&[Record::Answer { call, status: 0, payload: Payload::default() }]);
    let call = node.hear("Get", |record| match record {
        Record::Get { call, key } if *key == derived => Some(*call),
        _ => None,
    });
    node.say(&[Record::Answer { call, status: 0, payload: value }]);
    let call = node.hear("Delete", |record| match record {
        Record::Delete { call, key } if *key == derived => Some(*call),
        _ => None,
    });
    node.say(&[Record::Answer { call, status: 2, payload: Payload("read-only".into()) }]);
    let ends = node.ends(1);
    assert!(ends[0].1.starts_with("failed: ") && ends[0].1.contains("read-only"), "{ends:?}");
}

#[test]
fn the_limit_grows_with_quick_functions_and_shrinks_with_slow_ones() {
    let mut node = Node::bind();
    let _worker = Worker::start(&node.address, 1);
    node.welcome();
    node.describe(function::ECHO, 1);
    node.describe(function::SLOW, 1);
    let limit = |record: &Record<'_>| match record {
        Record::Limit { limit, .. } => Some(*limit),
        _ => None,
    };
    let quick: Vec<_> = (0..500).map(|lease| assignment(function::ECHO, lease, "quick")).collect();
    node.say(&quick);
    let mut grown = 0;
    while grown < 50 {
        grown = node.hear("Limit", limit);
    }
    let slow: Vec<_> = (1000..1010).map(|lease| assignment(function::SLOW, lease, "20")).collect();
    node.say(&slow);
    while grown > 2 {
        grown = node.hear("Limit", limit);
    }
}

#[test]
fn what_was_not_taken_is_sent_again_to_the_same_run_of_the_node() {
    let mut node = Node::bind();
    let _worker = Worker::start(&node.address, 1);
    let first = node.welcome();
    node.describe(function::ECHO, 1);
    node.describe(function::WAIT_CANCELLED, 1);
    node.assign(function::ECHO, 1, "taken");
    node.ends(1);
    node.say(&[Record::Taken { leases: 1 }]);
    node.assign(function::ECHO, 2, "not taken");
    node.ends(1);
    node.assign(function::WAIT_CANCELLED, 3, "");
    node.hear("that it is begun", get);
    node.assign(function::ECHO, 4, "not begun");
    let mut node = node.again(true);
    assert_eq!(node.welcome().peer, first.peer);
    // The lost cache call ends the third.
    let ends = texts(node.ends(2));
    assert_eq!(ends[&2], "=not taken");
    assert!(ends[&3].contains("connection was lost"), "{ends:?}");
    node.say(&[Record::Taken { leases: 2 }]);
    node.describe(function::ECHO, 1);
    node.assign(function::ECHO, 5, "on");
    assert_eq!(node.ends(1), [(5, "=on".into())]);
}

#[test]
fn another_run_of_the_node_hears_nothing_of_old_leases() {
    let mut node = Node::bind();
    let _worker = Worker::start(&node.address, 2);
    node.welcome();
    node.describe(function::ECHO, 1);
    node.describe(function::SLOW, 1);
    node.assign(function::ECHO, 1, "old");
    node.ends(1);
    node.assign(function::SLOW, 2, "300");
    let mut node = node.again(false);
    node.welcome();
    node.describe(function::ECHO, 1);
    node.describe(function::SLOW, 1);
    node.assign(function::SLOW, 2, "600");
    assert_eq!(node.ends(1), [(2, "=600".into())]);
}

#[test]
fn a_reset_connection_is_made_anew_and_a_final_reset_ends_the_host() {
    let mut node = Node::bind();
    let mut worker = Worker::start(&node.address, 1);
    let first = node.welcome();
    node.say(&[Record::Reset { code: "unknown", text: "who are you" }]);
    assert_eq!(node.welcome().peer, first.peer);
    node.say(&[Record::Reset { code: "refused", text: "not you" }]);
    assert_eq!(worker.wait().code(), Some(2));
    assert!(worker.line("not you").contains("refused"));
}

#[test]
fn a_child_that_dies_is_replaced() {
    let mut node = Node::bind();
    let worker = Worker::start(&node.address, 1);
    let first = node.welcome();
    kill_process(worker.working(), Signal::KILL).unwrap();
    let second = node.welcome();
    assert_ne!(first.peer, second.peer);
    assert_eq!(first.name, second.name);
    node.describe(function::ECHO, 1);
    node.assign(function::ECHO, 1, "again");
    assert_eq!(node.ends(1), [(1, "=again".into())]);
}

#[test]
fn a_child_that_stops_answering_is_replaced() {
    let mut node = Node::bind();
    let mut worker = Worker::start(&node.address, 1);
    let first = node.welcome();
    worker.line(" ready ");
    kill_process(worker.working(), Signal::STOP).unwrap();
    assert_ne!(node.welcome().peer, first.peer);
}

#[test]
fn a_child_does_not_outlive_its_supervisor() {
    let mut node = Node::bind();
    let mut worker = Worker::start(&node.address, 1);
    node.welcome();
    let child = worker.working();
    worker.signal(Signal::KILL);
    worker.wait();
    let end = std::time::Instant::now() + node::LIMIT;
    while rustix::process::test_kill_process(child).is_ok() {
        assert!(std::time::Instant::now() < end, "the child goes on");
        std::thread::yield_now();
    }
}

#[test]
fn a_host_that_is_told_to_end_finishes_what_it_has_begun_and_gives_back_the_rest() {
    let mut node = Node::bind();
    let mut worker = Worker::start(&node.address, 1);
    node.welcome();
    node.describe(function::WAIT_CANCELLED, 1);
    node.describe(function::ECHO, 1);
    node.say(&[assignment(function::WAIT_CANCELLED, 1, ""), assignment(function::ECHO, 2, "")]);
    let call = node.hear("that the first is begun", get);
    worker.signal(Signal::TERM);
    node.hear("Goodbye", |record| matches!(record, Record::Goodbye {}).then_some(()));
    node.assign(function::ECHO, 3, "");
    assert_eq!(node.ends(2), [(2, "released".into()), (3, "released".into())]);
    node.say(&[no_such_key(call), Record::Abandon { lease: 1 }]);
    assert_eq!(node.ends(1), [(1, "=cancelled".into())]);
    assert!(worker.line("ending").contains("begun"));
    node.say(&[Record::Taken { leases: 3 }]);
    assert_eq!(worker.wait().code(), Some(0));
}

#[test]
fn a_host_that_is_told_to_end_before_its_node_is_back_says_goodbye_when_it_is() {
    let mut node = Node::bind();
    let mut worker = Worker::start(&node.address, 1);
    node.welcome();
    node.describe(function::WAIT_CANCELLED, 1);
    node.assign(function::WAIT_CANCELLED, 1, "");
    node.hear("that it is begun", get);
    let mut node = node.again(true);
    node.hello();
    worker.signal(Signal::TERM);
    worker.line("ending");
    node.greet();
    // Otherwise the node would go on to give it messages, which it would give back for ever.
    node.hear("Goodbye", |record| matches!(record, Record::Goodbye {}).then_some(()));
    worker.signal(Signal::INT);
    assert_eq!(worker.wait().code(), Some(1));
}

#[test]
fn a_second_signal_ends_the_host_at_once() {
    let mut node = Node::bind();
    let mut worker = Worker::start(&node.address, 1);
    node.welcome();
    node.describe(function::WAIT_CANCELLED, 1);
    node.assign(function::WAIT_CANCELLED, 1, "");
    node.hear("that it is begun", get);
    worker.signal(Signal::TERM);
    node.hear("Goodbye", |record| matches!(record, Record::Goodbye {}).then_some(()));
    worker.signal(Signal::INT);
    assert_eq!(worker.wait().code(), Some(1));
}

#[test]
fn wrong_usage_and_plugins_that_cannot_be_loaded_end_it_with_one_sentence() {
    let mut worker = Worker::run(&["--db", "tcp://127.0.0.1:1"]);
    assert_eq!(worker.wait().code(), Some(2));
    worker.line("--plugin");
    let mut worker = Worker::run(&["--db", "tcp://127.0.0.1:1", "--plugin", "./libmissing.so"]);
    assert_eq!(worker.wait().code(), Some(2));
    worker.line("plugin-not-found");
    let mut worker = Worker::run(&["--plugin", "x"]);
    assert_eq!(worker.wait().code(), Some(2));
    worker.line("--db");
}

#[test]
fn a_master_of_pylm_is_served_in_its_own_way() {
    let mut master = Master::bind();
    let mut worker = Worker::start(&master.address, 1);
    let message = PalmMessage {
        pipeline: "pipeline",
        client: "client",
        stage: 1,
        function: "other.fails server.echo",
        cache: "key",
        payload: b"data",
        tracking: Some(Tracking { lease: 3, node: 4 }),
    };
    master.send(&message.encode());
    assert_eq!(PalmMessage::decode(&master.answer()).unwrap(), message);
    let line = worker.line(" ready ");
    assert!(line.contains("native=false") && line.contains("echo"), "{line}");

    let mut ask = |function: &str, payload: &[u8]| {
        master.send(&PalmMessage { function, payload, stage: 0, ..message }.encode());
        let answer = master.answer();
        PalmMessage::decode(&answer).unwrap().payload.to_vec()
    };
    assert_eq!(ask("server.fails", b""), b"0");
    assert_eq!(ask("server.panics", b""), b"0");
    assert_eq!(ask("server.unknown", b""), b"0");
    assert_eq!(ask("nodot", b""), b"0");
    assert_eq!(ask("server.remember", b"value"), b"key=value");
    assert_eq!(ask("server.count", b"3"), b"0");
    let rest =
        [master.answer(), master.answer()].map(|bytes| PalmMessage::decode(&bytes).unwrap().payload.to_vec());
    assert_eq!(rest, [b"1", b"2"]);
    assert!(!master.cache.contains_key("key") && master.asked.contains(&"set key".to_owned()));

    master.send(&PalmMessage { function: "s.slow", payload: b"100", stage: 0, ..message }.encode());
    worker.signal(Signal::TERM);
    assert_eq!(PalmMessage::decode(&master.answer()).unwrap().payload, b"100");
    assert_eq!(worker.wait().code(), Some(0));
}

#[test]
fn a_master_of_pylm_at_the_address_of_a_former_node_is_served() {
    let mut node = Node::bind();
    let mut worker = Worker::start(&node.address, 1);
    node.welcome();
    worker.line("native=true");
    let address = node.address.clone();
    drop(node);
    let mut master = Master::bind_at(&address);
    let message = PalmMessage { client: "c", function: "s.echo", payload: b"data", ..PalmMessage::default() };
    master.send(&message.encode());
    assert_eq!(PalmMessage::decode(&master.answer()).unwrap().payload, b"data");
    worker.line("native=false");
}

#[test]
fn what_ends_one_session_after_the_other_is_not_said_for_ever() {
    let mut node = Node::bind();
    let _worker = Worker::start(&node.address, 1);
    node.welcome();
    node.describe(function::ECHO, 1);
    node.assign(function::ECHO, 1, "poison");
    assert_eq!(node.ends(1), [(1, "=poison".into())]);
    // It is not taken, but every session that brings it is reset.
    for _ in 0..2 {
        node.say(&[Record::Reset { code: "violation", text: "no" }]);
        node.welcome();
        assert_eq!(node.ends(1), [(1, "=poison".into())]);
    }
    node.say(&[Record::Reset { code: "violation", text: "no" }]);
    node.welcome();
    node.describe(function::ECHO, 1);
    node.assign(function::ECHO, 2, "next");
    assert_eq!(node.ends(1), [(2, "=next".into())]);
}
