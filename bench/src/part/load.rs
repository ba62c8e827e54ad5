//! The load itself: keeps a window of messages under way, and counts what comes back.

use super::flight::Flight;
use super::link::Link;
use super::{BURST, say};
use crate::workload::Workload;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The line with which the measured time begins.
pub const MEASURING: &str = "load measuring";

/// What stands before the report, with which the measured time ends.
pub const MEASURED: &str = "load measured ";

/// The line that says that every message got its result.
pub const SETTLED: &str = "load settled";

/// Full load before anything is measured: connections, buffers and credits have then found their size.
const WARM_UP: Duration = Duration::from_secs(1);

/// Between two attempts to reach the workers, before anything else is sent.
const PROBE_EVERY: Duration = Duration::from_millis(50);

/// For the first result, and for the last ones.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest sleep without a look at the clock.
const NAP: Duration = Duration::from_millis(20);

/// What a client found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Messages that came back within the measured time.
    pub messages: u64,
    /// The measured time.
    pub seconds: f64,
    /// Microseconds from send to result, of half of the messages at most; where times were noted.
    pub p50: Option<f64>,
    /// The same, of 99 of 100.
    pub p99: Option<f64>,
}

/// Runs a load, and reports it on standard output.
pub fn run(link: &mut impl Link, workload: Workload) -> Result<()> {
    // One slot more than the window is for probes, which nobody counts.
    link.prepare(workload.window + 1, workload.size)?;
    let mut load = Load {
        flight: Flight::new(workload.window, workload.latency),
        probe: workload.window,
        link,
        heard: Instant::now(),
    };
    load.reach()?;
    load.pump(WARM_UP)?;
    load.flight.take_times();
    say(MEASURING)?;
    let (begun, before) = (Instant::now(), load.flight.ended());
    load.pump(Duration::from_secs_f64(workload.seconds))?;
    let seconds = begun.elapsed().as_secs_f64();
    let mut times = load.flight.take_times();
    times.sort_unstable();
    let report = Report {
        messages: load.flight.ended() - before,
        seconds,
        p50: quantile(&times, 0.50),
        p99: quantile(&times, 0.99),
    };
    say(&format!("{MEASURED}{}", serde_json::to_string(&report)?))?;
    load.settle()?;
    say(SETTLED)
}

struct Load<'a, L> {
    link: &'a mut L,
    flight: Flight,
    probe: usize,
    /// When the last result came.
    heard: Instant,
}

impl<L: Link> Load<'_, L> {
    /// Sends probes until one comes back: everybody is connected and subscribed then.
    fn reach(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.link.send(self.probe)?;
            self.link.wait(PROBE_EVERY)?;
            if self.link.receive()?.is_some() {
                return Ok(());
            }
        }
        bail!("nothing came back within {PATIENCE:?}")
    }

    /// Keeps the window full for `time`.
    fn pump(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let received = self.receive_burst()?;
            let mut sent = 0;
            while sent < BURST
                && let Some(slot) = self.flight.begin()
            {
                self.link.send(slot)?;
                sent += 1;
            }
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            if received > 0 {
                self.heard = now;
            } else if sent == 0 {
                self.check_silence(now)?;
                self.link.wait(NAP)?;
            }
        }
    }

    /// Waits for all that is under way.
    fn settle(&mut self) -> Result<()> {
        while self.flight.len() > 0 {
            if self.receive_burst()? > 0 {
                self.heard = Instant::now();
            } else {
                self.check_silence(Instant::now())?;
                self.link.wait(NAP)?;
            }
        }
        Ok(())
    }

    fn receive_burst(&mut self) -> Result<usize> {
        for received in 0..BURST {
            match self.link.receive()? {
                Some(slot) if slot == self.probe => {}
                Some(slot) => self.flight.end(slot)?,
                None => return Ok(received),
            }
        }
        Ok(BURST)
    }

    fn check_silence(&self, now: Instant) -> Result<()> {
        if now.duration_since(self.heard) > PATIENCE {
            bail!("{} messages got no result, and nothing came for {PATIENCE:?}", self.flight.len());
        }
        Ok(())
    }
}

/// The time, in microseconds, that this share of the sorted times does not exceed.
fn quantile(sorted: &[Duration], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).map(|time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted_times() {
        let times: Vec<Duration> = (0..=100).map(Duration::from_micros).collect();
        assert_eq!(quantile(&times, 0.5).map(f64::round), Some(50.0));
        assert_eq!(quantile(&times, 0.99).map(f64::round), Some(99.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
