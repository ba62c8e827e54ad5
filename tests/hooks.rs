//! Hooks of a node: scatter makes any number of parts, lazily; gather and join get each result once.

use std::thread;
use std::time::Duration;

use pylm_client::blocking::Client;
use pylm_client::{Bytes, Error, Event, JobOptions, codes};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::programs::Profile;
use pylm_tests::waiting::wait_until;
use serde_json::Value;

const END: Duration = Duration::from_secs(40);
const MILLION: usize = 1_000_000;

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

/// A node with these hooks, and two hosts.
fn node(profile: Profile, plugins: &[&str]) -> (Node, [WorkerHost; 2]) {
    let flags: Vec<&str> = plugins.iter().flat_map(|plugin| ["--plugin", plugin]).collect();
    let node = Node::start_as(profile, &flags);
    let hosts =
        ["host1", "host2"].map(|name| WorkerHost::start_as(profile, &node.db, &["testing"], name, &[]));
    (node, hosts)
}

/// The results of an echo, as numbers, in their order.
fn numbers(client: &Client, payload: &str) -> Vec<u64> {
    let results = client.eval("server.echo", payload.to_owned());
    let results = results.unwrap_or_else(|error| panic!("{payload} gave {error}"));
    let number = |result: &Bytes| std::str::from_utf8(result).ok().and_then(|text| text.parse().ok());
    let mut numbers: Vec<u64> = results.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_million_parts_wait_for_a_slow_reader_in_bounded_memory() {
    let _limit = limit();
    let (node, _hosts) = node(Profile::Release, &["parts"]);
    let client = node.client();
    let (sender, results) = client.job("server.echo", JobOptions::new().output_window(2_000, 1 << 20));
    sender.send(MILLION.to_string()).unwrap();
    sender.finish();

    let mut seen = vec![false; MILLION];
    let (mut count, mut largest, mut ended) = (0, 0, false);
    for output in results {
        match output.unwrap().event {
            Event::Result { payload, .. } => {
                let number: usize = std::str::from_utf8(&payload).unwrap().parse().unwrap();
                assert!(!std::mem::replace(&mut seen[number], true), "{number} came twice");
                count += 1;
                if count % 100_000 == 0 {
                    // A reader that is slow is what the test is about.
                    thread::sleep(Duration::from_millis(300));
                    largest = largest.max(node.process.rss_bytes());
                }
            }
            Event::Done { results } => {
                assert_eq!(results, MILLION as u64);
                ended = true;
            }
            Event::Failed { code, text, .. } => panic!("{code}: {text}"),
        }
    }
    assert!(ended);
    assert_eq!(count, MILLION);
    assert!(largest < 200 << 20, "the node held {largest} bytes");
    assert_eq!(node.end(END).done, 1);
}

#[test]
fn results_that_wait_for_a_hook_are_bounded_and_all_of_them_come() {
    let _limit = limit();
    let (node, _hosts) = node(Profile::Debug, &["parts"]);
    let client = node.client();
    let gather = || {
        node.status()["queues"]
            .as_array()
            .unwrap()
            .iter()
            .find(|queue| queue["name"] == "gather")
            .cloned()
            .unwrap()
    };
    let large = Bytes::from(vec![b'x'; 1_000_000]);
    // The most that may wait, beside what hosts had when it was reached.
    for (messages, [most, most_bytes]) in [
        (vec![Bytes::from("30000")], [8_192 + 2_048, u64::MAX]),
        (vec![large; 50], [8_192, (64 << 20) + (48 << 20)]),
    ] {
        let file = node.process.folder().join(format!("go on {}", messages.len()));
        let (first, _first_results) = client.job("server.echo", JobOptions::new());
        first.send(format!("wait for {}", file.display())).unwrap();
        wait_until("the hook is at work", || gather()["messages"] == 1);
        // The windows of several jobs, so that no bound but this one is reached.
        let counts: Vec<_> = (0..4)
            .map(|_| {
                let (sender, results) = client.job("server.echo", JobOptions::new());
                for message in &messages {
                    sender.send(message.clone()).unwrap();
                }
                sender.finish();
                thread::spawn(move || results.filter(|output| !output.as_ref().unwrap().is_end()).count())
            })
            .collect();
        let mut before = Value::Null;
        wait_until("nothing moves any more", || {
            let now = gather();
            let is_much = now["messages"].as_u64() >= Some(8_192) || now["bytes"].as_u64() >= Some(64 << 20);
            is_much && std::mem::replace(&mut before, now.clone()) == now
        });
        assert!(
            before["messages"].as_u64() <= Some(most) && before["bytes"].as_u64() <= Some(most_bytes),
            "{before}"
        );
        std::fs::write(file, "").unwrap();
        let expected = if messages.len() == 1 { 30_000 } else { messages.len() };
        for count in counts {
            assert_eq!(count.join().unwrap(), expected);
        }
    }
}

#[test]
fn parts_of_several_scatters_multiply_in_either_order() {
    let _limit = limit();
    for plugins in [["parts", "scatter3"], ["scatter3", "parts"]] {
        let (node, _hosts) = node(Profile::Debug, &plugins);
        let expected: Vec<u64> = (0..100).flat_map(|number| [number; 3]).collect();
        assert_eq!(numbers(&node.client(), "100"), expected, "{plugins:?}");
        assert_eq!(node.end(END).done, 1);
    }
}

#[test]
fn a_join_gets_each_result_of_its_parent_once() {
    let _limit = limit();
    let (node, _hosts) = node(Profile::Debug, &["scatter3", "parts", "sum"]);
    let client = node.client();
    let (sender, results) = client.job("server.echo", JobOptions::new().ordered(true));
    let writer =
        thread::spawn(move || (0..300u64).try_for_each(|count| sender.send(count.to_string()).map(drop)));
    let mut sums = Vec::new();
    for output in results {
        match output.unwrap().event {
            Event::Result { payload, .. } => sums.push(payload),
            Event::Done { results } => assert_eq!(results, 1),
            Event::Failed { code, text, .. } => panic!("{code}: {text}"),
        }
    }
    writer.join().unwrap().unwrap();
    let expected = (0..300u64)
        .map(|count| format!("{} results, sum {}", 3 * count, 3 * count * count.saturating_sub(1) / 2));
    assert!(sums.iter().map(|sum| String::from_utf8_lossy(sum).into_owned()).eq(expected), "{sums:?}");
    assert_eq!(node.end(END).done, 300);
}

#[test]
fn a_join_sees_every_result_of_a_function_that_yields_several() {
    let _limit = limit();
    let (node, _hosts) = node(Profile::Debug, &["parts", "sum"]);
    let joined = node.client().eval("server.count", "50").unwrap();
    // Part n yields the numbers below n.
    let sum: u64 = (0..50u64).map(|part| part * part.saturating_sub(1) / 2).sum();
    assert_eq!(joined, [format!("1225 results, sum {sum}")]);
    assert_eq!(node.end(END).done, 1);
}

#[test]
fn a_scatter_into_nothing_is_done_with_no_result() {
    let _limit = limit();
    let (node, _hosts) = node(Profile::Debug, &["parts"]);
    assert!(numbers(&node.client(), "0").is_empty());
    assert_eq!(node.end(END).done, 1);
}

#[test]
fn a_hook_that_panics_fails_its_own_message_only() {
    let _limit = limit();
    let (node, _hosts) = node(Profile::Debug, &["parts", "sum"]);
    let client = node.client();
    for place in ["scatter", "gather", "join"] {
        match client.eval("server.echo", format!("panic in {place}")) {
            Err(Error::Failed { code, text }) => {
                assert_eq!(code, codes::HOOK_FAILED);
                assert!(text.contains(&format!("{place} was told to panic")), "{text}");
            }
            other => panic!("a panic in {place} gave {other:?}"),
        }
        assert_eq!(client.eval("server.echo", "10").unwrap(), ["10 results, sum 45"]);
    }
    let account = node.end(END);
    assert_eq!((account.done, account.failed), (3, 3));
}

#[test]
fn a_part_that_fails_fails_its_parent_once() {
    let _limit = limit();
    let (node, _hosts) = node(Profile::Debug, &["parts", "sum"]);
    let client = node.client();
    match client.eval("server.fail", "100") {
        Err(Error::Failed { code, .. }) => assert_eq!(code, codes::FAILED),
        other => panic!("100 parts that fail gave {other:?}"),
    }
    assert_eq!(client.eval("server.echo", "10").unwrap(), ["10 results, sum 45"]);
    let account = node.end(END);
    assert_eq!((account.done, account.failed), (1, 1));
}
