//! The short way of most messages: one part, whose lease is ended by its only result.

use super::entries::{Gather, Tally};
use super::{EndedMessage, Entry, HostKey, JobKey, LeaseKey, Ledger, MessageKey, Outcome, Part, PartOf};
use crate::node::message::{Identity, Message};
use bytes::Bytes;
use std::sync::Arc;

/// A message whose only result is for the hooks.
#[derive(Debug)]
pub struct Whole {
    /// The message.
    pub message: MessageKey,
    /// Its only part.
    pub identity: Identity,
    /// The message as it came.
    pub original: Arc<Message>,
    /// The part with the result's data.
    pub result: Message,
}

impl Ledger {
    /// The message of a lease whose only result is all of it, so that nothing else is to be minded.
    #[inline]
    fn whole(&self, host: HostKey, key: LeaseKey) -> Option<(&Entry, &Part)> {
        let lease = self.leases.get(key)?;
        let (message, part) = self.entries.whole(lease.part)?;
        let fresh = lease.host == host && lease.out && lease.results == 0 && !lease.atomic;
        let plain = part.lease == Some(key) && part.history.is_none();
        let alone = message.parts == 1 && message.open_parts == 1 && message.results == 0;
        let complete = !message.scattering && message.gather != Gather::Asked && message.tally == Tally::Done;
        (fresh && plain && alone && complete && self.functions.follower(part.function).is_none())
            .then_some((message, part))
    }

    /// Takes a lease's only result, and with it the end of lease, part and message; `None`, with nothing changed, where its job does not
    /// take it so, or more is to be minded: then result and end are taken one after the other.
    pub fn reply(
        &mut self,
        host: HostKey,
        key: LeaseKey,
        takes: impl FnOnce(JobKey) -> bool,
    ) -> Option<(EndedMessage, PartOf<Part>)> {
        self.whole(host, key).filter(|(message, _)| !self.rules.gathers && takes(message.job))?;
        let lease = self.leases.remove(key)?;
        let (message, part) = self.entries.end_whole(lease.part)?;
        self.close_lease(&lease, part.function, false);
        if let Some(job) = self.jobs.get_mut(part.job) {
            job.open_parts = job.open_parts.saturating_sub(1);
            job.open_bytes = job.open_bytes.saturating_sub(part.body.payload.len());
            job.moved = self.clock.now;
            job.bytes = job.bytes.saturating_sub(message.bytes);
            job.counts.end(Outcome::Done);
        }
        self.totals.end(Outcome::Done);
        self.activity.messages.add(self.clock.since(message.since));
        // The result, and the end.
        self.moves += 2;
        Some((message, part))
    }

    /// Takes a lease's only result, and with it the end of lease and part, where nothing else is to come of its message: that waits
    /// for the hooks from here on.
    ///
    /// # Errors
    /// Gives the result back, with nothing changed, where more is to be minded.
    pub fn reply_for_hooks(&mut self, host: HostKey, key: LeaseKey, payload: Bytes) -> Result<Whole, Bytes> {
        let Some((open, part)) = self.whole(host, key) else { return Err(payload) };
        let (message, function) = (open.message, part.function);
        let Some(open) = self.entries.message_mut(message) else { return Err(payload) };
        let Some(original) = open.original.take() else { return Err(payload) };
        open.gather = Gather::Asked;
        let Some(lease) = self.leases.remove(key) else { return Err(payload) };
        self.close_lease(&lease, function, false);
        let Some(part) = self.remove_part(lease.part) else { return Err(payload) };
        self.moves += 1;
        if let Some(job) = self.jobs.get_mut(part.job) {
            job.moved = self.clock.now;
        }
        let result = Message { payload, ..part.part.body };
        Ok(Whole { message, identity: part.identity, original, result })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LeaseEnd, LeaseResult, Rules, Settled, Terms};
    use super::*;
    use crate::node::message::{Header, Message};
    use bytes::Bytes;
    use pylm_protocol::FunctionOffer;
    use std::sync::Arc;
    use std::time::Instant;

    /// A ledger with a message of so many parts, leased to one host.
    fn leased(gathers: bool, parts: usize) -> (Ledger, HostKey, Vec<LeaseKey>) {
        let mut ledger = Ledger::new(Rules { max_attempts: 3, gathers });
        let now = Instant::now();
        let host = ledger.add_host(10, 1 << 20, Some(&[FunctionOffer::function("f")]), "host", now);
        let job = ledger.open_job(Terms::default());
        let body =
            Message { header: Arc::new(Header::default()), cache: None, payload: Bytes::from_static(b"x") };
        let original = gathers.then(|| Arc::new(body.clone()));
        let key = ledger.accept(job, 0, 1, original, None).unwrap();
        for _ in 0..parts {
            let function = ledger.function("f", now);
            ledger.add_part(key, function, body.clone());
        }
        let _ = ledger.scattered(key);
        let mut leases = Vec::new();
        ledger.dispatch(|assignment| leases.push(assignment.lease));
        (ledger, host, leases)
    }

    #[test]
    fn a_reply_leaves_the_books_as_result_and_end_do() {
        let (mut short, host, leases) = leased(false, 1);
        assert_eq!(short.reply(host, leases[0], |_| true).unwrap().0.number, 0);
        assert!(short.reply(host, leases[0], |_| true).is_none(), "a second answer finds nothing");

        let (mut long, host, leases) = leased(false, 1);
        let result = LeaseResult { only: true, ..LeaseResult::default() };
        let message = long.result(host, leases[0], result).unwrap().message;
        let _ = long.end_lease(host, leases[0], LeaseEnd::Done(1), &mut Vec::new());
        assert_eq!(long.settle(message), Settled::Done(message));
        long.end(message, Outcome::Done);

        assert_eq!(short.totals(), long.totals());
        let credit = |ledger: &Ledger| ledger.credit(host).map(|credit| (credit.leases, credit.bytes));
        assert_eq!(credit(&short), credit(&long));
        assert_eq!((short.entries.count(), short.leases.len()), ((0, 0), 0));
    }

    #[test]
    fn a_reply_for_hooks_leaves_the_books_as_result_and_end_do() {
        let payload = Bytes::from_static(b"result");
        let (mut short, host, leases) = leased(true, 1);
        let whole = short.reply_for_hooks(host, leases[0], payload.clone()).unwrap();
        assert_eq!(whole.original.payload, "x");
        assert_eq!(whole.result.payload, payload);
        assert!(short.reply_for_hooks(host, leases[0], payload.clone()).is_err());
        assert_eq!(short.settle(whole.message), Settled::Open, "it waits for the hooks");

        let (mut long, host, leases) = leased(true, 1);
        let result = LeaseResult { only: true, payload, ..LeaseResult::default() };
        let message = long.result(host, leases[0], result).unwrap().message;
        let _ = long.end_lease(host, leases[0], LeaseEnd::Done(1), &mut Vec::new());
        assert_eq!(long.settle(message), Settled::Gather(message));

        for ledger in [&mut short, &mut long] {
            assert_eq!(
                (ledger.totals().under_way, ledger.entries.count(), ledger.leases.len()),
                (1, (1, 0), 0)
            );
            assert_eq!(ledger.credit(host).map(|credit| (credit.leases, credit.bytes)), Some((0, 0)));
            assert_eq!(ledger.gathered(message), Settled::Done(message));
        }
    }

    #[test]
    fn what_is_more_than_one_result_goes_the_long_way() {
        let (mut ledger, host, leases) = leased(false, 1);
        assert!(ledger.reply(host, leases[0], |_| false).is_none(), "its client does not take it");
        let (mut ledger, host, leases) = leased(false, 2);
        assert!(ledger.reply(host, leases[0], |_| true).is_none(), "another part is open");
        let (mut ledger, host, leases) = leased(true, 1);
        assert!(ledger.reply(host, leases[0], |_| true).is_none(), "gather hooks want to see it");
        let (mut ledger, host, leases) = leased(true, 2);
        assert!(ledger.reply_for_hooks(host, leases[0], Bytes::new()).is_err(), "another part is open");
        let (mut ledger, host, leases) = leased(false, 1);
        let _ = ledger.result(host, leases[0], LeaseResult::default());
        assert!(ledger.reply(host, leases[0], |_| true).is_none(), "a result was passed on");
        let (mut ledger, host, leases) = leased(false, 1);
        ledger.lose_host(host, true, Instant::now());
        assert!(ledger.reply(host, leases[0], |_| true).is_none(), "its host was lost");
        assert_eq!(ledger.totals().under_way, 1);
    }
}
