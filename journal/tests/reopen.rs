//! A journal is opened again: by a second node, after a crash in the middle of things, with files that nobody expects.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod model;

use bytes::Bytes;
use model::{Opened, identity};
use pylm_journal::{Error, JobHeader, Journal, Options, Output, Record, Recovered};
use pylm_protocol::Place;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

fn options() -> Options {
    Options { segment_bytes: 8 << 10, retry: Duration::from_millis(10), ..Options::default() }
}

fn job() -> Record {
    Record::JobOpened(Box::new(JobHeader { identity: identity(0), ..JobHeader::default() }))
}

fn accepted(number: u64) -> Record {
    let payload = Bytes::from(vec![number as u8; 200]);
    Record::Accepted { job: identity(0), number, cache: "".into(), payload }
}

fn output(serial: u64, number: u64, output: Output) -> Record {
    Record::Output { job: identity(0), serial, number, output }
}

fn result(place: u64, held: bool) -> Output {
    Output::Result { place: Place::new(&[place]), held, payload: Bytes::from_static(b"result") }
}

/// A journal with these records, closed.
fn written(folder: &Path, records: Vec<Record>) {
    let (mut opened, _) = Opened::new(folder, &options());
    opened.journal.append(records);
    opened.journal.close().unwrap();
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "segment")).collect();
    segments.sort();
    segments
}

#[test]
fn a_second_node_is_refused_while_the_first_one_lives() {
    let folder = tempfile::tempdir().unwrap();
    let (opened, _) = Opened::new(folder.path(), &options());
    let error = Journal::open(folder.path(), Uuid::new_v4(), &options(), || {}).unwrap_err();
    assert!(matches!(error, Error::InUse { process: Some(process), .. } if process == std::process::id()));
    assert!(error.to_string().contains("is in use by process"), "{error}");
    assert!(matches!(Recovered::read(folder.path()), Err(Error::InUse { .. })));
    drop(opened);
    let (opened, _) = Opened::new(folder.path(), &options());
    opened.journal.close().unwrap();
}

#[test]
fn the_last_run_is_known_and_a_closed_journal_is_not_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = None;
    for _ in 0..5 {
        let run = Uuid::new_v4();
        let (journal, recovered) = Journal::open(folder.path(), run, &options(), || {}).unwrap();
        assert_eq!(recovered.last_run, last);
        assert_eq!(recovered.damage, []);
        journal.close().unwrap();
        last = Some(run);
    }
    assert!(segments(folder.path()).len() <= 2, "runs without messages leave nothing behind");
}

#[test]
fn a_torn_end_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), vec![job(), accepted(1)]);
    let last = segments(folder.path()).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end + 16);
    bytes[end + 1] = 0xa5;
    fs::write(&last, &bytes).unwrap();
    let (opened, recovered) = Opened::new(folder.path(), &options());
    let [damage] = &recovered.damage[..] else { panic!("{:?}", recovered.damage) };
    assert!(damage.tail && damage.file == last && damage.bytes > 0);
    assert!(damage.to_string().contains("were not finished"), "{damage}");
    assert_eq!(recovered.jobs[&identity(0)].messages.len(), 1);
    opened.journal.close().unwrap();
    assert_eq!(Recovered::read(folder.path()).unwrap().damage, []);
}

#[test]
fn files_that_a_crash_left_or_somebody_put_there_are_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), vec![job(), accepted(0), accepted(1)]);
    fs::write(folder.path().join("spare"), b"too short").unwrap();
    fs::write(folder.path().join("notes.txt"), b"not ours").unwrap();
    fs::write(folder.path().join("00000000000000f0.segment"), vec![0; 40]).unwrap();
    fs::write(folder.path().join("00000000000000f1.segment"), vec![0xff; 9000]).unwrap();
    let (mut opened, recovered) = Opened::new(folder.path(), &options());
    assert_eq!(recovered.jobs[&identity(0)].messages.len(), 2);
    assert_eq!(recovered.damage.len(), 2, "{:?}", recovered.damage);
    opened.journal.append((2..100).map(accepted).collect());
    opened.journal.close().unwrap();
    let recovered = Recovered::read(folder.path()).unwrap();
    assert_eq!(recovered.jobs[&identity(0)].messages.len(), 100);
    assert_eq!(recovered.damage, []);
    assert!(folder.path().join("00000000000000f1.damaged").exists(), "what cannot be read is kept");
    assert!(folder.path().join("notes.txt").exists());
}

#[test]
fn of_messages_that_damage_has_taken_the_numbers_are_known() {
    const COUNT: u64 = 100;
    let folder = tempfile::tempdir().unwrap();
    let done = |number| output(number, number, Output::Reply { payload: Bytes::from_static(b"r") });
    // Each opening begins a frame, so that damage takes some and leaves others.
    written(folder.path(), vec![job()]);
    for first in (0..COUNT).step_by(5) {
        written(folder.path(), (first..first + 5).map(accepted).collect());
    }
    for first in (0..40).step_by(5) {
        written(folder.path(), (first..first + 5).map(done).collect());
    }
    written(folder.path(), vec![Record::Acknowledged { job: identity(0), below: 20 }]);
    written(folder.path(), vec![Record::Finished { job: identity(0), count: COUNT }]);
    assert_eq!(Recovered::read(folder.path()).unwrap().jobs[&identity(0)].lost, []);

    let mut found = 0;
    for segment in segments(folder.path()) {
        let bytes = fs::read(&segment).unwrap();
        let end = bytes.iter().rposition(|&byte| byte != 0).unwrap();
        for place in (96..end).step_by(501) {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0xff;
            fs::write(&segment, &bytes).unwrap();
            let recovered = Recovered::read(folder.path()).unwrap();
            let Some(job) = recovered.jobs.get(&identity(0)) else { continue };
            let lost: Vec<u64> = job.lost.iter().cloned().flatten().collect();
            let kept: Vec<u64> = job.outputs.values().map(|kept| kept.number).collect();
            assert!(lost.len() as u64 <= recovered.lost);
            assert!(lost.iter().all(|number| !job.messages.contains_key(number) && !kept.contains(number)));
            // What was acknowledged has ended, whether that can still be seen or not.
            let is_told = |number: &u64| {
                job.messages.contains_key(number) || kept.contains(number) || lost.contains(number)
            };
            let was_cut = recovered.damage.iter().all(|damage| damage.tail);
            let all_told = (20..COUNT).all(|number| is_told(&number));
            assert!(was_cut || all_told, "{place}: {:?}", recovered.damage);
            // The client has told how many there are.
            assert!(job.finished.is_none() || !job.incomplete, "{place}");
            found += lost.len();
        }
        fs::write(&segment, &bytes).unwrap();
    }
    assert!(found > 0);
}

#[test]
fn a_job_that_may_have_lost_what_nobody_can_name_is_known_also_when_the_damage_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let other = || Record::JobOpened(Box::new(JobHeader { identity: identity(1), ..JobHeader::default() }));
    // Each opening begins a frame.
    written(folder.path(), vec![job(), accepted(0), other()]);
    let finished = vec![Record::Finished { job: identity(1), count: 0 }];
    for records in [finished, vec![accepted(1)], vec![], vec![]] {
        written(folder.path(), records);
    }
    let is_incomplete = |recovered: &Recovered, number| recovered.jobs[&identity(number)].incomplete;
    let whole = Recovered::read(folder.path()).unwrap();
    assert!(!whole.damaged && !is_incomplete(&whole, 0));

    let place = |segment: &PathBuf| memchr::memmem::find(&fs::read(segment).unwrap(), &[1; 200]);
    let segment = segments(folder.path()).into_iter().find(|segment| place(segment).is_some()).unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[place(&segment).unwrap()] ^= 0xff;
    fs::write(&segment, &bytes).unwrap();
    let damaged = Recovered::read(folder.path()).unwrap();
    assert_eq!(damaged.lost, 2, "the message, and that the node had started");
    assert!(damaged.damaged && damaged.jobs[&identity(0)].lost.is_empty());
    assert!(is_incomplete(&damaged, 0) && !is_incomplete(&damaged, 1));
    written(folder.path(), vec![]);
    // What tells of it stands behind, and goes on without the damage.
    let again = Recovered::read(folder.path()).unwrap();
    assert!(again.jobs[&identity(0)].header.is_damaged() && is_incomplete(&again, 0));
    // Its client came back, and has submitted it again.
    written(folder.path(), vec![job(), accepted(1)]);
    assert!(!Recovered::read(folder.path()).unwrap().jobs[&identity(0)].header.is_damaged());
}

#[test]
fn a_journal_of_a_later_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), vec![job()]);
    let last = segments(folder.path()).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    for head in [0, 48] {
        bytes[head + 8] = 9;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes[head..head + 12]);
        hasher.update(&bytes[head + 16..head + 48]);
        let crc = hasher.finalize().to_le_bytes();
        bytes[head + 12..head + 16].copy_from_slice(&crc);
    }
    fs::write(&last, &bytes).unwrap();
    let error = Journal::open(folder.path(), Uuid::new_v4(), &options(), || {}).unwrap_err();
    assert!(matches!(error, Error::Version { version: 9, .. }), "{error}");
    assert_eq!(fs::read(&last).unwrap(), bytes);
}

#[test]
fn an_older_copy_of_a_segment_in_a_message_is_only_data() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), (0..10).map(accepted).chain([job()]).collect());
    let copy = fs::read(&segments(folder.path())[0]).unwrap();
    let payload = Bytes::from(copy);
    let record = Record::Accepted { job: identity(0), number: 99, cache: "".into(), payload };
    written(folder.path(), vec![Record::Closed { job: identity(0) }, job(), record]);
    // Even where the frame that holds it is damaged, and its inside searched for what follows.
    let last = segments(folder.path()).pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    for place in 96..bytes.len().min(400) {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0xff;
        fs::write(&last, &bytes).unwrap();
        let recovered = Recovered::read(folder.path()).unwrap();
        for job in recovered.jobs.values() {
            assert!(job.messages.keys().all(|&number| number < 10 || number == 99));
        }
    }
}

#[test]
fn held_results_stay_until_their_end_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let acknowledged = |below| Record::Acknowledged { job: identity(0), below };
    let first = vec![
        job(),
        accepted(0),
        output(0, 0, result(0, true)),
        output(1, 0, result(1, true)),
        acknowledged(2),
        output(2, 0, Output::Done { results: 2 }),
    ];
    written(folder.path(), first);
    let serials = || {
        Recovered::read(folder.path()).unwrap().jobs[&identity(0)].outputs.keys().copied().collect::<Vec<_>>()
    };
    assert_eq!(serials(), [0, 1, 2]);
    written(folder.path(), vec![acknowledged(3)]);
    assert_eq!(serials(), [0u64; 0]);
}

#[test]
fn results_without_an_end_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    written(
        folder.path(),
        vec![
            job(),
            accepted(0),
            accepted(1),
            output(0, 0, result(0, false)),
            output(1, 1, result(0, false)),
            output(2, 1, Output::Done { results: 1 }),
        ],
    );
    let job = Recovered::read(folder.path()).unwrap().jobs.remove(&identity(0)).unwrap();
    assert_eq!(job.outputs.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert_eq!((job.next_serial, job.next_number), (3, 2));
}

#[test]
fn a_held_result_of_an_earlier_run_never_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let acknowledged = |below| Record::Acknowledged { job: identity(0), below };
    // So much else is needed of what the first run wrote that it is not cleaned.
    let first = [job(), output(0, 0, result(0, true)), acknowledged(1)];
    written(folder.path(), (0..20).map(accepted).chain(first).collect());
    // The second run's plain result is acknowledged: its end counts it, and nobody can tell that it is not the first run's.
    let last = vec![
        output(1, 0, result(0, true)),
        output(2, 0, result(1, false)),
        acknowledged(3),
        output(3, 0, Output::Done { results: 2 }),
    ];
    written(folder.path(), last);
    let job = Recovered::read(folder.path()).unwrap().jobs.remove(&identity(0)).unwrap();
    assert_eq!(job.outputs.keys().copied().collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn an_end_whose_results_were_damaged_becomes_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (mut opened, _) = Opened::new(folder.path(), &options());
    // A frame each.
    let records = [
        job(),
        accepted(0),
        accepted(1),
        output(0, 1, result(0, false)),
        output(1, 0, result(0, false)),
        output(2, 1, Output::Done { results: 1 }),
        output(3, 0, Output::Done { results: 1 }),
    ];
    for record in records {
        let sequence = opened.journal.append(vec![record]);
        opened.wait_for(sequence);
    }
    drop(opened);
    let path = segments(folder.path()).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let finder = memchr::memmem::find_iter(&bytes, b"result").collect::<Vec<_>>();
    bytes[finder[1]] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (opened, recovered) = Opened::new(folder.path(), &options());
    assert_eq!(recovered.lost, 1);
    let [damage] = &recovered.damage[..] else { panic!("{:?}", recovered.damage) };
    assert!(!damage.tail && damage.to_string().contains("are damaged"), "{damage}");
    let outputs = &recovered.jobs[&identity(0)].outputs;
    assert_eq!(outputs[&2].output, Output::Done { results: 1 });
    assert!(matches!(&outputs[&3].output, Output::Failed { code, .. } if &**code == "lost"));
    opened.journal.close().unwrap();
    let again = Recovered::read(folder.path()).unwrap();
    assert_eq!(&again.jobs[&identity(0)].outputs, outputs, "it stays so, also when the damage is gone");
}

#[test]
fn what_waits_for_the_disk_is_told_to_be_too_much_until_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { queue_bytes: 100_000, ..options() };
    let (mut opened, _) = Opened::new(folder.path(), &options);
    opened.journal.append(vec![job()]);
    // The disk may be as fast as this thread for a while.
    let mut next = 0;
    while !opened.journal.is_full() {
        opened.journal.append((next..next + 1_000).map(accepted).collect());
        next += 1_000;
    }
    assert_eq!(opened.journal.trouble(), None);
    opened.wait_until("it is there", |journal| !journal.is_full());
    assert!(opened.journal.status().queued_bytes < 100_000);
    opened.journal.close().unwrap();
}
