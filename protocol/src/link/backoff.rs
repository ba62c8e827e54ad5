//! When to connect again: delays that grow, and differ between peers that were lost together.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// The delays between attempts to connect.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { next: SHORTEST }
    }
}

impl Backoff {
    /// The connection works: the next delay is the shortest again.
    pub fn reset(&mut self) {
        self.next = SHORTEST;
    }

    /// How long to wait before the next attempt: from half of the delay to all of it, as the `die`, from 0 to 1, falls.
    pub fn next_delay(&mut self, die: f64) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(LONGEST);
        delay.mul_f64(0.5 + die.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_bound_and_begin_small_again() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..8).map(|_| backoff.next_delay(1.0).as_millis()).collect();
        assert_eq!(delays, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        backoff.reset();
        assert_eq!(backoff.next_delay(0.0).as_millis(), 25);
    }
}
