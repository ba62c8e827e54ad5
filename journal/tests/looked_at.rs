//! A journal that is looked at: the summary, and the export.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod model;

use bytes::Bytes;
use model::{Opened, identity};
use pylm_journal::{Error, JobHeader, Options, Output, Record, Summary, export};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn written(folder: &Path) {
    let (mut opened, _) = Opened::new(folder, &Options { segment_bytes: 8 << 10, ..Options::default() });
    // A group of its own, behind which others follow.
    let started = opened.journal.append(Vec::new());
    opened.wait_for(started);
    let header = JobHeader { identity: identity(0), function: "server.shout".into(), ..JobHeader::default() };
    let accepted = |number, payload: &'static [u8]| Record::Accepted {
        job: identity(0),
        number,
        cache: "".into(),
        payload: Bytes::from_static(payload),
    };
    let reply = Output::Reply { payload: Bytes::from_static(b"HELLO") };
    opened.journal.append(vec![
        Record::JobOpened(Box::new(header)),
        accepted(0, b"hello"),
        accepted(1, b"w\xf6rld"),
        accepted(2, "schön".as_bytes()),
        Record::Output { job: identity(0), serial: 0, number: 0, output: reply },
        Record::CacheSet { key: "greeting".into(), value: Bytes::from_static(b"good morning") },
    ]);
    opened.journal.close().unwrap();
}

#[test]
fn a_sound_journal_is_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let summary = Summary::read(folder.path()).unwrap();
    assert!(summary.is_sound());
    assert_eq!((summary.jobs, summary.messages, summary.outputs, summary.keys), (1, 2, 1, 1));
    assert_eq!((summary.records, summary.segments), (7, 1));
    assert!(summary.to_string().ends_with("the journal is sound"), "{summary}");
}

#[test]
fn a_damaged_journal_says_where() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let path = folder.path().join("0000000000000000.segment");
    let mut bytes = fs::read(&path).unwrap();
    bytes[130] ^= 1;
    fs::write(&path, bytes).unwrap();
    let summary = Summary::read(folder.path()).unwrap();
    assert!(!summary.is_sound() && !summary.damage.is_empty());
    let text = summary.to_string();
    assert!(text.contains("0000000000000000.segment") && text.contains("is damaged"), "{text}");
}

#[test]
fn a_folder_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(matches!(Summary::read(&missing), Err(Error::Folder { .. })));
    assert!(!missing.exists());
}

#[test]
fn the_export_has_what_is_alive() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let mut text = Vec::new();
    export(folder.path(), &mut text).unwrap();
    let lines: Vec<Value> =
        String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of_kind("job")[0]["messages"], 2);
    let messages = of_kind("message");
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|message| message["function"] == "server.shout"));
    assert_eq!(messages[0]["payload_base64"], "d/ZybGQ=");
    assert_eq!(messages[1]["payload"], "schön");
    assert_eq!(of_kind("output")[0]["payload"], "HELLO");
    assert_eq!(of_kind("cache")[0]["payload"], "good morning");
}
