//! Waiting for conditions that nothing tells of.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long a condition may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Wait until something holds.
///
/// # Panics
/// Where it does not within a minute; `what` says what that was.
#[track_caller]
pub fn wait_until(what: &str, mut wanted: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !wanted() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a file is there, and holds just this text.
#[must_use]
pub fn file_is(path: &Path, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|read| read == text)
}
