//! A disk that is full: a process of its own, as the limit on the length of files is one of the process.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod model;

use bytes::Bytes;
use model::opened::LIMIT;
use model::{Opened, identity};
use pylm_journal::{JobHeader, Journal, Options, Record, Recovered};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FOLDER: &str = "PYLM_JOURNAL_TEST_FOLDER";

fn limit_files(length: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: length, maximum }).unwrap();
}

/// What the other process does.
fn fill_and_go_on(folder: &Path) {
    let options = Options { segment_bytes: 1 << 20, retry: Duration::from_millis(20), ..Options::default() };
    let (mut opened, _) = Opened::new(folder, &options);
    let job = JobHeader { identity: identity(0), ..JobHeader::default() };
    opened.journal.append(vec![Record::JobOpened(Box::new(job))]);
    let accept = |number| Record::Accepted {
        job: identity(0),
        number,
        cache: "".into(),
        payload: Bytes::from(vec![number as u8; 1000]),
    };
    let sequence = opened.journal.append((0..100).map(accept).collect());
    opened.wait_for(sequence);
    let mut next = 100;
    for length in [200_000, 150_000, 400_000] {
        limit_files(Some(length));
        while !opened.journal.is_full() {
            opened.journal.append(vec![accept(next)]);
            next += 1;
            std::thread::yield_now();
        }
        opened.wait_until("the cause is told", |journal| journal.trouble().is_some());
        let sequence = opened.journal.append((next..next + 1000).map(accept).collect());
        next += 1000;
        assert!(opened.journal.durable() < sequence);
        limit_files(None);
        opened.wait_for(sequence);
        opened.wait_until("messages are taken again", |journal: &Journal| !journal.is_full());
    }
    opened.journal.close().unwrap();
    let recovered = Recovered::read(folder).unwrap();
    assert_eq!((recovered.lost, &recovered.damage[..]), (0, &[][..]));
    let messages = &recovered.jobs[&identity(0)].messages;
    assert!(messages.keys().copied().eq(0..next));
    assert!(messages.iter().all(|(&number, message)| message.payload == vec![number as u8; 1000]));
}

#[test]
fn a_journal_whose_disk_is_full_goes_on_when_there_is_room() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return fill_and_go_on(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_journal_whose_disk_is_full_goes_on_when_there_is_room", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > LIMIT {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
}
