//! Room for the results of functions that yield several: beyond it, the function waits.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a function that has a result to send may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// There is room for it, which is now taken.
    Admitted,
    /// The node gives no more room to this lease: its session is over, or nobody wants it.
    Closed,
}

/// The room of one lease. What was used is counted for its whole life, as what was given.
#[derive(Debug)]
pub(super) struct Gate {
    room: Mutex<Room>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Room {
    results: u64,
    bytes: u64,
    /// How many results the context gave room for at first.
    window: u64,
    used_results: u64,
    used_bytes: u64,
    closed: bool,
}

impl Room {
    fn take(&mut self, bytes: u64) -> bool {
        let fits = self.used_results < self.results && self.used_bytes + bytes <= self.bytes;
        // One result is always allowed, however large: when all before it were passed on, as far as the room tells.
        let is_alone = self.used_results <= self.results.saturating_sub(self.window);
        if fits || is_alone {
            self.used_results += 1;
            self.used_bytes += bytes;
        }
        fits || is_alone
    }
}

impl Gate {
    fn new() -> Self {
        Gate { room: Mutex::default(), news: Condvar::new() }
    }

    /// Takes room for a result of so many bytes, if there is any now.
    pub(super) fn try_admit(&self, bytes: u64) -> bool {
        self.lock().take(bytes)
    }

    /// Takes room for a result of so many bytes, and waits for it.
    pub(super) fn admit(&self, bytes: u64) -> Admission {
        let mut room = self.lock();
        loop {
            if room.take(bytes) {
                return Admission::Admitted;
            }
            if room.closed {
                return Admission::Closed;
            }
            room = self.news.wait(room).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn raise(&self, results: u64, bytes: u64) {
        let mut room = self.lock();
        room.results = room.results.max(results);
        room.bytes = room.bytes.max(bytes);
        self.news.notify_one();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The gates of the leases that yield several results, in the present session.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    session: u32,
    gates: HashMap<u64, Arc<Gate>>,
}

impl Gates {
    /// The gate of a lease that was given in this session, with the room that its context gives. Nobody raises the room
    /// of leases of earlier sessions: theirs is closed.
    pub(super) fn open(&self, session: u32, lease: u64, results: u64, bytes: u64) -> Arc<Gate> {
        let gate = self.gate(session, lease);
        gate.lock().window = results;
        gate.raise(results, bytes);
        gate
    }

    fn gate(&self, session: u32, lease: u64) -> Arc<Gate> {
        let mut open = self.lock();
        if open.session != session {
            let gate = Arc::new(Gate::new());
            gate.close();
            return gate;
        }
        Arc::clone(open.gates.entry(lease).or_insert_with(|| Arc::new(Gate::new())))
    }

    /// Gives room to a lease that has not ended, whether or not it has yielded something.
    pub(super) fn raise(&self, session: u32, lease: u64, results: u64, bytes: u64) {
        self.gate(session, lease).raise(results, bytes);
    }

    /// Forgets a lease that has ended.
    pub(super) fn end(&self, session: u32, lease: u64) {
        let mut open = self.lock();
        if open.session == session {
            open.gates.remove(&lease);
        }
    }

    /// Lets a lease of the present session that waits for room go on without.
    pub(super) fn close(&self, lease: u64) {
        if let Some(gate) = self.lock().gates.get(&lease) {
            gate.close();
        }
    }

    /// Begins another session: lets all that wait for room go on without.
    pub(super) fn next_session(&self) {
        let mut open = self.lock();
        open.session += 1;
        open.gates.drain().for_each(|(_, gate)| gate.close());
    }

    /// The present session, counted from 0.
    pub(super) fn session(&self) -> u32 {
        self.lock().session
    }

    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().gates.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_beyond_the_room_wait_until_it_is_raised() {
        let gates = Gates::default();
        let gate = gates.open(0, 1, 2, 100);
        assert!(gate.try_admit(10) && gate.try_admit(10) && !gate.try_admit(10));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.admit(10));
            gates.raise(0, 1, 3, 100);
            assert_eq!(waiting.join().unwrap(), Admission::Admitted);
        });
        assert!(!gate.try_admit(10));
    }

    #[test]
    fn one_result_is_always_allowed() {
        let gates = Gates::default();
        let gate = gates.open(0, 1, 2, 100);
        assert!(gate.try_admit(1000) && !gate.try_admit(1));
        gates.raise(0, 1, 3, 1100);
        assert!(gate.try_admit(1000) && !gate.try_admit(1));
    }

    #[test]
    fn room_that_came_early_counts() {
        let gates = Gates::default();
        gates.raise(0, 1, 3, 100);
        let gate = gates.open(0, 1, 1, 50);
        assert!(gate.try_admit(40) && gate.try_admit(40) && gate.try_admit(10));
    }

    #[test]
    fn the_end_of_the_session_ends_the_wait() {
        let gates = Gates::default();
        let gate = gates.open(0, 1, 1, 50);
        assert!(gate.try_admit(1));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.admit(1));
            gates.next_session();
            assert_eq!(waiting.join().unwrap(), Admission::Closed);
        });
        assert!(gates.is_empty());
        let late = gates.open(0, 2, 1, 50);
        assert_eq!([late.admit(1), late.admit(1)], [Admission::Admitted, Admission::Closed]);
    }
}
