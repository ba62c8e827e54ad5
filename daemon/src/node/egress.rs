//! Egress: results and ends are counted, queued for their client, and sent as far as it has room.

use super::bounds::PYLM_CROSSING;
use super::follow::stream::FollowedStream;
use super::ledger::{JobKey, MessageKey, Outcome, Settled};
use super::message::{Identity, Message};
use super::native::stream::{Failure, Output, Stream};
use super::pylm::clients::PylmStream;
use super::router::Router;
use pylm_protocol::Place;
use pylm_protocol::codes::{FAILED, PANICKED, TOO_LARGE};
use pylm_protocol::strings::TEXT;
use std::time::Instant;

/// What a job owes its client.
#[derive(Debug)]
pub enum Client {
    /// A native client.
    Native(Box<Stream>),
    /// A pylm client.
    Pylm(PylmStream),
    /// An earlier node that this one follows.
    Followed(FollowedStream),
}

impl Client {
    fn dirty(&mut self) -> &mut bool {
        match self {
            Client::Native(stream) => &mut stream.dirty,
            Client::Pylm(stream) => &mut stream.dirty,
            Client::Followed(stream) => &mut stream.dirty,
        }
    }
}

impl Router {
    /// Queues a result of a message for its client.
    #[inline]
    pub(crate) fn emit(
        &mut self,
        key: MessageKey,
        identity: Identity,
        place: Place,
        held: bool,
        result: Message,
    ) {
        let Some((job, number)) = self.ledger.count_result(key) else { return };
        let result = self.bounded(key, result);
        let length = result.payload.len() as u64;
        let max = match self.clients.get_mut(job) {
            Some(Client::Native(stream)) => {
                let max = stream.max_message.min(self.config.max_message);
                if length <= max {
                    stream.push(Output::Result { number, place, held, payload: result.payload });
                }
                max
            }
            Some(Client::Pylm(stream)) => {
                let max = self.config.max_message;
                if length <= max {
                    stream.push(result.to_palm(identity, None, &mut self.pen));
                }
                max
            }
            Some(Client::Followed(stream)) => {
                let link = self.followed[stream.place].link();
                let max = self.config.max_message.min(link.map_or(u64::MAX, |link| link.max_message));
                if length <= max {
                    stream.push(Output::Result { number, place, held, payload: result.payload });
                }
                max
            }
            None => return,
        };
        if length > max {
            self.fail(key, TOO_LARGE, &format!("a result has more than {max} bytes; see --max-message"));
        }
        self.touch(job);
    }

    /// Goes on with a message of which something has ended.
    #[inline]
    pub(crate) fn settle(&mut self, settled: Settled) {
        match settled {
            Settled::Open => {}
            Settled::Gather(key) => {
                if self.has_failed_join(key) {
                    return self.end_failed_join(key);
                }
                if let Some(gatherer) = &mut self.gatherer {
                    gatherer.complete(key);
                }
            }
            Settled::Done(key) => {
                let Some(message) = self.ledger.end(key, self.ledger.outcome(key)) else { return };
                self.count_off(&message);
                if message.is_counted() {
                    return;
                }
                let done = Output::Done { number: message.number, results: message.results };
                match self.clients.get_mut(message.job) {
                    Some(Client::Native(stream)) => stream.push(done),
                    Some(Client::Followed(stream)) => stream.push(done),
                    Some(Client::Pylm(_)) | None => return,
                }
                self.touch(message.job);
            }
        }
    }

    /// Ends a message with an error, which could pass only where a function has failed.
    pub(crate) fn fail(&mut self, key: MessageKey, code: &str, text: &str) {
        self.fail_as(key, !matches!(code, FAILED | PANICKED), code, text);
    }

    /// The same, where it is known whether the error is `permanent`.
    pub(crate) fn fail_as(&mut self, key: MessageKey, permanent: bool, code: &str, text: &str) {
        if self.counts_results(key) {
            return self.add_error(key, code, text);
        }
        let Some(message) = self.ledger.end(key, Outcome::Failed) else { return };
        self.count_off(&message);
        self.forget_in_hooks(key);
        let (number, results) = (message.number, message.results);
        let text = &*TEXT.fit(text);
        tracing::debug!(number, code, text, "a message failed");
        let failed = || {
            let (code, text) = (code.to_owned(), text.to_owned());
            let failure = Failure { number, results, permanent, code, text };
            Output::Failed(Box::new(failure))
        };
        match self.clients.get_mut(message.job) {
            Some(Client::Native(stream)) => stream.push(failed()),
            Some(Client::Followed(stream)) => stream.push(failed()),
            Some(Client::Pylm(_)) | None => {}
        }
        self.touch(message.job);
    }

    /// A job may have something to send.
    #[inline]
    pub(crate) fn touch(&mut self, job: JobKey) {
        if let Some(client) = self.clients.get_mut(job)
            && !std::mem::replace(client.dirty(), true)
        {
            self.dirty.push(job);
        }
    }

    /// Whether a client has had everything, or is not there to have it.
    pub(super) fn is_served(&self, client: &Client) -> bool {
        match client {
            Client::Native(stream) => stream.session.is_none() || stream.is_settled(),
            Client::Pylm(stream) => stream.is_flushed() || self.publisher_of(stream).is_none(),
            Client::Followed(stream) => stream.is_flushed(),
        }
    }

    /// Whether what waits for the client of a job may be sent soon: a pylm client that listens, or an earlier node.
    pub(crate) fn is_there(&self, job: JobKey) -> bool {
        match self.clients.get(job) {
            Some(Client::Pylm(stream)) => self.publisher_of(stream).is_some(),
            Some(Client::Followed(_)) => true,
            _ => false,
        }
    }

    /// The sockets at which a pylm client listens: its own, as a rule.
    pub(super) fn publisher_of(&self, stream: &PylmStream) -> Option<usize> {
        let listens = |line: usize| self.lines[line].topics.contains_key(stream.client.as_bytes());
        if listens(stream.line) {
            Some(stream.line)
        } else {
            (0..self.lines.len()).find(|&line| listens(line))
        }
    }

    /// Sends what clients have room for, and holds back the jobs of those that have none.
    pub(crate) fn flush_clients(&mut self, now: Instant) {
        let mut jobs = std::mem::take(&mut self.waiting);
        jobs.append(&mut self.dirty);
        for job in jobs {
            let Some(client) = self.clients.get_mut(job) else { continue };
            // One that waited and has new results is there twice.
            *client.dirty() = false;
            let backed_up = match client {
                Client::Native(stream) => {
                    if let Some(keeper) = &mut self.keeper {
                        stream.keep(keeper);
                    }
                    if let Some(session) = stream.session {
                        self.sessions.fill(session, |batch| stream.fill(batch));
                    }
                    stream.is_backed_up()
                }
                Client::Pylm(_) => self.flush_pylm(job, now),
                Client::Followed(_) => self.fill_followed(job),
            };
            if self.ledger.is_held(job) != backed_up {
                self.ledger.hold(job, backed_up);
                if !backed_up {
                    self.give_room_to_starved();
                }
            }
        }
    }

    /// Publishes what a pylm client takes; whether too much waits.
    fn flush_pylm(&mut self, job: JobKey, now: Instant) -> bool {
        let Some(Client::Pylm(stream)) = self.clients.get(job) else { return false };
        let place = self.publisher_of(stream);
        let Some(Client::Pylm(stream)) = self.clients.get_mut(job) else { return false };
        // The subscription of an earlier call, which is closing, is not the one that these results are for. Waiting for the right
        // one has an end, since anybody may connect.
        let heard = stream.call == 0
            || now.duration_since(stream.begun) >= PYLM_CROSSING
            || place != Some(stream.line)
            || self.lines[stream.line].calls.is_heard(stream.call);
        let is_behind = stream.call > 0 && self.lines[stream.line].calls.is_behind(stream.call);
        if let Some(place) = place
            && heard
            && !is_behind
            && !stream.is_flushed()
        {
            let line = &mut self.lines[place];
            stream.flush(&line.publisher, now);
            // Sending takes news from the socket's descriptor that nobody will tell of again.
            line.publisher_ready |= line.publisher.socket.events().is_ok_and(|events| events.readable);
        }
        if !stream.is_flushed() && !std::mem::replace(&mut stream.dirty, true) {
            self.waiting.push(job);
        }
        let backed_up = stream.is_backed_up();
        // What waits for the end of a later call does not hold that back.
        let holds_line = backed_up && !is_behind;
        if std::mem::replace(&mut stream.backed_up, holds_line) != holds_line {
            let line = &mut self.lines[stream.line];
            if holds_line {
                line.backed_up += 1
            } else {
                line.backed_up -= 1
            };
        }
        backed_up
    }
}
