//! Delays between attempts: growing, and jittered so that those who failed together do not come back together.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The delays of one row of attempts.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// How many delays there were.
    before: u32,
}

impl Backoff {
    /// Delays from `first` on, each twice the one before, up to `longest`; each jittered by up to half.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Backoff { first, longest, before: 0 }
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        let delay = growing(self.first, self.longest, self.before);
        self.before = self.before.saturating_add(1);
        delay
    }

    /// Begins with the first delay again.
    pub fn reset(&mut self) {
        self.before = 0;
    }
}

/// The delay after so many `before`: from `first` on, each twice the one before, up to `longest`; jittered by up to half.
pub fn growing(first: Duration, longest: Duration, before: u32) -> Duration {
    let delay = first.saturating_mul(1 << before.min(20)).min(longest);
    delay.mul_f64(0.5 + random_fraction() / 2.0)
}

/// From 0 to 1; the standard library's hash keys are random, which is all that jitter needs.
pub fn random_fraction() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_begin_anew() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        for most in [100, 200, 400, 800, 1000, 1000].map(Duration::from_millis) {
            let delay = backoff.next_delay();
            assert!(delay >= most / 2 && delay <= most, "{delay:?} of {most:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= first);
    }
}
