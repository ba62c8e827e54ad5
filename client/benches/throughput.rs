//! How many messages pass through the library in a second, against a node that only echoes.
//!
//! `cargo bench -p pylm-client [-- MESSAGES [BYTES]]`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement is for reading, and fails by a panic"
)]
#![allow(dead_code, reason = "the node can do more than a measurement needs")]

#[path = "../tests/node/mod.rs"]
mod node;

use node::{Behaviour, Node};
use pylm_client::blocking::Client;
use pylm_client::{Bytes, ClientOptions, JobOptions};
use std::time::Instant;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let count = numbers.first().copied().unwrap_or(5_000_000);
    let bytes = numbers.get(1).copied().unwrap_or(16);
    let node = Node::start(Behaviour::default());
    let client = Client::connect(ClientOptions::new(&node.address)).unwrap();
    for _ in 0..3 {
        let (sender, results) = client.job("server.echo", JobOptions::new());
        let payload = Bytes::from(vec![b'x'; bytes as usize]);
        let started = Instant::now();
        let writer = std::thread::spawn(move || {
            for _ in 0..count {
                sender.send(payload.clone()).unwrap();
            }
        });
        let ends = results.map(Result::unwrap).filter(|output| output.is_end()).count();
        writer.join().unwrap();
        assert_eq!(ends as u64, count);
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{bytes} B: {:.0} messages/s, {} in flight at most",
            count as f64 / seconds,
            node.seen.most_open.load(std::sync::atomic::Ordering::Relaxed)
        );
    }
}
