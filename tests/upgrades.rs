//! A node and its hosts are replaced in turn, under load, and nothing is lost.

use std::time::Duration;

use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::programs::Profile;
use rustix::process::Signal;

const PATIENCE: Duration = Duration::from_secs(60);
/// So many that they last longer than all that is replaced.
const COUNT: u64 = 25_000;

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn host(node: &Node, name: &str) -> WorkerHost {
    WorkerHost::start(&node.db, &["testing"], name, &["--slots", "2"])
}

/// Starts a new host, and then ends the old one in order.
fn replace(node: &Node, mut old: WorkerHost, name: &str) -> WorkerHost {
    let new = host(node, name);
    old.process.signal(Signal::TERM);
    old.process.wait_for_success(PATIENCE);
    new
}

#[test]
fn a_node_with_a_journal_and_its_hosts_are_replaced_in_turn_and_nothing_is_lost() {
    let _limit = limit();
    let folder = tempfile::tempdir().unwrap();
    // So little time to drain that a node ends with messages under way, for the next one to go on with.
    let args = ["--journal", folder.path().to_str().unwrap(), "--drain-limit", "1"];
    let mut node = Node::start(&args);
    let mut hosts = [host(&node, "first-1"), host(&node, "first-2")];
    let jobs = [1, 2].map(|owner| {
        let job = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(owner, COUNT) };
        job.start(&node.db)
    });
    let mut under_way = 0;
    for (round, results) in [(1, 500), (2, 4_000)] {
        jobs.iter().for_each(|job| job.wait_for(results, PATIENCE));
        hosts = hosts.map(|old| replace(&node, old, &format!("round-{round}")));
        node.process.signal(Signal::TERM);
        node.process.wait(PATIENCE);
        under_way += node.account().under_way;
        node = node.start_again(Profile::Debug, &args);
    }
    assert!(under_way > 0, "each node had time to finish everything: this shows nothing");
    let left = jobs.iter().any(|job| job.progress().results < COUNT);
    assert!(left, "all was over before the last node came");
    for job in jobs {
        job.assert_every_answer_once(PATIENCE);
    }
    let account = node.end(PATIENCE);
    assert_eq!((account.failed, account.cancelled), (0, 0));
}

#[test]
fn a_node_without_a_journal_is_replaced_and_clients_send_again_what_has_not_ended() {
    let _limit = limit();
    let args = ["--drain-limit", "1"];
    let node = Node::start(&args);
    let old = host(&node, "old");
    let job = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 6_000) };
    let job = job.start(&node.db);
    job.wait_for(500, PATIENCE);
    let mut first = node;
    first.process.signal(Signal::TERM);
    first.process.wait(PATIENCE);
    assert!(first.account().under_way > 0, "everything had ended: this shows nothing");
    let node = first.start_again(Profile::Debug, &args);
    let _new = replace(&node, old, "new");
    job.assert_every_answer_once(PATIENCE);
    let account = node.end(PATIENCE);
    assert_eq!((account.failed, account.cancelled), (0, 0));
}
