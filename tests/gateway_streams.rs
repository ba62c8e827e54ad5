//! Several results over HTTP: framed as the caller asks, each as soon as it is there, and held back by a caller who reads slowly.

use std::thread;
use std::time::{Duration, Instant};

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::http::{Connection, post, request};
use pylm_tests::node::{Node, WorkerHost};

const PATIENCE: Duration = Duration::from_secs(60);
const LINES: &str = "Accept: application/x-ndjson\r\n";
const PARTS: &str = "Accept: multipart/mixed\r\n";

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn start() -> (Node, String, WorkerHost) {
    let node = Node::start(&["--gateway", "127.0.0.1:0"]);
    let host = WorkerHost::start(&node.db, &["testing"], "host", &["--slots", "4"]);
    let address = node.ready.field("gateway");
    (node, address, host)
}

#[test]
fn lines_of_json_tell_each_result_and_the_end() {
    let _limit = limit();
    let (_node, address, _host) = start();
    let ask = |path, body: &str| request(&address, "POST", path, LINES, Some(body.as_bytes()));

    let many = ask("/count", "5000");
    assert_eq!((many.status, many.header("content-type")), (200, "application/x-ndjson"));
    let text = many.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5001);
    for (number, line) in lines[..5000].iter().enumerate() {
        assert_eq!(*line, format!("{{\"text\":\"{number}\"}}"));
    }
    assert_eq!(lines[5000], "{\"done\":5000}");

    assert_eq!(ask("/echo", "one").text(), "{\"text\":\"one\"}\n{\"done\":1}\n");
    assert_eq!(ask("/nothing", "").text(), "{\"done\":0}\n");
    // Before the first result there is still a status to be had.
    assert_eq!(ask("/fail", "no").status, 500);
}

#[test]
fn parts_tell_each_result_as_it_is() {
    let _limit = limit();
    let (_node, address, _host) = start();
    let several = post(&address, "/count", "3");
    assert_eq!(several.status, 200);
    let boundary = several.header("content-type").strip_prefix("multipart/mixed; boundary=").unwrap();
    let part = |number| {
        format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 1\r\n\r\n{number}\r\n"
        )
    };
    assert_eq!(several.text(), format!("{}{}{}--{boundary}--\r\n", part(0), part(1), part(2)));

    let one = request(&address, "POST", "/echo", PARTS, Some(b"one"));
    assert!(one.text().contains("\r\n\r\none\r\n--"), "{}", one.text());
    let refused = request(&address, "POST", "/count", "Accept: text/plain\r\n", Some(b"2"));
    assert_eq!(refused.status, 406, "{}", refused.text());
    assert_eq!(request(&address, "POST", "/count", "Accept: text/plain\r\n", Some(b"1")).text(), "0");
}

#[test]
fn a_result_comes_when_it_is_made_and_an_error_may_follow() {
    let _limit = limit();
    let (node, address, _host) = start();
    let mut connection = Connection::open(&address);
    // The second result would take a minute.
    connection.ask("POST", "/drip", &format!("{LINES}Pylm-Timeout: 2\r\n"), Some(b"2 60000"));
    let head = connection.head();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, "chunked"));
    let begun = Instant::now();
    assert!(connection.chunk().unwrap().starts_with(b"{\"text\":\"0\""));
    assert!(begun.elapsed() < Duration::from_secs(2));
    let end = String::from_utf8(connection.chunk().unwrap()).unwrap();
    assert!(end.starts_with("{\"code\":\"timeout\",\"error\":\"its time was over"), "{end}");
    assert_eq!(connection.chunk(), None);
    assert_eq!(node.end(PATIENCE).failed, 1);
}

#[test]
fn a_caller_that_hangs_up_in_the_middle_cancels_the_rest() {
    let _limit = limit();
    let (node, address, _host) = start();
    let mut connection = Connection::open(&address);
    connection.ask("POST", "/drip", PARTS, Some(b"100000 20"));
    assert_eq!(connection.head().status, 200);
    for _ in 0..3 {
        connection.chunk().unwrap();
    }
    drop(connection);
    // Otherwise the node would not be done within half an hour.
    assert_eq!(node.end(PATIENCE).cancelled, 1);
}

#[test]
fn a_caller_that_reads_nothing_holds_its_own_function_back() {
    let _limit = limit();
    let (node, address, host) = start();
    let mut lazy = Connection::open(&address);
    // Half a gigabyte, unless somebody stops.
    lazy.ask("POST", "/count", PARTS, Some(b"5000000"));
    assert_eq!(lazy.head().status, 200);
    for round in 0..200 {
        assert_eq!(post(&address, "/echo", round.to_string()).text(), round.to_string());
        thread::sleep(Duration::from_millis(5));
    }
    for process in [&node.process, &host.process] {
        assert!(process.rss_bytes() < 200 << 20, "{} bytes", process.rss_bytes());
    }
    drop(lazy);
    assert_eq!(node.end(PATIENCE).cancelled, 1);
}
