//! gateway: pylm's node whose clients speak HTTP, with workers of both kinds. Our own gateway has tests of its own.

use std::io::{Read, Write};

use super::example::limit;
use pylm_tests::address::{connect, wait_for_peers};
use pylm_tests::flow::PATIENCE;
use pylm_tests::node::WorkerHost;
use pylm_tests::pylm::{self, PylmNode};

/// See that the one worker of a gateway answers calls with and without a body, and of a function with and without a server.
#[track_caller]
fn assert_answers(gateway: &PylmNode) {
    wait_for_peers(&gateway.worker_push, 1, PATIENCE);
    assert_eq!(ask(gateway, "GET /foo HTTP/1.0\r\n\r\n"), "worker1 processed No Payload");
    let post = "POST /server.foo HTTP/1.0\r\nContent-Length: 9\r\n\r\na message";
    assert_eq!(ask(gateway, post), "worker1 processed a message");
}

/// The body of the answer to one HTTP request.
#[track_caller]
fn ask(gateway: &PylmNode, request: &str) -> String {
    let mut connection = connect(&gateway.http);
    let mut answer = String::new();
    let whole = connection
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| connection.write_all(request.as_bytes()))
        .and_then(|()| connection.read_to_string(&mut answer));
    assert!(whole.is_ok(), "{whole:?} behind {answer:?}");
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { panic!("no HTTP answer: {answer:?}") };
    assert!(head.lines().next().is_some_and(|status| status.contains(" 200 ")), "{head}");
    body.to_owned()
}

#[test]
fn all_python() {
    let _limit = limit();
    let gateway = pylm::node("gateway.py", &[]);
    let _worker = pylm::worker("worker1", &gateway.db, &[]);
    assert_answers(&gateway);
}

#[test]
fn a_python_gateway_and_our_worker() {
    let _limit = limit();
    let gateway = pylm::node("gateway.py", &[]);
    let _host = WorkerHost::start(&gateway.db, &["parallel"], "worker1", &[]);
    assert_answers(&gateway);
}
