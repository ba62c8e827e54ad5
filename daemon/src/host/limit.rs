//! How much a host asks for: enough work to keep its slots busy, and no more than that.

use pylm_protocol::Record;
use pylm_protocol::link::{Flow, Trip};
use std::time::{Duration, Instant};

/// The work that should wait for each slot beside what it is at.
const AHEAD: Duration = Duration::from_millis(2);
/// The most leases that a host asks for, beside those that are on their way.
const MOST: u64 = 512;
/// The most that are on their way, there and back.
const MOST_TRAVELLING: u64 = 65_536;
/// The work that a slot takes from the queue at once.
const PARCEL: Duration = Duration::from_micros(100);
/// The most leases that a slot takes at once.
const LARGEST_PARCEL: f64 = 256.0;
/// After so many messages the average has forgotten what was before.
const MEMORY: f64 = 64.0;
/// What a single observation counts at least.
const LEAST_WEIGHT: f64 = 0.2;

/// The moving average of the time that a function takes, how far away the node is, and what follows from both.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    slots: u64,
    /// Seconds for one message; `None` before the first.
    average: Option<f64>,
    trip: Trip,
    flow: Flow,
    /// The limit that the node was told last.
    told: Limit,
}

/// How many leases a host asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// All of them.
    pub(super) leases: u64,
    /// Those of them that are on their way, there and back.
    pub(super) travelling: u64,
}

impl Pace {
    /// The pace of a host that has done nothing yet, and `takes_nothing` for now.
    pub(super) fn new(slots: usize, takes_nothing: bool, now: Instant) -> Self {
        let slots = slots as u64;
        let leases = if takes_nothing { 0 } else { 2 * slots };
        let told = Limit { leases, travelling: 0 };
        Pace { slots, average: None, trip: Trip::new(now), flow: Flow::new(now), told }
    }

    /// A connection to the node begins, perhaps over another way than the one before.
    pub(super) fn reconnect(&mut self, now: Instant) {
        (self.trip, self.flow) = (Trip::new(now), Flow::new(now));
        self.told = Limit { leases: self.told.leases - self.told.travelling, travelling: 0 };
    }

    /// A Ping, where it is time for one.
    pub(super) fn ask(&mut self, now: Instant) -> Option<Record<'static>> {
        self.trip.ask(now)
    }

    /// The answer to one.
    pub(super) fn hear(&mut self, time: u64, now: Instant) {
        if self.trip.hear(time, now) {
            self.flow.look(&self.trip, now);
        }
    }

    /// Takes note that `count` messages took `busy` of a slot's time.
    pub(super) fn observe(&mut self, busy: Duration, count: u64) {
        if count == 0 {
            return;
        }
        self.flow.count(count);
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
    pub(super) fn told(&self) -> Limit {
        self.told
    }

    /// The limit that the node should be told now; `None` while the one that it knows is near enough.
    pub(super) fn news(&mut self, takes_nothing: bool) -> Option<Limit> {
        let limit = match self.average {
            _ if takes_nothing => Limit { leases: 0, travelling: 0 },
            Some(average) => self.limit(average),
            None if self.told.leases == 0 => Limit { leases: 2 * self.slots, travelling: 0 },
            None => return None,
        };
        // What is missing on the way costs a far host as much, what is missing of the work ahead nothing as a rule.
        let told = self.told.leases;
        let step = if limit.leases > told && limit.travelling > 0 { 16 } else { 4 };
        let is_near = if told == 0 { limit.leases == 0 } else { limit.leases.abs_diff(told) * step < told };
        if is_near {
            return None;
        }
        self.told = limit;
        Some(limit)
    }

    /// A message for each slot, what waits for it, and as much as the slots do, or as gets through, while others are on their way.
    fn limit(&self, average: f64) -> Limit {
        let per_second = self.slots as f64 / average;
        let ahead =
            ((AHEAD.as_secs_f64() * per_second).round() as u64).min(MOST.max(self.slots) - self.slots);
        let work = (self.trip.most().as_secs_f64() * per_second).ceil() as u64;
        let travelling = work.min(self.flow.travelling(&self.trip)).min(MOST_TRAVELLING);
        Limit { leases: self.slots + ahead + travelling, travelling }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(slots: usize, takes_nothing: bool) -> Pace {
        Pace::new(slots, takes_nothing, Instant::now())
    }

    /// Leases of the news.
    fn news(pace: &mut Pace, takes_nothing: bool) -> Option<u64> {
        pace.news(takes_nothing).map(|limit| limit.leases)
    }

    /// Lets a host work whose node is that far away: in each of so many round trips it does what it was given, or what its slots can do
    /// where that is less. The limit in the end.
    fn work(pace: &mut Pace, round_trip: Duration, each: Duration, round_trips: u32) -> Limit {
        let mut now = Instant::now();
        let pause = Duration::from_millis(if round_trip < Duration::from_millis(1) { 200 } else { 20 });
        pace.reconnect(now);
        for _ in 0..round_trips {
            now += pause;
            let Some(Record::Ping { time }) = pace.ask(now) else { panic!("no Ping is due") };
            let can = ((round_trip + pause).as_secs_f64() / each.as_secs_f64()) as u64;
            let done = (can * pace.slots).min(pace.told.leases);
            pace.observe(each * u32::try_from(done).unwrap(), done);
            now += round_trip;
            pace.hear(time, now);
            pace.news(false);
        }
        pace.told
    }

    #[test]
    fn a_new_host_asks_for_two_messages_a_slot_and_takes_one_at_a_time() {
        let mut pace = pace(4, false);
        assert_eq!((pace.told().leases, pace.parcel(), pace.news(false)), (8, 1, None));
    }

    #[test]
    fn tiny_functions_get_a_large_limit_at_once_and_slow_ones_none_ahead() {
        let mut pace = pace(2, false);
        pace.observe(Duration::from_micros(100), 100);
        assert_eq!((news(&mut pace, false), pace.parcel()), (Some(512), 100));
        pace.observe(Duration::from_secs(1), 1);
        pace.observe(Duration::from_secs(1), 1);
        assert_eq!((news(&mut pace, false), pace.parcel()), (Some(2), 1));
    }

    #[test]
    fn about_two_milliseconds_of_work_wait_for_each_slot() {
        let mut pace = pace(2, false);
        pace.observe(Duration::from_millis(1), 1);
        assert_eq!(news(&mut pace, false), Some(6));
    }

    #[test]
    fn small_changes_are_not_told() {
        let mut pace = pace(2, false);
        pace.observe(Duration::from_millis(64), 64);
        assert!(pace.news(false).is_some());
        pace.observe(Duration::from_millis(74), 64);
        assert_eq!(pace.news(false), None);
    }

    #[test]
    fn a_message_that_does_not_end_slows_the_pace_before_it_ends() {
        let mut pace = pace(2, false);
        pace.observe(Duration::from_micros(100), 100);
        pace.observe_running(Duration::from_secs(2), 20);
        assert_eq!(pace.parcel(), 1);
        assert_eq!(news(&mut pace, false), Some(2));
    }

    #[test]
    fn a_host_that_takes_nothing_says_so_once_and_says_when_it_takes_something_again() {
        let mut pace = pace(2, true);
        assert_eq!((pace.told().leases, pace.news(true)), (0, None));
        assert_eq!((news(&mut pace, false), pace.news(false)), (Some(4), None));
        pace.observe(Duration::from_millis(1), 1);
        assert_eq!(news(&mut pace, false), Some(6));
        assert_eq!((news(&mut pace, true), pace.news(true)), (Some(0), None));
        assert_eq!(news(&mut pace, false), Some(6));
    }

    #[test]
    fn a_far_host_asks_for_the_work_of_a_round_trip_more() {
        let (milli, slots) = (Duration::from_millis(1), 2);
        for (each, round_trip) in [(milli, 20 * milli), (milli, 200 * milli), (100 * milli, 200 * milli)] {
            let limit = work(&mut pace(slots, false), round_trip, each, 20);
            let wanted = slots as f64 * (1.0 + round_trip.as_secs_f64() / each.as_secs_f64());
            let share = limit.leases as f64 / wanted;
            assert!((0.95..1.6).contains(&share), "{limit:?} for {wanted} at {each:?}, {round_trip:?}");
        }
    }

    #[test]
    fn a_near_host_asks_for_what_it_always_did() {
        let near = Duration::from_micros(80);
        let limit = work(&mut pace(2, false), near, Duration::from_micros(1), 20);
        assert_eq!(limit, Limit { leases: 512, travelling: 0 });
        let limit = work(&mut pace(2, false), near, Duration::from_millis(10), 20);
        assert_eq!(limit, Limit { leases: 2, travelling: 0 });
    }

    #[test]
    fn what_is_on_the_way_has_a_bound_and_is_forgotten_with_the_connection() {
        let mut pace = pace(2, false);
        let limit = work(&mut pace, Duration::from_millis(200), Duration::from_nanos(100), 20);
        assert_eq!(limit, Limit { leases: 512 + MOST_TRAVELLING, travelling: MOST_TRAVELLING });
        pace.reconnect(Instant::now());
        assert_eq!(pace.told(), Limit { leases: 512, travelling: 0 });
    }
}
