//! Cache calls that have no answer yet.

use bytes::Bytes;
use pylm_protocol::{BatchWriter, Payload, Record};
use std::collections::BTreeMap;

/// What is asked of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CacheCall {
    Get { key: String },
    Set { key: String, value: Bytes },
    Delete { key: String },
}

/// What the cache answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CacheAnswer {
    /// The value, or the key of what was set.
    Done(Bytes),
    NoSuchKey,
    /// The reason.
    Refused(String),
    /// The client's grant does not allow it; which part.
    NotGranted(String),
}

/// The calls under way, by number; `W` is whoever waits for the answer.
#[derive(Debug)]
pub(crate) struct Calls<W> {
    next: u64,
    open: BTreeMap<u64, (CacheCall, W)>,
    /// Calls from this number on were not sent over the present connection.
    unsent: u64,
}

impl<W> Default for Calls<W> {
    fn default() -> Self {
        Calls { next: 0, open: BTreeMap::new(), unsent: 0 }
    }
}

impl<W> Calls<W> {
    pub(crate) fn push(&mut self, call: CacheCall, waiting: W) {
        self.open.insert(self.next, (call, waiting));
        self.next += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn disconnected(&mut self) {
        self.unsent = 0;
    }

    pub(crate) fn transmit(&mut self, writer: &mut BatchWriter) {
        for (&number, (call, _)) in self.open.range(self.unsent..) {
            if writer.is_full() {
                return;
            }
            writer.push(&match call {
                CacheCall::Get { key } => Record::Get { call: number, key },
                CacheCall::Set { key, value } => {
                    Record::Set { call: number, key, payload: Payload(value.clone()) }
                }
                CacheCall::Delete { key } => Record::Delete { call: number, key },
            });
            self.unsent = number + 1;
        }
    }

    /// Takes an answer; `None` for a call that is not open, or a status that is not known.
    pub(crate) fn answer(&mut self, call: u64, status: u32, payload: Bytes) -> Option<(W, CacheAnswer)> {
        let (_, waiting) = self.open.remove(&call)?;
        let answer = match status {
            0 => CacheAnswer::Done(payload),
            1 => CacheAnswer::NoSuchKey,
            3 => CacheAnswer::NotGranted(String::from_utf8_lossy(&payload).into_owned()),
            _ => CacheAnswer::Refused(String::from_utf8_lossy(&payload).into_owned()),
        };
        Some((waiting, answer))
    }
}
