//! Calls of native peers to the cache: each is answered, in order, as long as its peer reads the answers.

use super::Violation;
use super::sessions::SessionKey;
use crate::node::bounds::{CALLS, UNREAD_BYTES};
use crate::node::router::Router;
use crate::node::unread::Unread;
use bytes::Bytes;
use pylm_access::GrantError;
use pylm_protocol::{Payload, Record};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Instant;

/// The status of an answer: done, no such key, refused, or not granted.
const DONE: u32 = 0;
const NO_SUCH_KEY: u32 = 1;
const REFUSED: u32 = 2;
const NOT_GRANTED: u32 = 3;

/// One call of a peer.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The peer's own number for it.
    number: u64,
    key: Cow<'a, str>,
    request: Request,
}

#[derive(Debug)]
enum Request {
    Get,
    Set(Bytes),
    Delete,
}

impl<'a> Call<'a> {
    /// The call that a record is, if it is one.
    #[allow(clippy::result_large_err, reason = "what is no call goes on at once, and is as large as it came")]
    pub(super) fn of(record: Record<'a>) -> Result<Self, Record<'a>> {
        let call = |number, key, request| Call { number, key: Cow::Borrowed(key), request };
        match record {
            Record::Get { call: number, key } => Ok(call(number, key, Request::Get)),
            Record::Set { call: number, key, payload } => Ok(call(number, key, Request::Set(payload.0))),
            Record::Delete { call: number, key } => Ok(call(number, key, Request::Delete)),
            other => Err(other),
        }
    }

    fn bytes(&self) -> usize {
        match &self.request {
            Request::Set(value) => value.len(),
            Request::Get | Request::Delete => 0,
        }
    }

    fn into_owned(self) -> Call<'static> {
        Call { number: self.number, key: self.key.into_owned().into(), request: self.request }
    }
}

/// What one session has called, and not had its answer read.
#[derive(Debug, Default)]
pub struct Calls {
    /// Answers that were made and not read.
    pub(super) unread: Unread,
    /// Those of them that wait in the session's batch.
    pub(super) in_batch: usize,
    /// Calls that wait until answers are read.
    waiting: VecDeque<Call<'static>>,
    /// The bytes of their values.
    waiting_bytes: usize,
}

impl Calls {
    fn may_answer(&self) -> bool {
        self.in_batch < CALLS && !self.unread.is_full()
    }

    fn unanswered(&self) -> usize {
        self.waiting.len() + self.in_batch + self.unread.answers()
    }

    fn wait(&mut self, call: Call<'_>) {
        self.waiting_bytes += call.bytes();
        self.waiting.push_back(call.into_owned());
    }

    fn next(&mut self) -> Option<Call<'static>> {
        let call = self.waiting.pop_front()?;
        self.waiting_bytes -= call.bytes();
        Some(call)
    }
}

impl Router {
    /// Answers a call, or lets it wait where its peer reads no answers.
    pub(super) fn take_call(
        &mut self,
        session: SessionKey,
        call: Call<'_>,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(calls) = self.sessions.get_mut(session).map(|session| &mut session.calls) else {
            return Ok(());
        };
        if calls.unanswered() >= CALLS {
            return Err(Violation(format!("more than {CALLS} calls are unanswered; read the answers")));
        }
        if calls.waiting.is_empty() && calls.may_answer() {
            self.answer(session, &call, now);
        } else if calls.waiting_bytes + call.bytes() > UNREAD_BYTES && calls.waiting_bytes > 0 {
            let text = "too many values wait to be set; read the answers, and set fewer at a time";
            self.sessions.answer(session, call.number, REFUSED, Bytes::from_static(text.as_bytes()));
        } else {
            if calls.waiting.is_empty() {
                self.calling.push(session);
            }
            calls.wait(call);
        }
        Ok(())
    }

    /// Answers calls that wait, as far as their peers have read.
    pub(crate) fn answer_waiting(&mut self, now: Instant) {
        if self.calling.is_empty() {
            return;
        }
        let mut calling = std::mem::take(&mut self.calling);
        calling.retain(|&session| {
            while let Some(open) = self.sessions.get_mut(session) {
                if open.calls.waiting.is_empty() || !open.calls.may_answer() {
                    return !open.calls.waiting.is_empty();
                }
                if let Some(call) = open.calls.next() {
                    self.answer(session, &call, now);
                }
            }
            false
        });
        self.calling = calling;
    }

    /// The answer to a Get: no more than the peer takes.
    fn value_for(&mut self, session: SessionKey, key: &str, now: Instant) -> (u32, Bytes) {
        let most = self.sessions.get_mut(session).map_or(0, |session| session.max_message);
        match self.value(key, now) {
            Some(value) if value.len() as u64 > most => {
                let size = value.len();
                let text =
                    format!("the value has {size} bytes, and this peer takes {most}; see --max-message");
                (REFUSED, text.into())
            }
            Some(value) => (DONE, value),
            None => (NO_SUCH_KEY, Bytes::new()),
        }
    }

    /// Why the session may not make this call.
    fn forbidden(&mut self, session: SessionKey, call: &Call<'_>) -> Option<GrantError> {
        let permit = &self.sessions.get_mut(session)?.permit;
        let checked = match &call.request {
            Request::Get => permit.check_read(&call.key),
            Request::Set(_) | Request::Delete => permit.check_write(&call.key),
        };
        checked.err()
    }

    fn answer(&mut self, session: SessionKey, call: &Call<'_>, now: Instant) {
        if let Some(refusal) = self.forbidden(session, call) {
            return self.sessions.answer(session, call.number, NOT_GRANTED, refusal.to_string().into());
        }
        let outcome = match &call.request {
            Request::Get => Ok(self.value_for(session, &call.key, now)),
            Request::Set(value) => self.set_value(&call.key, value.clone()).map(|key| (DONE, key.into())),
            Request::Delete => self.delete_value(&call.key).map(|was| {
                (if was { DONE } else { NO_SUCH_KEY }, Bytes::copy_from_slice(call.key.as_bytes()))
            }),
        };
        let (status, payload) = outcome.unwrap_or_else(|error| (REFUSED, error.to_string().into()));
        self.sessions.answer(session, call.number, status, payload);
    }
}

impl super::Sessions {
    fn answer(&mut self, key: SessionKey, call: u64, status: u32, payload: Bytes) {
        if let Some(session) = self.get_mut(key) {
            session.calls.in_batch += 1;
        }
        self.say(key, &Record::Answer { call, status, payload: Payload(payload) });
    }
}
