//! Addresses: every socket of every program takes IPv4 and IPv6 alike, and what is none is refused before anything starts.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::net::{Ipv6Addr, TcpListener};
use std::time::Duration;

use pylm_tests::address::ANY_PORT;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::http::request;
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};

const PATIENCE: Duration = Duration::from_secs(60);

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

/// What a program says that refuses to start, after its exit code was looked at.
#[track_caller]
fn refusal(program: &str, args: &[&str], code: i32) -> String {
    let plan = Process::plan(program, programs(Profile::Debug).program(program)).args(args);
    let mut process = plan.start();
    process.close_stdin();
    let status = process.wait(PATIENCE).code();
    let said = process.stderr_lines().join("\n");
    assert_eq!(status, Some(code), "{program} {args:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn every_socket_of_a_node_may_be_at_an_ipv6_address() {
    let _limit = limit();
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0))
        .expect("this test needs ::1, as every system with IPv6 has it");
    let plugins = ["--plugin", "testing", "--workers", "1", "--http", "[::1]:0"];
    let first = Node::start_on_host("[::1]", &[&plugins[..], &["--name", "first", "--pipelined"]].concat());
    for told in [&first.db, &first.pull, &first.publish, &first.worker_pull, &first.worker_push] {
        assert!(told.starts_with("tcp://[::1]:"), "{told}");
    }
    let from = format!("first={}", first.db);
    let second = Node::start(&["--name", "second", "--inline", "--plugin", "testing", "--from", &from]);

    let host = WorkerHost::start(&first.db, &["testing"], "host", &[]);
    assert_eq!(first.client().eval("first.echo second.echo", "over IPv6").unwrap(), ["over IPv6"]);
    assert!(first.page("/metrics").text().contains("pylmd_info{"));
    let (code, output) = first.pylm(&["status"]);
    assert!(code == Some(0) && output.contains("host host "), "{output}");

    drop(host);
    first.end(PATIENCE);
    second.end(PATIENCE);
}

#[test]
fn a_node_may_be_at_a_name() {
    let _limit = limit();
    let node = Node::start_on_host("localhost", &["--inline", "--plugin", "testing"]);
    assert_eq!(node.client().eval("server.echo", "x").unwrap(), ["x"]);
    node.end(PATIENCE);
}

#[test]
fn peers_are_told_the_host_that_is_advertised() {
    let _limit = limit();
    let node = Node::start_on_host(
        "[::]",
        &["--pylm", "::", "--advertise", "::1", "--inline", "--plugin", "testing", "--gateway", "[::1]:0"],
    );
    assert_eq!(request(&node.ready.field("gateway"), "GET", "/echo", "", None).status, 200);
    assert!(node.db.starts_with("tcp://[::1]:") && node.pull.starts_with("tcp://[::1]:"), "{}", node.db);
    assert_eq!(node.client().eval("server.echo", "x").unwrap(), ["x"]);
    let by_ipv4 = node.db.replace("[::1]", "127.0.0.1");
    let host = WorkerHost::start(&by_ipv4, &["testing"], "host", &[]);
    drop(host);
    node.end(PATIENCE);
}

#[test]
fn what_is_no_address_is_refused_with_an_example_by_every_flag_of_every_program() {
    let _limit = limit();
    let sockets = ["--db", "--pull", "--pub", "--worker-pull", "--worker-push"];
    for flag in sockets {
        let said = refusal("pylmd", &[flag, "127.0.0.1:6001"], 2);
        assert!(said.contains(flag) && said.contains("write it as in tcp://127.0.0.1:6001"), "{said}");
    }
    for (program, flags, value, part) in [
        ("pylmd", &["--host"][..], "tcp://127.0.0.1:1", "node1.example"),
        ("pylmd", &["--advertise"], "a b", "node1.example"),
        ("pylmd", &["--from"], "first=127.0.0.1:5559", "tcp://127.0.0.1:5559"),
        ("pylmd", &["--from"], "127.0.0.1:5559", "first=tcp://127.0.0.1:5559"),
        ("pylmd", &["--http", "--gateway"], "8080", "127.0.0.1:8080"),
        ("pylm-worker", &["--http"], "8080", "127.0.0.1:8080"),
        ("pylm-worker", &["--db"], "127.0.0.1:5559", "tcp://127.0.0.1:5559"),
        ("pylm-worker", &["--db"], "tcp://127.0.0.1:65536", "65535"),
    ] {
        for flag in flags {
            let said = refusal(program, &["--plugin", "testing", flag, value], 2);
            assert!(said.contains(flag) && said.contains(part), "{said}");
        }
    }
    for value in
        ["127.0.0.1:5559", "localhost", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:0", "http://127.0.0.1:5559"]
    {
        let said = refusal("pylm", &["status", "--db", value], 2);
        assert!(said.contains("--db") && said.contains("write it as in tcp://127.0.0.1:5559"), "{said}");
    }
}

#[test]
fn a_host_that_is_not_there_is_wrong_usage_and_a_port_that_is_taken_is_not() {
    let _limit = limit();
    for host in ["no-such-host.invalid", "192.0.2.1"] {
        let said = refusal("pylmd", &["--pylm", host], 2);
        assert!(said.contains(host) && said.contains("an address of this machine"), "{said}");
        let http = format!("{host}:0");
        let sockets =
            ["--db", "--pull", "--pub", "--worker-pull", "--worker-push"].map(|flag| [flag, ANY_PORT]);
        let said = refusal("pylmd", &[&sockets.concat()[..], &["--http", &http]].concat(), 2);
        assert!(said.contains("--http") && said.contains("an address of this machine"), "{said}");
    }
    let said = refusal("pylm", &["status", "--db", "tcp://no-such-host.invalid:5559"], 2);
    assert!(said.contains("tcp://no-such-host.invalid:5559"), "{said}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", taken.local_addr().unwrap());
    let said = refusal("pylmd", &["--db", &address], 1);
    assert!(said.contains("choose another address"), "{said}");
}

#[test]
fn a_host_says_why_nobody_answers_and_goes_on() {
    let _limit = limit();
    let plan = Process::plan("host", programs(Profile::Debug).program("pylm-worker"));
    let host = plan.args(["--db", "tcp://no-such-host.invalid:5559", "--plugin", "testing"]).start();
    host.wait_for_line("the host of the node is not found", PATIENCE);
}
