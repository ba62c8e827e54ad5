//! Names: what nobody could call is refused at start, and what somebody else calls himself does nothing to those who read it.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::time::Duration;

use pylm_client::blocking::Client;
use pylm_client::{ClientOptions, JobOptions};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};

const PATIENCE: Duration = Duration::from_secs(60);
/// It would turn what follows red, and begin a line that looks like one of the log.
const HOSTILE: &str = "\u{1b}[31mred\n2026-01-01T00:00:00Z ERROR forged";

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

#[track_caller]
fn refusal(program: &str, args: &[&str]) -> String {
    let plan = Process::plan(program, programs(Profile::Debug).program(program)).args(args);
    let mut process = plan.start();
    process.close_stdin();
    assert_eq!(process.wait(PATIENCE).code(), Some(2), "{args:?}");
    assert_plain(&process.stderr_lines());
    process.stderr_lines().join("\n")
}

/// No line does anything to a terminal, and none was begun by somebody else.
#[track_caller]
fn assert_plain(lines: &[String]) {
    for line in lines {
        assert!(!line.contains(|letter: char| letter.is_control() && letter != '\t'), "{line:?}");
        assert!(!line.starts_with("2026-01-01T00:00:00Z"), "{line:?}");
    }
}

#[test]
fn a_name_that_cannot_be_called_is_refused_at_start() {
    let _limit = limit();
    for name in [
        "",
        " ",
        "a.b",
        "a b",
        "a,b",
        "a=b",
        "a/b",
        "*",
        "_",
        "two\nlines",
        "\u{1b}[31mred",
        &"n".repeat(300),
    ] {
        let said = refusal("pylmd", &[&format!("--name={name}")]);
        assert!(said.contains("'--name <NAME>'"), "{said}");
    }
    for name in ["", "two\nlines", "\u{1b}[31mred", &"n".repeat(300)] {
        let name = format!("--name={name}");
        refusal("pylm-worker", &["--db", "tcp://127.0.0.1:5559", "--plugin", "testing", &name]);
    }
    refusal("pylm", &["job", "--session=\u{1b}[31m", "server.f"]);
    for (program, args) in [
        ("pylmd", ["--from", "a\tb=tcp://127.0.0.1:5559"]),
        ("pylmd", ["--from", "=tcp://127.0.0.1:5559"]),
        ("pylmd", ["--pylm-functions", "a.b"]),
        ("pylm", ["job", "\u{1b}[31m.f"]),
    ] {
        refusal(program, &args);
    }
}

#[test]
fn what_peers_call_themselves_is_shown_as_its_codes() {
    let _limit = limit();
    let node = Node::start(&["--http", "127.0.0.1:0", "--log", "debug"]);
    let host = WorkerHost::start(&node.db, &["testing"], "host", &["--slots", "1"]);
    let client = Client::connect(ClientOptions::new(&*node.db).name(HOSTILE)).unwrap();
    let (sender, results) = client.job("server.sleep_for", JobOptions::new());
    sender.send("600000").unwrap();
    let (waiting, nothing) = client.job(&format!("server.{HOSTILE}"), JobOptions::new());
    waiting.send("x").unwrap();

    let looks: [&[&str]; 4] = [&["status"], &["jobs"], &["functions"], &["failed", "list"]];
    pylm_tests::waiting::wait_until("the job is seen", || node.pylm(&["jobs"]).1.contains("sleep_for"));
    for args in looks {
        let (code, output) = node.pylm(args);
        assert_eq!(code, Some(0), "{output}");
        assert_plain(&output.lines().map(str::to_owned).collect::<Vec<_>>());
    }
    let metrics = node.page("/metrics").text();
    assert!(metrics.contains("forged"), "{metrics}");
    assert_plain(&metrics.lines().map(str::to_owned).collect::<Vec<_>>());
    assert_plain(&node.process.stderr_lines());

    drop((sender, results, waiting, nothing, client, host));
}

#[test]
fn the_text_of_an_error_is_shown_as_its_codes() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let plan = Process::plan("pylm", programs(Profile::Debug).program("pylm"));
    let mut job = plan.args(["job", "server.fail", "--db", &*node.db, "--null"]).start();
    job.write_stdin(HOSTILE.as_bytes());
    job.close_stdin();
    assert_eq!(job.wait(PATIENCE).code(), Some(3));
    let said = job.stderr_lines();
    assert_plain(&said);
    assert!(said.iter().any(|line| line.contains("\\u{1b}[31mred\\n2026")), "{said:?}");
    node.end(PATIENCE);
}
