//! The HTTP gateway: functions as URLs, with the status codes that people expect, and nothing left running when they hang up.

use std::path::Path;
use std::time::Duration;

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::http::{Answer, Connection, post, request};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::pylm;
use pylm_tests::waiting::{file_is, wait_until};
use rustix::process::Signal;

const PATIENCE: Duration = Duration::from_secs(60);

fn limit() -> Deadline {
    // The first test also builds the programs, and makes the Python environment.
    deadline(Duration::from_secs(900))
}

/// A node with a gateway, where that listens, and a worker host.
fn start(args: &[&str]) -> (Node, String, WorkerHost) {
    let node = Node::start(&[&["--gateway", "127.0.0.1:0", "--function-wait", "1"], args].concat());
    let host = WorkerHost::start(&node.db, &["testing"], "host", &["--slots", "4"]);
    let address = node.ready.field("gateway");
    (node, address, host)
}

fn get(address: &str, path: &str) -> Answer {
    request(address, "GET", path, "", None)
}

#[test]
fn one_result_is_the_body() {
    let _limit = limit();
    let (node, address, _host) = start(&["--name", "words"]);

    for path in ["/echo", "/words.echo", "/_.echo", "/echo/", "/echo?a=b", "/%65cho"] {
        let answer = post(&address, path, "payload");
        assert_eq!((answer.status, &*answer.text()), (200, "payload"), "{path}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
    assert_eq!(get(&address, "/echo").text(), "No Payload");
    assert_eq!(request(&address, "POST", "/echo", "", None).text(), "No Payload");
    assert_eq!(request(&address, "GET", "/echo", "", Some(b"a body")).text(), "a body");
    let empty = post(&address, "/echo", "");
    assert_eq!((empty.status, empty.header("content-length")), (200, "0"));
    let none = post(&address, "/nothing", "");
    assert_eq!((none.status, none.body.len()), (204, 0));

    let bytes: Vec<u8> = (0..3 << 20).map(|number: u32| (number % 251) as u8).collect();
    let answer = post(&address, "/echo", &bytes);
    assert!(answer.body == bytes, "{} bytes came back", answer.body.len());
    assert_eq!(answer.header("content-type"), "application/octet-stream");

    let mut connection = Connection::open(&address);
    for round in 0..100 {
        connection.ask("POST", "/echo", "Transfer-Encoding: chunked\r\n", None);
        connection.send(format!("4\r\nRoun\r\n2\r\nd \r\n2\r\n{round:02}\r\n0\r\n\r\n").as_bytes());
        assert_eq!(connection.answer().text(), format!("Round {round:02}"));
    }
    assert_eq!(node.end(PATIENCE).done, 112);
}

#[test]
fn a_python_worker_answers_too() {
    let _limit = limit();
    let node = Node::start(&["--gateway", "127.0.0.1:0"]);
    let _worker = pylm::worker("python", &node.db, &[]);
    assert_eq!(post(&node.ready.field("gateway"), "/python_echo", "hello").text(), "hello");
}

#[test]
fn what_goes_wrong_has_its_status() {
    let _limit = limit();
    let (node, address, _host) = start(&["--max-message", "1048576"]);
    #[track_caller]
    fn expect(answer: &Answer, status: u16, code: &str, text: &str) {
        assert_eq!((answer.status, answer.header("pylm-code")), (status, code), "{}", answer.text());
        assert!(answer.text().contains(text), "{}", answer.text());
    }

    expect(&post(&address, "/missing", ""), 404, "unknown-function", "missing");
    expect(&post(&address, "/server.", ""), 404, "no-function", "names no function");
    expect(&post(&address, "/echo,nodot", ""), 200, "", "");
    for path in ["/", "/echo/more", "/%FF"] {
        let status = post(&address, path, "").status;
        assert_eq!(status, if path == "/%FF" { 400 } else { 404 }, "{path}");
    }
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS"] {
        let mut connection = Connection::open(&address);
        connection.ask(method, "/echo", "", None);
        let head = connection.head();
        assert_eq!((head.status, head.header("allow")), (405, "GET, POST"), "{method}");
    }

    let failed = post(&address, "/fail", "the model is not there");
    expect(&failed, 500, "failed", "");
    assert_eq!(failed.text(), "the model is not there");
    expect(&post(&address, "/panic", "it went wrong"), 500, "panicked", "it went wrong");
    expect(&post(&address, "/zeros", "1048577"), 500, "too-large", "--max-message");

    assert_eq!(post(&address, "/echo", vec![b'x'; 1 << 20]).body.len(), 1 << 20);
    expect(&post(&address, "/echo", vec![b'x'; (1 << 20) + 1]), 413, "", "1048576 bytes");
    expect(&post(&address, "/echo", vec![b'x'; 8 << 20]), 413, "", "1048576 bytes");
    let mut chunked = Connection::open(&address);
    chunked.ask("POST", "/echo", "Transfer-Encoding: chunked\r\n", None);
    for _ in 0..3 {
        chunked.send(&[b"80000\r\n", &[b'x'; 0x80000][..], b"\r\n"].concat());
    }
    chunked.send(b"0\r\n\r\n");
    expect(&chunked.answer(), 413, "", "1048576 bytes");
    // Who asks first need not send it at all.
    let asks = "Content-Length: 1048577\r\nExpect: 100-continue\r\n";
    expect(&request(&address, "POST", "/echo", asks, None), 413, "", "1048576 bytes");

    let short =
        |path, body: &str| request(&address, "POST", path, "Pylm-Timeout: 0.2\r\n", Some(body.as_bytes()));
    expect(&short("/sleep_for", "60000"), 504, "timeout", "time was over");
    expect(&short("/sleep_for", "0"), 200, "", "0");
    expect(&request(&address, "POST", "/echo", "Pylm-Timeout: soon\r\n", Some(b"")), 400, "", "500ms");
    let mut unfinished = Connection::open(&address);
    unfinished.ask("POST", "/echo", "Content-Length: 10\r\nPylm-Timeout: 0.2\r\n", None);
    unfinished.send(b"five.");
    expect(&unfinished.answer(), 408, "", "did not come in time");

    // And everybody else is served as ever.
    expect(&post(&address, "/echo", "still here"), 200, "", "still here");
    let account = node.end(PATIENCE);
    assert_eq!((account.done, account.failed), (4, 6));
}

#[test]
fn what_takes_longer_than_the_gateway_allows_is_ended() {
    let _limit = limit();
    let (node, address, host) = start(&["--gateway-timeout", "1"]);
    let file = host.process.folder().join("sign");
    let answer = post(&address, "/until_cancelled", file.to_string_lossy().as_bytes());
    assert_eq!((answer.status, answer.header("pylm-code")), (504, "timeout"));
    wait_until("the function is told", || file_is(&file, "begun cancelled"));
    assert_eq!(node.end(PATIENCE).failed, 1);
}

#[test]
fn a_caller_that_hangs_up_cancels_its_call() {
    let _limit = limit();
    let (node, address, host) = start(&[]);
    let file = host.process.folder().join("sign");
    let mut connection = Connection::open(&address);
    connection.ask("POST", "/until_cancelled", "", Some(file.to_string_lossy().as_bytes()));
    wait_until("the function begins", || file_is(&file, "begun"));
    drop(connection);
    wait_until("the function is told", || file_is(&file, "begun cancelled"));
    assert_eq!(post(&address, "/echo", "next").text(), "next");
    let account = node.end(PATIENCE);
    assert_eq!((account.done, account.cancelled), (1, 1));
}

#[test]
fn more_calls_than_are_allowed_are_turned_away() {
    let _limit = limit();
    let (node, address, host) = start(&["--gateway-requests", "2"]);
    let files = ["one", "two"].map(|name| host.process.folder().join(name));
    let callers = files.each_ref().map(|file| {
        let mut connection = Connection::open(&address);
        connection.ask("POST", "/until_cancelled", "", Some(file.to_string_lossy().as_bytes()));
        wait_until("a function begins", || file_is(file, "begun"));
        connection
    });
    let answer = post(&address, "/echo", "one too many");
    assert_eq!((answer.status, answer.header("retry-after")), (429, "1"), "{}", answer.text());
    drop(callers);
    wait_until("there is room again", || post(&address, "/echo", "").status == 200);
    assert_eq!(node.end(PATIENCE).cancelled, 2);
}

#[test]
fn a_node_that_drains_finishes_what_is_under_way_and_takes_nothing_new() {
    let _limit = limit();
    let (mut node, address, host) = start(&[]);
    let file = host.process.folder().join("sign");
    let mut slow = Connection::open(&address);
    slow.ask("POST", "/until_cancelled", "Pylm-Timeout: 3\r\n", Some(file.to_string_lossy().as_bytes()));
    wait_until("the function begins", || file_is(&file, "begun"));
    let mut half = Connection::open(&address);
    half.send(b"POST /echo HTTP/1.1\r\nContent-Length: 0\r\n");
    let mut idle = Connection::open(&address);
    idle.ask("POST", "/echo", "", Some(b""));
    assert_eq!(idle.answer().status, 200);

    node.process.signal(Signal::TERM);
    node.process.wait_for_line("draining", PATIENCE);
    assert!(idle.is_closed());
    let late = post(&address, "/echo", "late");
    assert_eq!((late.status, late.header("connection"), late.header("retry-after")), (503, "close", "1"));
    half.send(b"\r\n");
    assert_eq!(half.answer().status, 503);
    let answer = slow.answer();
    assert_eq!((answer.status, answer.header("connection")), (504, "close"), "{}", answer.text());
    node.process.wait_for_success(PATIENCE);
    assert_eq!((node.account().failed, node.account().done), (1, 1));
}

#[test]
fn a_call_that_outlives_the_drain_limit_is_told_so() {
    let _limit = limit();
    let (mut node, address, host) = start(&["--drain-limit", "1"]);
    let file = host.process.folder().join("sign");
    let mut slow = Connection::open(&address);
    slow.ask("POST", "/until_cancelled", "", Some(file.to_string_lossy().as_bytes()));
    wait_until("the function begins", || file_is(&file, "begun"));
    node.process.signal(Signal::TERM);
    assert_eq!(slow.answer().status, 503);
    assert_eq!(node.process.wait(PATIENCE).code(), Some(1));
}

#[test]
fn an_address_that_is_taken_is_said_to_be() {
    let _limit = limit();
    let (_node, address, _host) = start(&[]);
    let mut second = pylm_tests::process::Process::plan("second", program())
        .args(
            ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"]
                .map(|flag| format!("{flag}=tcp://127.0.0.1:0")),
        )
        .args(["--gateway", &*address])
        .start();
    assert_eq!(second.wait(PATIENCE).code(), Some(1));
    second.wait_for_line(&format!("cannot listen at --gateway {address}; choose another address"), PATIENCE);
}

fn program() -> &'static Path {
    pylm_tests::programs::programs(pylm_tests::programs::Profile::Debug).program("pylmd")
}
