//! Thousands of short jobs at once over one connection, as a gateway has them.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]
#![allow(dead_code, reason = "the node can do more than these tests need")]

mod node;

use node::{Behaviour, Command, Node, eventually};
use pylm_client::blocking::{Client, JobResults};
use pylm_client::{ClientOptions, Event, JobOptions};
use std::sync::atomic::Ordering::SeqCst;

/// More than a node knows of at once.
const JOBS: u64 = 6_000;

fn connect(node: &Node) -> Client {
    Client::connect(ClientOptions::new(&node.address).name("test")).unwrap()
}

/// Opens them all, each with its own number as its only message.
fn open(client: &Client) -> Vec<JobResults> {
    let open = |number: u64| {
        let (sender, results) = client.job("server.echo", JobOptions::new());
        sender.send(number.to_string()).unwrap();
        results
    };
    (0..JOBS).map(open).collect()
}

#[test]
fn each_gets_its_own_result_and_is_closed() {
    let node = Node::start(Behaviour::default());
    let client = connect(&node);
    for (number, results) in open(&client).into_iter().enumerate() {
        let events: Vec<Event> = results.map(|output| output.unwrap().event).collect();
        let [Event::Result { payload, .. }, Event::Done { results: 1 }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(*payload, number.to_string());
    }
    eventually("the closes", || node.seen.closes.load(SeqCst) == JOBS);
    assert_eq!(node.seen.cancels.load(SeqCst), 0);
}

#[test]
fn those_that_are_dropped_are_cancelled_and_leave_nothing_behind() {
    let node = Node::start(Behaviour::default());
    node.tell(Command::Hold(true));
    let client = connect(&node);
    let jobs = open(&client);
    eventually("as many as the node may know", || node.seen.opens.load(SeqCst) == 4_096);
    drop(jobs);
    eventually("the closes", || node.seen.closes.load(SeqCst) == node.seen.opens.load(SeqCst));
    assert_eq!(node.seen.cancels.load(SeqCst), node.seen.opens.load(SeqCst));
    node.tell(Command::Hold(false));
    assert_eq!(client.eval("server.echo", "next").unwrap(), ["next"]);
}
