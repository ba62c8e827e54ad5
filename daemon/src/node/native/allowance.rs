//! How many messages of a job its client may have under way: enough to keep the wire full, and those that are on their way beside.

use super::sessions::SessionKey;
use crate::node::bounds::{MOST_WINDOW, WINDOW, WINDOW_BYTES};
use crate::node::egress::Client;
use crate::node::ledger::Counts;
use crate::node::router::Router;
use pylm_protocol::Record;
use pylm_protocol::link::{Flow, Trip};
use std::time::Instant;

/// The window of one job.
#[derive(Debug)]
pub struct Allowance {
    /// How fast its messages end.
    flow: Flow,
    /// How many had ended when it was looked at last.
    ended: u64,
    /// The most that the client's grant lets it have.
    granted: u64,
    /// What the client was told last.
    told: u64,
    /// The most that it was ever told, and may still have under way.
    most: u64,
}

impl Allowance {
    /// That of a new job.
    pub fn new(now: Instant) -> Self {
        Allowance { flow: Flow::new(now), ended: 0, granted: u64::MAX, told: WINDOW, most: WINDOW }
    }

    /// The client opens the job over another connection, where it may have so many messages under way, and is told the usual window.
    pub fn reopen(&mut self, granted: u64, now: Instant) {
        (self.flow, self.granted, self.told) = (Flow::new(now), granted, WINDOW.min(granted));
    }

    /// The most messages that the client may have under way.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// The window that the client knows.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// The window that the client should be told now, where that is news: so many messages are on their way between the node and far
    /// hosts, and those between the client and the node follow from the round trip.
    fn look(&mut self, counts: &Counts, trip: &Trip, at_hosts: u64, now: Instant) -> Option<u64> {
        let ended = counts.accepted - counts.under_way;
        self.flow.count(ended - self.ended);
        self.ended = ended;
        self.flow.look(trip, now);
        let travelling = at_hosts.saturating_add(self.flow.travelling(trip));
        let window = WINDOW.saturating_add(travelling).min(MOST_WINDOW).min(self.granted);
        if window.abs_diff(self.told) * 4 < self.told {
            return None;
        }
        (self.told, self.most) = (window, self.most.max(window));
        Some(window)
    }
}

impl Router {
    /// A client has answered a Ping: the windows of its jobs follow the round trip.
    pub(super) fn hear_pong(&mut self, session: SessionKey, time: u64, now: Instant) {
        let Some(open) = self.sessions.get_mut(session) else { return };
        if !open.trip.hear(time, now) {
            return;
        }
        let (trip, jobs) = (open.trip.clone(), open.jobs.keys().collect::<Vec<_>>());
        let at_hosts = self.ledger.travelling();
        for key in jobs {
            let (Some(Client::Native(stream)), Some(job)) = (self.clients.get_mut(key), self.ledger.job(key))
            else {
                continue;
            };
            if let Some(window) = stream.allowance.look(&job.counts, &trip, at_hosts, now) {
                let (job, window_bytes) = (stream.number, WINDOW_BYTES);
                self.sessions.say(session, &Record::Window { job, window, window_bytes });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// What becomes of a window in so many round trips, in each of which all of it ends.
    fn after(round_trips: u32, round_trip: Duration, at_hosts: u64) -> Allowance {
        let mut now = Instant::now();
        let (mut allowance, mut trip, mut counts) = (Allowance::new(now), Trip::new(now), Counts::default());
        for _ in 0..round_trips {
            now += Duration::from_millis(if round_trip < Duration::from_millis(1) { 200 } else { 20 });
            let Some(Record::Ping { time }) = trip.ask(now) else { panic!("no Ping is due") };
            now += round_trip;
            trip.hear(time, now);
            counts.accepted += allowance.told();
            allowance.look(&counts, &trip, at_hosts, now);
        }
        allowance
    }

    #[test]
    fn the_window_of_a_near_client_stays_as_it_is() {
        assert_eq!(after(50, Duration::from_micros(90), 0).told(), WINDOW);
    }

    #[test]
    fn that_of_a_far_one_grows_to_a_bound() {
        let far = after(50, Duration::from_millis(200), 0);
        assert_eq!((far.told(), far.most()), (MOST_WINDOW, MOST_WINDOW));
    }

    #[test]
    fn what_is_on_its_way_to_far_hosts_is_allowed_beside() {
        assert_eq!(after(1, Duration::from_micros(90), 40_000).told(), WINDOW + 40_000);
        assert_eq!(after(1, Duration::from_micros(90), u64::MAX).told(), MOST_WINDOW);
    }

    #[test]
    fn what_a_client_was_allowed_before_it_came_again_is_no_violation() {
        let mut far = after(50, Duration::from_millis(200), 0);
        far.reopen(1_000_000, Instant::now());
        assert_eq!((far.told(), far.most()), (WINDOW, MOST_WINDOW));
    }

    #[test]
    fn no_window_is_larger_than_the_grant_of_its_client() {
        let now = Instant::now();
        let (mut allowance, trip) = (Allowance::new(now), Trip::new(now));
        allowance.reopen(100, now);
        assert_eq!(allowance.look(&Counts::default(), &trip, 40_000, now), None);
        assert_eq!(allowance.told(), 100);
    }
}
