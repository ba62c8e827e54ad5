//! What a process has written so far: whole lines of both its streams, bounded, and awaitable.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bytes that are kept of one process; older lines are dropped to stay below.
const KEPT: usize = 64 << 20;

/// Which of its two streams a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<(Stream, Vec<u8>)>,
    bytes: usize,
    /// How many lines were dropped from the front.
    dropped: usize,
    /// Streams that are still open.
    open: usize,
    /// Nothing is read for now.
    held: bool,
}

/// The lines of one process, filled by a thread for each stream.
#[derive(Clone, Default)]
pub struct Capture {
    shared: Arc<(Mutex<Lines>, Condvar)>,
}

impl Capture {
    /// Read `stream` to its end on a thread of its own.
    pub fn read(&self, which: Stream, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        self.lock().open += 1;
        let capture = self.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                capture.push(which, std::mem::take(&mut line));
                capture.wait_while_held();
            }
            capture.lock().open -= 1;
            capture.shared.1.notify_all();
        })
    }

    /// Read no more than a line for now, as a reader that stands still, or go on.
    pub fn hold(&self, held: bool) {
        self.lock().held = held;
        self.shared.1.notify_all();
    }

    fn wait_while_held(&self) {
        let lines = self.lock();
        drop(self.shared.1.wait_while(lines, |lines| lines.held));
    }

    fn push(&self, which: Stream, line: Vec<u8>) {
        let mut lines = self.lock();
        lines.bytes += line.len();
        lines.kept.push_back((which, line));
        while lines.bytes > KEPT {
            let Some((_, oldest)) = lines.kept.pop_front() else { break };
            lines.bytes -= oldest.len();
            lines.dropped += 1;
        }
        self.shared.1.notify_all();
    }

    /// The first line, of either stream, now or within `timeout`, for which `wanted` holds; `None` when the time is
    /// up, or as soon as both streams have ended without it.
    pub fn wait_for(&self, timeout: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let end = Instant::now() + timeout;
        let mut lines = self.lock();
        let mut seen = 0;
        loop {
            let from = seen.max(lines.dropped) - lines.dropped;
            for (_, line) in lines.kept.iter().skip(from) {
                let text = text(line);
                if wanted(&text) {
                    return Some(text);
                }
            }
            seen = lines.dropped + lines.kept.len();
            let left = end.saturating_duration_since(Instant::now());
            if lines.open == 0 || left.is_zero() {
                return None;
            }
            lines = self
                .shared
                .1
                .wait_timeout(lines, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |woken| woken.0);
        }
    }

    /// The lines of one stream so far, without line ends; bytes that are not UTF-8 are replaced.
    ///
    /// # Panics
    /// Where lines had to be dropped, since the answer would be wrong.
    #[must_use]
    #[track_caller]
    pub fn lines(&self, which: Stream) -> Vec<String> {
        let lines = self.lock();
        assert_eq!(
            lines.dropped, 0,
            "a process wrote more than {KEPT} bytes; let the test count by other means"
        );
        lines.kept.iter().filter(|(stream, _)| *stream == which).map(|(_, line)| text(line)).collect()
    }

    /// The bytes of one stream so far.
    ///
    /// # Panics
    /// Where lines had to be dropped, since the answer would be wrong.
    #[must_use]
    #[track_caller]
    pub fn bytes(&self, which: Stream) -> Vec<u8> {
        let lines = self.lock();
        assert_eq!(
            lines.dropped, 0,
            "a process wrote more than {KEPT} bytes; let the test count by other means"
        );
        lines
            .kept
            .iter()
            .filter(|(stream, _)| *stream == which)
            .flat_map(|(_, line)| line.iter().copied())
            .collect()
    }

    /// The last `count` lines of both streams, each marked `out` or `err`, for a person to read.
    #[must_use]
    pub fn tail(&self, count: usize) -> String {
        let lines = self.lock();
        let hidden = lines.kept.len().saturating_sub(count);
        let mut tail = String::new();
        if hidden + lines.dropped > 0 {
            tail.push_str(&format!("  ({} earlier lines not shown)\n", hidden + lines.dropped));
        }
        for (which, line) in lines.kept.iter().skip(hidden) {
            let mark = if *which == Stream::Out { "out" } else { "err" };
            tail.push_str(&format!("  {mark}| {}\n", text(line)));
        }
        tail
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned()
}
