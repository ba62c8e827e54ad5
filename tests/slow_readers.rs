//! A native client that reads nothing for a while: nothing is lost, nobody else waits, and the node's memory is bounded.

use std::time::Duration;

use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::deadline;
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::programs::Profile;

const PATIENCE: Duration = Duration::from_secs(60);
const COUNT: u64 = 100_000;

#[test]
fn a_client_that_reads_nothing_for_five_seconds_loses_nothing_and_holds_back_nobody() {
    // It also builds the programs, in release.
    let _limit = deadline(Duration::from_secs(900));
    let node = Node::start_as(Profile::Release, &[]);
    let _hosts = ["host1", "host2"]
        .map(|name| WorkerHost::start_as(Profile::Release, &node.db, &["testing"], name, &[]));
    let pause = Some((COUNT / 2, Duration::from_secs(5)));
    let slow = CheckedJob { size: 8 << 10, pause, ..CheckedJob::new(1, COUNT) }.start(&node.db);
    slow.wait_until(PATIENCE, |progress| progress.pausing);

    for owner in 2..5 {
        CheckedJob::new(owner, 2_000).start(&node.db).assert_every_answer_once(PATIENCE);
    }
    assert!(slow.progress().pausing, "the others waited");
    let held = node.process.rss_bytes();
    assert!(held < 400 << 20, "the node holds {held} bytes");

    slow.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(PATIENCE).done, COUNT + 6_000);
}
