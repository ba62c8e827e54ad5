//! The corpora of the fuzz targets, replayed.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fs;
use std::path::Path;

use pylm_plugin_host::fuzzing::{descriptor, library};

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
fn descriptors_hold_what_they_promise() {
    replay("descriptor", descriptor);
}

#[test]
fn plugin_files_of_any_bytes_are_read_or_refused() {
    replay("library", library);
}
