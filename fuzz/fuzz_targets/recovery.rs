//! A journal of any frames, damaged anyhow, in a folder of its own; TMPDIR says where, best in memory.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("pylmd-fuzz-recovery-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the journal; see TMPDIR");
    folder
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| pylm_journal::fuzzing::recovery::recovery(input, &FOLDER));
