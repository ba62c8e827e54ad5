//! The cache of a node: one for native clients, pylm clients and functions at once, bounded, with keys of its own.

use std::time::Duration;

use pylm_client::blocking::Client;
use pylm_client::{ClientOptions, Error, Event, JobOptions};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use pylm_tests::pylm;

const PATIENCE: Duration = Duration::from_secs(30);

fn limit() -> Deadline {
    // The first test also builds the programs, and makes the Python environment.
    deadline(Duration::from_secs(900))
}

fn node(args: &[&str]) -> (Node, WorkerHost) {
    let node = Node::start(args);
    let host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    (node, host)
}

/// `pylm cache …`, at its end: exit code and output.
fn command(node: &Node, args: &[&str]) -> (Option<i32>, Vec<u8>) {
    let program = programs(Profile::Debug).program("pylm");
    let mut process =
        Process::plan("pylm cache", program).args(["cache", "--db", &*node.db]).args(args).start();
    process.close_stdin();
    (process.wait(PATIENCE).code(), process.stdout_bytes())
}

#[test]
fn everybody_sees_what_anybody_sets() {
    let _limit = limit();
    let (node, _host) = node(&[]);
    let client = node.client();

    client.cache().set("native", "from the client").unwrap();
    client.eval("server.set", "function=from the function").unwrap();
    assert_eq!(
        pylm::client_lines(&node.db, &["--set", "pylm=from pylm", "--count", "0"], PATIENCE),
        ["b'from pylm'"]
    );
    assert_eq!(command(&node, &["set", "command", "from the command"]).0, Some(0));

    for (key, value) in [
        ("native", "from the client"),
        ("function", "from the function"),
        ("pylm", "from pylm"),
        ("command", "from the command"),
    ] {
        assert_eq!(client.cache().get(key).unwrap().unwrap(), value);
        assert_eq!(client.eval("server.get", key).unwrap(), [value]);
        assert_eq!(command(&node, &["get", key]), (Some(0), value.as_bytes().to_vec()));
    }

    assert!(client.cache().delete("function").unwrap());
    assert!(!client.cache().delete("function").unwrap());
    assert_eq!(client.cache().get("function").unwrap(), None);
    assert_eq!(command(&node, &["get", "function"]).0, Some(1));
}

#[test]
fn a_key_that_is_left_out_is_chosen_by_the_node() {
    let _limit = limit();
    let (node, _host) = node(&[]);
    let client = node.client();
    let keys = ["one", "other"].map(|value| client.cache().set("", value).unwrap());
    assert_ne!(keys[0], keys[1]);
    assert_eq!(client.cache().get(&keys[1]).unwrap().unwrap(), "other");
}

#[test]
fn a_session_goes_before_the_keys_that_are_set_and_is_the_pipeline_of_its_jobs() {
    let _limit = limit();
    let node = Node::start(&[]);
    let options = ClientOptions::new(&*node.db).session("monday/");
    let client = Client::connect(options).unwrap();
    assert_eq!(client.cache().set("key", "value").unwrap(), "monday/key");
    assert_eq!(node.client().cache().get("monday/key").unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(client.cache().get("key").unwrap(), None);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let (sender, mut results) = client.job("server.pipeline", JobOptions::new());
    sender.send("").unwrap();
    match results.next().unwrap().unwrap().event {
        Event::Result { payload, .. } => assert_eq!(payload, "monday/"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_keys_by_which_peers_find_the_node_cannot_be_changed() {
    let _limit = limit();
    let (node, _host) = node(&[]);
    let client = node.client();
    for key in ["name", "pull_address", "pub_address", "native_protocol"] {
        let before = client.cache().get(key).unwrap();
        assert!(before.is_some(), "{key} is not there");
        assert!(matches!(client.cache().set(key, "mine"), Err(Error::CacheRefused(_))), "{key}");
        assert!(matches!(client.cache().delete(key), Err(Error::CacheRefused(_))), "{key}");
        assert!(client.eval("server.set", format!("{key}=mine")).is_err(), "{key}");
        assert_eq!(client.cache().get(key).unwrap(), before, "{key}");
    }
    assert_eq!(client.cache().get("name").unwrap().unwrap(), "server");
}

#[test]
fn a_full_cache_refuses_and_evicts_nothing() {
    let _limit = limit();
    let (node, _host) = node(&["--cache-bytes", "100000"]);
    let client = node.client();
    client.cache().set("first", vec![1; 60_000]).unwrap();
    let refused = client.cache().set("second", vec![2; 60_000]);
    assert!(matches!(&refused, Err(Error::CacheRefused(why)) if why.contains("full")), "{refused:?}");
    let refused = client.eval("server.set", format!("second={}", "x".repeat(60_000)));
    assert!(matches!(&refused, Err(Error::Failed { text, .. }) if text.contains("full")), "{refused:?}");
    let second = format!("second={}", "x".repeat(60_000));
    assert_eq!(pylm::client_lines(&node.db, &["--set", &second, "--count", "0"], PATIENCE), ["b''"]);

    assert_eq!(client.cache().get("first").unwrap().unwrap(), vec![1; 60_000]);
    assert_eq!(client.cache().get("second").unwrap(), None);
    assert!(client.cache().delete("first").unwrap());
    client.cache().set("second", vec![2; 60_000]).unwrap();
}
