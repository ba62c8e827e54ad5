//! Late results: those of a message that was taken to have ended.

use crate::node::egress::Client;
use crate::node::ledger::{JobKey, LeaseKey, MessageKey, Passed};
use crate::node::message::{Identity, Message};
use crate::node::router::Router;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// What is left of a part whose lease has ended, which nothing has proved.
#[derive(Debug)]
pub struct Late {
    /// Its message's job.
    pub job: JobKey,
    /// Its message, which may be under way: of other parts, more is to come.
    pub message: MessageKey,
    /// Which part it is.
    pub identity: Identity,
    /// The part, without its data.
    pub body: Message,
    /// The message as it came, where hooks want to see it.
    pub original: Option<Arc<Message>>,
    /// The results that it has given.
    pub results: u64,
}

impl Router {
    /// What is to be left of the part of a lease that is about to end.
    pub(super) fn late_of(&self, lease: LeaseKey) -> Option<Late> {
        let part = self.ledger.leased_part(lease)?;
        let original = self.ledger.message(part.message).and_then(|open| open.original.clone());
        let results = self.ledger.lease_results(lease).unwrap_or_default();
        let body = part.body.with_payload(Bytes::new());
        Some(Late { job: part.job, message: part.message, identity: part.identity, body, original, results })
    }

    /// Takes a result whose lease is gone, of a message that went by this port. Where its message is under way, for other parts of it, it is
    /// one more result. Where that has ended, one of pylm's clients counts it all the same; others were told the end, and it is lost to them.
    pub(super) fn take_late(&mut self, port: usize, lease: LeaseKey, payload: Bytes, now: Instant) {
        let Router { workers, tempos, .. } = self;
        let late = workers.get_mut(port).and_then(|worker| worker.late(lease, now, tempos));
        let Some((late, was_told)) = late else { return };
        tracing::debug!(
            number = late.identity.number,
            "a pylm worker gave a result after the end that was guessed"
        );
        let index = late.results;
        late.results += 1;
        let &mut Late { job, message, identity, .. } = late;
        let (result, original) = (late.body.with_payload(payload), late.original.clone());
        if self.ledger.takes_results(message) {
            return self.gather(Passed { message, identity, index, relayed: None, held: false, result });
        }
        match self.clients.get(job) {
            Some(Client::Pylm(stream)) => {
                let line = stream.line;
                self.lines[line].open += 1;
            }
            Some(Client::Followed(stream)) if stream.header.elsewhere => {}
            _ if was_told => {
                tracing::warn!(
                    number = identity.number,
                    function = result.header.function.as_str(),
                    "a pylm worker gave a result after its message was taken to have ended, which is lost; see --pylm-quiet"
                );
                return;
            }
            // Its call is over.
            _ => return,
        }
        if let Some(message) = self.ledger.add_late(job, identity.number, original) {
            self.gather(Passed { message, identity, index, relayed: None, held: false, result });
            let settled = self.ledger.scattered(message);
            self.settle(settled);
        }
    }
}
