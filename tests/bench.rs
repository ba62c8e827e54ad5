//! `pylm bench`: the load is what was asked for, and the report says what came of it.

use std::time::Duration;

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use pylm_tests::waiting::wait_until;
use rustix::process::Signal;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

#[track_caller]
fn report(node: &Node, args: &[&str]) -> (Option<i32>, Value) {
    let (code, text) = node.pylm(&[&["bench", "--json"], args].concat());
    (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON: {error}: {text}")))
}

#[test]
fn all_messages_are_sent_and_each_is_timed() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let args = ["server.echo", "--messages", "5001", "--clients", "3", "--size", "1000", "--window", "50"];
    let (code, report) = report(&node, &args);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(
        (&report["messages"], &report["done"], &report["failed"]),
        (&5001.into(), &5001.into(), &0.into())
    );
    assert_eq!((&report["results"], &report["size"]), (&5001.into(), &1000.into()));
    let latency = |name: &str| report["latency_ms"][name].as_f64().unwrap();
    let told = ["min", "p50", "p90", "p99", "p99.9", "max"].map(latency);
    assert!(told.is_sorted() && told[0] > 0.0, "{report}");
    let (rate, seconds) = (report["messages_per_second"].as_f64(), report["seconds"].as_f64());
    let (rate, seconds) = (rate.unwrap(), seconds.unwrap());
    assert!((rate * seconds - 5001.0).abs() < 1.0, "{report}");
    // No more than its window is under way for each client: by Little's law, rate times mean latency.
    assert!(rate * latency("mean") / 1000.0 <= 151.0, "{report}");
    let sent = report["megabytes_per_second"]["sent"].as_f64().unwrap();
    assert!((sent - rate / 1000.0).abs() < 0.01 * sent, "{report}");
    assert_eq!(node.end(PATIENCE).done, 5001);
}

#[test]
fn a_time_ends_the_load_and_nothing_is_left_under_way() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let (code, report) = report(&node, &["server.echo", "--duration", "500ms"]);
    assert_eq!(code, Some(0), "{report}");
    let seconds = report["seconds"].as_f64().unwrap();
    assert!((0.4..10.0).contains(&seconds), "{report}");
    let account = node.end(PATIENCE);
    assert_eq!((account.cancelled, Some(account.done)), (0, report["done"].as_u64()));
}

#[test]
fn errors_are_told_with_their_numbers() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let (code, told) = report(&node, &["server.fail", "--messages", "40", "--size", "3"]);
    assert_eq!(code, Some(3), "{told}");
    assert_eq!((&told["failed"], &told["errors"][0]["count"]), (&40.into(), &40.into()), "{told}");
    let (code, text) = node.pylm(&["bench", "server.fail", "--messages", "40", "--size", "3"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("40 messages in") && text.contains("40  failed: "), "{text}");
    let (code, text) = node.pylm(&["bench", "server.echo", "--messages", "1", "--duration", "1s"]);
    assert_eq!(code, Some(2), "{text}");
}

#[test]
fn ctrl_c_cancels_what_is_under_way() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let program = programs(Profile::Debug).program("pylm");
    let args = ["bench", "server.slow_echo", "--duration", "10m", "--db", &node.db];
    let mut bench = Process::plan("pylm bench", program).args(args).start();
    let client = node.client();
    let is_begun = || {
        client.cache().get("status").unwrap().is_some_and(|status| {
            serde_json::from_slice::<Value>(&status).unwrap()["counts"]["done"].as_u64() > Some(10)
        })
    };
    wait_until("the load has begun", is_begun);
    bench.signal(Signal::INT);
    assert_eq!(bench.wait(PATIENCE).code(), Some(130));
    drop(client);
    assert!(node.end(PATIENCE).cancelled > 0);
}
