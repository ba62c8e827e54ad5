//! The corpora of the fuzz targets, replayed.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use pylm_journal::fuzzing::frame;
use pylm_journal::fuzzing::recovery::reopening;
use std::fs;
use std::path::Path;

fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Shown where the test fails.
        eprintln!("{}", path.display());
        run(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 0, "there is no corpus of {target}");
}

#[test]
fn frames_hold_what_they_promise() {
    replay("frame", frame);
}

#[test]
fn damaged_journals_give_back_what_was_written_however_often_they_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    replay("recovery", |input| reopening(input, folder.path()));
}
