//! A small run, cut off at every byte and damaged at every byte: what was durable before that byte is there, and nothing is there
//! that was never written.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod model;

use model::{Model, Node, Opened, Step, identity};
use pylm_journal::{Options, Record, Recovered};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A run of a node, kept file by file.
struct Run {
    /// What it wrote, without the record of the run itself.
    records: Vec<Record>,
    /// The files at its end.
    files: Vec<(PathBuf, Vec<u8>)>,
    /// The file that was written to last, how long it was, and how many records were durable then.
    steps: Vec<(PathBuf, usize, usize)>,
}

fn options() -> Options {
    Options { segment_bytes: 2 << 10, retry: Duration::from_millis(10), ..Options::default() }
}

/// Groups of records, each of which is waited for. Each ends with a byte that is not 0, so that its end can be seen.
fn run(groups: usize) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let (mut opened, _) = Opened::new(folder.path(), &options());
    let (mut node, mut model) = (Node::default(), Model::default());
    let mut run = Run { records: Vec::new(), files: Vec::new(), steps: Vec::new() };
    for group in 0..groups {
        let job = (group % 2) as u8;
        let mut records = Vec::new();
        let steps = [
            Step::Open { job },
            Step::Accept { job, size: 90 },
            Step::Accept { job, size: 77 },
            Step::Result { job, message: 0, held: group % 2 == 0, size: 20 },
            Step::End { job, message: 0, how: (group % 3) as u8, size: 70 },
            Step::Set { key: 1, size: 24 },
            Step::Acknowledge { job, share: 128 },
            Step::Accept { job, size: 16 },
            Step::Accept { job, size: 56 },
        ];
        for step in steps {
            let Some(record) = node.record(&step, &model) else { continue };
            model.apply(&record);
            records.push(record);
        }
        run.records.extend(records.iter().cloned());
        let until = opened.journal.append(records);
        opened.wait_for(until);
        let (path, bytes) = files(folder.path()).pop().unwrap();
        let length = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        run.steps.push((path, length, run.records.len()));
    }
    // Not closed: the files are as a crash leaves them.
    run.files = files(folder.path());
    drop(opened);
    run
}

/// The segments of a folder, oldest first.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "segment"))
        .map(|path| (PathBuf::from(path.file_name().unwrap()), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Lays a journal out, as one that no process has open.
fn write(folder: &Path, files: &[(PathBuf, Vec<u8>)]) {
    fs::write(folder.join("lock"), "").unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

#[test]
fn a_journal_that_is_cut_at_any_byte_has_what_was_durable_before() {
    let run = run(7);
    assert!(run.files.len() > 1, "the run fills more than one segment");
    let (name, bytes) = run.files.last().unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let states: Vec<Model> = (0..=run.records.len())
        .map(|length| Model::of(&run.records[..length]).restarted().visible())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &run.files);
    let mut seen = 0;
    for cut in 0..=end {
        fs::write(folder.path().join(name), &bytes[..cut]).unwrap();
        let recovered = Recovered::read(folder.path()).unwrap();
        assert_eq!(recovered.lost, 0, "at {cut}");
        let durable = run.steps.iter().rev().find(|step| step.0 < *name || step.0 == *name && step.1 <= cut);
        let durable = durable.map_or(0, |step| step.2);
        let got = Model::recovered(&recovered);
        let place = states[durable..].iter().position(|state| *state == got);
        let place = place.unwrap_or_else(|| panic!("cut at {cut}, {durable} records were durable: {got:#?}"));
        assert!(durable + place >= seen, "more bytes, fewer records");
        seen = durable + place;
        assert!(
            recovered.damage.len() <= 1 && recovered.damage.iter().all(|damage| damage.tail || cut < 96),
            "{:?}",
            recovered.damage
        );
    }
    assert_eq!(seen, run.records.len());
}

#[test]
fn a_damaged_byte_is_told_and_costs_no_more_than_its_frame() {
    let run = run(7);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &run.files);
    let whole = Model::recovered(&Recovered::read(folder.path()).unwrap());
    assert_eq!(whole, Model::of(&run.records).restarted().visible());
    let written: Vec<_> = run.records.iter().map(Some).collect();
    for file in 0..run.files.len() {
        let is_last = file + 1 == run.files.len();
        let end = run.files[file].1.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        for place in 0..end {
            let mut bytes = run.files[file].1.clone();
            bytes[place] ^= 1 << (place % 8);
            fs::write(folder.path().join(&run.files[file].0), &bytes).unwrap();
            let recovered = Recovered::read(folder.path()).unwrap();
            let got = Model::recovered(&recovered);
            only_what_was_written(&got, &written);
            if recovered.damage.is_empty() {
                // One of the two heads is enough.
                assert!(place < 96, "byte {place} of {:?}", run.files[file].0);
                assert_eq!(got, whole);
            } else if !is_last {
                // Jobs are opened anew in each group: their names are known all the same.
                assert!(got.jobs.contains_key(&identity(0)) && got.jobs.contains_key(&identity(1)));
                assert!(
                    recovered.lost <= 12,
                    "one group of a segment is lost, not all of it: {}",
                    recovered.lost
                );
            }
        }
    }
}

/// Damage may lose, and bring back what had ended, but never makes up anything.
fn only_what_was_written(got: &Model, written: &[Option<&Record>]) {
    for (&identity, job) in &got.jobs {
        for (&number, message) in &job.messages {
            assert!(written.iter().flatten().any(|record| matches!(record,
                Record::Accepted { job, number: of, cache, payload }
                    if *job == identity && *of == number && *cache == message.cache && *payload == message.payload)));
        }
        for (&serial, kept) in &job.outputs {
            let lost = matches!(&kept.output, pylm_journal::Output::Failed { code, .. } if &**code == "lost");
            assert!(lost || written.iter().flatten().any(|record| matches!(record,
                Record::Output { job, serial: of, number, output }
                    if *job == identity && *of == serial && *number == kept.number && *output == kept.output)));
        }
        assert!(
            written
                .iter()
                .flatten()
                .any(|record| matches!(record, Record::JobOpened(header) if **header == job.header))
        );
    }
    for (key, value) in &got.cache {
        assert!(written.iter().flatten().any(|record| matches!(record,
            Record::CacheSet { key: of, value: set } if of == key && set == value)));
    }
}
