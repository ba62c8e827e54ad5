//! What a test says that cannot run here: a line of its own, which `.ci/run` counts.

use std::io::Write;
use std::thread;

/// Say that the caller's test, or a part of it, does not run here, and why.
pub fn skip(why: impl std::fmt::Display) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    // Not eprintln: the test harness would keep it to itself where the test goes well.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}
