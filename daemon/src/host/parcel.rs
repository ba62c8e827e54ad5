//! Leases as they wait for the slots: in parcels, out of which any number of slots takes one lease after the other.

use bytes::Bytes;
use pylm_protocol::batch::Assign;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};
use std::time::Instant;
use uuid::Uuid;

/// What many leases share (the record Context).
#[derive(Debug, Default)]
pub(super) struct LeaseContext {
    /// The index of the function in the host's Hello.
    pub(super) function: usize,
    /// The beginning of derived cache keys: the job's id and a slash.
    pub(super) key_prefix: String,
    pub(super) pipeline: String,
    pub(super) client: String,
    pub(super) functions: String,
    pub(super) stage: i64,
    /// How many results a lease may yield before the node gives more room.
    pub(super) results: u64,
    /// How many bytes of them.
    pub(super) results_bytes: u64,
}

impl LeaseContext {
    /// The beginning of the cache keys of a job's messages.
    pub(super) fn key_prefix(job: Uuid) -> String {
        format!("{job}/")
    }
}

/// A lease's payload: most lie in the frame that brought them, which the parcel holds for all of them.
#[derive(Debug)]
pub(super) enum Data {
    InFrame(Range<usize>),
    Apart(Bytes),
}

/// How far a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Waiting,
    Begun,
    /// Withdrawn before it was begun.
    Gone,
    Ended,
}

/// One lease.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) lease: u64,
    pub(super) number: u64,
    pub(super) part: u64,
    pub(super) attempt: u32,
    pub(super) deadline: Option<Instant>,
    /// The message's cache key; empty where it is derived.
    pub(super) cache: Box<str>,
    /// Nobody wants its results any more.
    pub(super) cancelled: AtomicBool,
    data: Data,
    state: AtomicU8,
}

impl Task {
    /// A lease that waits. `data` in a frame is in the one that its parcel will hold.
    pub(super) fn new(assign: &Assign<'_>, deadline: Option<Instant>, data: Data) -> Self {
        Task {
            lease: assign.lease,
            number: assign.number,
            part: assign.part,
            attempt: assign.attempt,
            deadline,
            cache: assign.cache.into(),
            cancelled: AtomicBool::new(false),
            data,
            state: AtomicU8::new(State::Waiting as u8),
        }
    }

    /// Takes the lease back; whether that was in time.
    pub(super) fn withdraw(&self) -> bool {
        self.change(State::Waiting, State::Gone)
    }

    /// Tells a lease that was begun and has not ended that nobody wants it; whether there was one.
    pub(super) fn cancel(&self) -> bool {
        let begun = self.is(State::Begun);
        if begun {
            self.cancelled.store(true, Release);
        }
        begun
    }

    /// Whether the lease is begun and has not ended.
    pub(super) fn is_begun(&self) -> bool {
        self.is(State::Begun)
    }

    /// Whether the lease has neither ended nor been taken back.
    pub(super) fn is_open(&self) -> bool {
        self.is(State::Waiting) || self.is(State::Begun)
    }

    /// Notes that the lease's end is on its way.
    pub(super) fn end(&self) {
        self.state.store(State::Ended as u8, Release);
    }

    fn begin(&self) -> bool {
        self.change(State::Waiting, State::Begun)
    }

    fn is(&self, state: State) -> bool {
        self.state.load(Acquire) == state as u8
    }

    fn change(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from as u8, to as u8, AcqRel, Acquire).is_ok()
    }
}

/// Leases of one context that came in one frame: what a slot takes at once. Others may help with it.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) context: Arc<LeaseContext>,
    /// In which of the node's runs, as the host counts them, the leases were given.
    pub(super) run: u32,
    /// In which session, as the host counts them.
    pub(super) session: u32,
    frame: Bytes,
    tasks: Box<[Task]>,
    next: AtomicUsize,
    /// Slots that are at it.
    hands: AtomicUsize,
}

/// When leases were given: their numbers mean nothing else at other times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// The node's run, counted by the host from 0.
    pub(super) run: u32,
    /// The session, counted from 0.
    pub(super) session: u32,
}

impl Parcel {
    /// A parcel that nobody has begun.
    pub(super) fn new(context: Arc<LeaseContext>, given: Given, frame: Bytes, tasks: Vec<Task>) -> Self {
        let Given { run, session } = given;
        let tasks = tasks.into_boxed_slice();
        Parcel { context, run, session, frame, tasks, next: AtomicUsize::new(0), hands: AtomicUsize::new(0) }
    }

    /// The next lease that nobody has begun, now begun.
    #[inline]
    pub(super) fn begin_next(&self) -> Option<&Task> {
        loop {
            let task = self.tasks.get(self.next.fetch_add(1, Relaxed))?;
            if task.begin() {
                return Some(task);
            }
        }
    }

    /// The payload of one of its leases.
    #[inline]
    pub(super) fn payload<'a>(&'a self, task: &'a Task) -> &'a [u8] {
        match &task.data {
            Data::InFrame(range) => self.frame.get(range.clone()).unwrap_or_default(),
            Data::Apart(bytes) => bytes,
        }
    }

    /// All of its leases.
    pub(super) fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// How many of its leases were looked at, from the first on.
    pub(super) fn begun(&self) -> usize {
        self.next.load(Relaxed).min(self.tasks.len())
    }

    /// Whether there may be leases that nobody has begun.
    pub(super) fn has_more(&self) -> bool {
        self.begun() < self.tasks.len()
    }

    /// Notes that one more slot is at it.
    pub(super) fn join(&self) {
        self.hands.fetch_add(1, AcqRel);
    }

    /// Notes that a slot has left it.
    pub(super) fn leave(&self) {
        self.hands.fetch_sub(1, AcqRel);
    }

    /// Whether nothing of it is waiting or under way.
    pub(super) fn is_done(&self) -> bool {
        !self.has_more() && self.hands.load(Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(leases: std::ops::Range<u64>) -> Parcel {
        let frame = Bytes::from_static(b"batch with payload");
        let payload = || Data::InFrame(11..frame.len());
        let tasks = leases.map(|lease| Task::new(&Assign { lease, ..Assign::default() }, None, payload()));
        Parcel::new(Arc::default(), Given::default(), frame.clone(), tasks.collect())
    }

    #[test]
    fn each_lease_is_begun_once_and_in_order() {
        let parcel = parcel(0..3);
        let begun: Vec<u64> = std::iter::from_fn(|| parcel.begin_next()).map(|task| task.lease).collect();
        assert_eq!(begun, [0, 1, 2]);
        assert!(parcel.is_done());
    }

    #[test]
    fn a_withdrawn_lease_is_not_begun_and_a_begun_one_is_not_withdrawn() {
        let parcel = parcel(0..3);
        assert!(parcel.tasks()[1].withdraw());
        assert!(!parcel.tasks()[1].withdraw());
        let first = parcel.begin_next().unwrap();
        assert!(!first.withdraw() && first.cancel());
        assert_eq!(parcel.begin_next().map(|task| task.lease), Some(2));
        first.end();
        assert!(!first.cancel());
    }

    #[test]
    fn a_parcel_is_done_when_all_hands_have_left() {
        let parcel = parcel(0..1);
        parcel.join();
        parcel.begin_next();
        assert!(!parcel.is_done());
        parcel.leave();
        assert!(parcel.is_done());
    }

    #[test]
    fn payloads_are_read_where_they_lie() {
        let parcel = parcel(0..1);
        assert_eq!(parcel.payload(&parcel.tasks()[0]), b"payload");
        let apart = Bytes::from_static(b"an attachment");
        let task = Task::new(&Assign::default(), None, Data::Apart(apart.clone()));
        let payload = parcel.payload(&task);
        assert_eq!((payload, payload.as_ptr()), (&apart[..], apart.as_ptr()));
    }
}
