//! Of its own, as it counts the threads of its process.
#![cfg(target_os = "linux")]

use pylm_transport::{Context, Options, SocketKind};
use std::fs;
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};

/// Waits until there are so many: a thread gives itself its name, and leaves the list a little after its end.
fn expect_io_threads(wanted: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    while io_threads() != wanted {
        assert!(Instant::now() < until, "{} threads, not {wanted}", io_threads());
        sleep(Duration::from_millis(1));
    }
}

fn io_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("ZMQbg/IO")).count()
}

#[test]
fn all_who_share_a_context_have_the_same_threads_until_the_last_one_is_gone() {
    let cores = available_parallelism().unwrap().get().min(4);
    for _ in 0..2 {
        let mut contexts: Vec<_> = (0..10).map(|_| Context::shared().unwrap()).collect();
        let sockets = contexts.iter().map(|context| context.socket(SocketKind::Dealer, &Options::default()));
        let mut sockets: Vec<_> = sockets.map(Result::unwrap).collect();
        expect_io_threads(cores);
        contexts.clear();
        sockets.truncate(1);
        expect_io_threads(cores);
        sockets.clear();
        expect_io_threads(0);
    }
}
