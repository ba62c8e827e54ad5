//! How much a host asks for: enough work to keep its slots busy, and no more than that.

use std::time::Duration;

/// The work that should wait for each slot beside what it is at.
const AHEAD: Duration = Duration::from_millis(2);
/// The most leases that a host asks for.
const MOST: u64 = 512;
/// The work that a slot takes from the queue at once.
const PARCEL: Duration = Duration::from_micros(100);
/// The most leases that a slot takes at once.
const LARGEST_PARCEL: f64 = 256.0;
/// After so many messages the average has forgotten what was before.
const MEMORY: f64 = 64.0;
/// What a single observation counts at least.
const LEAST_WEIGHT: f64 = 0.2;

/// The moving average of the time that a function takes, and what follows from it.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    slots: u64,
    /// Seconds for one message; `None` before the first.
    average: Option<f64>,
    /// The limit that the node was told last.
    told: u64,
}

impl Pace {
    /// The pace of a host that has done nothing yet, and `takes_nothing` for now.
    pub(super) fn new(slots: usize, takes_nothing: bool) -> Self {
        let slots = slots as u64;
        Pace { slots, average: None, told: if takes_nothing { 0 } else { 2 * slots } }
    }

    /// Takes note that `count` messages took `busy` of a slot's time.
    pub(super) fn observe(&mut self, busy: Duration, count: u64) {
        if count == 0 {
            return;
        }
        let seconds = busy.as_secs_f64() / count as f64;
        let weight = (count as f64 / MEMORY).clamp(LEAST_WEIGHT, 1.0);
        self.average = Some(self.average.map_or(seconds, |average| average + weight * (seconds - average)));
    }

    /// Takes note that a slot has been busy for so long with `begun` messages, the last of which it has not ended.
    pub(super) fn observe_running(&mut self, busy: Duration, begun: u64) {
        let seconds = busy.as_secs_f64() / begun.max(1) as f64;
        self.average = self.average.map(|average| average.max(seconds));
    }

    /// How many leases a slot should take at once, from 1.
    pub(super) fn parcel(&self) -> usize {
        let Some(average) = self.average else { return 1 };
        (PARCEL.as_secs_f64() / average).clamp(1.0, LARGEST_PARCEL) as usize
    }

    /// The limit that the node knows.
    pub(super) fn told(&self) -> u64 {
        self.told
    }

    /// The limit that the node should be told now; `None` while the one that it knows is near enough.
    pub(super) fn news(&mut self, takes_nothing: bool) -> Option<u64> {
        let limit = match self.average {
            _ if takes_nothing => 0,
            Some(average) => {
                let ahead = (AHEAD.as_secs_f64() / average * self.slots as f64).round();
                (ahead as u64).saturating_add(self.slots).min(MOST.max(self.slots))
            }
            None if self.told == 0 => 2 * self.slots,
            None => return None,
        };
        let is_near = if self.told == 0 { limit == 0 } else { limit.abs_diff(self.told) * 4 < self.told };
        if is_near {
            return None;
        }
        self.told = limit;
        Some(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_host_asks_for_two_messages_a_slot_and_takes_one_at_a_time() {
        let mut pace = Pace::new(4, false);
        assert_eq!((pace.told(), pace.parcel(), pace.news(false)), (8, 1, None));
    }

    #[test]
    fn tiny_functions_get_a_large_limit_at_once_and_slow_ones_none_ahead() {
        let mut pace = Pace::new(2, false);
        pace.observe(Duration::from_micros(100), 100);
        assert_eq!((pace.news(false), pace.parcel()), (Some(512), 100));
        pace.observe(Duration::from_secs(1), 1);
        pace.observe(Duration::from_secs(1), 1);
        assert_eq!((pace.news(false), pace.parcel()), (Some(2), 1));
    }

    #[test]
    fn about_two_milliseconds_of_work_wait_for_each_slot() {
        let mut pace = Pace::new(2, false);
        pace.observe(Duration::from_millis(1), 1);
        assert_eq!(pace.news(false), Some(6));
    }

    #[test]
    fn small_changes_are_not_told() {
        let mut pace = Pace::new(2, false);
        pace.observe(Duration::from_millis(64), 64);
        assert!(pace.news(false).is_some());
        pace.observe(Duration::from_millis(74), 64);
        assert_eq!(pace.news(false), None);
    }

    #[test]
    fn a_message_that_does_not_end_slows_the_pace_before_it_ends() {
        let mut pace = Pace::new(2, false);
        pace.observe(Duration::from_micros(100), 100);
        pace.observe_running(Duration::from_secs(2), 20);
        assert_eq!(pace.parcel(), 1);
        assert_eq!(pace.news(false), Some(2));
    }

    #[test]
    fn a_host_that_takes_nothing_says_so_once_and_says_when_it_takes_something_again() {
        let mut pace = Pace::new(2, true);
        assert_eq!((pace.told(), pace.news(true)), (0, None));
        assert_eq!((pace.news(false), pace.news(false)), (Some(4), None));
        pace.observe(Duration::from_millis(1), 1);
        assert_eq!(pace.news(false), Some(6));
        assert_eq!((pace.news(true), pace.news(true)), (Some(0), None));
        assert_eq!(pace.news(false), Some(6));
    }
}
