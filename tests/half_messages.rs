//! Connections that say no Hello, or are of pylm's peers, and send half of a message: libzmq keeps what has come, and the node bounds it.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pylm_protocol::{BatchWriter, Record};
use pylm_tests::deadline::deadline;
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::pylm;
use pylm_tests::raw::client_hello;
use pylm_tests::waiting::wait_until;
use pylm_tests::zmtp::{greet, is_cut};
use uuid::Uuid;

/// So large that the C library gives the memory of each back by itself, whatever else stays.
const MOST: usize = 40_000_000;

/// Sends the beginning of a frame of so many bytes; whether all of it was taken.
fn send_half(stream: &mut TcpStream, size: usize, bytes: usize) -> bool {
    let head = [&[2_u8][..], &(size as u64).to_be_bytes()].concat();
    stream.write_all(&[head, vec![7; bytes]].concat()).is_ok()
}

/// A native client that asks not to be heard for an hour.
fn native(address: &str) -> TcpStream {
    let mut stream = greet(address, "DEALER");
    let mut batch = BatchWriter::new();
    batch.push(&client_hello(Uuid::new_v4(), 0));
    batch.push(&Record::Heartbeat { patience: 3_600_000 });
    let batch = batch.take().0;
    stream.write_all(&[&[0, batch.len() as u8][..], &batch].concat()).unwrap();
    stream
}

#[test]
fn what_is_half_there_is_bounded_together_and_ends() {
    // The first test also builds the programs.
    let _limit = deadline(Duration::from_secs(900));
    let node = Node::start(&["--max-message", &MOST.to_string()]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let client = node.client();
    let before = node.process.rss_bytes();
    let mut silent = greet(&node.db, "DEALER");
    let mut little = greet(&node.db, "DEALER");
    assert!(send_half(&mut little, MOST, 100_000));
    let begun = Instant::now();
    let mut crowd: Vec<_> = (0..8).map(|_| greet(&node.db, "DEALER")).collect();
    // Those that are cut meanwhile take no more.
    for stream in &mut crowd {
        let _ = send_half(stream, MOST, MOST - 1_000_000);
    }
    // 41 MB may be there, and so one of them may stay.
    wait_until("all but one are cut", || {
        crowd.iter_mut().filter_map(|stream| is_cut(stream).then_some(())).count() >= 7
    });
    // libzmq lets go of what it had when it sees that the connection is gone, which is after its peer has.
    wait_until("the node has given back what it held of them", || {
        node.process.rss_bytes().saturating_sub(before) < 64 << 20
    });
    // Others notice nothing, large messages and calls of the cache included.
    let large = vec![7; MOST];
    assert_eq!(client.eval("s.echo", large.clone()).unwrap()[0].len(), MOST);
    client.cache().set("key", large).unwrap();
    wait_until("what stays half there is cut", || is_cut(&mut little));
    assert!(begun.elapsed() > Duration::from_secs(9), "it had time to come whole");
    assert!(!is_cut(&mut silent), "who has sent nothing may stay");
}

#[test]
fn what_native_peers_leave_half_there_behind_their_hello_is_bounded_together_too() {
    let _limit = deadline(Duration::from_secs(900));
    // 32 frames of 3 MB may be there.
    let (node, size) = (Node::start(&["--max-message", "2000000"]), 3_000_000);
    let client = node.client();
    let mut little = native(&node.db);
    assert!(send_half(&mut little, size, 100_000));
    let mut crowd: Vec<_> = (0..48).map(|_| native(&node.db)).collect();
    for stream in &mut crowd {
        let _ = send_half(stream, size, size - 100_000);
    }
    let mut cut = || crowd.iter_mut().filter_map(|stream| is_cut(stream).then_some(())).count();
    wait_until("those that are too much are cut", || cut() >= 14);
    client.cache().set("key", vec![7; 2_000_000]).unwrap();
    assert!((14..18).contains(&cut()), "{} are cut", cut());
    assert!(!is_cut(&mut little), "it is the least of them");
}

#[test]
fn what_pylm_peers_leave_half_there_is_bounded_together_too() {
    let _limit = deadline(Duration::from_secs(900));
    const CLIENT: Duration = Duration::from_secs(30);
    let node = Node::start(&["--max-message", "1000000"]);
    let _worker = pylm::worker("worker", &node.db, &[]);
    let echo = ["--function", "server.python_echo", "--count", "20"];
    assert_eq!(pylm::client_lines(&node.db, &echo, CLIENT), ["b'a message'"; 20]);
    let before = node.process.rss_bytes();
    // Whoever has sent whole messages, and nothing since, may stay.
    let mut whole = greet(&node.pull, "PUSH");
    assert!((0..100).all(|_| send_half(&mut whole, 10_000, 10_000)));
    let sockets = [&node.pull, &node.worker_pull];
    let mut crowd: Vec<_> = (0..3).flat_map(|_| sockets.map(|address| greet(address, "PUSH"))).collect();
    for stream in &mut crowd {
        let _ = send_half(stream, MOST, MOST - 1_000_000);
    }
    // 64 MiB may be there, and so one of them may stay.
    wait_until("all but one are cut", || {
        crowd.iter_mut().filter_map(|stream| is_cut(stream).then_some(())).count() >= 5
    });
    wait_until("the node has given back what it held of them", || {
        node.process.rss_bytes().saturating_sub(before) < 64 << 20
    });
    assert_eq!(pylm::client_lines(&node.db, &echo, CLIENT), ["b'a message'"; 20]);
    let left = crowd.iter_mut().filter_map(|stream| (!is_cut(stream)).then_some(())).count();
    assert!(left == 1 && !is_cut(&mut whole), "{left} of them have stayed");
}
