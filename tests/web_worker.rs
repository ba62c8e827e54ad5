//! `pylm-worker --http`: every call has an answer, whatever it is, and one that goes wrong harms no other.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use pylm_tests::pylm;
use pylm_tests::waiting::{file_is, wait_until};
use pylm_tests::web::{Answer, WebWorker, connect, message, post, post_only, request};
use rustix::process::Signal;

const PATIENCE: Duration = Duration::from_secs(60);

fn limit() -> Deadline {
    // The first test also builds the programs, and makes the Python environment.
    deadline(Duration::from_secs(900))
}

fn worker(args: &[&str]) -> WebWorker {
    WebWorker::start(&["testing"], "web", args)
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: Option<&str>, text: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(text), "{:?} does not contain {text:?}", answer.text());
    let said = answer.headers.iter().find_map(|line| line.strip_prefix("pylm-code: "));
    assert_eq!(said, code);
}

#[test]
fn a_call_is_answered_by_the_message_with_its_result() {
    let _limit = limit();
    let worker = worker(&[]);
    let mut sent = message("server.echo", b"a message");
    sent.extend_from_slice(b"\xa2\x09\x03abc"); // field 148, which nobody here knows
    let answer = post(worker.address(), &sent);
    assert_eq!(answer.payload(), b"a message");
    assert!(answer.body.windows(6).any(|window| window == b"\xa2\x09\x03abc"));
    assert!(answer.has("content-type: application/octet-stream"));

    let large = vec![7; 8 << 20];
    assert_eq!(worker.call("any.echo", &large).payload(), large);
    assert_eq!(worker.call("server.echo", b"").payload(), b"");
    assert_eq!(worker.call("server.count", b"1").payload(), b"0");
    for nothing in [("server.nothing", ""), ("server.count", "0")] {
        let answer = worker.call(nothing.0, nothing.1.as_bytes());
        assert_eq!((answer.status, answer.body.len()), (204, 0));
    }
}

#[test]
fn what_goes_wrong_is_a_status_with_a_text() {
    let _limit = limit();
    let worker = worker(&["--max-message", "100000"]);
    let address = worker.address();
    let call = |function, payload: &str| worker.call(function, payload.as_bytes());

    let failed = call("server.fail", "the model is not there");
    assert_refused(&failed, 500, Some("failed"), "the model is not there");
    assert_refused(&call("server.panic", "it went wrong"), 500, Some("panicked"), "it went wrong");
    assert_refused(&call("server.missing", ""), 404, Some("unknown-function"), "server.missing");
    for without in ["nodot", "server.", ""] {
        assert_refused(&call(without, ""), 400, Some("no-function"), "names no server.function");
    }
    assert_refused(&call("server.twice", ""), 500, Some("failed"), "several results");
    assert!(call("server.twice", "").has("pylm-permanent: true") && !failed.has("pylm-permanent: true"));
    assert_refused(&call("server.get", "a key"), 500, Some("failed"), "has no node, so there is no cache");
    assert_refused(&call("server.zeros", "100001"), 500, Some("too-large"), "a result of 100001 bytes");
    let too_large = call("server.echo", &"x".repeat(100_001));
    assert_refused(&too_large, 413, Some("too-large"), "larger than 100000 bytes");
    assert_refused(&post(address, &[0; 1 << 20]), 413, Some("too-large"), "larger than");

    assert_refused(&request(address, "GET /", b""), 405, None, "the POST of a PalmMessage");
    assert_refused(&post(address, b"\xff\xff\xff"), 400, Some("no-function"), "no PalmMessage");
    assert_refused(&post(address, b""), 400, Some("no-function"), "names no server.function");
    assert_eq!(call("server.echo", "still here").payload(), b"still here");
}

#[test]
fn a_flood_of_garbage_harms_nobody() {
    let _limit = limit();
    let worker = worker(&[]);
    thread::scope(|scope| {
        for seed in 0..200_usize {
            let address = worker.address();
            scope.spawn(move || {
                let mut stream = connect(address);
                let noise: Vec<u8> =
                    (0..1000 + seed).map(|index| (index * (seed + 31) % 251) as u8).collect();
                let _ = stream.write_all(&noise);
            });
        }
        for number in 0..50 {
            let payload = number.to_string();
            assert_eq!(worker.call("server.echo", payload.as_bytes()).payload(), payload.as_bytes());
        }
    });
}

#[test]
fn calls_wait_for_a_slot_for_a_while_and_are_refused_then() {
    let _limit = limit();
    let worker = worker(&["--slots", "1", "--http-wait", "1"]);
    let file = worker.process.folder().join("sign");
    let name = file.display().to_string();
    let stuck = post_only(worker.address(), &message("server.until_cancelled", name.as_bytes()));
    wait_until("the function begins", || file_is(&file, "begun"));
    let busy = worker.call("server.echo", b"");
    assert_refused(&busy, 503, None, "no slot of 1 was free within 1s");
    assert!(busy.has("retry-after: 1"));

    let waiting = post_only(worker.address(), &message("server.echo", b"patient"));
    // Whoever hangs up is told to its function, which gives the slot to who waits.
    drop(stuck);
    wait_until("the function hears of it", || file_is(&file, "begun cancelled"));
    assert_eq!(Answer::read(waiting).payload(), b"patient");
}

#[test]
fn slots_work_at_the_same_time() {
    let _limit = limit();
    let worker = worker(&["--slots", "4"]);
    let began = Instant::now();
    let calls: Vec<_> =
        (0..4).map(|_| post_only(worker.address(), &message("server.sleep_for", b"1000"))).collect();
    for call in calls {
        assert_eq!(Answer::read(call).payload(), b"1000");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "one after the other: {:?}", began.elapsed());
}

#[test]
fn the_bytes_of_all_calls_are_bounded() {
    let _limit = limit();
    let worker = worker(&["--slots", "1", "--limit-bytes", "1000000"]);
    let file = worker.process.folder().join("sign");
    let name = file.display().to_string();
    let stuck = post_only(worker.address(), &message("server.until_cancelled", name.as_bytes()));
    wait_until("the function begins", || file_is(&file, "begun"));
    let refused = worker.call("server.echo", &vec![0; 2_000_000]);
    assert_refused(&refused, 503, None, "hold too many bytes");
    drop(stuck);
    wait_until("the function ends", || file_is(&file, "begun cancelled"));
    wait_until("one call is always taken", || worker.call("server.echo", &vec![0; 2_000_000]).status == 200);
}

#[test]
fn a_slow_sender_is_refused_and_holds_up_nobody() {
    let _limit = limit();
    let worker = worker(&["--slots", "1"]);
    let mut slow = connect(worker.address());
    slow.write_all(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n12345")
        .unwrap();
    assert_eq!(worker.call("server.echo", b"fast").payload(), b"fast");
    assert_refused(&Answer::read(slow), 408, None, "too slowly");
}

#[test]
fn sigterm_finishes_what_is_begun_and_takes_nothing_new() {
    let _limit = limit();
    let mut worker = worker(&["--slots", "1"]);
    // One thread reads all calls: what was posted before an answer was read before it.
    let call = |function, payload| {
        let call = post_only(worker.address(), &message(function, payload));
        assert_eq!(request(worker.address(), "GET /", b"").status, 405);
        call
    };
    let begun = call("server.sleep_for", b"5000");
    let waiting = call("server.echo", b"");
    worker.process.signal(Signal::TERM);
    worker.process.wait_for_line("what is begun is finished", PATIENCE);
    assert_eq!(Answer::read(begun).payload(), b"5000");
    assert_refused(&Answer::read(waiting), 503, None, "this worker is ending");
    worker.process.wait_for_success(PATIENCE);
    assert!(std::net::TcpStream::connect(worker.address()).is_err());
}

#[test]
fn a_child_that_crashes_is_replaced_at_the_same_port() {
    let _limit = limit();
    let port = pylm_tests::address::free::<1>()[0].trim_start_matches("tcp://").to_owned();
    let worker = WebWorker::start_at(&port, &["testing"], "web", &[]);
    let file = worker.process.folder().join("crashes");
    let payload = format!("1 {}", file.display());
    let crashed = Answer::try_read(post_only(&port, &message("server.crash", payload.as_bytes())));
    assert!(crashed.is_err(), "{crashed:?}");
    wait_until("the worker is back", || {
        let Ok(mut stream) = std::net::TcpStream::connect(&port) else { return false };
        let body = message("server.crash", payload.as_bytes());
        let head = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
            && Answer::try_read(stream).is_ok_and(|answer| answer.payload() == b"survived after 1")
    });
}

#[test]
fn a_pylm_node_with_an_http_connection_uses_our_worker() {
    let _limit = limit();
    let worker = WebWorker::start(&["parallel"], "worker1", &[]);
    let master = pylm::http_master(&worker.url);
    let lines = pylm::client_lines(&master.db, &["--send-after", "0.5"], PATIENCE);
    assert_eq!(lines, vec!["b'worker1 processed a message'"; 10]);
}

#[test]
fn a_worker_serves_a_node_or_http_and_not_both_or_none() {
    let _limit = limit();
    let program = programs(Profile::Debug).program("pylm-worker");
    for (args, part) in [
        (&["--http", "127.0.0.1:0", "--db", "tcp://127.0.0.1:1"][..], "--db"),
        (&[], "--db"),
        (&["--http", "nonsense"], "nonsense"),
    ] {
        let mut process =
            Process::plan("pylm-worker", program).args(args).args(["--plugin", "parallel"]).start();
        assert_eq!(process.wait(PATIENCE).code(), Some(2));
        process.wait_for_line(part, Duration::ZERO);
    }
}
