//! Dispatch: waiting parts are leased to hosts; what becomes of a lease is told here.

use super::bounds::{HOST_BYTES, PYLM_QUIET, RETRY_DELAY, RETRY_DELAY_MAX};
use super::egress::Client;
use super::hosts::Host;
use super::ingress::{PYLM_ERROR, copy_if_small};
use super::ledger::{Ended, HostKey, LeaseEnd, LeaseKey, LeaseResult};
use super::message::Message;
use super::native::stream::Output;
use super::router::Router;
use crate::supervisor::growing;
use bytes::Bytes;
use pylm_protocol::codes::{FAILED, INCONSISTENT, LOST};
use pylm_protocol::palm::{PalmFields, Tracking};
use pylm_protocol::{FunctionOffer, Place, Record};
use pylm_transport::{Frame, Frames, MonitorEventKind};
use slotmap::{Key, KeyData};
use std::time::Instant;

impl Router {
    /// Whether something may be dispatched that could not be before.
    pub(super) fn may_dispatch(&self) -> bool {
        // Results that hooks have not taken yet are bounded by making no more of them.
        self.undispatched && !self.gatherer.as_ref().is_some_and(|gatherer| gatherer.is_full())
    }

    /// Gives what waits to who has room.
    pub(crate) fn dispatch(&mut self, now: Instant) {
        if !self.may_dispatch() {
            return;
        }
        self.undispatched = false;
        let Router { ledger, hosts, sessions, workers, run_mark, pen, .. } = self;
        ledger.dispatch(|assignment| match hosts.get_mut(assignment.host) {
            Some(Host::Native(host)) => host.assign(&assignment, now, sessions),
            Some(Host::Pylm(port)) => {
                let part = &assignment.part;
                let tracking = tracking(assignment.lease, *run_mark);
                workers[*port].push(assignment.lease, part.body.to_palm(part.identity, Some(tracking), pen));
            }
            Some(Host::Subscribers(subscribers)) => {
                let part = &assignment.part;
                subscribers.push(assignment.lease, part.body.to_palm(part.identity, None, pen));
            }
            None => {}
        });
    }

    /// A result came under a lease.
    #[inline]
    pub(crate) fn take_result(&mut self, host: HostKey, lease: LeaseKey, result: LeaseResult) {
        if let Some(passed) = self.ledger.result(host, lease, result) {
            self.gather(passed);
        }
    }

    /// A lease was ended by its only result, which is all of its message: it is on its way out, or to the hooks. Gives the result back
    /// where there is more to it. That of a pylm worker comes with the frame that it was read from.
    #[inline]
    pub(crate) fn take_reply(
        &mut self,
        host: HostKey,
        lease: LeaseKey,
        payload: Bytes,
        frame: Option<&mut Frame>,
    ) -> Result<(), Bytes> {
        if self.gatherer.is_some() {
            self.gather_whole(host, lease, payload)?;
            self.lease_ended();
            return Ok(());
        }
        if self.config.pipelined || !self.followed.is_empty() {
            return Err(payload);
        }
        let (clients, most, length) = (&self.clients, self.config.max_message, payload.len() as u64);
        let takes = |job| match clients.get(job) {
            Some(Client::Native(stream)) => length <= most.min(stream.max_message),
            Some(Client::Pylm(_)) => length <= most,
            Some(Client::Followed(_)) | None => false,
        };
        let Some((message, part)) = self.ledger.reply(host, lease, takes) else { return Err(payload) };
        match self.clients.get_mut(message.job) {
            Some(Client::Native(stream)) => stream.push(Output::Reply { number: message.number, payload }),
            Some(Client::Pylm(stream)) => {
                let result = Message { payload, ..part.part.body };
                let palm = match frame {
                    Some(frame) => {
                        let tracking = tracking(lease, self.run_mark);
                        result.answer_to_palm(frame, part.identity, tracking, &mut self.pen)
                    }
                    None => result.to_palm(part.identity, None, &mut self.pen),
                };
                stream.push(palm);
                self.count_off(&message);
            }
            Some(Client::Followed(_)) | None => {}
        }
        self.lease_ended();
        self.touch(message.job);
        Ok(())
    }

    /// There is room where a lease has ended.
    #[inline]
    fn lease_ended(&mut self) {
        self.undispatched = true;
        self.room_made |= !self.starved.is_empty();
    }

    /// A lease was ended by its host.
    #[inline]
    pub(crate) fn take_end(&mut self, host: HostKey, lease: LeaseKey, end: LeaseEnd) {
        self.lease_ended();
        match self.ledger.end_lease(host, lease, end, &mut self.abandoned) {
            Ended::Nothing | Ended::Retry { .. } => {}
            Ended::Done { held, message } => {
                // They may become parts again, which the message has to wait for.
                held.into_iter().for_each(|passed| self.gather(passed));
                let settled = self.ledger.settle(message);
                self.settle(settled);
            }
            Ended::Failed(message) => self.fail(message, FAILED, "the function failed"),
            Ended::Inconsistent(part) => {
                let text = "the function gave fewer results than when it ran before; mark it atomic";
                self.fail_part(&part, INCONSISTENT, text);
            }
        }
    }

    /// A lease was ended with an error.
    pub(crate) fn take_failure(
        &mut self,
        host: HostKey,
        lease: LeaseKey,
        permanent: bool,
        code: &str,
        text: &str,
    ) {
        self.lease_ended();
        if self.answers_with_error(host, lease, code, text) {
            return;
        }
        match self.ledger.end_lease(host, lease, LeaseEnd::Failed { permanent }, &mut self.abandoned) {
            Ended::Failed(message) => self.fail_as(message, permanent, code, text),
            Ended::Retry { part, errors } => {
                let delay = growing(RETRY_DELAY, RETRY_DELAY_MAX, errors.saturating_sub(1));
                tracing::debug!(code, text, errors, ?delay, "a function failed, and is tried again");
                self.ledger.retry_at(part, Instant::now() + delay);
            }
            Ended::Nothing | Ended::Done { .. } | Ended::Inconsistent(_) => {}
        }
    }

    /// Asks slow hosts for what they have not begun, where others have nothing to do.
    pub(crate) fn withdraw(&mut self) {
        let moves = self.ledger.moves();
        // What was given since the last look may be on its way.
        let settled = std::mem::replace(&mut self.moves_at_withdrawal, moves);
        for (host, lease) in self.ledger.withdraw(settled) {
            if let Some(Host::Native(host)) = self.hosts.get(host)
                && let Some(session) = host.session
            {
                self.sessions.say(session, &Record::Withdraw { lease: lease.data().as_ffi() });
            }
        }
    }

    /// A host is lost: what it had goes to others.
    pub(crate) fn lose_host(&mut self, host: HostKey, may_return: bool, now: Instant) {
        for part in self.ledger.lose_host(host, may_return, now) {
            let times = self.config.max_attempts;
            let text = format!("it was alone at {times} hosts that were lost; see --max-attempts");
            self.keep_failed(&part, LOST, &text);
            self.fail_part(&part, LOST, &text);
        }
        self.undispatched = true;
    }

    /// Forgets a lost host that has nothing to come back with.
    pub(crate) fn forget_host_unless_awaited(&mut self, host: HostKey) {
        let Some(Host::Native(native)) = self.hosts.get(host) else { return };
        if native.session.is_none() && !self.ledger.is_awaited(host) {
            self.hosts_by_peer.remove(&native.peer);
            self.hosts.remove(host);
            self.ledger.forget_host(host);
        }
    }

    /// Tells hosts of leases that nobody waits for any more.
    pub(crate) fn abandon(&mut self) {
        for (host, lease) in std::mem::take(&mut self.abandoned) {
            if let Some(Host::Native(host)) = self.hosts.get(host)
                && let Some(session) = host.session
            {
                self.sessions.say(session, &Record::Abandon { lease: lease.data().as_ffi() });
            }
        }
    }

    /// Takes one answer of a pylm worker.
    pub(crate) fn receive_answer(&mut self, frames: &mut Frames, now: Instant) {
        let Some(mut frame) = frames.pop().filter(|_| frames.is_empty()) else {
            return self.garbage("worker-pull", "a message of several frames");
        };
        // Its strings are those that were sent.
        let palm = match PalmFields::read(&frame) {
            Ok(palm) => palm,
            Err(error) => return self.garbage("worker-pull", &error.to_string()),
        };
        let Some(tracking) = palm.tracking else {
            return self.garbage("worker-pull", "an answer to a message that was not sent");
        };
        // An answer to a lease of an earlier run of this node: its message was lost with that run.
        if tracking.node != self.run_mark {
            return;
        }
        let lease = LeaseKey::from(KeyData::from_ffi(tracking.lease));
        let failed = self.config.zero_is_error && palm.payload == PYLM_ERROR;
        let payload =
            copy_if_small(&palm, &frame).unwrap_or_else(|range| frame.share().into_bytes().slice(range));
        let Some(host) = self.ledger.lease_host(lease) else { return };
        let Some(&Host::Pylm(port)) = self.hosts.get(host) else { return };
        let index = self.ledger.lease_results(lease).unwrap_or_default();
        let mut closed = std::mem::take(&mut self.closed);
        self.workers[port].answer(lease, index + 1, now, &mut closed);
        if failed {
            let text = "the pylm worker answered 0, which stands for an error; its log tells more";
            self.take_failure(host, lease, false, FAILED, text);
        } else {
            let is_only = index == 0 && closed.last() == Some(&lease);
            let rest = if is_only {
                self.take_reply(host, lease, payload, Some(&mut frame)).err()
            } else {
                Some(payload)
            };
            match rest {
                None => drop(closed.pop()),
                Some(payload) => {
                    let place = Place::new(&[index]);
                    self.take_result(host, lease, LeaseResult { place, payload, ..LeaseResult::default() });
                }
            }
        }
        closed.drain(..).for_each(|lease| self.take_end(host, lease, LeaseEnd::Quiet));
        self.closed = closed;
        let limit = self.workers[port].limit();
        self.ledger.set_limit(host, limit, HOST_BYTES, now);
    }

    /// Hears who has connected to a PUSH for pylm workers, and who is gone.
    pub(crate) fn read_monitor(&mut self, place: usize, now: Instant) {
        while let Some(event) = self.workers[place].monitor.next_event() {
            let worker = &mut self.workers[place];
            match event.kind {
                MonitorEventKind::HandshakeSucceeded => {
                    worker.connections += 1;
                    if worker.host.is_none() {
                        self.greet_pylm_worker(place, now);
                    }
                }
                MonitorEventKind::Disconnected if worker.connections > 0 => {
                    worker.connections -= 1;
                    let left = worker.connections;
                    worker.forget();
                    if let Some(host) = worker.host.take() {
                        let leases = self.ledger.credit(host).map_or(0, |credit| credit.leases);
                        if leases > 0 {
                            tracing::warn!(leases, "a pylm worker is lost, its messages go to others");
                        }
                        self.lose_host(host, false, now);
                        self.hosts.remove(host);
                    }
                    if left > 0 {
                        self.greet_pylm_worker(place, now);
                    }
                }
                _ => {}
            }
        }
    }

    fn greet_pylm_worker(&mut self, place: usize, now: Instant) {
        let worker = &mut self.workers[place];
        let limit = worker.limit();
        let functions: Option<Vec<_>> = self
            .config
            .pylm_functions
            .as_ref()
            .map(|names| names.iter().map(|name| FunctionOffer::function(name)).collect());
        let host = self.ledger.add_host(limit, HOST_BYTES, functions.as_deref(), "pylm worker", now);
        worker.begin(host, now);
        self.hosts.insert(host, Host::Pylm(place));
        self.undispatched = true;
        tracing::info!(shared = place == 0, "a pylm worker is here");
    }

    /// Closes leases of pylm workers that were answered, and that nothing more was heard of.
    pub(crate) fn close_quiet(&mut self, now: Instant) {
        for place in 0..self.workers.len() {
            let worker = &mut self.workers[place];
            let quiet = |(_, since): &mut (LeaseKey, Instant)| now.duration_since(*since) >= PYLM_QUIET;
            if let (Some(host), Some((lease, _))) = (worker.host, worker.answered.take_if(quiet)) {
                let limit = worker.limit();
                self.take_end(host, lease, LeaseEnd::Quiet);
                self.ledger.set_limit(host, limit, HOST_BYTES, now);
            }
        }
    }
}

/// What a message to a pylm worker carries beside what it says.
fn tracking(lease: LeaseKey, run_mark: u64) -> Tracking {
    Tracking { lease: lease.data().as_ffi(), node: run_mark }
}
