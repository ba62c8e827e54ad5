//! The room that a journal takes: bounded by what is alive, however long it is in use and whatever stays.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod model;

use bytes::Bytes;
use model::{Model, Opened, identity};
use pylm_journal::{JobHeader, Options, Output, Record, Recovered};
use std::time::Duration;

const SEGMENT: u64 = 32 << 10;

fn options() -> Options {
    Options { segment_bytes: SEGMENT, retry: Duration::from_millis(10), ..Options::default() }
}

fn open_job(job: u8) -> Record {
    let header =
        JobHeader { identity: identity(job), function: "server.echo".into(), ..JobHeader::default() };
    Record::JobOpened(Box::new(header))
}

fn accepted(job: u8, number: u64, size: usize) -> Record {
    let payload = Bytes::from(vec![number as u8; size]);
    Record::Accepted { job: identity(job), number, cache: "".into(), payload }
}

/// What the journal's page for operators promises.
fn bound(alive: u64) -> u64 {
    alive * 5 / 2 + 4 * SEGMENT
}

/// Lets the journal work, and clean what it wants to.
fn settle(opened: &mut Opened) {
    // Each write gives it one more step, as it has between messages.
    for _ in 0..20 {
        let sequence =
            opened.journal.append(vec![Record::CacheSet { key: "tick".into(), value: Bytes::new() }]);
        opened.wait_for(sequence);
    }
}

#[test]
fn messages_that_come_and_go_take_no_room_beside_those_that_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (mut opened, _) = Opened::new(folder.path(), &options());
    // An old message and an old key, which every pass of the cleaning meets, and a cache that is a few segments long.
    opened.journal.append(vec![open_job(0), open_job(1), accepted(0, 0, 500)]);
    let value = |round: u64| Bytes::from(vec![round as u8; 1000]);
    let mut records: Vec<Record> = (0..150)
        .map(|key| Record::CacheSet { key: format!("old {key}").into(), value: value(key) })
        .collect();
    opened.journal.append(std::mem::take(&mut records));
    let mut highest = 0;
    for round in 0..400u64 {
        let numbers = round * 20..(round + 1) * 20;
        records.extend(numbers.clone().map(|number| accepted(1, number, 150)));
        records.extend(numbers.clone().map(|number| {
            let output = Output::Reply { payload: value(number).slice(..150) };
            Record::Output { job: identity(1), serial: number, number, output }
        }));
        records.push(Record::Acknowledged { job: identity(1), below: numbers.end });
        records.push(Record::CacheSet { key: "new".into(), value: value(round) });
        let sequence = opened.journal.append(std::mem::take(&mut records));
        opened.wait_for(sequence);
        highest = highest.max(opened.journal.status().disk_bytes);
    }
    settle(&mut opened);
    let status = opened.journal.status();
    assert!((150_000..170_000).contains(&status.alive_bytes), "{status:?}");
    assert!(highest <= bound(status.alive_bytes), "{highest} bytes at some time, {status:?}");
    drop(opened);
    let recovered = Recovered::read(folder.path()).unwrap();
    let state = Model::recovered(&recovered);
    assert_eq!(state.jobs[&identity(0)].messages.len(), 1);
    assert!(state.jobs[&identity(1)].messages.is_empty() && state.jobs[&identity(1)].outputs.is_empty());
    assert_eq!(recovered.jobs[&identity(1)].next_serial, 8_000);
    assert_eq!(state.cache.len(), 152);
    assert!((0..150).all(|key| state.cache[format!("old {key}").as_str()] == value(key)));
}

#[test]
fn nothing_alive_leaves_nothing_but_what_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let (mut opened, _) = Opened::new(folder.path(), &options());
    let big = Bytes::from(vec![1; 20_000]);
    for round in 0..50 {
        let set = Record::CacheSet { key: format!("key {round}").into(), value: big.clone() };
        opened.journal.append(vec![set]);
    }
    for round in 0..50 {
        opened.journal.append(vec![Record::CacheDelete { key: format!("key {round}").into() }]);
    }
    settle(&mut opened);
    let status = opened.journal.status();
    assert!(status.disk_bytes <= 3 * SEGMENT, "{status:?}");
    opened.journal.close().unwrap();
}

#[test]
fn a_message_that_is_larger_than_a_segment_has_one_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (mut opened, _) = Opened::new(folder.path(), &options());
    opened.journal.append(vec![open_job(0), accepted(0, 0, 10), accepted(0, 1, 300_000), accepted(0, 2, 10)]);
    opened.journal.close().unwrap();
    for _ in 0..3 {
        let (opened, recovered) = Opened::new(folder.path(), &options());
        let messages = &recovered.jobs[&identity(0)].messages;
        assert_eq!(
            messages.values().map(|message| message.payload.len()).collect::<Vec<_>>(),
            [10, 300_000, 10]
        );
        opened.journal.close().unwrap();
    }
}
