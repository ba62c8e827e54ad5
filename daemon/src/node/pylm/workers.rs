//! pylm workers: each behind a PUSH socket of its own, with a cap that follows its pace.
//!
//! A worker does one message after the other, in the order in which it got them. So an answer to one proves that those before it have
//! given all they will. What nothing has proved yet is taken to be over after a while, which makes room for others; its results
//! count all the same when they come.

use super::late::Late;
use super::pace::Pace;
use super::tempo::{Limits, Tempo, TempoKey, Tempos};
use crate::node::bounds::{HOST_BYTES, PYLM_UNPROVEN};
use crate::node::ledger::{HostKey, JobKey, LeaseKey};
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
    /// What it was sent and is not proved to be over, in the order in which it went.
    sent: VecDeque<Sent>,
    /// Those of `sent` that wait for their first result.
    waiting: u64,
    /// The bytes of those that it was taken to have passed over.
    passed_bytes: u64,
    /// When it last gave a sign, or was taken to have gone on.
    moved: Instant,
    /// When it last gave a result, or got something when it had nothing.
    answered: Instant,
    /// Messages that it was taken to have passed over since its last sign.
    doubt: u32,
    pace: Pace,
}

/// A message that a worker was sent.
#[derive(Debug)]
pub struct Sent {
    lease: LeaseKey,
    job: JobKey,
    tempo: TempoKey,
    /// Its client is told of its end, and takes nothing that comes later.
    tells_end: bool,
    since: Instant,
    /// The worker had nothing else, as far as is known: what it takes tells how far away that is.
    alone: bool,
    state: State,
}

impl Sent {
    /// One that goes out now.
    pub fn new((lease, job): (LeaseKey, JobKey), tempo: TempoKey, tells_end: bool, now: Instant) -> Self {
        Sent { lease, job, tempo, tells_end, since: now, alone: false, state: State::Waiting }
    }
}

/// What has become of it.
#[derive(Debug)]
enum State {
    /// It has given nothing.
    Waiting,
    /// It has given nothing, and the worker is taken to have passed it over, then; bytes that it has.
    Passed(Instant, u64),
    /// It has given so many results, the last one then.
    Answered(u64, Instant),
    /// Its lease has ended, which nothing has proved.
    Ended(Late),
    /// The same, when nobody counts what comes.
    Closed,
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The only one of its message, as is said of its function.
    Single,
    /// The first one of its message, and the only one, if its function goes on as it has begun.
    SeemsSingle,
    /// The first one of its message.
    First,
    /// Another one.
    Further,
}

/// What is to be done for a lease of which nothing was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// Its room is free for another message.
    Room(LeaseKey),
    /// It is to end.
    End(LeaseKey),
    /// It is to end, though nothing tells that its function ever gives nothing.
    GiveUp(LeaseKey),
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
            sent: VecDeque::new(),
            waiting: 0,
            passed_bytes: 0,
            moved: now,
            answered: now,
            doubt: 0,
            pace: Pace::new(now),
        }
    }

    /// The cap: how many leases may be out.
    pub fn limit(&self) -> u64 {
        self.pace.limit()
    }

    /// Those of them that are on their way there and back.
    pub fn travelling(&self) -> u64 {
        self.pace.travelling()
    }

    /// Somebody else is connected now: nothing is known of it.
    pub fn begin(&mut self, host: HostKey, now: Instant) {
        self.host = Some(host);
        self.pace = Pace::new(now);
        (self.moved, self.answered, self.doubt) = (now, now, 0);
    }

    /// What was out is out no more. Gives the leases that the worker was at, as far as can be known.
    pub fn forget(&mut self) -> Vec<LeaseKey> {
        self.backlog.clear();
        // Behind one socket that several share, each was at one.
        let mut begun = self.connections.max(1);
        let mut at = Vec::new();
        for sent in &self.sent {
            match sent.state {
                State::Waiting if begun > 0 => begun -= 1,
                State::Waiting | State::Ended(_) | State::Closed => continue,
                State::Passed(..) | State::Answered(..) => {}
            }
            at.push(sent.lease);
        }
        // What it has sent already may still be on its way.
        self.sent.retain(|sent| matches!(sent.state, State::Ended(_)));
        (self.waiting, self.passed_bytes) = (0, 0);
        at
    }

    /// Sends a message under a lease.
    pub fn push(&mut self, sent: Sent, palm: Frame, now: Instant) {
        let alone = self.waiting == 0 && self.doubt == 0;
        if self.waiting == 0 {
            (self.moved, self.doubt) = (now, 0);
            if !self.sent.iter().rev().any(|sent| matches!(sent.state, State::Passed(..))) {
                self.answered = now;
            }
        }
        self.waiting += 1;
        self.sent.push_back(Sent { alone, ..sent });
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

    /// An answer came. Pushes the leases that it proves to be over to `closed`.
    pub fn answer(
        &mut self,
        lease: LeaseKey,
        now: Instant,
        tempos: &mut Tempos,
        closed: &mut Vec<LeaseKey>,
    ) -> Answer {
        // Several that share a socket answer in any order.
        let shared = self.connections > 1;
        let Some(place) = self.sent.iter().position(|sent| sent.lease == lease) else {
            return Answer::Further;
        };
        let mut silent = 0;
        let mut before = self.answered;
        if !shared {
            for sent in self.sent.drain(..place) {
                match sent.state {
                    State::Waiting => (silent, self.waiting) = (silent + 1, self.waiting - 1),
                    State::Passed(_, bytes) => {
                        (silent, self.passed_bytes) = (silent + 1, self.passed_bytes - bytes);
                    }
                    State::Answered(1, _) => tempos.get(sent.tempo).was_single(),
                    State::Answered(..) => {}
                    State::Ended(_) | State::Closed => continue,
                }
                closed.push(sent.lease);
            }
        }
        let place = if shared { place } else { 0 };
        let sent = &mut self.sent[place];
        let tempo = tempos.get(sent.tempo);
        let answer = match &mut sent.state {
            State::Answered(results, last) => {
                *results += 1;
                tempo.answered_again(now.duration_since(std::mem::replace(last, now)));
                Answer::Further
            }
            State::Ended(_) | State::Closed => Answer::Further,
            State::Waiting | State::Passed(..) => {
                if let State::Passed(_, bytes) = sent.state {
                    self.passed_bytes -= bytes;
                } else {
                    self.waiting -= 1;
                }
                if sent.alone && !shared {
                    self.pace.travelled(now.duration_since(sent.since), now);
                }
                sent.state = State::Answered(1, now);
                if silent == 0 {
                    before = before.max(sent.since);
                }
                tempo.answered(silent + 1, now.duration_since(before));
                self.pace.count(u64::from(silent) + 1, now);
                match () {
                    () if tempo.is_single() => Answer::Single,
                    () if tempo.seems_single() => Answer::SeemsSingle,
                    () => Answer::First,
                }
            }
        };
        (self.moved, self.answered, self.doubt) = (now, now, 0);
        answer
    }

    /// The lease of a message has ended, of which more may come.
    pub fn end(&mut self, lease: LeaseKey, late: Option<Late>) {
        // As a rule it is the first.
        let Some(sent) = self.sent.iter_mut().find(|sent| sent.lease == lease) else { return };
        match sent.state {
            State::Waiting => self.waiting -= 1,
            State::Passed(_, bytes) => self.passed_bytes -= bytes,
            _ => {}
        }
        sent.state = late.map_or(State::Closed, State::Ended);
        if self.sent.len() > PYLM_UNPROVEN
            && matches!(self.sent.front(), Some(Sent { state: State::Ended(_) | State::Closed, .. }))
        {
            self.sent.pop_front();
        }
    }

    /// What is left of a message whose lease has ended, and of which another result has come; whether its client was told of the end.
    pub fn late(&mut self, lease: LeaseKey, now: Instant, tempos: &mut Tempos) -> Option<(&mut Late, bool)> {
        let sent = self.sent.iter_mut().find(|sent| sent.lease == lease)?;
        let State::Ended(late) = &mut sent.state else { return None };
        if late.results > 0 {
            tempos.get(sent.tempo).answered_again(now.duration_since(sent.since));
        }
        Some((late, sent.tells_end))
    }

    /// The next lease that something is to be done for by now; or when that will be so, as far as is known.
    pub fn overdue(
        &mut self,
        now: Instant,
        limits: Limits,
        tempos: &mut Tempos,
    ) -> Result<Overdue, Option<Instant>> {
        let mut next: Option<Instant> = None;
        let mut is_due = |when: Instant| {
            next = Some(next.map_or(when, |next| next.min(when)));
            when <= now
        };
        let mut waiting = None;
        for (place, sent) in self.sent.iter().enumerate() {
            let tempo: &Tempo = tempos.get(sent.tempo);
            match sent.state {
                State::Answered(..) if sent.tells_end && self.will_prove(place) => {}
                State::Answered(_, last) if is_due(last + tempo.quiet(limits.of(sent.tells_end))) => {
                    return Ok(Overdue::End(sent.lease));
                }
                State::Passed(passed, _) => {
                    // It comes to this one behind those that it was sent before, whatever it was taken to have passed over.
                    let since = passed.max(self.answered + tempo.each() * place as u32);
                    match tempo.silence(limits.of(sent.tells_end)) {
                        Some(silence) if is_due(since + silence) => return Ok(Overdue::End(sent.lease)),
                        None if is_due(since + limits.silence) => return Ok(Overdue::GiveUp(sent.lease)),
                        _ => {}
                    }
                }
                State::Waiting => {
                    waiting = Some(place);
                    break;
                }
                _ => {}
            }
        }
        if let Some(place) = waiting
            && place < PYLM_UNPROVEN
            && self.passed_bytes < HOST_BYTES
            && is_due(self.moved + self.pace.step(tempos.get(self.sent[place].tempo), self.doubt))
        {
            return Ok(Overdue::Room(self.sent[place].lease));
        }
        Err(next)
    }

    /// Whether an answer is to come that proves the message at this place of `sent` to be over: that to another one of its job, whose client
    /// waits for it anyway.
    fn will_prove(&self, place: usize) -> bool {
        let job = self.sent[place].job;
        let is_open = |sent: &Sent| matches!(sent.state, State::Waiting | State::Passed(..));
        self.connections == 1
            && self.sent.iter().skip(place + 1).rev().any(|sent| sent.job == job && is_open(sent))
    }

    /// The worker is taken to have passed a message over that has so many bytes.
    pub fn pass_over(&mut self, lease: LeaseKey, bytes: u64, now: Instant, tempos: &mut Tempos) {
        let Some(sent) = self.sent.iter_mut().find(|sent| sent.lease == lease) else { return };
        // A look that comes late sees several steps at once.
        self.moved = (self.moved + self.pace.step(tempos.get(sent.tempo), self.doubt)).min(now);
        self.doubt += 1;
        self.waiting -= 1;
        self.passed_bytes += bytes;
        sent.state = State::Passed(now, bytes);
    }
}
