//! A stream of large messages is many times what the node may hold of it.

use std::time::Duration;

use pylm_client::{Bytes, Event, JobOptions};
use pylm_tests::deadline::deadline;
use pylm_tests::node::{Node, WorkerHost};

/// Bytes of one message.
const SIZE: usize = 8 << 20;
/// 1 GiB of them.
const COUNT: u64 = 128;
/// The job's window, the hosts' limits and the outputs, of 64 MiB each at most, with what is on its way through ZeroMQ.
const BOUND: u64 = 512 << 20;

#[test]
fn a_gigabyte_of_large_messages_passes_in_bounded_memory() {
    // It also builds the programs.
    let _limit = deadline(Duration::from_secs(600));
    let node = Node::start(&[]);
    let _hosts = ["host1", "host2"].map(|name| WorkerHost::start(&node.db, &["testing"], name, &[]));
    let client = node.client();
    let (sender, results) = client.job("server.echo", JobOptions::new());
    let sending = std::thread::spawn(move || {
        let message = Bytes::from(vec![7; SIZE]);
        for _ in 0..COUNT {
            sender.send(message.clone()).unwrap();
        }
    });
    let (mut done, mut highest) = (0, 0);
    for output in results {
        match output.unwrap().event {
            Event::Result { payload, .. } => assert_eq!(payload.len(), SIZE),
            Event::Done { .. } => done += 1,
            Event::Failed { code, text, .. } => panic!("{code}: {text}"),
        }
        highest = highest.max(node.process.rss_bytes());
    }
    sending.join().unwrap();
    assert_eq!(done, COUNT);
    assert!(highest < BOUND, "the node held {highest} bytes");
}
