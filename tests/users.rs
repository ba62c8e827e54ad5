//! Other users of the machine: they come in at none of a node's doors, at once, and nothing of theirs is read. They are told why, as far as
//! they are peers of ours. These tests need root, to be another user at times.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use pylm_client::ClientOptions;
use pylm_client::blocking::Client;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::http::request;
use pylm_tests::machine::Machine;
use pylm_tests::node::Node;
use pylm_tests::process::{Plan, Process};
use pylm_tests::programs::{Profile, programs};
use pylm_tests::web::WebWorker;

const PATIENCE: Duration = Duration::from_secs(60);
/// Within which a peer that is not let in hears why.
const AT_ONCE: Duration = Duration::from_secs(1);
/// What makes a program of this machine start, beside that.
const START: Duration = Duration::from_secs(4);
/// The user `nobody`.
const OTHER: u32 = 65_534;
/// How a peer that speaks ZMTP 3 begins.
const GREETING: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL";

fn limit() -> Deadline {
    assert!(rustix::process::geteuid().is_root(), "these tests need root, to be another user at times");
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

/// Does something as another user; sockets that are made meanwhile are that user's.
fn as_other<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(OTHER)).unwrap();
            act()
        });
        other.join().unwrap()
    })
}

/// Connects, and says something; how many bytes come back until the other side ends it, or none for a while.
fn speak(address: SocketAddr, words: &[u8]) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(AT_ONCE)).unwrap();
    hear(&mut stream, words)
}

fn hear(stream: &mut (impl Read + Write), words: &[u8]) -> usize {
    let said = stream.write_all(words);
    let mut heard = [0; 4096];
    match stream.read(&mut heard) {
        Ok(len) => len,
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::WouldBlock, "it was not cut at once; {said:?}");
            0
        }
    }
}

/// Where a node listens, by the names under which it tells that.
fn doors(node: &Node) -> Vec<(&'static str, SocketAddr)> {
    ["db", "pull", "pub", "worker_pull", "worker_push", "http", "gateway"]
        .map(|name| (name, node.ready.field(name).trim_start_matches("tcp://").parse().unwrap()))
        .to_vec()
}

/// Connections that the node has cut because of their user.
fn cut(node: &Node) -> u64 {
    figure(node, "pylmd_connections_cut_total")
}

fn figure(node: &Node, name: &str) -> u64 {
    let metrics = node.page("/metrics").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap().parse::<f64>().unwrap() as u64
}

/// A program of ours, as another user, whose files are in `home`.
fn other_program(name: &str, home: &Path) -> Plan {
    chown(home, Some(OTHER), Some(OTHER)).unwrap();
    let program = programs(Profile::Debug).program(name);
    Process::plan(name, "setpriv")
        .args(["--reuid", &OTHER.to_string(), "--clear-groups"])
        .arg(program)
        .env("HOME", home)
        .env("XDG_CACHE_HOME", home)
}

/// Its exit code, what it said, and how long that took.
#[track_caller]
fn outcome(plan: Plan) -> (Option<i32>, String, Duration) {
    let begun = Instant::now();
    let mut process = plan.start();
    process.close_stdin();
    let code = process.wait(PATIENCE).code();
    (code, process.stderr_lines().join("\n"), begun.elapsed())
}

#[test]
fn another_user_gets_in_at_none_of_the_doors_and_nothing_of_theirs_is_read() {
    let _limit = limit();
    for host in ["127.0.0.1", "[::1]"] {
        let (http, gateway) = (format!("{host}:0"), format!("{host}:0"));
        let plugins = ["--inline", "--plugin", "testing", "--http", &http, "--gateway", &gateway];
        let node = Node::start_on_host(host, &plugins);
        let mut expected = 0;
        for (name, door) in doors(&node) {
            let words: &[u8] = if matches!(name, "http" | "gateway") {
                b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"
            } else {
                GREETING
            };
            assert!(speak(door, words) > 0, "the own user is heard at {name}");
            let begun = Instant::now();
            assert_eq!(as_other(|| speak(door, words)), 0, "{name}");
            assert!(begun.elapsed() < AT_ONCE, "{name}");
            // Whoever has gone before they were looked at is nobody's any more, and not root's.
            as_other(|| drop(TcpStream::connect(door).unwrap().write_all(words)));
            expected += 2;
        }
        while cut(&node) < expected {
            thread::yield_now();
        }
        assert_eq!((cut(&node), figure(&node, "pylmd_garbage_total")), (expected, 0));
        node.process.wait_for_line("connections of another user are cut", PATIENCE);
        assert_eq!(node.client().eval("server.echo", "x").unwrap(), ["x"]);
        node.end(PATIENCE);
    }
}

#[test]
fn a_socket_of_the_file_system_lets_in_no_other_user_whatever_its_mode() {
    let _limit = limit();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let db = format!("ipc://{}", path.display());
    let pylmd = Process::plan("pylmd", programs(Profile::Debug).program("pylmd"));
    let mut node = pylmd.args(["--pylm", "off", "--db", &db, "--inline", "--plugin", "testing"]).start();
    node.wait_until_ready(PATIENCE);
    for open in [folder.path(), &path] {
        std::fs::set_permissions(open, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let speak = || {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(AT_ONCE)).unwrap();
        hear(&mut stream, GREETING)
    };
    assert!(speak() > 0);
    assert_eq!(as_other(speak), 0);
    let client = Client::connect(ClientOptions::new(db).patience(PATIENCE)).unwrap();
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
}

#[test]
fn ten_thousand_connections_of_another_user_are_cut_beside_the_own_users_work() {
    let _limit = limit();
    const CROWD: u64 = 10_000;
    let node = Node::start(&["--inline", "--plugin", "testing", "--http", "127.0.0.1:0"]);
    let db = node.db.trim_start_matches("tcp://").parse::<SocketAddr>().unwrap();
    let client = node.client();
    let is_over = AtomicBool::new(false);
    let (calls, took) = thread::scope(|scope| {
        let working = scope.spawn(|| {
            let mut calls = 0_u64;
            while !is_over.load(Relaxed) {
                assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
                calls += 1;
            }
            calls
        });
        let begun = Instant::now();
        as_other(|| {
            for number in 0..CROWD {
                let mut stream = TcpStream::connect(db).unwrap();
                let _ = stream.write_all(GREETING);
                if number % 100 == 0 {
                    assert_eq!(stream.read(&mut [0; 64]).unwrap_or_default(), 0);
                }
            }
        });
        let took = begun.elapsed();
        is_over.store(true, Relaxed);
        (working.join().unwrap(), took)
    });
    println!("{calls} calls beside {CROWD} connections in {took:.1?}");
    assert!(calls > 0);
    while cut(&node) < CROWD {
        thread::yield_now();
    }
    assert_eq!((cut(&node), figure(&node, "pylmd_garbage_total")), (CROWD, 0));
    drop(client);
    node.end(PATIENCE);
}

#[test]
fn peers_of_another_user_are_told_why_in_a_sentence_and_come_in_where_they_are_allowed() {
    let _limit = limit();
    let plugin = programs(Profile::Debug).plugin("testing");
    let plugin = plugin.to_str().unwrap();
    let home = tempfile::tempdir().unwrap();
    let node = Node::start(&["--inline", "--plugin", "testing"]);
    let status = |node: &Node| outcome(other_program("pylm", home.path()).args(["status", "--db", &node.db]));
    let worker = other_program("pylm-worker", home.path()).args(["--db", &node.db, "--plugin", plugin]);
    for (code, said, took) in [status(&node), outcome(worker)] {
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("root's") && said.contains("--allow-user nobody"), "{said}");
        assert!(took < AT_ONCE + START, "it took {took:?}: {said}");
    }
    node.end(PATIENCE);

    let node = Node::start(&["--inline", "--plugin", "testing", "--allow-user", "nobody"]);
    let (code, said, _) = status(&node);
    assert_eq!(code, Some(0), "{said}");
    node.end(PATIENCE);
}

#[test]
fn a_web_worker_on_loopback_is_for_its_own_user() {
    let _limit = limit();
    let worker = WebWorker::start(&["testing"], "web", &[]);
    let door: SocketAddr = worker.address().parse().unwrap();
    assert!(speak(door, b"GET / HTTP/1.1\r\n\r\n") > 0);
    assert_eq!(as_other(|| speak(door, b"GET / HTTP/1.1\r\n\r\n")), 0);
}

#[test]
fn plain_sockets_are_on_loopback_or_a_sentence_says_what_to_do() {
    let _limit = limit();
    for (flag, value) in
        [("--host", "0.0.0.0"), ("--host", "::"), ("--db", "tcp://*:0"), ("--worker-pull", "tcp://0.0.0.0:0")]
    {
        let pylmd = Process::plan("pylmd", programs(Profile::Debug).program("pylmd"));
        let (code, said, _) = outcome(pylmd.args([flag, value]));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(flag) && said.contains("--pylm "), "{said}");
    }
    let node = Node::start_on_host(
        "0.0.0.0",
        &["--pylm", "0.0.0.0", "--advertise", "127.0.0.1", "--inline", "--plugin", "testing"],
    );
    node.process.wait_for_line("pylm's sockets are open to whoever reaches this host", PATIENCE);
    let db = node.db.trim_start_matches("tcp://").parse::<SocketAddr>().unwrap();
    assert_eq!(as_other(|| speak(db, GREETING)), 0, "loopback is the own user's all the same");
    node.end(PATIENCE);
}

#[test]
fn where_pylms_sockets_are_open_native_peers_of_other_machines_are_refused() {
    let _limit = limit();
    let Some(machine) = Machine::new() else { return };
    let open = ["--pylm", "0.0.0.0", "--advertise", "127.0.0.1", "--inline", "--plugin", "testing"];
    let node = Node::start_on_host("0.0.0.0", &open);
    let programs = programs(Profile::Debug);
    let peer = |program: &str, args: &[&str]| {
        let plan = machine.plan(program, programs.program(program));
        outcome(plan.args(args).args(["--db", &machine.reach(&node.db)]))
    };
    for (program, args) in [
        ("pylm", &["job", "server.echo", "/dev/null"][..]),
        ("pylm", &["cache", "get", "name"]),
        ("pylm-worker", &["--plugin", "testing"]),
    ] {
        let (code, said, _) = peer(program, args);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("--listen") && said.contains("pylm access new"), "{said}");
    }
    assert_eq!(node.client().eval("server.echo", "x").unwrap(), ["x"]);
    node.end(PATIENCE);
}

#[test]
fn without_pylms_sockets_native_peers_are_served() {
    let _limit = limit();
    let node = Node::start(&["--pylm", "off", "--inline", "--plugin", "testing", "--http", "127.0.0.1:0"]);
    assert!(!node.ready.has("pull") && !node.ready.has("worker_push"));
    assert_eq!(node.client().eval("server.echo", "x").unwrap(), ["x"]);
    assert_eq!(request(&node.ready.field("http"), "GET", "/health", "", None).status, 200);
    let listening = std::fs::read_to_string(format!("/proc/{}/net/tcp", node.process.id())).unwrap();
    let ports: Vec<_> = listening.lines().filter(|line| line.contains(" 0A ")).collect();
    let of_node = |port: &str| {
        ports.iter().any(|line| line.contains(&format!(":{:04X} ", port.parse::<u16>().unwrap())))
    };
    assert!(of_node(node.db.rsplit(':').next().unwrap()));
    assert!(!of_node("5555") || node.db.ends_with(":5555"), "{listening}");
    node.end(PATIENCE);
}

#[test]
fn another_user_with_a_key_comes_in_at_the_encrypted_door() {
    let _limit = limit();
    let home = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    let node = Node::start(&["--listen", "127.0.0.1:0", "--state-dir", state]);
    let door = node.ready.field("listen").trim_start_matches("tcp://").parse::<SocketAddr>().unwrap();
    assert!(as_other(|| speak(door, GREETING)) > 0, "keys are asked for there, and not users");
    // What root hands over into somebody's home is theirs to read.
    let file = home.path().join("bob.toml");
    let plan = other_program("pylm", home.path());
    let made = Process::plan("pylm", programs(Profile::Debug).program("pylm"));
    let args =
        ["access", "new", "bob", "--role", "client", "--state-dir", state, "-o", file.to_str().unwrap()];
    let (code, said, _) = outcome(made.args(args));
    assert_eq!(code, Some(0), "{said}");
    node.process.wait_for_line("the grants are read anew", PATIENCE);
    let (code, said, _) = outcome(plan.args(["cache", "get", "name", "--access", file.to_str().unwrap()]));
    assert_eq!(code, Some(0), "{said}");
    node.end(PATIENCE);
}
