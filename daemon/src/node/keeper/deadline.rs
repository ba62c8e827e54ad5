//! A job's deadline by the wall clock, since no other clock goes on over a restart of the machine.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    steady: Instant,
    /// Since 1970.
    wall: Duration,
}

impl Moment {
    /// This one.
    pub(super) fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { steady: Instant::now(), wall }
    }

    /// A deadline as milliseconds since 1970, to be kept; 0 is none.
    pub(super) fn to_journal(self, deadline: Option<Instant>) -> u64 {
        let at = |deadline: Instant| self.wall + deadline.saturating_duration_since(self.steady);
        deadline.map_or(0, |deadline| at(deadline).as_millis() as u64)
    }

    /// One that the journal has kept. It may be over.
    pub(super) fn of_journal(self, milliseconds: u64) -> Option<Instant> {
        let left = Duration::from_millis(milliseconds).saturating_sub(self.wall);
        if milliseconds == 0 { None } else { self.steady.checked_add(left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_comes_back_less_what_has_passed_by_the_wall_clock() {
        let seconds = Duration::from_secs;
        let before = Moment { steady: Instant::now(), wall: seconds(1_000) };
        let kept = before.to_journal(Some(before.steady + seconds(60)));
        assert_eq!(kept, 1_060_000);
        // Another run of the machine, whose steady clock has nothing to do with that of the first.
        let after = |wall| Moment { steady: before.steady + seconds(7), wall: seconds(wall) };
        assert_eq!(after(1_020).of_journal(kept), Some(before.steady + seconds(47)));
        assert_eq!(after(2_000).of_journal(kept), Some(before.steady + seconds(7)), "it is over");
    }

    #[test]
    fn no_deadline_stays_none() {
        let now = Moment::now();
        assert_eq!(now.to_journal(None), 0);
        assert_eq!(now.of_journal(0), None);
    }
}
