//! Logs that nobody reads: whoever writes one goes on, ends when it is told to, and says what was left out.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::time::Duration;

use pylm_client::blocking::Client;
use pylm_client::{ClientOptions, JobOptions};
use pylm_tests::address::ANY_PORT;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use rustix::process::Signal;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a program waits at its end for the reader of its log, and for its worker hosts.
const END: Duration = Duration::from_secs(20);

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

/// Has functions log much more than a pipe and the queue of a log hold: each panic is a line of 3 kB.
fn flood(client: &Client) {
    const PANICS: u64 = 1_000;
    let (sender, results) = client.job("server.panic", JobOptions::new());
    let text = "x".repeat(3_000);
    for _ in 0..PANICS {
        sender.send(text.clone()).unwrap();
    }
    sender.finish();
    assert_eq!(results.filter(|output| output.as_ref().unwrap().is_end()).count() as u64, PANICS);
}

#[test]
fn a_node_whose_log_nobody_reads_serves_and_ends() {
    let _limit = limit();
    let mut node = Node::start(&["--inline", "--plugin", "testing"]);
    let client = node.client();
    node.process.hold_output(true);
    flood(&client);
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
    assert_eq!(node.pylm(&["status", "--check"]).0, Some(0));
    client.close();
    node.process.signal(Signal::TERM);
    assert_eq!(node.process.wait(END).code(), Some(0));
}

#[test]
fn what_was_left_out_is_told_when_somebody_reads_again_and_so_is_the_end() {
    let _limit = limit();
    let addresses = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"];
    let addresses = addresses.map(|flag| [flag, ANY_PORT]).concat();
    let mut node = Process::plan("pylmd", programs(Profile::Debug).program("pylmd"))
        .args(addresses)
        .args(["--inline", "--plugin", "testing", "--log-format", "json"])
        .start();
    let ready: Value = serde_json::from_str(&node.wait_for_line("\"ready\"", PATIENCE)).unwrap();
    let client = Client::connect(ClientOptions::new(ready["db"].as_str().unwrap())).unwrap();
    node.hold_output(true);
    flood(&client);
    node.hold_output(false);
    let told = node.wait_for_line("lines of the log are left out", PATIENCE);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["lines"].as_u64().unwrap() > 0, "{told}");
    client.close();
    node.signal(Signal::TERM);
    assert_eq!(node.wait(END).code(), Some(0));
    assert!(node.stderr_lines().iter().any(|line| line.contains("\"ended\"")), "the end is not told");
}

#[test]
fn a_worker_host_whose_log_nobody_reads_serves_and_ends() {
    let _limit = limit();
    let node = Node::start(&[]);
    let mut host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let client = node.client();
    host.process.hold_output(true);
    flood(&client);
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
    host.process.signal(Signal::TERM);
    assert_eq!(host.process.wait(END).code(), Some(0));
}

#[test]
fn a_second_signal_ends_a_program_whose_log_nobody_reads() {
    let _limit = limit();
    let mut node = Node::start(&["--inline", "--plugin", "testing"]);
    let client = node.client();
    node.process.hold_output(true);
    flood(&client);
    let (sender, _results) = client.job("server.sleep_for", JobOptions::new());
    sender.send("600000").unwrap();
    let under_way = || node.pylm(&["status", "--json"]).1.contains("\"under_way\":1");
    pylm_tests::waiting::wait_until("the function runs", under_way);
    node.process.signal(Signal::TERM);
    node.process.signal(Signal::INT);
    assert_eq!(node.process.wait(END).code(), Some(1));
}
