//! What moved, and how long it took: counted as it happens, for whoever asks how the node is.

use serde::Serialize;
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
    /// Their sum, in seconds.
    pub sum: f64,
}

impl Latencies {
    /// One more.
    #[inline]
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.count += 1;
        self.sum += seconds;
    }
}

/// The clock of a ledger, which its owner sets: what happens between two settings happens at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock(pub(super) Option<Instant>);

impl Clock {
    /// How long ago that was.
    pub(super) fn since(self, then: Option<Instant>) -> Duration {
        self.0.zip(then).map_or(Duration::ZERO, |(now, then)| now.saturating_duration_since(then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_latency_is_in_the_first_bucket_that_holds_it() {
        let mut latencies = Latencies::default();
        for millis in [0, 1, 2, 1_000, 1_001, 10_000_000] {
            latencies.add(Duration::from_millis(millis));
        }
        assert_eq!((latencies.counts[0], latencies.counts[1]), (2, 1));
        assert_eq!((latencies.counts[9], latencies.counts[10], latencies.counts[16]), (1, 1, 1));
        assert_eq!(latencies.count, 6);
        assert_eq!(latencies.counts.iter().sum::<u64>(), latencies.count);
    }
}
