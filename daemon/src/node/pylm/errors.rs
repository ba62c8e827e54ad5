//! Errors for clients that count results.
//!
//! A client of pylm's is never told of the end of a message: it counts results, and an error is one of them, a payload of `0`. So
//! what fails of a message of theirs gives a `0` in the place of its result, which goes the way of results, and everything else of
//! the message goes on. The accounts say that it has failed.

use crate::node::egress::Client;
use crate::node::ingress::PYLM_ERROR;
use crate::node::ledger::{HostKey, LeaseEnd, LeaseKey, LeaseResult, MessageKey, Part, PartOf, Passed};
use crate::node::message::{Identity, Message};
use crate::node::route::Routed;
use crate::node::router::Router;
use pylm_protocol::Place;
use pylm_protocol::codes::{HOOK_FAILED, LOOP, LOST, UNFOLLOWED};
use std::sync::Arc;

/// The step of a place that no result of a function or follower has.
const ERROR_STEP: u64 = u64::MAX;

impl Router {
    /// Whether the client of a message counts its results: one of pylm's, at this node or at the first of those before it.
    pub(crate) fn counts_results(&self, key: MessageKey) -> bool {
        self.ledger.message(key).is_some_and(|open| match self.clients.get(open.job) {
            Some(Client::Pylm(_)) => true,
            Some(Client::Followed(stream)) => stream.header.elsewhere,
            Some(Client::Native(_)) | None => false,
        })
    }

    /// Takes note of a `0` that a pylm worker has given, where it is one result of several that a client counts; whether that is so.
    pub(super) fn takes_error(&mut self, lease: LeaseKey) -> bool {
        let Some(message) = self.ledger.leased_part(lease).map(|part| part.message) else { return false };
        let takes = self.counts_results(message) && !self.config.plugins.has_join();
        if takes {
            self.ledger.note_error(message);
        }
        takes
    }

    /// An error that is none of a part's takes the place of one more result.
    pub(crate) fn add_error(&mut self, key: MessageKey, code: &str, text: &str) {
        let Some(identity) = self.ledger.fail_part(key) else { return };
        tracing::debug!(number = identity.number, code, text, "an error takes the place of a result");
        if self.config.plugins.has_join() {
            return;
        }
        let Some(result) = self.error_of(key) else { return };
        match code {
            // There is nobody to go on to.
            LOOP | UNFOLLOWED => self.emit(key, identity, Place::new(&[identity.part]), false, result),
            // What a hook for results has failed on is not for hooks.
            HOOK_FAILED => {
                let place = Place::new(&[identity.part]);
                self.forward(key, identity, place, false, Routed::unsaid(result));
            }
            _ => self.gather_error(key, identity, 0, result),
        }
    }

    /// A part fails that no host has, and that is in no book any more: with it its message, or the place of its result.
    pub(crate) fn fail_part(&mut self, part: &PartOf<Part>, code: &str, text: &str) {
        let key = part.message;
        if !self.counts_results(key) {
            self.fail(key, code, text);
        } else if part.relay().is_some() {
            // There is nobody to go on to.
            self.add_error(key, UNFOLLOWED, text);
        } else {
            tracing::debug!(
                number = part.identity.number,
                code,
                text,
                "an error takes the place of a result"
            );
            self.ledger.note_error(key);
            if !self.config.plugins.has_join() {
                self.gather_error(key, part.identity, ERROR_STEP, part.body.with_payload(PYLM_ERROR));
            }
        }
        let settled = self.ledger.settle(key);
        self.settle(settled);
    }

    /// A part has taken too many of pylm's workers. What it has given before counts, and nothing takes the place of more.
    pub(super) fn lose_part(&mut self, part: &PartOf<Part>, text: &str) {
        if !part.has_given() || !self.counts_results(part.message) {
            return self.fail_part(part, LOST, text);
        }
        self.ledger.note_error(part.message);
        let settled = self.ledger.settle(part.message);
        self.settle(settled);
    }

    /// Takes the error of a lease as its last result, where the client of its message counts results; whether that is so.
    pub(crate) fn answers_with_error(
        &mut self,
        host: HostKey,
        lease: LeaseKey,
        code: &str,
        text: &str,
    ) -> bool {
        let Some(part) = self.ledger.leased_part(lease) else { return false };
        let (key, number, is_relay) = (part.message, part.identity.number, part.relay().is_some());
        if !self.counts_results(key) {
            return false;
        }
        tracing::debug!(number, code, text, "an error takes the place of a result");
        self.ledger.note_error(key);
        let results = self.ledger.lease_results(lease).unwrap_or_default();
        if self.config.plugins.has_join() && !is_relay {
            self.take_end(host, lease, LeaseEnd::Quiet);
            return true;
        }
        let place = Place::new(&[if is_relay { ERROR_STEP } else { results }]);
        let error = LeaseResult { place, payload: PYLM_ERROR, ..LeaseResult::default() };
        self.take_result(host, lease, error);
        self.take_end(host, lease, LeaseEnd::Done(results + 1));
        true
    }

    /// A result that is too large is an error for a client that counts results.
    pub(crate) fn bounded(&mut self, key: MessageKey, result: Message) -> Message {
        if result.payload.len() as u64 <= self.config.max_message || !self.counts_results(key) {
            return result;
        }
        self.ledger.note_error(key);
        result.with_payload(PYLM_ERROR)
    }

    /// Whether a join has not had all of a message that counts: one of its parts has failed.
    pub(crate) fn has_failed_join(&self, key: MessageKey) -> bool {
        let failed = self.ledger.message(key).is_some_and(|open| open.has_failed());
        failed && self.config.plugins.has_join() && self.counts_results(key)
    }

    /// An error takes the place of what a join would have given.
    pub(crate) fn end_failed_join(&mut self, key: MessageKey) {
        self.forget_in_hooks(key);
        if let (Some(identity), Some(result)) = (self.ledger.fail_part(key), self.error_of(key)) {
            self.forward(key, identity, Place::default(), false, Routed::unsaid(result));
        }
        let settled = self.ledger.gathered(key);
        self.settle(settled);
    }

    fn gather_error(&mut self, message: MessageKey, identity: Identity, index: u64, result: Message) {
        self.gather(Passed { message, identity, index, relayed: None, held: false, result });
    }

    /// An error as a message of the same client.
    fn error_of(&self, key: MessageKey) -> Option<Message> {
        let header = match self.clients.get(self.ledger.message(key)?.job)? {
            Client::Pylm(stream) => &stream.header,
            Client::Followed(stream) => &stream.header,
            Client::Native(_) => return None,
        };
        Some(Message { header: Arc::clone(header), cache: None, payload: PYLM_ERROR })
    }
}
