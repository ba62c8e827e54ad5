//! pylm workers: each behind a PUSH socket of its own, with a cap that follows its pace.

use crate::node::bounds::{PYLM_LIMIT, PYLM_SINGLE, WORK_AHEAD};
use crate::node::ledger::{HostKey, LeaseKey};
use crate::node::sockets::Bound;
use pylm_transport::{Frame, Monitor, SendError};
use std::collections::VecDeque;
use std::time::Instant;

/// A PUSH socket for pylm workers, and what is known of whoever is connected to it.
#[derive(Debug)]
pub struct WorkerPort {
    /// The socket.
    pub push: Bound,
    /// Tells who comes and goes.
    pub monitor: Monitor,
    /// More may wait in the monitor.
    pub monitor_ready: bool,
    /// Who was given this, and when.
    pub owner: Option<(Box<str>, Instant)>,
    /// Workers that are connected.
    pub connections: u32,
    /// The host that they are to the ledger.
    pub host: Option<HostKey>,
    /// Messages that the socket has not taken yet.
    backlog: VecDeque<Frame>,
    /// Leases that are out, in the order in which they went.
    out: VecDeque<LeaseKey>,
    /// A lease that was answered, and may be answered again.
    pub answered: Option<(LeaseKey, Instant)>,
    /// Leases in a row that had one answer when the next one was answered.
    single: u32,
    /// It has answered one message several times.
    several: bool,
    pace: Pace,
}

/// How a worker's cap follows its pace.
#[derive(Debug)]
struct Pace {
    limit: u64,
    since: Instant,
    answers: u64,
}

impl WorkerPort {
    pub(crate) fn new(push: Bound, monitor: Monitor, now: Instant) -> Self {
        WorkerPort {
            push,
            monitor,
            monitor_ready: true,
            owner: None,
            connections: 0,
            host: None,
            backlog: VecDeque::new(),
            out: VecDeque::new(),
            answered: None,
            single: 0,
            several: false,
            pace: Pace { limit: *PYLM_LIMIT.start(), since: now, answers: 0 },
        }
    }

    /// The cap: how many leases may be out. One that was answered and is not closed needs no room.
    pub fn limit(&self) -> u64 {
        self.pace.limit + u64::from(self.answered.is_some())
    }

    /// Somebody else is connected now: nothing is known of it.
    pub fn begin(&mut self, host: HostKey, now: Instant) {
        self.host = Some(host);
        self.forget();
        self.single = 0;
        self.several = false;
        self.pace = Pace { limit: *PYLM_LIMIT.start(), since: now, answers: 0 };
    }

    /// What was out is out no more.
    pub fn forget(&mut self) {
        self.backlog.clear();
        self.out.clear();
        self.answered = None;
    }

    /// Sends a message under a lease.
    pub fn push(&mut self, lease: LeaseKey, palm: Frame) {
        self.out.push_back(lease);
        self.backlog.push_back(palm);
        self.flush();
    }

    /// Gives the socket what it takes.
    pub fn flush(&mut self) {
        while let Some(frame) = self.backlog.pop_front() {
            if let Err((error, frame)) = self.push.socket.send_one(frame) {
                if let SendError::Other(error) = error {
                    tracing::error!(%error, "a message could not be pushed to a pylm worker");
                }
                self.backlog.push_front(frame);
                return;
            }
        }
    }

    /// Whether messages wait for the socket.
    pub fn is_stalled(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// An answer came, the `results`th of its lease. Pushes the leases that it closes to `closed`: those before it, since a
    /// worker works in order, and its own when it is known to have no other.
    pub fn answer(&mut self, lease: LeaseKey, results: u64, now: Instant, closed: &mut Vec<LeaseKey>) {
        if results > 1 {
            self.several = true;
            self.single = 0;
        }
        let shared = self.connections > 1;
        if let Some((answered, _)) = self.answered.take_if(|(answered, _)| *answered != lease) {
            self.single += 1;
            closed.push(answered);
        }
        if results == 1 {
            self.count(now);
            if let Some(place) = self.out.iter().position(|&other| other == lease) {
                if !shared {
                    closed.extend(self.out.drain(..place));
                }
                self.out.remove(if shared { place } else { 0 });
            }
        }
        if shared || (!self.several && self.single >= PYLM_SINGLE) {
            closed.push(lease);
        } else {
            self.answered = Some((lease, now));
        }
    }

    /// Counts an answer, and lets the cap follow: as much as the worker does in a short time, so that it never waits for work.
    fn count(&mut self, now: Instant) {
        self.pace.answers += 1;
        let passed = now.duration_since(self.pace.since);
        if passed < WORK_AHEAD && self.pace.answers < self.pace.limit.max(16) {
            return;
        }
        let seconds = passed.as_secs_f64().max(1e-6);
        let ahead = (self.pace.answers as f64 / seconds * WORK_AHEAD.as_secs_f64()) as u64;
        let (low, high) = PYLM_LIMIT.into_inner();
        // One step down, two up: what the worker could do is not seen while it waits for work.
        self.pace.limit =
            (2 * ahead).clamp(self.pace.limit - self.pace.limit / 4, self.pace.limit * 2).clamp(low, high);
        self.pace.answers = 0;
        self.pace.since = now;
    }
}
