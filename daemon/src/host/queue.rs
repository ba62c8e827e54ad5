//! The queue between the thread that moves messages and the slots.

use super::parcel::{Parcel, Task};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A parcel that a slot has been at for so long may hold a slow lease: idle slots take over what waits behind it.
const HELP_AFTER: Duration = Duration::from_millis(1);

/// Parcels that wait for a slot, and those that slots are at.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Arc<Parcel>>,
    /// What each slot is at, and since when.
    in_hand: Vec<Option<(Arc<Parcel>, Instant)>>,
    idle: usize,
    closed: bool,
}

impl Queue {
    /// An empty queue for that many slots.
    pub(super) fn new(slots: usize) -> Self {
        let state = State { waiting: VecDeque::new(), in_hand: vec![None; slots], idle: 0, closed: false };
        Queue { state: Mutex::new(state), news: Condvar::new() }
    }

    /// Appends parcels, and leaves the list empty.
    pub(super) fn push(&self, parcels: &mut Vec<Arc<Parcel>>) {
        if parcels.is_empty() {
            return;
        }
        let mut state = self.lock();
        let wanted = parcels.len().min(state.idle);
        state.waiting.extend(parcels.drain(..));
        drop(state);
        (0..wanted).for_each(|_| self.news.notify_one());
    }

    /// The next parcel for a slot, which has ended its last one. Waits for one; `None` when the queue is closed.
    pub(super) fn next(&self, slot: usize) -> Option<Arc<Parcel>> {
        let mut state = self.lock();
        if let Some((parcel, _)) = state.in_hand[slot].take() {
            parcel.leave();
        }
        loop {
            if state.closed {
                return None;
            }
            let parcel = state.waiting.pop_front().or_else(|| state.slow_parcel());
            if let Some(parcel) = parcel {
                parcel.join();
                state.in_hand[slot] = Some((Arc::clone(&parcel), Instant::now()));
                return Some(parcel);
            }
            state.idle += 1;
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Calls idle slots to help where a slot's parcel takes long, and tells for how long each slot has been at its
    /// parcel, and how many leases of it are begun. To be called from time to time while there are parcels of several.
    pub(super) fn look_after(&self, mut busy: impl FnMut(Duration, usize)) {
        let state = self.lock();
        for (parcel, since) in state.in_hand.iter().flatten() {
            busy(since.elapsed(), parcel.begun());
        }
        if state.idle > 0 && state.slow_parcel().is_some() {
            self.news.notify_one();
        }
    }

    /// Ends the waiting of all slots, now and later.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn slow_parcel(&self) -> Option<Arc<Parcel>> {
        let slow =
            |(parcel, since): &&(Arc<Parcel>, Instant)| parcel.has_more() && since.elapsed() >= HELP_AFTER;
        self.in_hand.iter().flatten().find(slow).map(|(parcel, _)| Arc::clone(parcel))
    }
}

/// The parcels whose leases have not all ended, as the thread that moves messages knows them.
#[derive(Debug, Default)]
pub(super) struct Live(VecDeque<Arc<Parcel>>);

impl Live {
    /// Adds parcels, and forgets those that are done.
    pub(super) fn extend(&mut self, parcels: &[Arc<Parcel>]) {
        self.forget_done();
        self.0.extend(parcels.iter().cloned());
    }

    /// Forgets parcels that are done.
    pub(super) fn forget_done(&mut self) {
        while self.0.front().is_some_and(|parcel| parcel.is_done()) {
            self.0.pop_front();
        }
        // One slow parcel must not keep all that came after it.
        if self.0.len() > 64 && self.0.iter().skip(1).step_by(16).any(|parcel| parcel.is_done()) {
            self.0.retain(|parcel| !parcel.is_done());
        }
    }

    /// The lease of this number that was given in this session, while its parcel is not done.
    pub(super) fn find(&self, session: u32, lease: u64) -> Option<&Task> {
        self.leases(session).find(|task| task.lease == lease)
    }

    /// All leases of this session in parcels that are not done.
    pub(super) fn leases(&self, session: u32) -> impl Iterator<Item = &Task> {
        self.0.iter().filter(move |parcel| parcel.session == session).flat_map(|parcel| parcel.tasks())
    }

    /// Takes back all that was not begun; no answer is due for it.
    pub(super) fn drop_waiting(&self) {
        for task in self.0.iter().flat_map(|parcel| parcel.tasks()) {
            task.withdraw();
        }
    }

    /// Leases that are begun and have not ended.
    pub(super) fn begun(&self) -> impl Iterator<Item = &Task> {
        self.0.iter().flat_map(|parcel| parcel.tasks()).filter(|task| task.is_begun())
    }

    /// Whether a lease is begun and has not ended.
    pub(super) fn any_begun(&self) -> bool {
        self.begun().next().is_some()
    }

    /// Whether results may wait in a slot behind a lease that takes long.
    pub(super) fn any_of_several(&self) -> bool {
        self.0.iter().any(|parcel| parcel.tasks().len() > 1 && !parcel.is_done())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parcel::{Data, Given};
    use super::*;
    use bytes::Bytes;
    use pylm_protocol::batch::Assign;

    fn parcel(leases: std::ops::Range<u64>) -> Arc<Parcel> {
        let assigns = leases.map(|lease| Assign { lease, ..Assign::default() });
        let tasks = assigns.map(|assign| Task::new(&assign, None, Data::InFrame(0..0)));
        Arc::new(Parcel::new(Arc::default(), Given { run: 0, session: 1 }, Bytes::new(), tasks.collect()))
    }

    #[test]
    fn an_idle_slot_takes_over_what_waits_behind_a_slow_lease() {
        let queue = Queue::new(2);
        queue.push(&mut vec![parcel(0..3)]);
        let slow = queue.next(0).unwrap();
        assert_eq!(slow.begin_next().map(|task| task.lease), Some(0));
        std::thread::scope(|scope| {
            let helper = scope.spawn(|| {
                let parcel = queue.next(1).unwrap();
                let taken: Vec<u64> =
                    std::iter::from_fn(|| parcel.begin_next().map(|task| task.lease)).collect();
                assert!(!parcel.is_done());
                taken
            });
            while !helper.is_finished() {
                queue.look_after(|_, begun| assert!(begun >= 1));
                std::thread::yield_now();
            }
            assert_eq!(helper.join().unwrap(), [1, 2]);
        });
        queue.close();
        assert!(queue.next(0).is_none() && queue.next(1).is_none());
        assert!(slow.is_done());
    }

    #[test]
    fn live_leases_are_found_until_their_parcel_is_done() {
        let queue = Queue::new(1);
        let mut live = Live::default();
        let mut parcels = vec![parcel(0..2), parcel(2..3)];
        live.extend(&parcels);
        queue.push(&mut parcels);
        assert!(live.any_of_several() && !live.any_begun());
        assert!(live.find(1, 1).is_some_and(Task::withdraw));
        assert!(live.find(2, 0).is_none());
        let first = queue.next(0).unwrap();
        let task = first.begin_next().unwrap();
        assert!(live.any_begun());
        task.end();
        assert!(first.begin_next().is_none());
        queue.next(0).unwrap();
        live.forget_done();
        assert!(live.find(1, 0).is_none() && live.find(1, 2).is_some());
        live.drop_waiting();
        assert!(!live.find(1, 2).is_some_and(Task::withdraw));
    }
}
