//! Jobs against a node of a few lines: whatever happens to the connection, each result and each end comes once.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod node;

use node::{Behaviour, Command, Node, eventually};
use pylm_client::blocking::{Client, JobResults};
use pylm_client::{Bytes, ClientOptions, Error, Event, JobOptions, Status};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

fn connect(node: &Node) -> Client {
    Client::connect(ClientOptions::new(&node.address).name("test")).unwrap()
}

/// Reads a job to its end: the payloads of each message, by number. Every end comes once, behind all of its results.
fn collect(results: JobResults) -> BTreeMap<u64, Result<Vec<Bytes>, Box<str>>> {
    let mut open: BTreeMap<u64, Vec<Bytes>> = BTreeMap::new();
    let mut ended = BTreeMap::new();
    for output in results {
        let output = output.unwrap();
        assert!(!ended.contains_key(&output.number), "{output:?} came after the end");
        match output.event {
            Event::Result { payload, .. } => open.entry(output.number).or_default().push(payload),
            Event::Done { results } => {
                let came = open.remove(&output.number).unwrap_or_default();
                assert_eq!(came.len() as u64, results);
                ended.insert(output.number, Ok(came));
            }
            Event::Failed { code, .. } => drop(ended.insert(output.number, Err(code))),
        }
    }
    assert!(open.is_empty());
    ended
}

/// Submits that many messages, each its own number, and lets `meanwhile` happen.
fn run(node: &Node, options: JobOptions, count: u64, meanwhile: impl FnOnce(&Client)) {
    let client = connect(node);
    let (sender, results) = client.job("server.echo", options);
    let writer = std::thread::spawn(move || {
        for number in 0..count {
            assert_eq!(sender.send(number.to_string()).unwrap(), number);
        }
    });
    let reader = std::thread::spawn(move || collect(results));
    meanwhile(&client);
    writer.join().unwrap();
    let ended = reader.join().unwrap();
    assert_eq!(ended.len() as u64, count);
    for (number, results) in ended {
        let results = results.unwrap();
        assert!(results.iter().all(|payload| *payload == number.to_string()));
    }
}

#[test]
fn every_message_gets_its_result_once() {
    let node = Node::start(Behaviour::default());
    run(&node, JobOptions::new(), 100_000, |_| {});
    eventually("the close", || node.seen.closes.load(SeqCst) == 1);
    assert_eq!(node.seen.submits.load(SeqCst), 100_000);
}

#[test]
fn large_and_empty_payloads_come_back_whole() {
    let node = Node::start(Behaviour::default());
    let client = connect(&node);
    let (sender, results) = client.job("server.echo", JobOptions::new());
    let sizes = [0, 1, 16 << 10, (16 << 10) - 1, 5 << 20, 0, 300 << 10];
    for (number, size) in sizes.into_iter().enumerate() {
        sender.send(vec![number as u8; size]).unwrap();
    }
    sender.finish();
    let ended = collect(results);
    for (number, size) in sizes.into_iter().enumerate() {
        assert_eq!(ended[&(number as u64)], Ok(vec![Bytes::from(vec![number as u8; size])]));
    }
}

#[test]
fn a_lost_connection_to_a_node_that_knows_the_job_costs_and_repeats_nothing() {
    let node = Node::start(Behaviour { results: 3, ..Behaviour::default() });
    run(&node, JobOptions::new(), 30_000, |client| {
        for round in 1..4 {
            eventually("some work", || node.seen.submits.load(SeqCst) > 3000 * round);
            node.tell(Command::Lose { forget: false });
            eventually("the reconnect", || node.seen.hellos.load(SeqCst) == round + 1);
        }
        eventually("the status", || client.status() == Status::Connected);
    });
    // What a node that knows the job had, it was not given again.
    assert!(node.seen.submits.load(SeqCst) < 31_000 + 3 * 16_384);
}

#[test]
fn a_node_that_was_restarted_is_given_what_has_not_ended() {
    let node = Node::start(Behaviour { results: 3, ..Behaviour::default() });
    run(&node, JobOptions::new(), 30_000, |_| {
        for round in 1..4 {
            eventually("some work", || node.seen.submits.load(SeqCst) > 3000 * round);
            node.tell(Command::Lose { forget: true });
            eventually("the reconnect", || node.seen.hellos.load(SeqCst) == round + 1);
        }
    });
}

#[test]
fn a_silent_node_is_left_for_a_new_connection() {
    let node = Node::start(Behaviour::default());
    run(&node, JobOptions::new(), 20_000, |client| {
        eventually("some work", || node.seen.submits.load(SeqCst) > 1000);
        node.tell(Command::Silent);
        eventually("the loss", || client.status() == Status::Reconnecting);
        node.tell(Command::Lose { forget: false });
    });
}

#[test]
fn the_window_of_the_node_is_kept_when_it_shrinks_and_grows() {
    let node = Node::start(Behaviour { window: 50, ..Behaviour::default() });
    node.tell(Command::Hold(true));
    let client = connect(&node);
    let (sender, results) = client.job("server.echo", JobOptions::new());
    for number in 0..1000 {
        sender.send(number.to_string()).unwrap();
    }
    sender.finish();
    let submits = || node.seen.submits.load(SeqCst);
    eventually("a full window", || submits() == 50);
    node.tell(Command::Window(60));
    eventually("a larger window", || submits() == 60);
    node.tell(Command::Window(3));
    node.tell(Command::Hold(false));
    assert_eq!(collect(results).len(), 1000);
    assert_eq!(node.seen.most_open.load(SeqCst), 60);
}

#[test]
fn an_application_that_reads_nothing_holds_its_job_back() {
    let node = Node::start(Behaviour { results: 4, ..Behaviour::default() });
    let client = connect(&node);
    let (sender, results) = client.job("server.echo", JobOptions::new().output_window(100, 1 << 20));
    for number in 0..1000 {
        sender.send(number.to_string()).unwrap();
    }
    sender.finish();
    eventually("a full window of outputs", || node.seen.outputs.load(SeqCst) == 100);
    // Other jobs of the same client go on meanwhile, far longer than an acknowledgement would take.
    for _ in 0..200 {
        assert_eq!(client.eval("server.echo", "x").unwrap().len(), 4);
    }
    assert_eq!(node.seen.outputs.load(SeqCst), 100 + 200 * 5);
    assert_eq!(collect(results).len(), 1000);
}

#[test]
fn ordered_results_come_in_the_order_of_messages() {
    let node = Node::start(Behaviour { results: 2, ..Behaviour::default() });
    let client = connect(&node);
    let (sender, results) = client.job("server.echo", JobOptions::new().ordered(true).window(10, 1 << 20));
    let writer =
        std::thread::spawn(move || (0..500).try_for_each(|n: u32| sender.send(n.to_string()).map(drop)));
    let numbers: Vec<u64> = results.map(|output| output.unwrap().number).collect();
    writer.join().unwrap().unwrap();
    assert!(numbers.is_sorted() && numbers.len() == 1500);
    assert!(node.seen.most_open.load(SeqCst) <= 10);
}

#[test]
fn failed_messages_tell_why_and_give_back_what_was_submitted() {
    let node = Node::start(Behaviour::default());
    let client = connect(&node);
    let (sender, results) = client.job("server.echo", JobOptions::new());
    sender.send_with("fail", "key").unwrap();
    sender.finish();
    let outputs: Vec<_> = results.map(Result::unwrap).collect();
    let [output] = outputs.as_slice() else { panic!("{outputs:?}") };
    let Event::Failed { code, submitted, .. } = &output.event else { panic!("{output:?}") };
    assert_eq!(
        (&**code, &submitted.payload[..], submitted.cache.as_deref()),
        ("failed", &b"fail"[..], Some("key"))
    );
    let error = client.eval("server.echo", "fail").unwrap_err();
    assert_eq!(error.to_string(), "failed: as the test wants it");
}

#[test]
fn a_cancelled_job_ends_and_takes_no_more() {
    let node = Node::start(Behaviour::default());
    node.tell(Command::Hold(true));
    let client = connect(&node);
    let (sender, results) = client.job("server.echo", JobOptions::new().window(5, 1 << 20));
    for _ in 0..5 {
        sender.send("x").unwrap();
    }
    // The sixth waits for room, which the cancel takes away.
    let writer = std::thread::spawn(move || sender.send("x"));
    eventually("the messages", || node.seen.submits.load(SeqCst) == 5);
    results.cancel();
    assert!(matches!(writer.join().unwrap(), Err(Error::Cancelled)));
    let ended = collect(results);
    assert_eq!(ended.len(), 5);
    assert!(ended.values().all(|end| end.as_ref().is_err_and(|code| &**code == "cancelled")));
    eventually("the close", || node.seen.closes.load(SeqCst) == 1);
}

#[test]
fn dropped_results_cancel_the_job() {
    let node = Node::start(Behaviour::default());
    node.tell(Command::Hold(true));
    let client = connect(&node);
    let (sender, results) = client.job("server.echo", JobOptions::new());
    sender.send("x").unwrap();
    eventually("the message", || node.seen.submits.load(SeqCst) == 1);
    drop(results);
    eventually("the cancel", || node.seen.cancels.load(SeqCst) == 1);
    assert!(matches!(sender.send("y"), Err(Error::Cancelled)));
}

#[test]
fn a_client_that_is_closed_says_goodbye() {
    let node = Node::start(Behaviour::default());
    let client = connect(&node);
    let (_sender, mut results) = client.job("server.echo", JobOptions::new());
    client.close();
    eventually("the goodbye", || node.seen.goodbyes.load(SeqCst) == 1);
    assert!(matches!(results.next(), Some(Err(Error::Stopped))));
    assert!(results.next().is_none());
}

#[test]
fn a_payload_that_the_node_does_not_take_is_refused_at_once() {
    let node = Node::start(Behaviour { max_message: 10, ..Behaviour::default() });
    let client = connect(&node);
    assert_eq!(client.max_message(), 10);
    let (sender, results) = client.job("server.echo", JobOptions::new());
    assert!(matches!(sender.send("eleven byte"), Err(Error::TooLarge { size: 11, limit: 10 })));
    assert_eq!(sender.send("ten bytes.").unwrap(), 0);
    sender.finish();
    assert_eq!(collect(results).len(), 1);
}

#[test]
fn the_cache_answers() {
    let node = Node::start(Behaviour::default());
    let client = connect(&node);
    let cache = client.cache();
    assert_eq!(cache.get("k").unwrap(), None);
    assert_eq!(cache.set("k", "value").unwrap(), "k");
    assert_eq!(cache.set("", "value").unwrap(), "chosen");
    assert_eq!(cache.get("k").unwrap().unwrap(), "value");
    assert!(cache.delete("k").unwrap());
    assert!(!cache.delete("k").unwrap());
    let error = cache.delete("read-only").unwrap_err();
    assert_eq!(error.to_string(), "the cache refuses: as the test wants it");
}

#[test]
fn no_node_is_an_error_that_says_so_in_time() {
    let started = Instant::now();
    let options = ClientOptions::new("tcp://127.0.0.1:1").patience(Duration::from_millis(300));
    let error = Client::connect(options).unwrap_err();
    assert!(started.elapsed() >= Duration::from_millis(300) && started.elapsed() < Duration::from_secs(10));
    assert!(error.to_string().contains("nobody accepts connections there"), "{error}");
    assert!(matches!(Client::connect(ClientOptions::new("nonsense")), Err(Error::Address { .. })));
}

#[test]
fn what_is_no_native_node_or_refuses_is_an_error_that_says_so() {
    let refusal = |behaviour| {
        let node = Node::start(behaviour);
        Client::connect(ClientOptions::new(&node.address)).unwrap_err()
    };
    let error = refusal(Behaviour { version: "", ..Behaviour::default() });
    assert!(matches!(error, Error::NotNative { .. }), "{error}");
    let error = refusal(Behaviour { version: "2.0", ..Behaviour::default() });
    assert!(matches!(error, Error::Version { .. }), "{error}");
    let error = refusal(Behaviour { reset: Some("refused"), ..Behaviour::default() });
    assert!(matches!(error, Error::NotAdmitted(_)), "{error}");
    let error = refusal(Behaviour { reset: Some("replaced"), ..Behaviour::default() });
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    // A Reset that is not final is followed by another attempt.
    let node = Node::start(Behaviour { reset: Some("draining"), ..Behaviour::default() });
    assert_eq!(connect(&node).eval("server.echo", "x").unwrap(), ["x"]);
}

#[tokio::test]
async fn the_async_face_needs_nothing_of_its_runtime() {
    let node = Node::start(Behaviour::default());
    let client = pylm_client::Client::connect(ClientOptions::new(&node.address)).await.unwrap();
    let (sender, mut results) = client.job("server.echo", JobOptions::new().window(16, 1 << 20));
    let writer = tokio::spawn(async move {
        for number in 0..10_000 {
            sender.send(number.to_string()).await.unwrap();
        }
    });
    let mut ends = 0;
    while let Some(output) = results.next().await.unwrap() {
        ends += u64::from(output.is_end());
    }
    writer.await.unwrap();
    assert_eq!(ends, 10_000);
}
