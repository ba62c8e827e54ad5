//! Lines on their way to standard error. Whoever has one leaves it here and goes on: a thread of their own writes them, so that a
//! reader that stands still stops nobody. What does not fit meanwhile is left out, and counted.

use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that wait to be written, up to a bound.
#[derive(Debug)]
pub(super) struct Lines {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// In bytes.
    bound: usize,
}

#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    left_out: u64,
    /// What was taken out last is not written yet.
    writing: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.left_out == 0
    }
}

impl Lines {
    /// None; up to `bound` bytes, and as many that are being written.
    pub(super) const fn new(bound: usize) -> Self {
        let waiting = Waiting { bytes: Vec::new(), left_out: 0, writing: false };
        Lines { waiting: Mutex::new(waiting), changed: Condvar::new(), bound }
    }

    /// Takes a line in, where there is room for it.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.bytes.len() + line.len() > self.bound {
            waiting.left_out += 1;
        } else {
            waiting.bytes.extend_from_slice(line);
        }
        self.changed.notify_all();
    }

    /// Writes lines to `out` for ever, and tells how many were left out behind those that stood before them.
    pub(super) fn write(&self, out: &mut impl Write, tell: impl Fn(u64)) {
        let mut bytes = Vec::new();
        loop {
            let left_out = self.take(&mut bytes);
            if left_out > 0 {
                tell(left_out);
            }
            // Whoever read the log may be gone: there is nobody to complain to.
            let _ = out.write_all(&bytes);
        }
    }

    /// Waits for lines, and takes all of them; how many were left out behind them.
    fn take(&self, into: &mut Vec<u8>) -> u64 {
        into.clear();
        let mut waiting = self.lock();
        waiting.writing = false;
        self.changed.notify_all();
        let mut waiting = self
            .changed
            .wait_while(waiting, |waiting| waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.bytes, into);
        waiting.writing = true;
        std::mem::take(&mut waiting.left_out)
    }

    /// Waits until all lines are written, no longer than that.
    pub(super) fn wait_until_written(&self, patience: Duration) {
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.is_empty();
        drop(self.changed.wait_timeout_while(self.lock(), patience, unwritten));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // It is never left half changed, so a panic elsewhere does not spoil it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes each line in one piece, as `tracing` writes them.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, PipeWriter, pipe};
    use std::thread;

    fn writing(bound: usize, mut out: PipeWriter) -> &'static Lines {
        let lines: &'static Lines = Box::leak(Box::new(Lines::new(bound)));
        thread::spawn(move || {
            lines.write(&mut out, |left_out| lines.push(format!("{left_out} left out\n").as_bytes()))
        });
        lines
    }

    #[test]
    fn who_logs_waits_for_no_reader_and_what_did_not_fit_is_told_in_its_place() {
        const LINES: usize = 10_000;
        let (reader, writer) = pipe().unwrap();
        let lines = writing(100_000, writer);
        for number in 0..LINES {
            lines.push(format!("line {number}: {}\n", "x".repeat(100)).as_bytes());
        }
        let (mut whole, mut left_out) = (0, 0);
        for line in BufReader::new(reader).lines().map(Result::unwrap) {
            match line.split_once(" left out") {
                Some((count, _)) => left_out += count.parse::<usize>().unwrap(),
                None => {
                    let number: usize = line[5..].split(':').next().unwrap().parse().unwrap();
                    assert_eq!(number, whole + left_out, "{line}");
                    whole += 1;
                }
            }
            if whole + left_out == LINES {
                break;
            }
        }
        assert!(left_out > 0 && whole > 0, "{whole} lines and {left_out} left out");
    }

    #[test]
    fn the_end_waits_for_a_reader_that_reads_and_not_for_one_that_stands_still() {
        let (reader, writer) = pipe().unwrap();
        let lines = writing(1 << 20, writer);
        lines.push(b"the last line\n");
        lines.wait_until_written(Duration::from_secs(60));
        let mut reader = BufReader::new(reader);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "the last line\n");
        lines.push(&[b'x'; 1 << 20]);
        lines.wait_until_written(Duration::from_millis(10));
        assert!(lines.lock().writing, "nobody has read it");
    }
}
