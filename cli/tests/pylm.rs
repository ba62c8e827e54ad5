//! The program as its users see it: exit codes, formats, what a signal or a closed pipe does.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]
#![allow(dead_code, reason = "the node can do more than these tests need")]

#[path = "../../client/tests/node/mod.rs"]
mod node;
mod program;

use node::{Behaviour, Command as Tell, Node, eventually};
use program::{code, echo, job, pylm, run, told};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_is_right() {
    let cases: [(&[&str], &str); 8] = [
        (&["job", "shout"], "SERVER.FUNCTION"),
        (&["job", "server.f", "--lines", "--null"], "cannot be used with"),
        (&["job", "server.f", "--timeout", "5 parsecs"], "like 500ms, 5s, 2m or 1h"),
        (&["job", "server.f", "no-such-file"], "cannot read no-such-file"),
        (&["job", "server.f", "/"], "is a folder"),
        (&["job", "server.f", "--db", "nonsense"], "tcp://127.0.0.1:5559"),
        (&["run", "shout"], "--plugin"),
        (&["plugin", "check", "x", "--set", "y"], "KEY=VALUE"),
    ];
    for (arguments, hint) in cases {
        let output = run(arguments, b"");
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(told(&output).contains(hint), "{arguments:?}: {}", told(&output));
    }
}

#[test]
fn without_a_node_it_says_how_to_get_one() {
    let output = run(&["job", "server.f", "--db", "tcp://127.0.0.1:1", "--wait", "200ms"], b"");
    assert_eq!(code(&output), 1);
    assert!(told(&output).contains("start one with `pylmd`"), "{}", told(&output));
}

#[test]
fn every_format_comes_back_as_it_was_sent() {
    let node = echo();
    let cases: [(&[&str], &[u8]); 5] = [
        (&["--ordered"], b"one\n\nthree\n"),
        (&["--ordered", "--null"], b"one\0\0three\nlines\0"),
        (&["--ordered", "--frames"], b"\0\0\0\x03one\0\0\0\0\0\0\0\x05a\0b\nc"),
        (&["--each-file"], b"one\n\0three"),
        (&["--ordered", "-"], b"one\ntwo\n"),
    ];
    for (arguments, bytes) in cases {
        let output = job(&node, arguments, bytes);
        assert_eq!((code(&output), &output.stdout[..], &*told(&output)), (0, bytes, ""), "{arguments:?}");
    }
}

#[test]
fn a_long_stream_comes_back_whole_and_in_order_where_that_is_asked_for() {
    let node = echo();
    let input: String = (0..200_000).map(|number| format!("{number}\n")).collect();
    let output = job(&node, &["--ordered"], input.as_bytes());
    assert_eq!(code(&output), 0);
    assert!(output.stdout == input.as_bytes());
}

#[test]
fn files_are_read_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let node = echo();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (one, two) = (file("one", "a\nb"), file("two", "c\n"));
    let output = job(&node, &["--ordered", &one, "-", &two], b"x\n");
    assert_eq!(output.stdout, b"a\nb\nx\nc\n");
}

#[test]
fn failed_messages_are_told_counted_and_kept_to_be_fed_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let errors = folder.path().join("errors");
    let node = echo();
    let arguments = ["--errors", errors.to_str().unwrap()];
    let output = job(&node, &arguments, b"a\nfail\nb\nfail\n");
    assert_eq!(code(&output), 3);
    assert_eq!(output.stdout, b"a\nb\n");
    let expected = "pylm: message 1: failed: as the test wants it\n\
                    pylm: message 3: failed: as the test wants it\n\
                    pylm: 2 of 4 messages failed\n";
    assert_eq!(told(&output), expected);
    assert_eq!(std::fs::read(&errors).unwrap(), b"fail\nfail\n");

    let output = job(&node, &["--quiet"], "fail\n".repeat(20).as_bytes());
    assert_eq!((code(&output), &*told(&output)), (3, ""));
    let output = job(&node, &[], "fail\n".repeat(20).as_bytes());
    assert_eq!(told(&output).lines().count(), 12);
}

#[test]
fn of_failed_files_the_names_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let errors = folder.path().join("errors");
    let bad = folder.path().join("bad");
    std::fs::write(&bad, "fail").unwrap();
    let node = echo();
    let bad = bad.to_str().unwrap();
    let output = job(&node, &["--each-file", "--errors", errors.to_str().unwrap(), bad], b"");
    assert_eq!(code(&output), 3);
    assert!(told(&output).contains(&format!("message 0 ({bad}): failed")), "{}", told(&output));
    assert_eq!(std::fs::read_to_string(&errors).unwrap(), format!("{bad}\n"));
}

#[test]
fn a_message_that_is_too_large_fails_alone() {
    let node = Node::start(Behaviour { max_message: 5, ..Behaviour::default() });
    let output = job(&node, &["--ordered"], b"12345\n123456\n1\n");
    assert_eq!((code(&output), &output.stdout[..]), (3, &b"12345\n1\n"[..]));
    assert!(told(&output).contains("a message of 6 bytes in standard input: too-large"), "{}", told(&output));
}

#[test]
fn a_frame_that_is_cut_short_ends_the_job_as_failed() {
    let node = echo();
    let output = job(&node, &["--frames"], b"\0\0\0\x09short");
    assert_eq!(code(&output), 1);
    assert!(
        told(&output).contains("cannot read standard input: it ends inside of a frame"),
        "{}",
        told(&output)
    );
}

#[test]
fn results_are_written_as_soon_as_they_come() {
    let node = echo();
    let mut child = pylm(&["job", "server.echo", "--db", &node.address]).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for line in ["first\n", "second\n"] {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert_eq!(answer, line);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_closed_pipe_cancels_the_job_and_is_no_error() {
    let node = echo();
    let mut child = pylm(&["job", "server.echo", "--db", &node.address]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || while stdin.write_all(&b"line\n".repeat(1000)).is_ok() {});
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 5]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), &*told(&output)), (0, ""));
    writer.join().unwrap();
    eventually("the goodbye", || node.seen.goodbyes.load(SeqCst) == 1);
}

/// A job with one message under way, of a program that is told how to take signals: `env` of coreutils makes them what they may be when
/// somebody else starts it.
fn job_with_signals(how: &str, node: &Node) -> Child {
    let real = pylm(&["job", "server.echo", "--db", &node.address]);
    let mut command = std::process::Command::new("env");
    command.arg(how).arg(real.get_program()).args(real.get_args());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"line\n").unwrap();
    eventually("the message", || node.seen.submits.load(SeqCst) == 1);
    child
}

#[test]
fn a_signal_cancels_the_job_and_is_the_exit_code() {
    for (signal, expected) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let node = echo();
        node.tell(Tell::Hold(true));
        let mut child = job_with_signals("--default-signal", &node);
        let stdin = child.stdin.take();
        kill_process(Pid::from_child(&child), signal).unwrap();
        // Standard input stays open meanwhile: a signal waits for nobody.
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), &*told(&output)), (expected, ""));
        eventually("the goodbye", || node.seen.goodbyes.load(SeqCst) == 1);
        drop(stdin);
    }
}

#[test]
fn a_signal_that_was_ignored_or_blocked_when_it_started_ends_it_where_nobody_asked_for_that() {
    for how in ["--block-signal=TERM", "--ignore-signal=TERM"] {
        let node = echo();
        node.tell(Tell::Hold(true));
        let child = job_with_signals(how, &node);
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(code(&child.wait_with_output().unwrap()), 143, "{how}");
    }
    // As under `nohup`.
    let node = echo();
    node.tell(Tell::Hold(true));
    let mut child = job_with_signals("--ignore-signal=HUP", &node);
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    node.tell(Tell::Hold(false));
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), &output.stdout[..]), (0, &b"line\n"[..]));
}

#[test]
fn a_lost_connection_is_told_and_the_job_goes_on() {
    let node = echo();
    node.tell(Tell::Hold(true));
    let mut child = pylm(&["job", "server.echo", "--db", &node.address]).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"line\n").unwrap();
    eventually("the message", || node.seen.submits.load(SeqCst) == 1);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    node.tell(Tell::Silent);
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("is lost; trying to get another"), "{line}");
    node.tell(Tell::Lose { forget: true });
    node.tell(Tell::Hold(false));
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), &output.stdout[..]), (0, &b"line\n"[..]));
}

#[test]
fn the_cache_is_read_and_changed() {
    let node = echo();
    let cache = |arguments: &[&str], input: &[u8]| {
        run(&[&["cache"], arguments, &["--db", &node.address]].concat(), input)
    };
    let output = cache(&["get", "key"], b"");
    assert_eq!(code(&output), 1);
    assert_eq!(told(&output), "pylm: the cache has no key `key`\n");
    assert_eq!(code(&cache(&["set", "key"], b"a\0\nvalue")), 0);
    assert_eq!(cache(&["get", "key"], b"").stdout, b"a\0\nvalue");
    assert_eq!(code(&cache(&["set", "key", "another"], b"")), 0);
    assert_eq!(cache(&["get", "key"], b"").stdout, b"another");
    assert_eq!(cache(&["set", "", "value"], b"").stdout, b"chosen\n");
    assert_eq!(code(&cache(&["delete", "key"], b"")), 0);
    assert_eq!(code(&cache(&["delete", "key"], b"")), 1);
}

#[test]
fn what_is_no_plugin_is_exit_code_2_and_json_where_that_is_asked_for() {
    let output = run(&["plugin", "inspect", "no-such-plugin"], b"");
    assert_eq!(code(&output), 2);
    assert!(told(&output).contains("plugin-not-found"), "{}", told(&output));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let output = run(&["plugin", "check", "--json", manifest.to_str().unwrap()], b"");
    assert_eq!((code(&output), &*told(&output)), (2, ""));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["error"]["code"], "plugin-not-a-library");
}

#[test]
fn completions_and_manual_pages_know_the_flags() {
    for (arguments, word) in [
        (&["completions", "bash"][..], "--each-file"),
        (&["completions", "zsh"], "--each-file"),
        (&["man"], "cache"),
        (&["man", "job"], "each\\-file"),
    ] {
        let output = run(arguments, b"");
        assert_eq!(code(&output), 0);
        assert!(String::from_utf8_lossy(&output.stdout).contains(word), "{arguments:?}");
    }
}
