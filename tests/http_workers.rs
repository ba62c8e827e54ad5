//! `pylmd --http-worker`: web workers, ours and pylm's, as workers of a node; what they lose or refuse is tried again, and
//! every message ends.

use std::thread;
use std::time::{Duration, Instant};

use pylm_client::blocking::Client;
use pylm_client::{Error, Event, JobOptions, codes};
use pylm_tests::address;
use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use pylm_tests::proxy::Proxy;
use pylm_tests::pylm;
use pylm_tests::web::{Impostor, WebWorker};

const PATIENCE: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(40);

fn limit() -> Deadline {
    // The first test also builds the programs, and makes the Python environment.
    deadline(Duration::from_secs(900))
}

/// A node with these web workers.
fn node(urls: &[&str], args: &[&str]) -> Node {
    let urls: Vec<&str> = urls.iter().flat_map(|url| ["--http-worker", url]).collect();
    Node::start(&[&urls[..], args].concat())
}

/// An address (`HOST:PORT`) that was free a moment ago.
fn free() -> String {
    address::free::<1>()[0].trim_start_matches("tcp://").to_owned()
}

/// The only result of a call.
#[track_caller]
fn eval(client: &Client, function: &str, payload: &str) -> String {
    match client.eval(function, payload.to_owned()).as_deref() {
        Ok([result]) => String::from_utf8_lossy(result).into_owned(),
        other => panic!("{function} of {payload:?} gave {other:?}"),
    }
}

/// The code and the text with which a message fails.
#[track_caller]
fn failure(client: &Client, function: &str, payload: &str) -> (String, String) {
    match client.eval(function, payload.to_owned()) {
        Err(Error::Failed { code, text }) => (code, text),
        other => panic!("{function} of {payload:?} gave {other:?}"),
    }
}

#[track_caller]
fn assert_failure(client: &Client, function: &str, payload: &str, code: &str, part: &str) {
    let (said, text) = failure(client, function, payload);
    assert_eq!(said, code, "{text}");
    assert!(text.contains(part), "{text:?} does not contain {part:?}");
}

#[test]
fn clients_of_both_kinds_get_the_answers_of_our_web_worker() {
    let _limit = limit();
    let worker = WebWorker::start(&["parallel"], "worker1", &[]);
    let node = node(&[&worker.url], &[]);
    assert_eq!(eval(&node.client(), "server.foo", "a message"), "worker1 processed a message");
    let lines = pylm::client_lines(&node.db, &[], PATIENCE);
    assert_eq!(lines, vec!["b'worker1 processed a message'"; 10]);
    assert_eq!(node.end(END).done, 11);
}

#[test]
fn clients_of_both_kinds_get_the_answers_of_a_pylm_web_worker() {
    let _limit = limit();
    // pylm's debug server takes one call after the other.
    let (_worker, url) = pylm::web_worker("worker1", &[]);
    let node = node(&[&url], &["--http-worker-calls", "1", "--http-worker-attempts", "2"]);
    let client = node.client();
    assert_eq!(eval(&client, "server.foo", "a message"), "worker1 processed a message");
    let lines = pylm::client_lines(&node.db, &[], PATIENCE);
    assert_eq!(lines, vec!["b'worker1 processed a message'"; 10]);
    assert_failure(&client, "server.fail", "", codes::FAILED, "500 Internal Server Error (after 2 attempts");
    let account = node.end(END);
    assert_eq!((account.done, account.failed), (11, 1));
}

#[test]
fn every_answer_comes_once_from_web_workers_of_both_kinds() {
    let _limit = limit();
    let ours = WebWorker::start(&["testing"], "ours", &[]);
    let (_worker, pylms) = pylm::web_worker("pylms", &["--threads"]);
    let node = node(&[&ours.url, &pylms], &[]);
    let job = CheckedJob { large: 10, empty: 20, ..CheckedJob::new(1, 2_000) }.start(&node.db);
    job.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(END).done, 2_000);
}

#[test]
fn a_call_carries_all_fields_and_scatter_and_several_stages_go_through() {
    let _limit = limit();
    let worker = WebWorker::start(&["parallel"], "worker1", &[]);
    let node = node(&[&worker.url], &["--plugin", "scatter3"]);
    let lines = pylm::client_lines(&node.db, &["--copies", "3", "--extra-wait", "1"], PATIENCE);
    assert_eq!(lines, vec!["b'worker1 processed a message'"; 30]);
    let results = node.client().eval("server.foo other.missing", "a message").unwrap();
    assert_eq!(results, ["worker1 processed a message"; 3]);
}

#[test]
fn errors_of_a_web_worker_are_the_messages_own() {
    let _limit = limit();
    let worker = WebWorker::start(&["testing"], "web", &["--max-message", "2000000"]);
    let node = node(&[&worker.url], &["--max-message", "1048576"]);
    let client = node.client();
    let began = Instant::now();
    assert_failure(&client, "server.fail", "the model is not there", codes::FAILED, "the model is not there");
    assert_failure(&client, "server.panic", "it went wrong", codes::PANICKED, "it went wrong");
    assert_failure(&client, "server.missing", "", codes::UNKNOWN_FUNCTION, "server.missing");
    assert_failure(&client, "server.twice", "", codes::FAILED, "several results");
    assert_failure(&client, "server.get", "key", codes::FAILED, "no cache");
    assert_failure(&client, "server.zeros", "1048577", codes::TOO_LARGE, "--max-message");
    assert_failure(&client, "server.zeros", "2000001", codes::TOO_LARGE, "--max-message");
    assert!(began.elapsed() < Duration::from_secs(20), "they were tried again");
    assert_eq!(client.eval("server.nothing", "").unwrap(), [""; 0]);
    assert_eq!(eval(&client, "server.attempt", ""), "1");
    let account = node.end(END);
    assert_eq!((account.done, account.failed), (2, 7));
}

#[test]
fn functions_that_a_host_offers_go_to_it_and_all_others_to_web_workers() {
    let _limit = limit();
    let worker = WebWorker::start(&["parallel", "testing"], "web", &[]);
    let node = node(&[&worker.url], &[]);
    let client = node.client();
    let who = |function: &str| eval(&client, function, "");
    assert_eq!(who("server.foo"), "web processed ");
    let mut host = WorkerHost::start(&node.db, &["parallel"], "native", &[]);
    let end = Instant::now() + PATIENCE;
    while who("server.foo") != "native processed " {
        assert!(Instant::now() < end, "the host gets nothing");
    }
    assert_eq!(eval(&client, "server.echo", "still"), "still");
    host.process.kill();
    while who("server.foo") != "web processed " {
        assert!(Instant::now() < end, "the web worker does not stand in");
    }
}

#[test]
fn calls_share_connections_and_are_no_more_at_a_time_than_they_may_be() {
    let _limit = limit();
    let worker = WebWorker::start(&["testing"], "web", &["--slots", "8"]);
    let proxy = Proxy::before(&worker.url.replace("http://", "tcp://"));
    let node = node(&[&proxy.address.replace("tcp://", "http://")], &["--http-worker-calls", "2"]);
    CheckedJob::new(1, 1_000).start(&node.db).assert_every_answer_once(PATIENCE);
    // Two calls at a time, and the look whether it is there.
    assert!(proxy.accepted() <= 3, "{} connections", proxy.accepted());

    let began = Instant::now();
    let client = node.client();
    let (sender, results) = client.job("server.sleep_for", JobOptions::new());
    for _ in 0..8 {
        sender.send("300").unwrap();
    }
    drop(sender);
    assert!(results.map(|output| output.unwrap().event).all(|event| !matches!(event, Event::Failed { .. })));
    assert!(began.elapsed() >= Duration::from_millis(4 * 300), "more than two at a time");
    assert_eq!(node.end(END).done, 1_008);
}

#[test]
fn sigterm_to_the_node_finishes_calls_under_way() {
    let _limit = limit();
    let worker = WebWorker::start(&["testing"], "web", &[]);
    let node = node(&[&worker.url], &[]);
    assert_eq!(eval(&node.client(), "server.echo", ""), "");
    let client = node.client();
    let (sender, results) = client.job("server.sleep_for", JobOptions::new());
    for _ in 0..4 {
        sender.send("500").unwrap();
    }
    drop(sender);
    let mut results = results.map(|output| output.unwrap().event);
    assert!(matches!(results.next(), Some(Event::Result { .. })));
    let counted = thread::spawn(move || results.filter(|event| matches!(event, Event::Done { .. })).count());
    let account = node.end(END);
    assert_eq!(counted.join().unwrap(), 4);
    assert_eq!((account.done, account.failed), (5, 0));
}

#[test]
fn a_url_that_cannot_be_called_is_refused_at_once() {
    let _limit = limit();
    for (url, part) in [("https://worker", "only http://"), ("worker:8888", "http://HOST[:PORT]")] {
        let program = programs(Profile::Debug).program("pylmd");
        let mut process = Process::plan("pylmd", program).args(["--http-worker", url]).start();
        assert_eq!(process.wait(PATIENCE).code(), Some(2));
        process.wait_for_line(part, Duration::ZERO);
    }
}

#[test]
fn a_killed_web_worker_takes_no_answer_with_it_and_is_used_again_when_it_is_back() {
    let _limit = limit();
    let address = free();
    let args = ["--slots", "4"];
    let mut doomed = WebWorker::start_at(&address, &["testing"], "doomed", &args);
    let survivor = WebWorker::start(&["testing"], "survivor", &args);
    let node = node(&[&doomed.url, &survivor.url], &[]);
    let job = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 20_000) };
    let job = job.start(&node.db);
    job.wait_for(500, PATIENCE);
    doomed.process.kill();
    node.process.wait_for_line("a web worker is lost", PATIENCE);
    let seen = job.progress().results;
    job.wait_for(seen + 500, PATIENCE);
    doomed = WebWorker::start_at(&address, &["testing", "parallel"], "doomed", &args);
    let is_back = |line: &str| line.contains("a web worker is here") && line.contains(&address);
    let lines = || node.process.stderr_lines().iter().filter(|line| is_back(line)).count();
    let end = Instant::now() + PATIENCE;
    while lines() < 2 {
        assert!(Instant::now() < end, "it is not found again");
        thread::sleep(Duration::from_millis(5));
    }
    job.assert_every_answer_once(PATIENCE);
    // Only the one that is back has this function.
    drop(survivor);
    assert_eq!(eval(&node.client(), "server.foo", ""), "doomed processed ");
    drop(doomed);
    assert_eq!(node.end(END).done, 20_001);
}

#[test]
fn the_only_web_worker_may_be_away_for_a_while() {
    let _limit = limit();
    let address = free();
    let mut worker = WebWorker::start_at(&address, &["testing"], "web", &[]);
    let node = node(&[&worker.url], &[]);
    let job = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 5_000) };
    let job = job.start(&node.db);
    for results in [500, 2_000] {
        job.wait_for(results, PATIENCE);
        worker.process.kill();
        node.process.wait_for_line("a web worker is lost", PATIENCE);
        worker = WebWorker::start_at(&address, &["testing"], "web", &[]);
    }
    job.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(END).done, 5_000);
}

#[test]
fn without_any_web_worker_messages_wait_as_long_as_for_any_function() {
    let _limit = limit();
    let address = free();
    let node = node(&[&format!("http://{address}")], &["--function-wait", "2"]);
    node.process.wait_for_line("a web worker cannot be reached", PATIENCE);
    let client = node.client();
    assert_failure(&client, "server.echo", "", codes::UNKNOWN_FUNCTION, "echo");
    let worker = WebWorker::start_at(&address, &["testing"], "web", &[]);
    node.process.wait_for_line("a web worker is here", PATIENCE);
    assert_eq!(eval(&client, "server.echo", "here"), "here");
    drop(worker);
    assert_failure(&client, "server.echo", "", codes::UNKNOWN_FUNCTION, "echo");
    let account = node.end(END);
    assert_eq!((account.done, account.failed), (1, 2));
}

#[test]
fn what_no_web_worker_can_take_goes_to_a_pylm_worker() {
    let _limit = limit();
    let mut web = WebWorker::start(&["testing"], "web", &[]);
    let node = node(&[&web.url], &[]);
    let client = node.client();
    assert_eq!(eval(&client, "server.echo", "over HTTP"), "over HTTP");
    let _python = pylm::worker("python", &node.db, &[]);
    web.process.kill();
    let (sender, results) = client.job("server.echo", JobOptions::new());
    // An answer of 0 would be an error to pylm.
    for number in 1..=100 {
        sender.send(number.to_string()).unwrap();
    }
    drop(sender);
    let mut count = 0;
    for output in results {
        if let Event::Done { results: 1 } = output.unwrap().event {
            count += 1;
        }
    }
    assert_eq!(count, 100);
    assert_eq!(node.end(END).done, 101);
}

#[test]
fn a_message_that_ends_its_web_worker_each_time_ends_too() {
    let _limit = limit();
    let worker = WebWorker::start_at(&free(), &["testing"], "web", &["--slots", "2"]);
    let node = node(&[&worker.url], &[]);
    let client = node.client();
    let file = worker.process.folder().join("crashes");
    let poison = format!("1000 {}", file.display());
    assert_failure(&client, "server.crash", &poison, codes::LOST, "(after 3 attempts");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 3);
    let survivable = format!("5 {}", file.display());
    assert_eq!(eval(&client, "server.crash", &survivable), "survived after 5");
    let account = node.end(END);
    assert_eq!((account.done, account.failed), (1, 1));
}

#[test]
fn a_web_worker_that_is_too_slow_fails_that_message_only() {
    let _limit = limit();
    let worker = WebWorker::start(&["testing"], "web", &["--slots", "4"]);
    let node = node(&[&worker.url], &["--http-worker-timeout", "1", "--http-worker-attempts", "2"]);
    let client = node.client();
    let slow = thread::spawn({
        let client = node.client();
        move || failure(&client, "server.sleep_for", "10000")
    });
    for number in 0..50 {
        let payload = number.to_string();
        assert_eq!(eval(&client, "server.echo", &payload), payload);
    }
    let (code, text) = slow.join().unwrap();
    assert_eq!(code, codes::TIMEOUT);
    assert!(text.contains("no answer within 1s (after 2 attempts"), "{text}");
    let account = node.end(END);
    assert_eq!((account.done, account.failed), (50, 1));
}

#[test]
fn a_message_that_one_web_worker_does_not_answer_goes_to_the_other() {
    let _limit = limit();
    let silent = Impostor::start(b"");
    let worker = WebWorker::start(&["testing"], "web", &[]);
    let node = node(&[&silent.url, &worker.url], &["--http-worker-timeout", "1"]);
    let job = CheckedJob::new(1, 500).start(&node.db);
    job.assert_every_answer_once(PATIENCE);
    assert!(silent.calls() > 0, "it was never called");
    assert_eq!(node.end(END).done, 500);
}

#[test]
fn answers_that_are_none_are_tried_again_and_fail_with_what_was_wrong() {
    let _limit = limit();
    for (answer, calls, code, part) in [
        (&b"no HTTP at all\r\n\r\n"[..], 2, codes::LOST, "(after 2 attempts"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\xff\xff\xff", 2, codes::FAILED, "no PalmMessage"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 2, codes::FAILED, "an empty answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut", 2, codes::LOST, "broke off"),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nlater", 2, codes::FAILED, "503"),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 3\r\n\r\nwhy", 2, codes::FAILED, "why"),
        (b"HTTP/1.1 404 Oh\r\ncontent-length: 5\r\n\r\nwhere", 1, codes::FAILED, "404 Not Found: where"),
        (b"HTTP/1.1 302 Oh\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", 1, codes::FAILED, "302 Found"),
    ] {
        let impostor = Impostor::start(answer);
        let node = node(&[&impostor.url], &["--http-worker-attempts", "2"]);
        assert_failure(&node.client(), "server.echo", "", code, part);
        assert_eq!(impostor.calls(), calls, "{}", answer.escape_ascii());
        assert_eq!(node.end(END).failed, 1);
    }
}

#[test]
fn a_cancelled_job_hangs_up_and_the_function_hears_of_it() {
    let _limit = limit();
    let worker = WebWorker::start(&["testing"], "web", &["--slots", "1"]);
    let node = node(&[&worker.url], &[]);
    let file = worker.process.folder().join("sign");
    let client = node.client();
    let (sender, results) = client.job("server.until_cancelled", JobOptions::new());
    sender.send(file.display().to_string()).unwrap();
    let is = |text: &str| std::fs::read_to_string(&file).is_ok_and(|read| read == text);
    let end = Instant::now() + PATIENCE;
    while !is("begun") {
        assert!(Instant::now() < end, "it does not begin");
        thread::sleep(Duration::from_millis(5));
    }
    sender.cancel();
    while !is("begun cancelled") {
        assert!(Instant::now() < end, "it does not hear of it");
        thread::sleep(Duration::from_millis(5));
    }
    drop(results);
    assert_eq!(node.end(END).cancelled, 1);
}
