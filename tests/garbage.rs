//! Garbage on every socket while a job runs: the job ends right, and the node's memory has not grown.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::deadline;
use pylm_tests::garbage::{Nonsense, Random, send_bytes};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::programs::Profile;

const PATIENCE: Duration = Duration::from_secs(60);
/// How long, in seconds, where the ten of every run are not enough.
const SECONDS: &str = "PYLM_TESTS_GARBAGE_SECONDS";
/// Until here the node's caches and pools fill.
const WARM: Duration = Duration::from_secs(3);
const GROWTH: u64 = 64 << 20;

#[test]
fn garbage_on_every_socket_harms_no_job_and_leaves_no_memory_behind() {
    // It also builds the programs, in release.
    let seconds = std::env::var(SECONDS).ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let time = Duration::from_secs(seconds);
    let _limit = deadline(Duration::from_secs(900) + time);
    let node = Node::start_as(
        Profile::Release,
        &["--client-grace", "1", "--function-wait", "1", "--drain-limit", "5"],
    );
    let _hosts = ["host1", "host2"]
        .map(|name| WorkerHost::start_as(Profile::Release, &node.db, &["testing"], name, &[]));

    let (over, said) = (AtomicBool::new(false), AtomicU64::new(0));
    let sockets = [&node.pull, &node.publish, &node.worker_pull, &node.worker_push, &node.db];
    let (mut jobs, mut warm) = (0, None);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(1);
            while !over.load(Ordering::Relaxed) {
                sockets.iter().for_each(|address| send_bytes(address, &mut random));
                said.fetch_add(5, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            let mut random = Random::new(2);
            let mut nonsense = Nonsense::to(&node.pull, &node.publish, &node.worker_pull, &node.db).unwrap();
            while !over.load(Ordering::Relaxed) {
                for _ in 0..10 {
                    nonsense.say(&mut random).unwrap();
                }
                said.fetch_add(40, Ordering::Relaxed);
                // No sleep would leave the job no processor.
                thread::sleep(Duration::from_millis(1));
            }
        });
        let began = Instant::now();
        // Ends both threads however the job ends.
        let _end = EndOf(&over);
        while began.elapsed() < time {
            CheckedJob { size: 4096, ..CheckedJob::new(jobs, 5_000) }
                .start(&node.db)
                .assert_every_answer_once(PATIENCE);
            jobs += 1;
            if warm.is_none() && began.elapsed() > WARM {
                warm = Some(node.process.rss_bytes());
            }
        }
    });

    let (warm, end) = (warm.unwrap(), node.process.rss_bytes());
    assert!(end < warm + GROWTH, "the node's memory grew from {warm} to {end} bytes");
    assert!(said.into_inner() > 1000, "there was hardly any garbage");
    CheckedJob::new(jobs, 1_000).start(&node.db).assert_every_answer_once(PATIENCE);
    let account = node.end(PATIENCE);
    assert!(account.done >= jobs * 5_000 + 1_000, "{account:?}");
}

struct EndOf<'a>(&'a AtomicBool);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
