//! Python peers of our node under load and under loss: every answer once, to its own client.

use std::time::Duration;

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::Node;
use pylm_tests::process::Process;
use pylm_tests::programs::Profile;
use pylm_tests::pylm::{self, Report};

const CLIENT: Duration = Duration::from_secs(240);
const END: Duration = Duration::from_secs(40);
const JOB: [&str; 3] = ["--verify", "--function", "server.echo"];

fn limit() -> Deadline {
    // The first test also builds the programs, in release, and makes the Python environment.
    deadline(Duration::from_secs(1200))
}

fn node() -> Node {
    Node::start_as(Profile::Release, &[])
}

fn report(mut client: Process) -> Report {
    client.wait_for_success(CLIENT);
    Report::of(&client)
}

#[test]
fn ten_clients_at_once_get_their_own_answers() {
    let _limit = limit();
    let node = node();
    let _workers = ["worker1", "worker2"].map(|name| pylm::worker(name, &node.db, &[]));
    let clients: Vec<Process> = (0..10)
        .map(|seed: u64| {
            let own = ["--count", "10000", "--large", "20", "--empty", "50", "--seed", &*seed.to_string()];
            pylm::client(&node.db, &[&JOB[..], &own, &["--extra-wait", "1", "--timeout", "120"]].concat())
        })
        .collect();
    for client in clients {
        report(client).assert_every_answer_once();
    }
    assert_eq!(node.end(END).done, 100_000);
}

#[test]
fn a_killed_worker_takes_no_answer_with_it() {
    let _limit = limit();
    let node = node();
    let mut doomed = pylm::worker("doomed", &node.db, &["--delay", "0.001"]);
    let _survivor = pylm::worker("survivor", &node.db, &[]);
    // Half a second of messages, so that the kill falls among them.
    let many = ["--count", "10000", "--send-pause", "0.00005", "--extra-wait", "2", "--tell-after", "100"];
    let client = pylm::client(&node.db, &[&JOB[..], &many].concat());
    client.wait_for_line("100 results", CLIENT);
    doomed.kill();
    report(client).assert_every_answer_once();
    assert_eq!(node.end(END).done, 10_000);
}

#[test]
fn a_client_that_reads_nothing_for_a_while_loses_nothing() {
    let _limit = limit();
    let node = node();
    let _workers = ["worker1", "worker2"].map(|name| pylm::worker(name, &node.db, &[]));
    let many = ["--count", "100000", "--size", "256", "--extra-wait", "1"];
    let slow =
        pylm::client(&node.db, &[&JOB[..], &many, &["--pause-after", "20000", "--pause", "8"]].concat());
    slow.wait_for_line("pausing after 20000 results", CLIENT);

    // Nobody else is held back meanwhile.
    let other = pylm::client(&node.db, &[&JOB[..], &["--count", "1000"]].concat());
    report(other).assert_every_answer_once();
    assert!(
        slow.find_line(Duration::ZERO, |line| line.contains("reading again")).is_none(),
        "the other waited"
    );

    report(slow).assert_every_answer_once();
    let used = node.process.rss_bytes();
    assert!(used < 512 << 20, "the node holds {used} bytes");
    assert_eq!(node.end(END).done, 101_000);
}
