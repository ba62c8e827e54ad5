//! A limit on the time that a test may take.

use std::io::{Write, stderr};
use std::process::abort;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::process;

/// Ends the whole test binary when a test overruns; dropped, it does nothing more.
#[must_use = "the limit holds only while the guard lives"]
pub struct Deadline {
    _alive: Sender<()>,
}

/// Let the caller's test take at most `limit`.
///
/// A test that hangs cannot be failed from the outside. When the time is up, every process that the binary has started
/// is killed, the output of each is printed, and the binary aborts.
pub fn deadline(limit: Duration) -> Deadline {
    let (alive, dropped) = channel::<()>();
    let test = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        if dropped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let _ = writeln!(stderr(), "{test} has not ended within {limit:?}");
            process::kill_all();
            abort();
        }
    });
    Deadline { _alive: alive }
}
