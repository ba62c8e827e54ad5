//! The slots of a host that serves in pylm's way: each takes one message, and answers it before it takes another.

use super::super::cache::HostServices;
use super::super::palm::{self, with_payload};
use super::super::shared::Shared;
use bytes::Bytes;
use pylm_plugin_host::Outcome;
use pylm_protocol::palm::PalmMessage;
use pylm_transport::Frame;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use tracing::error;

/// What pylm's workers answer in place of a result when something went wrong.
const WENT_WRONG: &[u8] = b"0";

/// Where the thread that moves messages and the slots meet.
#[derive(Debug)]
pub(in super::super) struct Desk {
    slots: usize,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Bytes>,
    answers: Vec<Frame>,
    /// Messages that are waiting or being worked on.
    under_way: usize,
    closed: bool,
}

impl Desk {
    /// A desk for that many slots.
    pub(in super::super) fn new(slots: usize) -> Self {
        Desk { slots, state: Mutex::default(), news: Condvar::new() }
    }

    /// Whether a slot has nothing to do.
    pub(super) fn has_room(&self) -> bool {
        self.lock().under_way < self.slots
    }

    /// Whether no slot has anything to do, and all answers were taken.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.under_way == 0 && state.answers.is_empty()
    }

    /// Hands messages to the slots.
    pub(super) fn put(&self, messages: impl Iterator<Item = Bytes>) {
        let mut state = self.lock();
        let before = state.waiting.len();
        state.waiting.extend(messages);
        let count = state.waiting.len() - before;
        state.under_way += count;
        drop(state);
        (0..count).for_each(|_| self.news.notify_one());
    }

    /// Moves the answers that the slots have given.
    pub(super) fn take_answers(&self, into: &mut VecDeque<Frame>) {
        into.extend(self.lock().answers.drain(..));
    }

    /// Lets the slots end.
    pub(in super::super) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_all();
    }

    fn next(&self) -> Option<Bytes> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(message) = state.waiting.pop_front() {
                return Some(message);
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn answer(&self, answer: Vec<u8>) {
        self.lock().answers.push(Frame::from_vec(answer));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works on messages until the desk is closed.
pub(in super::super) fn run(desk: &Desk, shared: &Shared) {
    while let Some(bytes) = desk.next() {
        work(&bytes, shared, &mut |payload| {
            // What was decoded can be written anew.
            desk.answer(with_payload(&bytes, payload).unwrap_or_default());
            shared.signal();
        });
        desk.lock().under_way -= 1;
        shared.signal();
    }
}

/// Calls `answer` with the payload of each answer.
fn work(bytes: &[u8], shared: &Shared, answer: &mut dyn FnMut(&[u8])) {
    let message = match PalmMessage::decode(bytes) {
        Ok(message) => message,
        Err(error) => {
            return error!(%error, bytes = bytes.len(), "a message is none of pylm's, and gets no answer");
        }
    };
    let called = palm::called(&shared.functions, &message);
    let Some(function) = called.and_then(|index| shared.functions.get(index)) else {
        error!(function = message.function, stage = message.stage, "this worker has no such function");
        return answer(WENT_WRONG);
    };
    let (services, cancelled) = (HostServices(shared), AtomicBool::new(false));
    let call = palm::call(&message, &services, &cancelled, &shared.name);
    let failed = match function.call(&call, message.payload) {
        Ok(Outcome::Nothing) => None,
        Ok(Outcome::One(result)) => {
            answer(&result);
            None
        }
        Ok(Outcome::Many(results)) => {
            let mut failed = None;
            for result in results {
                match result {
                    Ok(result) => answer(&result),
                    Err(error) => failed = Some(error),
                }
            }
            failed
        }
        Err(error) => Some(error),
    };
    if let Some(failed) = failed {
        error!(function = message.function, error = failed.message, "a function failed");
        answer(WENT_WRONG);
    }
}
