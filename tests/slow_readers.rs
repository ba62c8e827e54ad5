//! A native client that reads nothing for a while, or slowly: nothing is lost, nobody else waits, and the node's memory is bounded.
//!
//! `PYLM_MILLIONS=10` has the last test serve ten million messages instead of its few.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use pylm_client::JobOptions;
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

#[test]
fn memory_stays_flat_however_many_messages_pass_a_slow_reader() {
    const FEW: u64 = 200_000;
    const PARTS: u64 = 10;
    let millions = std::env::var("PYLM_MILLIONS").ok().and_then(|count| count.parse::<u64>().ok());
    let count = millions.map_or(FEW, |millions| millions * 1_000_000);
    // It also builds the programs, in release.
    let _limit = deadline(Duration::from_secs(900 + count / 10_000));
    let node = Node::start_as(Profile::Release, &[]);
    let _host = WorkerHost::start_as(Profile::Release, &node.db, &["testing"], "host", &[]);
    let (slow, fast) = (node.client(), node.client());
    let stop = AtomicBool::new(false);
    let held: Vec<u64> = thread::scope(|scope| {
        let (sender, mut results) = slow.job("server.echo", JobOptions::new().output_window(256, 1 << 20));
        scope.spawn(move || {
            // Ends when the job is cancelled.
            while sender.send(vec![0; 1_000]).is_ok() {}
        });
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(Relaxed) {
                results.next();
                thread::sleep(Duration::from_millis(5));
            }
            results.cancel();
        });
        let held = (0..PARTS).map(|_| {
            let (sender, results) = fast.job("server.echo", JobOptions::new());
            let sending = scope.spawn(move || {
                for _ in 0..count / PARTS {
                    sender.send("sixteen bytes ..").unwrap();
                }
            });
            let ends = results.filter(|output| output.as_ref().unwrap().is_end()).count() as u64;
            assert_eq!(ends, count / PARTS);
            sending.join().unwrap();
            node.process.rss_bytes()
        });
        let held = held.collect();
        stop.store(true, Relaxed);
        held
    });
    println!("bytes after each tenth of {count} messages: {held:?}");
    let (early, late) = (held[1], held[PARTS as usize - 1]);
    assert!(late < early + (16 << 20), "it grows: {held:?}");
    let account = node.end(PATIENCE);
    assert_eq!(account.accepted, account.done + account.cancelled);
}
