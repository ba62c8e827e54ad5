//! Answers of pylm workers, and what is done when none come; workers that come and go.

use super::tempo::Limits;
use super::workers::{Answer, Overdue};
use crate::node::bounds::HOST_BYTES;
use crate::node::dispatch::Reply;
use crate::node::hosts::Host;
use crate::node::ingress::{PYLM_ERROR, copy_if_small};
use crate::node::ledger::{HostKey, LeaseEnd, LeaseKey, LeaseResult};
use crate::node::router::Router;
use bytes::Bytes;
use pylm_protocol::codes::{FAILED, LOST, TOO_LARGE};
use pylm_protocol::palm::PalmFields;
use pylm_protocol::{FunctionOffer, Place};
use pylm_transport::{Frame, Frames, MonitorEventKind};
use std::time::{Duration, Instant};

/// A look at what is overdue comes no sooner than so long after the last one.
const LOOK: Duration = Duration::from_millis(2);

/// A lease that is out at a pylm worker, and which one that is.
#[derive(Debug, Clone, Copy)]
struct PortLease {
    port: usize,
    host: HostKey,
    lease: LeaseKey,
}

impl Router {
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
        // The message of an answer to an earlier run of this node was lost with that.
        let Some((sent_by, lease)) = self.run_mark.read(tracking) else { return };
        let failed = self.config.zero_is_error && palm.payload == PYLM_ERROR;
        let payload =
            copy_if_small(&palm, &frame).unwrap_or_else(|range| frame.share().into_bytes().slice(range));
        let Some(host) = self.ledger.lease_host(lease) else {
            return self.take_late(sent_by, lease, payload, now);
        };
        let Some(&Host::Pylm(port)) = self.hosts.get(host) else { return };
        let leased = PortLease { port, host, lease };
        let mut closed = std::mem::take(&mut self.closed);
        let answer = self.workers[port].answer(lease, now, &mut self.tempos, &mut closed);
        closed.drain(..).for_each(|lease| self.take_end(host, lease, LeaseEnd::Quiet));
        self.closed = closed;
        if payload.len() as u64 > self.config.max_message {
            let max = self.config.max_message;
            let text = format!("a result has more than {max} bytes; see --max-message");
            self.fail_answer(leased, true, TOO_LARGE, &text);
        } else if failed && !self.takes_error(lease) {
            let text = "the pylm worker answered 0, which stands for an error; its log tells more";
            self.fail_answer(leased, false, FAILED, text);
        } else {
            self.take_answer(leased, answer, payload, &mut frame, now);
        }
        let (limit, travelling) = (self.workers[port].limit(), self.workers[port].travelling());
        self.ledger.set_limit(host, limit, HOST_BYTES, now);
        self.ledger.set_travelling(host, travelling);
    }

    /// A result under a lease: all of its message, where its function gives one.
    fn take_answer(
        &mut self,
        leased: PortLease,
        answer: Answer,
        payload: Bytes,
        frame: &mut Frame,
        now: Instant,
    ) {
        let PortLease { port, host, lease } = leased;
        let mut rest = payload;
        let is_sure = answer == Answer::Single;
        if is_sure || answer == Answer::SeemsSingle {
            match self.take_reply(host, lease, rest, Reply::Pylm { frame, port, is_sure }) {
                Ok(late) => return self.workers[port].end(lease, late),
                Err(payload) => rest = payload,
            }
        }
        let results = self.ledger.lease_results(lease).unwrap_or_default();
        let result = LeaseResult { place: Place::new(&[results]), payload: rest, ..LeaseResult::default() };
        self.take_result(host, lease, result);
        if is_sure {
            return self.end_unproven(leased);
        }
        self.expect_answers(now);
        // It needs no room any more, and may be answered again.
        self.ledger.free_room(lease);
    }

    /// An answer that is an error.
    fn fail_answer(&mut self, leased: PortLease, permanent: bool, code: &str, text: &str) {
        let PortLease { port, host, lease } = leased;
        let late = self.late_of(lease);
        self.take_failure(host, lease, permanent, code, text);
        self.workers[port].end(lease, late);
    }

    /// Ends a lease of which nothing proves that it has given all.
    fn end_unproven(&mut self, PortLease { port, host, lease }: PortLease) {
        let late = self.late_of(lease);
        self.take_end(host, lease, LeaseEnd::Quiet);
        self.workers[port].end(lease, late);
    }

    /// Looks after what was heard nothing of, where it is time for that.
    pub(crate) fn look_after_workers(&mut self, now: Instant) {
        if self.next_look.is_none_or(|next| next > now) {
            return;
        }
        self.next_look = None;
        for port in 0..self.workers.len() {
            let Some(host) = self.workers[port].host else { continue };
            let limits = Limits { silence: self.config.pylm_silence, quiet: self.config.pylm_quiet };
            let next = loop {
                match self.workers[port].overdue(now, limits, &mut self.tempos) {
                    Ok(Overdue::Room(lease)) => {
                        let bytes = self.ledger.free_room(lease);
                        self.workers[port].pass_over(lease, bytes, now, &mut self.tempos);
                    }
                    Ok(Overdue::End(lease)) => self.end_unproven(PortLease { port, host, lease }),
                    Ok(Overdue::GiveUp(lease)) => {
                        let after = limits.silence.as_secs();
                        tracing::warn!(
                            after,
                            "a pylm worker gave nothing for a message, which ends; see --pylm-silence"
                        );
                        self.end_unproven(PortLease { port, host, lease });
                    }
                    Err(next) => break next,
                }
            };
            let next = next.map(|next| next.max(now + LOOK));
            self.next_look = [self.next_look, next].into_iter().flatten().min();
        }
    }

    /// Something was sent to a pylm worker, or heard from one: it is to be looked after.
    pub(crate) fn expect_answers(&mut self, now: Instant) {
        let soon = now + LOOK;
        self.next_look = Some(self.next_look.map_or(soon, |next| next.min(soon)));
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
                    let at = worker.forget();
                    worker.connections -= 1;
                    let left = worker.connections;
                    if let Some(host) = worker.host.take() {
                        self.lose_pylm_worker(host, &at, now);
                    }
                    if left > 0 {
                        self.greet_pylm_worker(place, now);
                    }
                }
                _ => {}
            }
        }
    }

    /// A pylm worker is lost: what it had goes to others, but for what has taken too many of them.
    fn lose_pylm_worker(&mut self, host: HostKey, at: &[LeaseKey], now: Instant) {
        let leases = self.ledger.credit(host).map_or(0, |credit| credit.leases);
        if leases > 0 {
            tracing::warn!(leases, "a pylm worker is lost, its messages go to others");
        }
        let attempts = self.config.pylm_attempts;
        for part in self.ledger.lose_worker(host, at, attempts, now) {
            let text = format!("{attempts} pylm workers were lost that were at it; see --pylm-attempts");
            self.keep_failed(&part, LOST, &text);
            self.lose_part(&part, &text);
        }
        self.hosts.remove(host);
    }

    fn greet_pylm_worker(&mut self, place: usize, now: Instant) {
        let functions: Option<Vec<_>> = self
            .config
            .pylm_functions
            .as_ref()
            .map(|names| names.iter().map(|name| FunctionOffer::function(name)).collect());
        let worker = &mut self.workers[place];
        let limit = worker.limit();
        let host = self.ledger.add_host(limit, HOST_BYTES, functions.as_deref(), "pylm worker", now);
        worker.begin(host, now);
        self.hosts.insert(host, Host::Pylm(place));
        tracing::info!(shared = place == 0, "a pylm worker is here");
    }
}
