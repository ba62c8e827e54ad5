//! Signs of life of one connection: when the other side was heard, and when this one has to say something.

use super::{
    ANNOUNCE_FROM, ASKS_THE_KERNEL, HEARTBEAT, IDLE_HEARTBEAT, IDLE_PATIENCE, MOST_PATIENCE, SILENCE, SLOWEST,
};
use crate::Record;
use std::time::{Duration, Instant};

/// The signs of life of one connection.
///
/// A record is one, and so is every byte of one that is still coming: who sends is not silent, however slow the link. Bytes of half a
/// frame are seen by the kernel only, which is asked when records have been missing for too long.
#[derive(Debug, Clone)]
pub struct Pulse {
    heartbeat: Duration,
    silence: Duration,
    /// When something came last, or the connection was there; none before that.
    heard: Option<Instant>,
    /// Until when the other side may stay silent, by its own word.
    patience: Option<Instant>,
    /// When something was sent last.
    said: Instant,
    /// What was said last asks the other side to expect the next word later than usual, as neither has anything to do.
    resting: bool,
    /// The other side is not to be asked for patience with what is large: it sees bytes come.
    sees_bytes: bool,
}

impl Pulse {
    /// A connection that is being made.
    pub fn new(now: Instant) -> Self {
        Pulse {
            heartbeat: HEARTBEAT,
            silence: SILENCE,
            heard: None,
            patience: None,
            said: now,
            resting: false,
            sees_bytes: false,
        }
    }

    /// The connection is there, or something came over it.
    #[inline]
    pub fn hear(&mut self, now: Instant) {
        self.heard = Some(now);
        self.patience = None;
    }

    /// Whether the connection is there.
    pub fn is_connected(&self) -> bool {
        self.heard.is_some()
    }

    /// The other side asks for so many milliseconds until its next word.
    pub fn be_patient(&mut self, patience: u64, now: Instant) {
        self.patience = Some(now + Duration::from_millis(patience).min(MOST_PATIENCE));
    }

    /// Takes the times that a Welcome gives, in milliseconds; 0 is the usual one.
    pub fn set_rhythm(&mut self, heartbeat: u64, silence: u64) {
        let or = |given, usual| if given == 0 { usual } else { Duration::from_millis(given) };
        (self.heartbeat, self.silence) = (or(heartbeat, HEARTBEAT), or(silence, SILENCE));
    }

    /// The two sides speak this minor version; over a connection of which the kernel tells, or not.
    pub fn speak(&mut self, minor: u64, kernel_tells: bool) {
        self.sees_bytes = minor >= ASKS_THE_KERNEL && kernel_tells;
    }

    /// How long the other side has been silent, where that is too long. `idle` is asked only then: for how long the kernel has received
    /// nothing over the connection, if it knows.
    pub fn silence(&mut self, now: Instant, idle: impl FnOnce() -> Option<Duration>) -> Option<Duration> {
        let silent = now.saturating_duration_since(self.heard?);
        if silent < self.silence || self.patience.is_some_and(|until| now < until) {
            return None;
        }
        if let Some(heard) = idle().and_then(|idle| now.checked_sub(idle))
            && now.saturating_duration_since(heard) < self.silence
        {
            self.heard = self.heard.max(Some(heard));
            return None;
        }
        Some(silent)
    }

    /// When [`silence`](Self::silence) has to be asked next; none before the connection is there.
    pub fn lost_at(&self) -> Option<Instant> {
        let lost_at = self.heard? + self.silence;
        Some(self.patience.map_or(lost_at, |until| until.max(lost_at)))
    }

    /// Something was sent.
    #[inline]
    pub fn say(&mut self, now: Instant) {
        self.said = now;
    }

    /// When something was sent last, or the connection was begun.
    pub fn said(&self) -> Instant {
        self.said
    }

    /// When something has to be said, if only a heartbeat.
    pub fn due_at(&self) -> Instant {
        self.said + if self.resting { self.heartbeat.max(IDLE_HEARTBEAT) } else { self.heartbeat }
    }

    /// Whether it is time to say something.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.due_at()
    }

    /// A heartbeat; where there is nothing to do, it is the last one for a while.
    pub fn heartbeat(&mut self, has_nothing_to_do: bool) -> Record<'static> {
        self.resting = has_nothing_to_do;
        let patience = if has_nothing_to_do { IDLE_PATIENCE.as_millis() as u64 } else { 0 };
        Record::Heartbeat { patience }
    }

    /// There is more to say than a heartbeat; whether that was not so.
    #[inline]
    pub fn wake(&mut self) -> bool {
        std::mem::take(&mut self.resting)
    }

    /// Whether the other side asked for patience, and has it still.
    pub fn is_patient(&self) -> bool {
        self.patience.is_some()
    }

    /// The other side was told that there is something to do again: it may be silent as long as usual, from now on, and no longer.
    pub fn expect(&mut self, now: Instant) {
        if self.patience.take().is_some() {
            self.heard = self.heard.map(|_| now);
        }
    }

    /// What is to be said before so many bytes, to somebody who would take their sender for lost meanwhile.
    #[inline]
    pub fn announce(&self, bytes: usize) -> Option<Record<'static>> {
        (bytes >= ANNOUNCE_FROM && !self.sees_bytes)
            .then(|| Record::Heartbeat { patience: bytes as u64 / SLOWEST })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn connected(now: Instant) -> Pulse {
        let mut pulse = Pulse::new(now);
        assert_eq!((pulse.silence(now + 60 * SECOND, || None), pulse.lost_at()), (None, None));
        pulse.hear(now);
        pulse
    }

    #[test]
    fn who_says_nothing_is_lost_after_a_while() {
        let now = Instant::now();
        let mut pulse = connected(now);
        assert_eq!(pulse.silence(now + 4 * SECOND, || panic!("records tell enough")), None);
        assert_eq!(pulse.silence(now + 5 * SECOND, || None), Some(5 * SECOND));
        pulse.set_rhythm(0, 9_000);
        assert_eq!(pulse.silence(now + 5 * SECOND, || None), None);
        assert_eq!(pulse.lost_at(), Some(now + 9 * SECOND));
    }

    #[test]
    fn bytes_that_come_are_a_sign_of_life_for_as_long_as_they_come() {
        let now = Instant::now();
        let mut pulse = connected(now);
        for second in 5..600 {
            assert_eq!(pulse.silence(now + second * SECOND, || Some(SECOND / 2)), None);
        }
        let end = now + 600 * SECOND;
        assert!(pulse.lost_at().is_some_and(|lost_at| lost_at > end - 5 * SECOND));
        assert_eq!(pulse.silence(end + 9 * SECOND, || Some(4 * SECOND)), None);
        assert_eq!(pulse.silence(end + 10 * SECOND, || Some(5 * SECOND)), Some(5 * SECOND));
    }

    #[test]
    fn patience_is_given_once_and_has_a_bound() {
        let now = Instant::now();
        let mut pulse = connected(now);
        pulse.be_patient(90_000, now);
        assert_eq!(pulse.silence(now + 89 * SECOND, || None), None);
        assert!(pulse.silence(now + 90 * SECOND, || None).is_some());
        pulse.be_patient(u64::MAX, now);
        assert!(pulse.silence(now + MOST_PATIENCE, || None).is_some());
        pulse.hear(now + SECOND);
        assert!(pulse.silence(now + 6 * SECOND, || None).is_some());
        pulse.be_patient(90_000, now);
        pulse.expect(now + 60 * SECOND);
        assert_eq!(pulse.lost_at(), Some(now + 65 * SECOND));
    }

    #[test]
    fn something_is_said_at_every_heartbeat_and_rarely_while_there_is_nothing_to_do() {
        let now = Instant::now();
        let mut pulse = connected(now);
        assert!(!pulse.is_due(now) && pulse.is_due(now + SECOND));
        assert_eq!(pulse.heartbeat(true), Record::Heartbeat { patience: 90_000 });
        assert_eq!(pulse.due_at(), now + 30 * SECOND);
        pulse.wake();
        assert_eq!(pulse.due_at(), now + SECOND);
        assert_eq!(pulse.heartbeat(false), Record::Heartbeat { patience: 0 });
    }

    #[test]
    fn only_who_cannot_see_bytes_come_is_told_of_large_messages() {
        let mut pulse = connected(Instant::now());
        let announced = Some(Record::Heartbeat { patience: 240_000 });
        assert_eq!((pulse.announce(1000), pulse.announce(24_000_000)), (None, announced.clone()));
        pulse.speak(1, false);
        assert_eq!(pulse.announce(24_000_000), announced);
        pulse.speak(1, true);
        assert_eq!(pulse.announce(24_000_000), None);
    }
}
