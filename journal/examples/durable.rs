//! How fast messages of 100 bytes become durable, and how soon each one does, with 1 and with 1,000 under way: each is accepted,
//! and when that is durable, it ends and is acknowledged.
//!
//!     cargo run --release -p pylm-journal --example durable [FOLDER [SECONDS]]

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, read from the terminal")]

use bytes::Bytes;
use pylm_journal::{JobHeader, Journal, Options, Output, Record};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().map_or(5.0, |seconds| seconds.parse().unwrap());
    for depth in [1, 1_000] {
        let folder = folder.join(format!("pylm-journal-{}-{depth}", std::process::id()));
        measure(&folder, depth, Duration::from_secs_f64(seconds));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

fn measure(folder: &std::path::Path, depth: u64, length: Duration) {
    let router = thread::current();
    let wake = move || router.unpark();
    let (mut journal, _) = Journal::open(folder, Uuid::new_v4(), &Options::default(), wake).unwrap();
    let job = Uuid::new_v4();
    let header = JobHeader { identity: job, function: "server.echo".into(), ..JobHeader::default() };
    journal.append(vec![Record::JobOpened(Box::new(header))]);
    let payload = Bytes::from(vec![b'x'; 100]);
    let mut under_way: VecDeque<(u64, Instant, u64)> = VecDeque::new();
    let (mut next, mut ended) = (0, 0);
    let mut latencies = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < length {
        let mut records = Vec::new();
        while let Some(&(until, since, count)) = under_way.front()
            && journal.durable() >= until
        {
            under_way.pop_front();
            latencies.extend((0..count).map(|_| since.elapsed()));
            for number in ended..ended + count {
                let output = Output::Reply { payload: payload.clone() };
                records.push(Record::Output { job, serial: number, number, output });
            }
            ended += count;
            records.push(Record::Acknowledged { job, below: ended });
        }
        let new = depth - (next - ended);
        for number in next..next + new {
            records.push(Record::Accepted { job, number, cache: "".into(), payload: payload.clone() });
        }
        next += new;
        if new > 0 {
            under_way.push_back((journal.append(records), Instant::now(), new));
        } else {
            thread::park();
        }
    }
    let rate = ended as f64 / begin.elapsed().as_secs_f64();
    latencies.sort();
    let share = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let (p50, p99) = (share(0.5), share(0.99));
    println!("depth {depth:5}: {rate:9.0} messages/s, durable after {p50:.1?} (p50), {p99:.1?} (p99)");
    println!("             {} bytes on disk at the end", journal.status().disk_bytes);
}
