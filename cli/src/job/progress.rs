//! How far a job is, on a terminal.

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use pylm_client::Status;
use pylm_protocol::visible;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What has happened so far, counted by the threads that do it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) submitted: AtomicU64,
    /// Bytes of the input in what was submitted.
    pub(crate) bytes: AtomicU64,
    pub(crate) done: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// Tells of progress where standard error is a terminal, and of lost connections everywhere.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    started: Instant,
    status: Status,
    is_quiet: bool,
}

impl Progress {
    /// `total` is how many bytes there are to read, where that is known.
    pub(crate) fn new(total: Option<u64>, is_quiet: bool) -> Self {
        let bar = (!is_quiet && io::stderr().is_terminal()).then(|| {
            let bar = match total {
                Some(total) => ProgressBar::new(total).with_style(style("{bar:24} {percent:>3}%  {msg}")),
                None => ProgressBar::new_spinner().with_style(style("{spinner} {elapsed}  {msg}")),
            };
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Progress { bar, total, started: Instant::now(), status: Status::Connected, is_quiet }
    }

    /// The bar, for those who write to the same terminal.
    pub(crate) fn bar(&self) -> Option<ProgressBar> {
        self.bar.clone()
    }

    /// Shows how far the job is; to be called a few times a second.
    pub(crate) fn show(&mut self, counts: &Counts, status: Status) {
        if std::mem::replace(&mut self.status, status) != status && !self.is_quiet {
            match status {
                Status::Reconnecting => {
                    self.tell("the connection to the node is lost; trying to get another")
                }
                Status::Connected => self.tell("connected again; the job goes on"),
                _ => {}
            }
        }
        let Some(bar) = &self.bar else { return };
        let (done, failed) = (counts.done.load(Relaxed), counts.failed.load(Relaxed));
        let elapsed = self.started.elapsed();
        let rate = (done + failed) as f64 / elapsed.as_secs_f64().max(0.001);
        let mut text = format!("{} done, {}/s", HumanCount(done), HumanCount(rate as u64));
        if failed > 0 {
            text += &format!(", {} failed", HumanCount(failed));
        }
        if let Some((position, left)) = self.total.and_then(|total| left(counts, total, elapsed)) {
            bar.set_position(position);
            text += &format!(", {} left", HumanDuration(left));
        }
        if status != Status::Connected {
            text += ", no connection";
        }
        bar.set_message(text);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn tell(&self, what: &str) {
        let tell = || {
            // Nobody is left to tell where standard error is closed.
            let _ = writeln!(io::stderr(), "pylm: {}", visible(what));
        };
        match &self.bar {
            Some(bar) => bar.suspend(tell),
            None => tell(),
        }
    }
}

/// Bytes of the input that are done with, and the time that the rest will take; `None` while nothing can be told.
fn left(counts: &Counts, total: u64, elapsed: Duration) -> Option<(u64, Duration)> {
    let ended = counts.done.load(Relaxed) + counts.failed.load(Relaxed);
    let submitted = counts.submitted.load(Relaxed);
    let share = ended as f64 / submitted as f64;
    let bytes = counts.bytes.load(Relaxed) as f64 * share.min(1.0);
    let rate = bytes / elapsed.as_secs_f64();
    let left = Duration::try_from_secs_f64((total as f64 - bytes).max(0.0) / rate).ok()?;
    // A fraction of a second is of no interest.
    Some((bytes as u64, Duration::from_secs(left.as_secs())))
}

/// Every template here is a constant that the tests make once, so that the fallback is never seen.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_follows_from_what_has_ended() {
        let counts = Counts::default();
        assert_eq!(left(&counts, 1000, Duration::from_secs(1)), None);
        counts.submitted.store(10, Relaxed);
        counts.bytes.store(500, Relaxed);
        counts.done.store(4, Relaxed);
        counts.failed.store(1, Relaxed);
        assert_eq!(left(&counts, 1000, Duration::from_secs(10)), Some((250, Duration::from_secs(30))));
    }
}
