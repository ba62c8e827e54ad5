//! How far away the other side is, and how fast things come back from there.
//!
//! A side that wants to know says a Ping together with something else, and gets a Pong. What it sends ahead follows from the shortest of
//! the last round trips, as longer ones tell of queues which are its own doing, and from the rate that it has seen: twice as much as comes
//! back within a round trip is enough to keep a link full, and finds out within some round trips what the link can do. (BBR, Cardwell and
//! others, 2016, does the same for bytes.)

use crate::Record;
use std::time::{Duration, Instant};

/// The best rate is remembered for as long as this, and no longer than twice that.
const RATE_MEMORY: Duration = Duration::from_secs(5);
/// The shortest round trip is, which changes seldom: where the cores are busy for many seconds, each round trip waits for one, and a
/// near peer must not look like a far one for that.
const TRIP_MEMORY: Duration = Duration::from_secs(60);
/// Between the answer to a Ping and the next one.
const PAUSE: Duration = Duration::from_millis(20);
/// The same, to somebody who is near: there is little to find out.
const NEAR_PAUSE: Duration = Duration::from_millis(200);
/// The first ones follow each other faster.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const FIRST: u32 = 8;
/// An answer that takes so long is none: who does not know of Pings says nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a round trip takes on one machine: the time ahead that everybody is given covers it.
const NEAR: Duration = Duration::from_micros(100);

/// The round trip of one connection.
#[derive(Debug, Clone)]
pub struct Trip {
    begun: Instant,
    /// When the Ping was said that is to be answered.
    asked: Option<Instant>,
    due: Instant,
    heard: u32,
    least: Recent<Duration>,
    /// The moving average, and that of the distance to it, in seconds; as TCP has them for its timeouts.
    usual: f64,
    swing: f64,
}

impl Trip {
    /// Of a connection that begins now.
    pub fn new(now: Instant) -> Self {
        Trip {
            begun: now,
            asked: None,
            due: now,
            heard: 0,
            least: Recent::new(now, TRIP_MEMORY),
            usual: 0.0,
            swing: 0.0,
        }
    }

    /// A Ping, where one is due; to be said with something else.
    #[inline]
    pub fn ask(&mut self, now: Instant) -> Option<Record<'static>> {
        (now >= self.due).then(|| {
            self.asked = Some(now);
            self.due = now + PATIENCE;
            Record::Ping { time: self.time_of(now) }
        })
    }

    /// A Pong came; false where it answers nothing.
    pub fn hear(&mut self, time: u64, now: Instant) -> bool {
        let Some(asked) = self.asked.take_if(|asked| time == time_of(self.begun, *asked)) else {
            return false;
        };
        let took = now.saturating_duration_since(asked);
        self.heard = self.heard.saturating_add(1);
        self.least.put(took, now, |new, old| new < old);
        self.due = now
            + match self.least().is_zero() {
                _ if self.heard < FIRST => FIRST_PAUSE,
                true => NEAR_PAUSE,
                false => PAUSE,
            };
        let (seconds, first) = (took.as_secs_f64(), self.heard == 1);
        let swing = (seconds - self.usual).abs();
        self.swing = if first { seconds / 2.0 } else { self.swing + (swing - self.swing) / 4.0 };
        self.usual = if first { seconds } else { self.usual + (seconds - self.usual) / 8.0 };
        true
    }

    /// The shortest of the last round trips, beyond what one takes on one machine; none before the first.
    pub fn least(&self) -> Duration {
        self.least.get().unwrap_or_default().saturating_sub(NEAR)
    }

    /// What most round trips take no longer than, but three times [`least`](Self::least) at most.
    pub fn most(&self) -> Duration {
        let least = self.least();
        let usual = Duration::from_secs_f64(self.usual + 2.0 * self.swing).saturating_sub(NEAR);
        usual.clamp(least, least * 3)
    }

    fn time_of(&self, asked: Instant) -> u64 {
        time_of(self.begun, asked)
    }
}

/// How a Ping names the time at which it was said: in microseconds.
fn time_of(begun: Instant, asked: Instant) -> u64 {
    asked.saturating_duration_since(begun).as_micros() as u64
}

/// How fast things come back.
#[derive(Debug, Clone)]
pub struct Flow {
    since: Instant,
    /// What has come back since then.
    count: u64,
    /// The most in a second.
    most: Recent<f64>,
}

impl Flow {
    /// Of which nothing has come back yet.
    pub fn new(now: Instant) -> Self {
        Flow { since: now, count: 0, most: Recent::new(now, RATE_MEMORY) }
    }

    /// So many have come back.
    #[inline]
    pub fn count(&mut self, count: u64) {
        self.count += count;
    }

    /// Takes note of the rate; to be called once in each round trip or less often.
    pub fn look(&mut self, trip: &Trip, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed >= trip.least().max(FIRST_PAUSE) {
            let rate = std::mem::take(&mut self.count) as f64 / passed.as_secs_f64();
            self.since = now;
            self.most.put(rate, now, |new, old| new > old);
        }
    }

    /// How many should be on their way there and back: twice as many as came back within a round trip.
    pub fn travelling(&self, trip: &Trip) -> u64 {
        (2.0 * self.most.get().unwrap_or_default() * trip.least().as_secs_f64()).ceil() as u64
    }
}

/// The best of what was seen not long ago.
#[derive(Debug, Clone)]
struct Recent<T> {
    memory: Duration,
    begun: Instant,
    now: Option<T>,
    before: Option<T>,
    best: Option<T>,
}

impl<T: Copy> Recent<T> {
    fn new(now: Instant, memory: Duration) -> Self {
        Recent { memory, begun: now, now: None, before: None, best: None }
    }

    fn put(&mut self, value: T, now: Instant, is_better: impl Fn(T, T) -> bool) {
        if now.saturating_duration_since(self.begun) >= self.memory {
            self.begun = now;
            self.before = self.now.take();
        }
        if self.now.is_none_or(|best| is_better(value, best)) {
            self.now = Some(value);
        }
        self.best = match (self.now, self.before) {
            (Some(now), Some(before)) if is_better(before, now) => Some(before),
            (now, _) => now,
        };
    }

    fn get(&self) -> Option<T> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// A Ping that is answered after so long.
    fn travel(trip: &mut Trip, now: &mut Instant, took: Duration) {
        *now += PAUSE;
        let Some(Record::Ping { time }) = trip.ask(*now) else { panic!("no Ping is due") };
        assert_eq!(trip.ask(*now + PAUSE), None, "one at a time");
        *now += took;
        assert!(!trip.hear(time + 1, *now), "that was not asked");
        assert!(trip.hear(time, *now));
        assert!(!trip.hear(time, *now), "it was answered");
    }

    #[test]
    fn the_shortest_round_trip_counts_and_is_forgotten_after_a_while() {
        let mut now = Instant::now();
        let mut trip = Trip::new(now);
        assert_eq!(trip.least(), Duration::ZERO);
        for took in [30, 20, 90] {
            travel(&mut trip, &mut now, took * MILLI);
        }
        assert_eq!(trip.least(), 20 * MILLI - NEAR);
        assert!(trip.most() > 20 * MILLI && trip.most() <= 60 * MILLI);
        let changed = now;
        while now < changed + TRIP_MEMORY / 2 {
            travel(&mut trip, &mut now, 90 * MILLI);
            assert_eq!(trip.least(), 20 * MILLI - NEAR);
        }
        while now < changed + 2 * TRIP_MEMORY {
            travel(&mut trip, &mut now, 90 * MILLI);
        }
        assert_eq!(trip.least(), 90 * MILLI - NEAR);
        assert!(trip.most() < 95 * MILLI, "{:?}", trip.most());
    }

    #[test]
    fn a_peer_that_does_not_answer_is_near() {
        let mut now = Instant::now();
        let mut trip = Trip::new(now);
        assert!(trip.ask(now).is_some());
        now += PATIENCE / 2;
        assert_eq!((trip.ask(now), trip.least(), trip.most()), (None, Duration::ZERO, Duration::ZERO));
        assert_eq!(Flow::new(now).travelling(&trip), 0);
    }

    #[test]
    fn what_is_sent_ahead_grows_until_the_link_is_full_and_no_further() {
        let mut now = Instant::now();
        let (mut trip, mut flow) = (Trip::new(now), Flow::new(now));
        let (base, capacity, took) = (512, 100_000.0, 20 * MILLI);
        let mut travelling = 0;
        for _ in 0..20 {
            // As much comes back in a round trip as was sent, or as the link lets through.
            let passed = (PAUSE + took).as_secs_f64();
            flow.count(
                ((base + travelling) as f64 / took.as_secs_f64()).min(capacity) as u64
                    * (passed * 1e3) as u64
                    / 1_000,
            );
            travel(&mut trip, &mut now, took);
            flow.look(&trip, now);
            travelling = flow.travelling(&trip);
        }
        let full = capacity * trip.least().as_secs_f64();
        assert!((1.9..2.2).contains(&(travelling as f64 / full)), "{travelling} of {full}");
    }
}
