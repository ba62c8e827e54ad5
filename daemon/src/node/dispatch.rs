//! Dispatch: waiting parts are leased to hosts; what becomes of a lease is told here.

use super::bounds::{RETRY_DELAY, RETRY_DELAY_MAX};
use super::egress::Client;
use super::hosts::Host;
use super::ledger::{Ended, HostKey, LeaseEnd, LeaseKey, LeaseResult, MessageKey, Part};
use super::message::Message;
use super::native::stream::Output;
use super::pylm::late::Late;
use super::pylm::workers::Sent;
use super::router::Router;
use crate::supervisor::growing;
use bytes::Bytes;
use pylm_protocol::Record;
use pylm_protocol::codes::{FAILED, INCONSISTENT, LOST, TOO_LARGE};
use pylm_transport::Frame;
use slotmap::Key;
use std::time::Instant;

/// How a lease was ended by its only result.
#[derive(Debug)]
pub enum Reply<'a> {
    /// By a native host.
    Native,
    /// By an answer of a pylm worker.
    Pylm {
        /// The frame that it was read from.
        frame: &'a mut Frame,
        /// The port that its message went by.
        port: usize,
        /// Its function is said to give one result for each message; otherwise others may come.
        is_sure: bool,
    },
}

impl Router {
    /// Whether something may be dispatched that could not be before.
    pub(super) fn may_dispatch(&self) -> bool {
        // Results that hooks have not taken yet are bounded by making no more of them.
        self.ledger.may_dispatch() && !self.gatherer.as_ref().is_some_and(|gatherer| gatherer.is_full())
    }

    /// Gives what waits to who has room.
    pub(crate) fn dispatch(&mut self, now: Instant) {
        if !self.may_dispatch() {
            return;
        }
        if self.ledger.has_hopeless() {
            self.expire_unoffered(now);
        }
        let mut pushed = false;
        let mut refused = Vec::new();
        let Router { ledger, hosts, sessions, workers, clients, tempos, run_mark, pen, .. } = self;
        ledger.dispatch(|assignment| match hosts.get_mut(assignment.host) {
            Some(Host::Native(host)) => {
                if let Err(why) = host.assign(&assignment, now, sessions) {
                    refused.push((assignment.host, assignment.lease, why));
                }
            }
            Some(Host::Pylm(port)) => {
                let part = &assignment.part;
                let tracking = run_mark.tracking(*port, assignment.lease);
                let tempo = tempos.of(part.function, assignment.function);
                let palm = part.body.to_palm(part.identity, Some(tracking), pen);
                let counts =
                    part.body.header.elsewhere || matches!(clients.get(part.job), Some(Client::Pylm(_)));
                let sent = Sent::new((assignment.lease, part.job), tempo, !counts, now);
                workers[*port].push(sent, palm, now);
                pushed = true;
            }
            Some(Host::Subscribers(subscribers)) => {
                let part = &assignment.part;
                subscribers.push(assignment.lease, part.body.to_palm(part.identity, None, pen));
            }
            None => {}
        });
        if pushed {
            self.expect_answers(now);
        }
        for (host, lease, why) in refused {
            self.take_failure(host, lease, true, TOO_LARGE, &why);
        }
    }

    /// A result came under a lease.
    #[inline]
    pub(crate) fn take_result(&mut self, host: HostKey, lease: LeaseKey, result: LeaseResult) {
        if let Some(passed) = self.ledger.result(host, lease, result) {
            self.gather(passed);
        }
    }

    /// A lease was ended by its only result, which is all of its message: it is on its way out, or to the hooks. Gives the result back
    /// where there is more to it; else what is left for results that were not expected.
    #[inline]
    pub(crate) fn take_reply(
        &mut self,
        host: HostKey,
        lease: LeaseKey,
        payload: Bytes,
        reply: Reply<'_>,
    ) -> Result<Option<Late>, Bytes> {
        let is_sure = !matches!(reply, Reply::Pylm { is_sure: false, .. });
        if self.gatherer.is_some() {
            if !is_sure {
                return Err(payload);
            }
            self.gather_whole(host, lease, payload)?;
            self.lease_ended();
            return Ok(None);
        }
        if self.config.pipelined || !self.followed.is_empty() {
            return Err(payload);
        }
        let (clients, most, length) = (&self.clients, self.config.max_message, payload.len() as u64);
        let takes = |job| match clients.get(job) {
            Some(Client::Native(stream)) => is_sure && length <= most.min(stream.max_message),
            Some(Client::Pylm(_)) => length <= most,
            Some(Client::Followed(_)) | None => false,
        };
        let Some((message, part)) = self.ledger.reply(host, lease, takes) else { return Err(payload) };
        let mut late = None;
        match self.clients.get_mut(message.job) {
            Some(Client::Native(stream)) => stream.push(Output::Reply { number: message.number, payload }),
            Some(Client::Pylm(stream)) => {
                let (job, identity) = (message.job, part.identity);
                let result = Message { payload, ..part.part.body };
                if let Reply::Pylm { frame, port, .. } = reply {
                    let tracking = self.run_mark.tracking(port, lease);
                    stream.push(result.answer_to_palm(frame, identity, tracking, &mut self.pen));
                    let body = Message { payload: Bytes::new(), ..result };
                    let message = MessageKey::default();
                    late = Some(Late { job, message, identity, body, original: None, results: 1 });
                } else {
                    stream.push(result.to_palm(identity, None, &mut self.pen));
                }
                self.count_off(&message);
            }
            Some(Client::Followed(_)) | None => {}
        }
        self.lease_ended();
        self.touch(message.job);
        Ok(late)
    }

    /// There is room where a lease has ended.
    #[inline]
    fn lease_ended(&mut self) {
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
            let text = lost(&part, &format!("was alone at {times} hosts that were lost"));
            self.keep_failed(&part, LOST, &text);
            self.fail_part(&part, LOST, &text);
        }
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
}

/// What is told of a message that lost its hosts, as far as it is known.
pub(super) fn lost(part: &Part, what: &str) -> String {
    let cause = part.cause().map(|cause| format!("; {cause}")).unwrap_or_default();
    format!("it {what}{cause}; the log of the host tells more, and see --max-attempts")
}
