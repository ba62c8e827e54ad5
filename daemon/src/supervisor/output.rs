//! What a child writes to standard error: passed on line by line, and remembered, since its last words tell why it has ended.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// What a child's own log begins its lines with, so that they are told from what others write in it; it is not passed on.
pub const LOG_MARK: u8 = 0x1e;

/// The longest line; a longer one is passed on as several.
const LONGEST: u64 = 64 << 10;
/// Lines that are remembered.
const KEPT: usize = 4;
/// The bytes of each.
const KEPT_BYTES: usize = 300;
/// What was written that long before a child's end tells nothing of it.
const LAST: Duration = Duration::from_secs(1);
/// How long the last lines of a child that has ended are waited for: what it has started may hold its standard error open.
const PATIENCE: Duration = Duration::from_millis(500);

/// The last lines that were none of the log, and when they came.
type Tail = Arc<Mutex<VecDeque<(Instant, String)>>>;

/// Passes on what one child writes.
#[derive(Debug)]
pub(super) struct Output {
    tail: Tail,
    thread: JoinHandle<()>,
}

impl Output {
    /// Begins to read, on a thread of its own: a reader of our standard error that stands still holds up nothing else.
    pub(super) fn follow(name: &str, stderr: OwnedFd) -> io::Result<Self> {
        let tail = Tail::default();
        let kept = Arc::clone(&tail);
        let thread =
            thread::Builder::new().name(format!("log of {name}")).spawn(move || pass_on(stderr, &kept))?;
        Ok(Output { tail, thread })
    }

    /// What it wrote right before its end, beside its log.
    pub(super) async fn last_words(self) -> Option<String> {
        let end = Instant::now();
        while !self.thread.is_finished() && end.elapsed() < PATIENCE {
            sleep(Duration::from_millis(2)).await;
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let last = tail.iter().filter(|(when, _)| end.saturating_duration_since(*when) <= LAST);
        let words: Vec<&str> = last.map(|(_, line)| &**line).collect();
        (!words.is_empty()).then(|| words.join(" / "))
    }
}

fn pass_on(stderr: OwnedFd, tail: &Tail) {
    let mut reader = BufReader::new(std::fs::File::from(stderr));
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LONGEST).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        if let [LOG_MARK, logged @ ..] = &*line {
            // Whoever read our log may be gone; the child is not to notice.
            let _ = io::stderr().lock().write_all(logged);
            continue;
        }
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        let _ = io::stderr().lock().write_all(&line);
        remember(&line, tail);
    }
}

fn remember(line: &[u8], tail: &Tail) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let end = text.floor_char_boundary(KEPT_BYTES);
    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    if tail.len() == KEPT {
        tail.pop_front();
    }
    tail.push_back((Instant::now(), text[..end].to_owned()));
}
