//! Peers that are far away are kept as busy as near ones, and nothing is lost of what is on its way.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::time::{Duration, Instant};

use pylm_client::{ClientOptions, Event, JobOptions, blocking::Client};
use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::far::{Distance, Link};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::waiting::wait_until;

const PATIENCE: Duration = Duration::from_secs(120);
const FAR: Distance = Distance { round_trip: Duration::from_millis(200), jitter: Duration::ZERO, rate: None };

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn client(db: &str) -> Client {
    Client::connect(ClientOptions::new(db).patience(Duration::from_secs(30))).unwrap()
}

/// How long it takes until all messages of a job that sleep for so long have their results.
fn sleep(client: &Client, messages: u32, milliseconds: u32) -> Duration {
    let begun = Instant::now();
    let (sender, results) = client.job("s.sleep_for", JobOptions::new());
    for _ in 0..messages {
        sender.send(milliseconds.to_string()).unwrap();
    }
    sender.finish();
    let mut done = 0;
    for output in results {
        match output.unwrap().event {
            Event::Failed { code, text, .. } => panic!("{code}: {text}"),
            Event::Done { .. } => done += 1,
            Event::Result { .. } => {}
        }
    }
    assert_eq!(done, messages);
    begun.elapsed()
}

/// How many messages there may be in one of the node's queues.
fn bound(node: &Node, queue: &str) -> f64 {
    let page = node.page("/metrics").text();
    let name = format!("pylmd_queue_messages_limit{{queue=\"{queue}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_else(|| panic!("{page}"));
    line.parse().unwrap()
}

const WITH_METRICS: [&str; 2] = ["--http", "127.0.0.1:0"];

#[test]
fn a_far_host_is_kept_busy() {
    let _limit = limit();
    let node = Node::start(&[]);
    let link = Link::to(&node.db, FAR);
    let _host = WorkerHost::start(&link.address, &["testing"], "far", &["--slots", "4"]);
    // With as much ahead as a near host needs, it would take 34 s: five messages in each round trip. It can do them in 2 s.
    let took = sleep(&client(&node.db), 800, 10);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(node.end(PATIENCE).done, 800);
}

#[test]
fn a_far_host_does_not_keep_what_a_near_one_could_do() {
    let _limit = limit();
    let node = Node::start(&[]);
    let link = Link::to(&node.db, FAR);
    let _hosts = [(&link.address, "far"), (&node.db, "near")]
        .map(|(db, name)| WorkerHost::start(db, &["testing"], name, &["--slots", "2"]));
    let client = client(&node.db);
    sleep(&client, 200, 20);
    // Both together do them in 2 s.
    let took = sleep(&client, 400, 20);
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(node.end(PATIENCE).done, 600);
}

#[test]
fn the_window_of_a_far_client_follows_and_every_answer_comes_once() {
    let _limit = limit();
    let node = Node::start(&WITH_METRICS);
    let link = Link::to(&node.db, FAR);
    let _host = WorkerHost::start(&node.db, &["testing"], "near", &[]);
    let job = CheckedJob::new(1, 60_000).start(&link.address);
    wait_until("the job may have more than the usual messages under way", || {
        bound(&node, "messages") > 6_000.0
    });
    // What was on its way comes over the next connection.
    link.cut();
    job.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(PATIENCE).done, 60_000);
}

#[test]
fn the_limit_of_a_far_follower_follows_and_every_answer_comes_once() {
    let _limit = limit();
    let first = Node::start(
        &[&WITH_METRICS[..], &["--name", "first", "--pipelined", "--inline", "--plugin", "testing"]].concat(),
    );
    let link = Link::to(&first.db, FAR);
    let from = format!("first={}", link.address);
    let second = Node::start(&["--name", "second", "--inline", "--plugin", "testing", "--from", &from]);
    second.process.wait_for_line("follows a node", PATIENCE);
    let client = client(&first.db);
    let (sender, results) = client.job("first.echo second.echo", JobOptions::new());
    let (count, mut seen) = (30_000_usize, vec![0; 30_000]);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..count {
                sender.send(number.to_string()).unwrap();
            }
            sender.finish();
        });
        // The node's own host has 512, the follower 1,024.
        scope.spawn(|| wait_until("the follower takes more than usual", || bound(&first, "hosts") > 2_000.0));
        for output in results {
            match output.unwrap().event {
                Event::Result { payload, .. } => {
                    seen[String::from_utf8_lossy(&payload).parse::<usize>().unwrap()] += 1;
                }
                Event::Failed { code, text, .. } => panic!("{code}: {text}"),
                Event::Done { .. } => {}
            }
        }
    });
    assert!(seen.iter().all(|&times| times == 1));
}

#[test]
fn what_a_lost_far_host_had_is_done_elsewhere_at_once() {
    let _limit = limit();
    let node = Node::start(&[]);
    let link = Link::to(&node.db, FAR);
    let far = WorkerHost::start(&link.address, &["testing"], "far", &["--slots", "4"]);
    let client = client(&node.db);
    sleep(&client, 400, 10);
    let (sender, results) = client.job("s.sleep_for", JobOptions::new());
    for _ in 0..200 {
        sender.send("10").unwrap();
    }
    sender.finish();
    let _near = WorkerHost::start(&node.db, &["testing"], "near", &["--slots", "4"]);
    let begun = Instant::now();
    drop(far);
    link.cut();
    assert_eq!(
        results.filter(|output| matches!(&output.as_ref().unwrap().event, Event::Done { .. })).count(),
        200
    );
    // Its own half a second, and what the loss of a connection takes to be heard of.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
