//! The logs of all programs as one, each line with the name of its program.
//!
//! Lines are written by a thread of its own: a reader of standard output that stands still (a terminal on hold, a pager)
//! must not hold up the programs, which write into pipes. What does not fit in the meantime is left out, and counted.

use pylm_protocol::visible;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Lines that wait to be written.
const WAITING: usize = 4096;

/// The longest line; a longer one is written as several.
const LONGEST: u64 = 64 << 10;

/// How long the end of the program waits for the reader of its output.
const PATIENCE: Duration = Duration::from_secs(1);

/// The name of this program among the others.
const OWN: &str = "pylm";

/// The colours of names, one after the other: cyan, yellow, green, magenta, blue, and the bright ones of them.
const COLOURS: [u8; 10] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];

/// Where lines go; clones write to the same place.
#[derive(Debug, Clone)]
pub(crate) struct Logs {
    lines: Sender<Option<String>>,
    left_out: Arc<AtomicU64>,
    /// What stands before the lines of each program, and last before our own.
    prefixes: Arc<[String]>,
}

/// What is left to do at the end: see [`Logs::finish`].
#[derive(Debug)]
pub(crate) struct Written(oneshot::Receiver<()>);

impl Logs {
    /// Begins to write for programs of these names.
    pub(crate) fn start(names: &[&str]) -> io::Result<(Logs, Written)> {
        let has_colours =
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        let (lines, received) = channel(WAITING);
        let left_out = Arc::new(AtomicU64::new(0));
        let (done, written) = oneshot::channel();
        let logs =
            Logs { lines, left_out: Arc::clone(&left_out), prefixes: prefixes(names, has_colours).into() };
        let own = logs.prefixes.last().cloned().unwrap_or_default();
        thread::Builder::new().name("logs".to_owned()).spawn(move || {
            write(received, &left_out, &own);
            // Nobody waits where the program gave up.
            let _ = done.send(());
        })?;
        Ok((logs, Written(written)))
    }

    /// Writes a line of this program itself.
    pub(crate) fn say(&self, text: &str) {
        self.line(self.prefixes.len() - 1, text);
    }

    /// Writes what a program says, to its end, and gives its last line.
    pub(crate) async fn follow(self, program: usize, stream: impl AsyncRead + Unpin) -> Option<String> {
        let mut reader = BufReader::new(stream);
        let (mut bytes, mut last) = (Vec::new(), None);
        loop {
            bytes.clear();
            match (&mut reader).take(LONGEST).read_until(b'\n', &mut bytes).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return last,
            }
            let line = String::from_utf8_lossy(&bytes);
            let line = line.trim_end_matches(['\n', '\r']);
            self.line(program, line);
            if !line.is_empty() {
                last = Some(line.to_owned());
            }
        }
    }

    /// Waits until everything is written, or nobody reads.
    pub(crate) async fn finish(self, written: Written) {
        if self.lines.send_timeout(None, PATIENCE).await.is_ok() {
            let _ = timeout(PATIENCE, written.0).await;
        }
    }

    fn line(&self, program: usize, text: &str) {
        let prefix = self.prefixes.get(program).map_or("", |prefix| prefix);
        if self.lines.try_send(Some(format!("{prefix}{}\n", visible(text)))).is_err() {
            self.left_out.fetch_add(1, Relaxed);
        }
    }
}

/// Writes until the end is said, or the last sender is gone.
fn write(mut lines: Receiver<Option<String>>, left_out: &AtomicU64, own: &str) {
    let mut out = io::stdout();
    while let Some(Some(line)) = lines.blocking_recv() {
        // A reader that has gone wants no more of it; the programs go on.
        let _ = out.write_all(line.as_bytes());
        let count = left_out.swap(0, Relaxed);
        if count > 0 {
            let _ = writeln!(out, "{own}{count} lines are left out, as nobody read them in time");
        }
    }
    let _ = out.flush();
}

/// `name | `, all of one width; the last is for lines of this program.
fn prefixes(names: &[&str], has_colours: bool) -> Vec<String> {
    let all = names.iter().copied().chain([OWN]);
    let width = all.clone().map(|name| name.chars().count()).max().unwrap_or(0);
    let prefix = |(place, name): (usize, &str)| match has_colours {
        false => format!("{name:width$} | "),
        true if place == names.len() => format!("\x1b[1m{name:width$} |\x1b[0m "),
        true => format!("\x1b[{}m{name:width$} |\x1b[0m ", COLOURS[place % COLOURS.len()]),
    };
    all.enumerate().map(prefix).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_width_and_have_colours_on_a_terminal_only() {
        assert_eq!(prefixes(&["first", "b"], false), ["first | ", "b     | ", "pylm  | "]);
        let coloured = prefixes(&["first", "b"], true);
        assert_eq!(coloured[0], "\x1b[36mfirst |\x1b[0m ");
        assert_eq!(coloured[2], "\x1b[1mpylm  |\x1b[0m ");
    }

    #[test]
    fn lines_that_nobody_reads_are_counted_and_hold_nobody_up() {
        let (lines, received) = channel(1);
        let logs = Logs { lines, left_out: Arc::default(), prefixes: prefixes(&["n"], false).into() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let last = runtime.block_on(logs.clone().follow(0, &b"one\ntwo\r\n\nthree"[..]));
        assert_eq!(last.as_deref(), Some("three"));
        assert_eq!(logs.left_out.load(Relaxed), 3);
        drop(received);
    }
}
