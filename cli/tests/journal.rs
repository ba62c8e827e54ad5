//! `pylm journal`, on journals that a node has left.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use bytes::Bytes;
use pylm_journal::{JobHeader, Journal, Options, Record};
use std::path::Path;
use std::process::{Command, Output};
use uuid::Uuid;

fn pylm(action: &str, folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pylm")).args(["journal", action]).arg(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn journal(folder: &Path) -> Journal {
    let options = Options { segment_bytes: 64 << 10, ..Options::default() };
    let (mut journal, _) = Journal::open(folder, Uuid::new_v4(), &options, || {}).unwrap();
    let job = Uuid::from_u128(7);
    let header = JobHeader { identity: job, function: "server.shout".into(), ..JobHeader::default() };
    let accepted =
        Record::Accepted { job, number: 0, cache: "".into(), payload: Bytes::from_static(b"hello") };
    journal.append(vec![Record::JobOpened(Box::new(header)), accepted]);
    journal
}

#[test]
fn a_journal_is_checked_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    journal(folder.path()).close().unwrap();
    let output = pylm("check", folder.path());
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("unfinished messages    1"), "{}", text(&output.stdout));
    let output = pylm("export", folder.path());
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["kind"], &lines[1]["payload"]), (&"job".into(), &"hello".into()));
}

#[test]
fn a_journal_in_use_or_none_at_all_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for action in ["check", "export"] {
        let output = pylm(action, folder.path());
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("there is no journal in this folder"));
    }
    let journal = journal(folder.path());
    for action in ["check", "export"] {
        let output = pylm(action, folder.path());
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(error.contains(&format!("is in use by process {}", std::process::id())), "{error}");
    }
    journal.close().unwrap();
}
