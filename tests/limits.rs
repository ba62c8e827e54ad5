//! What a job asks for, retries, deadlines and priority, and what slow or stuck functions cost others.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use pylm_client::blocking::{Client, JobResults};
use pylm_client::{Event, JobOptions, codes};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::skip::skip;
use pylm_tests::waiting::wait_until;

const PATIENCE: Duration = Duration::from_secs(60);

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn host(node: &Node, name: &str, slots: &str) -> WorkerHost {
    WorkerHost::start(&node.db, &["testing"], name, &["--slots", slots, "--grace", "1"])
}

/// What became of a message: its only result, or the code with which it failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Result(String),
    Failed(String),
}

/// Submits these messages, which is all of a job.
fn submit(client: &Client, function: &str, payloads: &[&str], options: JobOptions) -> JobResults {
    let (sender, results) = client.job(function, options);
    for payload in payloads {
        sender.send((*payload).to_owned()).unwrap();
    }
    sender.finish();
    results
}

/// What became of each message, in their order.
fn ends(results: JobResults) -> Vec<End> {
    let mut ends = Vec::new();
    for output in results {
        let output = output.unwrap();
        match output.event {
            Event::Result { payload, .. } => {
                ends.push((output.number, End::Result(String::from_utf8(payload.to_vec()).unwrap())));
            }
            Event::Failed { code, .. } => ends.push((output.number, End::Failed(code.into()))),
            Event::Done { .. } => {}
        }
    }
    ends.sort_unstable();
    ends.into_iter().map(|(_, end)| end).collect()
}

fn result(text: &str) -> End {
    End::Result(text.to_owned())
}

fn failed(code: &str) -> End {
    End::Failed(code.to_owned())
}

#[test]
fn what_fails_is_run_again_only_where_the_job_asks_for_it_and_not_for_good() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = host(&node, "host", "2");
    let client = node.client();
    let run = |function, retries| ends(submit(&client, function, &["2"], JobOptions::new().retries(retries)));
    assert_eq!(run("server.fail_first", 0), [failed(codes::FAILED)]);
    assert_eq!(run("server.fail_first", 1), [failed(codes::FAILED)]);
    let begun = Instant::now();
    assert_eq!(run("server.fail_first", 2), [result("3")]);
    assert!(begun.elapsed() >= Duration::from_millis(150), "the delays are {:?}", begun.elapsed());

    let (sender, mut results) = client.job("server.fail_for_good", JobOptions::new().retries(5));
    sender.send("").unwrap();
    sender.finish();
    let Event::Failed { text, .. } = results.next().unwrap().unwrap().event else {
        panic!("it did not fail")
    };
    assert_eq!(&*text, "1", "an error for good was tried again");
    node.end(PATIENCE);
}

#[test]
fn a_function_that_ignores_its_deadline_is_ended_with_its_host_and_costs_nobody_an_attempt() {
    let _limit = limit();
    // Were a neighbour charged, it would fail at once.
    let node = Node::start(&["--max-attempts", "1"]);
    let host = host(&node, "host", "2");
    let client = node.client();
    let hanging = submit(
        &client,
        "server.sleep_for",
        &["600000"],
        JobOptions::new().timeout(Some(Duration::from_millis(300))),
    );
    // At work in the other slot when the host ends, and waiting behind it.
    let neighbours = submit(&client, "server.sleep_for", &["2500", "2501", "10", "11"], JobOptions::new());
    assert_eq!(ends(hanging), [failed(codes::TIMEOUT)]);
    assert_eq!(ends(neighbours), ["2500", "2501", "10", "11"].map(result));
    host.process.wait_for_line("is started again, as it wants to be", PATIENCE);
    let account = node.end(PATIENCE);
    assert_eq!((account.done, account.failed), (4, 1));
}

#[test]
fn a_function_that_ignores_that_its_job_was_cancelled_is_ended_too() {
    let _limit = limit();
    let node = Node::start(&[]);
    let host = host(&node, "host", "1");
    let client = node.client();
    let (sender, mut results) = client.job("server.drip", JobOptions::new());
    // It is at work when its first result is there; the second takes ten minutes.
    sender.send("2 600000").unwrap();
    assert!(matches!(results.next().unwrap().unwrap().event, Event::Result { .. }));
    sender.cancel();
    assert_eq!(ends(results), [failed(codes::CANCELLED)]);
    assert_eq!(client.eval("server.echo", "next").unwrap(), ["next"]);
    host.process.wait_for_line("is started again, as it wants to be", PATIENCE);
    node.end(PATIENCE);
}

#[test]
fn a_function_in_the_node_that_ignores_its_deadline_keeps_its_slot_and_the_others_go_on() {
    let _limit = limit();
    let slots = thread::available_parallelism().unwrap().get();
    if slots < 2 {
        return skip("with one core a node has one slot for its own functions");
    }
    let node = Node::start(&["--inline", "--plugin", "testing"]);
    let client = node.client();
    let options = JobOptions::new().timeout(Some(Duration::from_millis(300)));
    assert_eq!(ends(submit(&client, "server.sleep_for", &["600000"], options)), [failed(codes::TIMEOUT)]);
    let others_go_on = || {
        let (begun, messages) = (Instant::now(), vec!["500"; slots]);
        let results = submit(&client, "server.sleep_for", &messages, JobOptions::new());
        assert_eq!(ends(results), vec![result("500"); slots]);
        assert!(begun.elapsed() >= Duration::from_secs(1), "its slot was given away: {:?}", begun.elapsed());
    };
    others_go_on();
    let line = node.process.wait_for_line("it keeps its slot", PATIENCE);
    assert!(line.contains("ERROR"), "{line}");
    others_go_on();
    let account = node.end(PATIENCE);
    assert_eq!((account.done, account.failed), (2 * slots as u64, 1));
}

#[test]
fn a_job_ends_by_its_deadline() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = host(&node, "host", "1");
    let client = node.client();
    let begun = Instant::now();
    let options = JobOptions::new().deadline(Some(Duration::from_secs(1)));
    let ends = ends(submit(&client, "server.sleep_for", &["100"; 50], options));
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    let done = ends.iter().filter(|end| **end == result("100")).count();
    assert!((1..=11).contains(&done), "{done} are done");
    assert_eq!(ends.iter().filter(|end| **end == failed(codes::TIMEOUT)).count(), 50 - done);
    node.end(PATIENCE);
}

#[test]
fn a_short_limit_holds_at_a_node_that_had_nothing_to_do() {
    let _limit = limit();
    let node = Node::start(&[]);
    let client = node.client();
    let mut late = 0;
    for pause in 0..12 {
        // It looks at the time five times a second meanwhile.
        thread::sleep(Duration::from_millis(300 + 17 * pause));
        let begun = Instant::now();
        let options = JobOptions::new().timeout(Some(Duration::from_millis(20)));
        assert_eq!(ends(submit(&client, "server.nobody", &["x"], options)), [failed(codes::TIMEOUT)]);
        late += u32::from(begun.elapsed() > Duration::from_millis(120));
    }
    assert!(late <= 3, "{late} of 12 were told too late");
    node.end(PATIENCE);
}

#[test]
fn functions_see_how_much_time_is_left_at_later_nodes_too() {
    let _limit = limit();
    let first = Node::start(&["--name", "first", "--pipelined"]);
    let second = Node::start(&["--name", "second", "--from", &format!("first={}", first.db)]);
    let _hosts = [host(&first, "host1", "1"), host(&second, "host2", "1")];
    let client = first.client();
    let left = |timeout: Option<u64>, deadline: Option<u64>| {
        let options = JobOptions::new()
            .timeout(timeout.map(Duration::from_secs))
            .deadline(deadline.map(Duration::from_secs));
        match &*ends(submit(&client, "first.echo second.time_left", &[""], options)) {
            [End::Result(left)] => left.parse::<u64>().ok(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(left(None, None), None);
    for (timeout, deadline) in
        [(Some(60), None), (None, Some(60)), (Some(60), Some(600)), (Some(600), Some(60))]
    {
        let left = left(timeout, deadline).unwrap();
        assert!((30_000..=60_000).contains(&left), "{left} ms of {timeout:?} and {deadline:?}");
    }
    second.end(PATIENCE);
    first.end(PATIENCE);
}

#[test]
fn what_a_slow_host_has_not_begun_goes_to_one_that_comes() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _slow = host(&node, "slow", "1");
    let client = node.client();
    let slow = submit(&client, "server.sleep_for", &["6000"], JobOptions::new());
    let behind = submit(&client, "server.sleep_for", &["10"], JobOptions::new());
    wait_until("the host takes one more ahead", || node.status()["leases"] == 2);
    let _idle = host(&node, "idle", "1");
    let begun = Instant::now();
    assert_eq!(ends(behind), [result("10")]);
    assert!(begun.elapsed() < Duration::from_secs(3), "it waited for the slow host: {:?}", begun.elapsed());
    assert_eq!(ends(slow), [result("6000")]);
    node.end(PATIENCE);
}

#[test]
fn an_urgent_job_gets_the_larger_share() {
    let _limit = limit();
    let node = Node::start(&[]);
    let client = node.client();
    // Both wait before the host comes.
    let (told, done) = channel();
    let messages = ["20"; 200];
    let jobs: Vec<_> = [("plain", 0), ("urgent", 3)]
        .into_iter()
        .map(|(name, priority)| {
            let options = JobOptions::new().priority(priority);
            let results = submit(&client, "server.sleep_for", &messages, options);
            let told = told.clone();
            thread::spawn(move || {
                let ends = ends(results);
                told.send(name).unwrap();
                ends
            })
        })
        .collect();
    let _host = host(&node, "host", "2");
    assert_eq!([done.recv_timeout(PATIENCE), done.recv_timeout(PATIENCE)], [Ok("urgent"), Ok("plain")]);
    for job in jobs {
        assert_eq!(job.join().unwrap(), messages.map(result));
    }
    node.end(PATIENCE);
}
