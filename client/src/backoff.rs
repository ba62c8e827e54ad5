//! When to try again: delays that grow, and differ between clients that were lost together.

use std::time::{Duration, Instant};
use uuid::Uuid;

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(3);

/// The delays between attempts to connect.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Backoff { next: SHORTEST }
    }

    /// The connection works: the next delay is the shortest again.
    pub(crate) fn reset(&mut self) {
        self.next = SHORTEST;
    }

    /// When to try again.
    pub(crate) fn next_attempt(&mut self, now: Instant) -> Instant {
        let delay = self.next;
        self.next = (delay * 2).min(LONGEST);
        // A random id is as good a die as any: between half of the delay and all of it.
        let share = f64::from(Uuid::new_v4().as_u128() as u32) / f64::from(u32::MAX);
        now + delay.mul_f64(0.5 + share / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_bound_and_begin_small_again() {
        let now = Instant::now();
        let mut backoff = Backoff::new();
        let delays: Vec<_> = (0..12).map(|_| backoff.next_attempt(now) - now).collect();
        assert!(delays[0] >= SHORTEST / 2 && delays[0] <= SHORTEST);
        assert!(delays[11] >= LONGEST / 2 && delays.iter().all(|&delay| delay <= LONGEST));
        backoff.reset();
        assert!(backoff.next_attempt(now) - now <= SHORTEST);
    }
}
