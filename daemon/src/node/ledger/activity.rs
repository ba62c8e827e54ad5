//! What moved, and how long it took: counted as it happens, for whoever asks how the node is.

use serde::{Serialize, Serializer};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// What has happened since the node started.
#[derive(Debug, Default)]
pub struct Activity {
    /// Leases given: each part's first attempt and every further one.
    pub attempts: u64,
    /// Leases whose host was lost while it had them.
    pub deaths: u64,
    /// Leases that hosts gave back without having begun.
    pub released: u64,
    /// Hosts that were lost with leases.
    pub hosts_lost: u64,
    /// From a message's acceptance to its end.
    pub messages: Latencies,
    /// From a lease to its end.
    pub leases: Latencies,
}

/// The upper bounds of the buckets of [`Latencies`], in seconds; one more holds what took longer.
pub const BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0, 1_800.0];

/// How long things took: a histogram.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Latencies {
    /// How many fell into each bucket, and no lower one.
    pub counts: [u64; BUCKETS.len() + 1],
    /// All of them.
    pub count: u64,
    /// Their sum, in nanoseconds; written as `sum`, in seconds.
    #[serde(rename = "sum", serialize_with = "as_seconds")]
    nanos: u64,
}

/// [`BUCKETS`] in nanoseconds: the ledger counts time in whole numbers, since it does so for every message.
const BUCKETS_NANOS: [u64; BUCKETS.len()] = {
    let mut nanos = [0; BUCKETS.len()];
    let mut bucket = 0;
    while bucket < BUCKETS.len() {
        nanos[bucket] = (BUCKETS[bucket] * 1e9) as u64;
        bucket += 1;
    }
    nanos
};

fn as_seconds<S: Serializer>(nanos: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(*nanos as f64 / 1e9)
}

impl Latencies {
    /// One more, of so many nanoseconds.
    #[inline]
    pub fn add(&mut self, nanos: u64) {
        // Most are in one of the first.
        let bucket = BUCKETS_NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(BUCKETS.len());
        self.counts[bucket] += 1;
        self.count += 1;
        self.nanos += nanos;
    }

    /// The sum of all, in seconds.
    pub fn sum(&self) -> f64 {
        self.nanos as f64 / 1e9
    }
}

/// The clock of a ledger, which its owner sets: what happens between two settings happens at the same time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    start: Option<Instant>,
    /// What it shows; `None` before it was set.
    pub(super) now: Option<Instant>,
    /// The same, in nanoseconds since it was set first.
    pub(super) nanos: u64,
}

impl Clock {
    /// It is now.
    pub(super) fn set(&mut self, now: Instant) {
        let start = *self.start.get_or_insert(now);
        self.now = Some(now);
        self.nanos = now.saturating_duration_since(start).as_nanos() as u64;
    }

    /// A time, in nanoseconds since the clock was set first.
    pub(super) fn nanos_at(&mut self, time: Instant) -> NonZeroU64 {
        let passed = time.saturating_duration_since(*self.start.get_or_insert(time));
        NonZeroU64::MIN.saturating_add(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The time that [`nanos_at`](Self::nanos_at) has made these of.
    pub(super) fn time_at(self, nanos: NonZeroU64) -> Option<Instant> {
        self.start?.checked_add(Duration::from_nanos(nanos.get() - 1))
    }

    /// How many nanoseconds ago that was.
    pub(super) fn since(self, nanos: u64) -> u64 {
        self.nanos.saturating_sub(nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_the_clock() {
        let mut clock = Clock::default();
        let now = Instant::now();
        clock.set(now);
        for later in [0, 1, 1_000_000_000, 1 << 60].map(Duration::from_nanos) {
            let nanos = clock.nanos_at(now + later);
            assert_eq!(clock.time_at(nanos), Some(now + later));
        }
        let nanos = clock.nanos_at(now - Duration::from_secs(1));
        assert_eq!(clock.time_at(nanos), Some(now), "what was before it began is over as well");
    }

    #[test]
    fn each_latency_is_in_the_first_bucket_that_holds_it() {
        let mut latencies = Latencies::default();
        for millis in [0, 1, 2, 1_000, 1_001, 10_000_000] {
            latencies.add(millis * 1_000_000);
        }
        assert_eq!((latencies.counts[0], latencies.counts[1]), (2, 1));
        assert_eq!((latencies.counts[9], latencies.counts[10], latencies.counts[16]), (1, 1, 1));
        assert_eq!(latencies.count, 6);
        assert_eq!(latencies.counts.iter().sum::<u64>(), latencies.count);
    }
}
