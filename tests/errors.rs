//! Errors are data: what goes wrong with one message is told to its client, with code and text, and harms nobody else.

use std::time::Duration;

use pylm_client::blocking::Client;
use pylm_client::{Error, codes};
use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::pylm;

const PATIENCE: Duration = Duration::from_secs(60);

fn limit() -> Deadline {
    // The first test also builds the programs, and makes the Python environment.
    deadline(Duration::from_secs(900))
}

/// A node that takes payloads of up to 1 MiB and does not wait long for functions, and a host.
fn node() -> (Node, WorkerHost) {
    let node = Node::start(&["--function-wait", "1", "--max-message", "1048576"]);
    let host = WorkerHost::start(&node.db, &["testing"], "host", &["--slots", "2"]);
    (node, host)
}

/// The code and the text with which a message fails.
#[track_caller]
fn failure(client: &Client, function: &str, payload: &str) -> (String, String) {
    match client.eval(function, payload.to_owned()) {
        Err(Error::Failed { code, text }) => (code, text),
        other => panic!("{function} of {payload:?} gave {other:?}"),
    }
}

#[test]
fn a_native_client_gets_code_and_text() {
    let _limit = limit();
    let (node, _host) = node();
    let client = node.client();

    let (code, text) = failure(&client, "server.fail", "the model is not there");
    assert_eq!((&*code, &*text), (codes::FAILED, "the model is not there"));

    let (code, text) = failure(&client, "server.panic", "it went wrong");
    assert_eq!(code, codes::PANICKED);
    assert!(text.contains("it went wrong") && text.contains("lib.rs:"), "{text}");

    let (code, text) = failure(&client, "server.missing", "");
    assert_eq!(code, codes::UNKNOWN_FUNCTION);
    assert!(text.contains("missing"), "{text}");

    for without in ["nodot", "server.", ""] {
        assert_eq!(failure(&client, without, "").0, codes::NO_FUNCTION, "{without:?}");
    }

    assert_eq!(failure(&client, "server.zeros", "1048577").0, codes::TOO_LARGE);
    assert_eq!(client.eval("server.zeros", "1048576").unwrap(), [vec![0; 1 << 20]]);

    let account = node.end(PATIENCE);
    assert_eq!((account.accepted, account.done, account.failed), (8, 1, 7));
}

#[test]
fn a_payload_that_the_node_does_not_take_is_refused_before_it_is_sent() {
    let _limit = limit();
    let (node, _host) = node();
    let error = node.client().eval("server.echo", vec![0; (1 << 20) + 1]).unwrap_err();
    assert!(matches!(error, Error::TooLarge { size: 1_048_577, limit: 1_048_576 }), "{error:?}");
}

#[test]
fn a_pylm_client_gets_what_pylm_gives() {
    let _limit = limit();
    let (node, _host) = node();
    for (function, payload) in [
        ("server.fail", "told to"),
        ("server.panic", "told to"),
        ("server.missing", ""),
        ("nodot", ""),
        ("server.zeros", "1048577"),
    ] {
        let args = ["--function", function, "--payload", payload, "--count", "2", "--extra-wait", "0.2"];
        assert_eq!(pylm::client_lines(&node.db, &args, PATIENCE), ["b'0'"; 2], "{function}");
    }
    let account = node.end(PATIENCE);
    assert_eq!((account.accepted, account.failed), (10, 10));
}

#[test]
fn neighbours_of_what_goes_wrong_are_unharmed() {
    let _limit = limit();
    let (node, _host) = node();
    let client = node.client();
    let neighbour = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 4_000) };
    let neighbour = neighbour.start(&node.db);
    for round in 0..50 {
        neighbour.wait_for(20 * round, PATIENCE);
        assert_eq!(failure(&client, "server.panic", "again").0, codes::PANICKED);
        assert_eq!(failure(&client, "server.fail", "again").0, codes::FAILED);
        assert_eq!(failure(&client, "nodot", "again").0, codes::NO_FUNCTION);
    }
    neighbour.assert_every_answer_once(PATIENCE);
    let account = node.end(PATIENCE);
    assert_eq!((account.done, account.failed), (4_000, 150));
}

#[test]
fn a_message_that_kills_its_host_is_tried_again_and_the_attempts_are_counted() {
    let _limit = limit();
    let (node, host) = node();
    let client = node.client();
    let file = host.process.folder().join("crashes");
    let survived = client.eval("server.crash", format!("1 {}", file.display())).unwrap();
    assert_eq!(survived, ["survived after 1"]);
    assert_eq!(client.eval("server.attempt", "").unwrap(), ["1"]);
    assert_eq!(node.end(PATIENCE).done, 2);
}

#[test]
fn a_message_that_kills_every_host_is_lost_alone() {
    let _limit = limit();
    let node = Node::start(&[]);
    let host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let client = node.client();
    let neighbour = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 4_000) };
    let neighbour = neighbour.start(&node.db);
    neighbour.wait_for(100, PATIENCE);
    let file = host.process.folder().join("crashes");
    let (code, text) = failure(&client, "server.crash", &format!("1000 {}", file.display()));
    assert_eq!(code, codes::LOST, "{text}");
    neighbour.assert_every_answer_once(PATIENCE);
    let account = node.end(PATIENCE);
    assert_eq!((account.done, account.failed), (4_000, 1));
}

#[test]
fn results_may_be_none_one_or_many() {
    let _limit = limit();
    let (node, _host) = node();
    let client = node.client();
    assert!(client.eval("server.nothing", "x").unwrap().is_empty());
    assert_eq!(client.eval("server.echo", "").unwrap(), [""]);
    let many = client.eval("server.count", "5000").unwrap();
    assert!(many.iter().enumerate().all(|(number, result)| **result == *number.to_string().as_bytes()));
    assert_eq!(many.len(), 5000);
    assert_eq!(client.eval("server.count", "0").unwrap().len(), 0);
    assert_eq!(node.end(PATIENCE).done, 4);
}
