//! A worker host whose machine vanishes: its connection is neither closed nor reset, nothing is heard from it any more.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::thread;
use std::time::{Duration, Instant};

use pylm_client::blocking::Client;
use pylm_client::{Event, JobOptions};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::machine::{End, Machine};
use pylm_tests::node::WorkerHost;
use pylm_tests::sealed::Sealed;

const PATIENCE: Duration = Duration::from_secs(60);
/// After so much silence a peer is given up.
const SILENCE: Duration = Duration::from_secs(5);
/// What everything else may take, on a busy machine.
const SLACK: Duration = Duration::from_secs(4);
/// Far more than two hosts take at once, far less than one works on in a second.
const MESSAGES: u64 = 200;

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

/// A job of messages that take 20 ms each; its results are taken by hand.
struct Job {
    results: pylm_client::blocking::JobResults,
    answered: Vec<u64>,
    ended: Vec<u64>,
}

impl Job {
    fn start(client: &Client) -> Self {
        let (sender, results) = client.job("server.sleep_for", JobOptions::new());
        for _ in 0..MESSAGES {
            sender.send("20").unwrap();
        }
        sender.finish();
        Self { results, answered: Vec::new(), ended: Vec::new() }
    }

    /// Takes outputs until so many messages have ended.
    fn take(&mut self, ends: usize) {
        while self.ended.len() < ends {
            let output = self.results.next().unwrap().unwrap();
            match output.event {
                Event::Result { .. } => self.answered.push(output.number),
                Event::Done { results: 1 } => self.ended.push(output.number),
                event => panic!("{} ended as it should not: {event:?}", output.number),
            }
        }
    }

    fn assert_every_answer_once(mut self) {
        self.take(usize::try_from(MESSAGES).unwrap());
        assert!(self.results.next().is_none());
        for mut numbers in [self.answered, self.ended] {
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..MESSAGES));
        }
    }
}

#[track_caller]
fn vanish_and_come_back(end: End, outage: Duration) {
    let _limit = limit();
    let Some(machine) = Machine::new() else { return };
    let sealed = Sealed::start_for_machines(&[]);
    let file = sealed.file_on(&machine, "far", "host");
    let node = sealed.node;
    let slots = ["--slots", "2"];
    let mut far = WorkerHost::start_on(&machine, &file, &["testing"], "far", &slots);
    let near = WorkerHost::start(&node.db, &["testing"], "near", &slots);
    let client = node.client();

    let mut job = Job::start(&client);
    job.take(20);
    machine.unplug(end);
    let unplugged = Instant::now();
    job.assert_every_answer_once();
    let took = unplugged.elapsed();
    assert!(took > SILENCE / 2, "the host had nothing, or its loss was heard of: {took:?}");
    assert!(took < SILENCE + SLACK, "what the host had went elsewhere after {took:?}");

    thread::sleep(outage.saturating_sub(took));
    machine.plug_in(end);
    let back = Instant::now();
    drop(near);
    Job::start(&client).assert_every_answer_once();
    let took = back.elapsed();
    assert!(took < SILENCE + SLACK, "the host served again after {took:?}");
    assert_eq!(node.end(PATIENCE).done, 2 * MESSAGES);
    far.process.signal(rustix::process::Signal::TERM);
    far.process.wait_for_success(PATIENCE);
}

#[test]
fn what_a_vanished_machine_had_goes_elsewhere_and_it_serves_again_when_it_is_back() {
    vanish_and_come_back(End::Theirs, Duration::ZERO);
}

#[test]
fn a_machine_that_nothing_reaches_for_long_serves_again_soon_after() {
    vanish_and_come_back(End::Ours, Duration::from_secs(25));
}
