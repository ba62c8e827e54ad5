//! The cap of a pylm worker: as much as it does in a short time and while a message is on its way there and back, so that it never waits
//! for work.

use super::tempo::Tempo;
use crate::node::bounds::{PYLM_LIMIT, PYLM_TRAVELLING, WORK_AHEAD};
use std::time::{Duration, Instant};

/// What is no longer than this is no distance.
const NEAR: Duration = Duration::from_millis(2);

/// Nobody is farther away: what takes longer is at work.
const FAR: Duration = Duration::from_secs(1);

/// After so long a far worker is left without work for a moment, as only then it shows how far away it is.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How a worker's cap follows its pace.
#[derive(Debug)]
pub struct Pace {
    limit: u64,
    since: Instant,
    done: u64,
    /// What a message took that found the worker without work, beyond [`NEAR`], as far as that may be the way.
    trip: Duration,
    /// When that was seen.
    seen: Instant,
    /// The worker gets nothing more until it has done all that it has.
    draining: bool,
    travelling: u64,
}

impl Pace {
    /// Of a worker of which nothing is known.
    pub fn new(now: Instant) -> Self {
        Pace {
            limit: *PYLM_LIMIT.start(),
            since: now,
            done: 0,
            trip: Duration::ZERO,
            seen: now,
            draining: false,
            travelling: 0,
        }
    }

    /// The cap.
    pub fn limit(&self) -> u64 {
        if self.draining { 1 } else { self.limit }
    }

    /// How many of it are on their way there and back.
    pub fn travelling(&self) -> u64 {
        self.travelling
    }

    /// After how long without a result the worker is taken to have done a message that has given none: as its function is known to do,
    /// and what a message is on its way there and back beside.
    pub fn step(&self, tempo: &Tempo, doubt: u32) -> Duration {
        tempo.step(doubt) + self.trip.saturating_sub(tempo.each())
    }

    /// A message that found the worker without work was answered after so long.
    pub fn travelled(&mut self, took: Duration, now: Instant) {
        (self.trip, self.seen, self.draining) = (took.saturating_sub(NEAR).min(FAR), now, false);
    }

    /// Counts messages, and lets the cap follow.
    pub fn count(&mut self, done: u64, now: Instant) {
        self.done += done;
        let passed = now.duration_since(self.since);
        if passed < WORK_AHEAD.max(self.trip) && (!self.trip.is_zero() || self.done < self.limit.max(16)) {
            return;
        }
        let rate = self.done as f64 / passed.as_secs_f64().max(1e-6);
        // Twice as much: what the worker could do is not seen while it waits for work.
        let twice = |time: Duration| (2.0 * rate * time.as_secs_f64()) as u64;
        let (low, high) = PYLM_LIMIT.into_inner();
        self.travelling = twice(self.trip).min(PYLM_TRAVELLING);
        let limit = twice(WORK_AHEAD).clamp(low, high) + self.travelling;
        // One step down, two up.
        self.limit = limit.clamp(self.limit - self.limit / 4, self.limit * 2).max(low);
        (self.done, self.since) = (0, now);
        self.draining = !self.trip.is_zero() && now.duration_since(self.seen) >= LOOK_AGAIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// The cap of a worker that does a message in `each`, and is so far away, after so many round trips; the least and the last one.
    fn after(round_trips: u32, round_trip: Duration, each: Duration) -> (u64, u64) {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        pace.travelled(round_trip + each, now);
        let mut least = u64::MAX;
        for _ in 0..round_trips {
            let can = (round_trip + each).as_secs_f64() / each.as_secs_f64();
            let done = pace.limit().min(can as u64);
            now += (round_trip + each).max(each * u32::try_from(done).unwrap());
            if pace.draining {
                pace.travelled(round_trip + each, now);
            }
            pace.count(done, now);
            least = least.min(pace.limit());
        }
        (least, pace.limit())
    }

    #[test]
    fn a_near_worker_gets_some_milliseconds_of_work() {
        let (_, limit) = after(50, Duration::ZERO, MILLI);
        assert!((8..=12).contains(&limit), "{limit}");
        let (_, limit) = after(100_000, Duration::ZERO, Duration::from_micros(1));
        assert_eq!(limit, *PYLM_LIMIT.end());
    }

    #[test]
    fn a_far_worker_gets_what_it_does_in_a_round_trip_beside() {
        for round_trip in [20, 200] {
            let (_, limit) = after(60, round_trip * MILLI, MILLI);
            let wanted = u64::from(round_trip) + 1;
            assert!(limit >= wanted && limit <= 3 * wanted + 10, "{limit} for {wanted}");
        }
    }

    #[test]
    fn a_far_worker_is_looked_at_again_after_a_while() {
        let (least, limit) = after(400, 200 * MILLI, MILLI);
        assert!(least == 1 && limit > 200, "{least}, {limit}");
    }
}
