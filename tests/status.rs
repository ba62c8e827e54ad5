//! What a node tells of itself: sums that come out, why a job does not move, and whether the node stands still.

use std::time::Duration;

use pylm_client::{Error, JobOptions};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use serde_json::Value;

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn status(node: &Node) -> Value {
    let (code, text) = node.pylm(&["status", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON: {error}: {text}"))
}

/// Waits for a state of the node.
fn wait_for(node: &Node, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let status = status(node);
        if wanted(&status) {
            return status;
        }
    }
}

#[test]
fn sums_come_out_and_an_idle_node_is_healthy() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let client = node.client();
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
    assert!(client.eval("server.fail", "x").is_err());
    let status = status(&node);
    let counts = &status["counts"];
    assert_eq!((&counts["accepted"], &counts["done"], &counts["failed"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!((&counts["cancelled"], &counts["under_way"]), (&0.into(), &0.into()));
    assert_eq!(
        (&status["hosts"][0]["name"], &status["hosts"][0]["kind"]),
        (&"host".into(), &"native".into())
    );
    let (code, text) = node.pylm(&["status", "--check"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("2 accepted = 1 done + 1 failed + 0 cancelled + 0 under way"), "{text}");
    let (_, text) = node.pylm(&["functions"]);
    assert!(text.lines().any(|line| line == "echo: host"), "{text}");
    assert!(matches!(client.cache().set("status", "mine"), Err(Error::CacheRefused(_))));
    assert!(matches!(client.cache().delete("status"), Err(Error::CacheRefused(_))));
}

#[test]
fn a_job_that_nobody_takes_is_explained_and_makes_the_check_fail() {
    let _limit = limit();
    // What nobody takes waits until it is asked for.
    let node = Node::start(&["--function-wait", "600"]);
    let client = node.client();
    let (sender, _results) = client.job("server.missing", JobOptions::new());
    sender.send("x").unwrap();
    let status = wait_for(&node, |status| status["counts"]["under_way"] == 1);
    let job = status["jobs"][0]["identity"].as_str().unwrap().to_owned();
    let (code, text) = node.pylm(&["explain", &job[..8]]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("no host offers `missing`: 1 part"), "{text}");
    let (_, text) = node.pylm(&["jobs"]);
    assert!(text.contains(&job) && text.contains("server.missing"), "{text}");
    let (code, text) = node.pylm(&["status", "--check", "--within", "200ms"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("has not moved") && text.contains("missing"), "{text}");
    assert!(node.pylm(&["functions"]).1.contains("missing: nobody offers it"));
}

#[test]
fn a_busy_node_is_healthy() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &["--slots", "1"]);
    let client = node.client();
    let (sender, _results) = client.job("server.sleep_for", JobOptions::new());
    for _ in 0..4 {
        sender.send("20000").unwrap();
    }
    wait_for(&node, |status| status["leases"].as_u64() > Some(0));
    let (code, text) = node.pylm(&["status", "--check", "--within", "200ms"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn who_is_away_keeps_its_name() {
    let _limit = limit();
    let node = Node::start(&[]);
    let mut host = WorkerHost::start(&node.db, &["testing"], "mill", &["--slots", "1"]);
    let program = programs(Profile::Debug).program("pylm");
    let mut client =
        Process::plan("client", program).args(["job", "server.sleep_for", "--db", &*node.db]).start();
    client.write_stdin(b"600000\n");
    wait_for(&node, |status| status["leases"] == 1);
    client.kill();
    wait_for(&node, |status| status["jobs"][0]["away"].is_number());
    host.process.kill();
    let status = wait_for(&node, |status| status["hosts"][0]["away"] == true);
    assert_eq!((&status["hosts"][0]["name"], &status["jobs"][0]["client"]), (&"mill".into(), &"pylm".into()));
    let (_, text) = node.pylm(&["status"]);
    assert!(text.contains("host mill (native, away)"), "{text}");
}

#[test]
fn a_node_that_is_gone_makes_the_check_fail() {
    let _limit = limit();
    let mut node = Node::start(&[]);
    node.process.kill();
    assert_eq!(node.pylm(&["status", "--check", "--wait", "200ms"]).0, Some(1));
}
