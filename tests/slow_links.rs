//! Large messages over slow links: whoever sends is not silent, however long a message takes to cross, and at other peers everything
//! goes on meanwhile.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pylm_client::blocking::Client;
use pylm_client::{ClientOptions, Error};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::proxy::{Passage, Proxy};

/// How long a side may be silent, which each of these messages takes longer than.
const SILENCE: Duration = Duration::from_secs(5);
/// Larger than any message here.
const MOST: u64 = 256 << 20;

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

/// A message of so many bytes, over links of so many bytes a second.
#[derive(Clone, Copy)]
struct Load {
    bytes: usize,
    rate: u64,
}

const LOAD: Load = Load { bytes: 24_000_000, rate: 2_000_000 };
const LARGE_LOAD: Load = Load { bytes: 200_000_000, rate: 20_000_000 };

fn most() -> [String; 2] {
    ["--max-message".to_owned(), MOST.to_string()]
}

fn node(args: &[&str]) -> Node {
    let most = most();
    Node::start(&[&most.each_ref().map(String::as_str)[..], args].concat())
}

fn host(db: &str, plugin: &str) -> WorkerHost {
    let most = most();
    WorkerHost::start(db, &[plugin], plugin, &[&most[0], &most[1], "--slots", "2"])
}

fn client(db: &str) -> Client {
    Client::connect(ClientOptions::new(db).max_message(MOST).patience(Duration::from_secs(30))).unwrap()
}

fn before(db: &str, load: Load) -> Proxy {
    let proxy = Proxy::before(db);
    proxy.set(Passage::Rate(load.rate));
    proxy
}

/// Sends a large message, and then has one made, while a second client calls `other` all the time.
fn crosses(load: Load, client: &Client, [takes, makes]: [&str; 2], other: (&Client, &str)) {
    let is_over = AtomicBool::new(false);
    let slowest = thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                other.0.eval(other.1, "x").unwrap();
                slowest = slowest.max(begun.elapsed());
            }
            slowest
        });
        let took = |what: &str, begun: Instant| {
            assert!(begun.elapsed() > SILENCE, "{what}: the link is not slow: {:?}", begun.elapsed());
        };
        let begun = Instant::now();
        if !takes.is_empty() {
            assert_eq!(client.eval(takes, vec![7; load.bytes]).unwrap(), Vec::<Vec<u8>>::new(), "{takes}");
            took(takes, begun);
        }
        let begun = Instant::now();
        let made = client.eval(makes, load.bytes.to_string()).unwrap();
        assert_eq!(made.iter().map(|result| result.len()).sum::<usize>(), load.bytes, "{makes}");
        took(makes, begun);
        is_over.store(true, Ordering::Relaxed);
        others.join().unwrap()
    });
    assert!(slowest < SILENCE, "others waited for {slowest:?}");
}

/// Between a node and a worker host.
fn to_a_host(load: Load) {
    let node = node(&[]);
    let proxy = before(&node.db, load);
    let _slow = host(&proxy.address, "testing");
    let _fast = host(&node.db, "parallel");
    crosses(load, &client(&node.db), ["s.nothing", "s.zeros"], (&client(&node.db), "s.foo"));
    assert_eq!(proxy.accepted(), 2, "one connection to ask what serves there, and one to serve it");
}

/// Between a client and a node.
fn to_a_client(load: Load) {
    let node = node(&[]);
    let _host = host(&node.db, "testing");
    let proxy = before(&node.db, load);
    crosses(load, &client(&proxy.address), ["s.nothing", "s.zeros"], (&client(&node.db), "s.echo"));
    assert_eq!(proxy.accepted(), 1);
}

/// Between a node and one that follows it.
fn to_a_follower(load: Load) {
    let node = node(&["--name", "first", "--pipelined"]);
    let _host = host(&node.db, "testing");
    let proxy = before(&node.db, load);
    let most = most();
    let from = format!("first={}", proxy.address);
    let args = ["--name", "second", "--inline", "--plugin", "testing", "--from", &from, &most[0], &most[1]];
    let second = Node::start(&args);
    second.process.wait_for_line("follows a node", Duration::from_secs(30));
    let client = client(&node.db);
    // It goes on to the second node, and from there a large one comes back.
    let made = ["first.echo second.nothing", "first.echo second.zeros"];
    crosses(load, &client, made, (&client, "first.nothing"));
    assert_eq!(proxy.accepted(), 1);
}

fn over_all_links(load: Load) {
    thread::scope(|scope| {
        let links = [to_a_host, to_a_client, to_a_follower].map(|link| scope.spawn(move || link(load)));
        for link in links {
            link.join().unwrap();
        }
    });
}

#[test]
fn a_message_that_takes_longer_than_silence_may_crosses_each_link_both_ways() {
    let _limit = limit();
    over_all_links(LOAD);
}

#[test]
fn a_message_beyond_the_usual_limit_crosses_where_all_take_it() {
    let _limit = limit();
    to_a_host(LARGE_LOAD);
}

#[test]
#[ignore = "takes a minute, and some gigabytes of memory"]
fn a_message_beyond_the_usual_limit_crosses_each_link_both_ways() {
    let _limit = limit();
    over_all_links(LARGE_LOAD);
}

#[test]
fn a_peer_that_takes_less_is_not_given_more() {
    let _limit = limit();
    let node = node(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "small", &["--max-message", "1000000"]);
    let client = client(&node.db);
    let refused = client.eval("s.nothing", vec![7; 1_000_001]);
    assert!(matches!(&refused, Err(Error::Failed { code, .. }) if code == "too-large"), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("the host small takes 1000000"));
    // What is far too large for the host's connection is not sent either.
    let refused = client.eval("s.nothing", vec![7; 50_000_000]);
    assert!(matches!(&refused, Err(Error::Failed { code, .. }) if code == "too-large"), "{refused:?}");
    assert_eq!(client.eval("s.echo", vec![7; 1_000_000]).unwrap()[0].len(), 1_000_000);
    // A value of the cache is refused to a client that takes less, and to nobody else.
    client.cache().set("key", vec![7; 3_000_000]).unwrap();
    let small = Client::connect(ClientOptions::new(&*node.db).max_message(1_000_000)).unwrap();
    assert!(matches!(small.cache().get("key"), Err(Error::CacheRefused(_))));
    assert!(small.cache().get("none").unwrap().is_none() && client.cache().get("key").unwrap().is_some());
}
