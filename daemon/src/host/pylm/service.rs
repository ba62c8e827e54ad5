//! Cache calls of functions, asked in pylm's way, one after the other.

use super::super::HostError;
use super::super::calls::{Answer, Ask, Calls, TIME_LIMIT};
use super::super::db::Db;
use bytes::Bytes;
use pylm_protocol::palm::PalmMessage;
use pylm_transport::{Context, Poller, Security};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The cache of a Python node.
pub(super) struct CacheService<'a> {
    context: &'a Context,
    address: &'a str,
    client: &'a str,
    connection: Option<Db>,
    waiting: VecDeque<(u64, Ask)>,
    asked: Option<Asked>,
}

/// What the service was asked, and has not answered.
struct Asked {
    call: u64,
    ask: Ask,
    /// Only whether the key is there: deleting one that is not would be the end of pylm's cache.
    looks_first: bool,
    until: Instant,
}

impl<'a> CacheService<'a> {
    /// The cache at an address; connects when there is something to ask.
    pub(super) fn new(context: &'a Context, address: &'a str, client: &'a str) -> Self {
        CacheService { context, address, client, connection: None, waiting: VecDeque::new(), asked: None }
    }

    /// Asks and answers as far as possible now.
    pub(super) fn turn(
        &mut self,
        calls: &Calls,
        poller: &Poller,
        key: usize,
        now: Instant,
    ) -> Result<(), HostError> {
        self.waiting.extend(calls.take_asked());
        loop {
            if let Some(asked) = self.asked.take() {
                let answer = self.connection.as_ref().map_or(Ok(None), Db::answer)?;
                match answer {
                    Some(value) => self.answered(calls, asked, value)?,
                    None if now >= asked.until => {
                        // An answer that comes late would be taken for that of the next question.
                        if let Some(connection) = self.connection.take() {
                            poller.remove(connection.fd())?;
                        }
                    }
                    None => {
                        self.asked = Some(asked);
                        return Ok(());
                    }
                }
            } else if let Some((call, ask)) = self.waiting.pop_front() {
                if self.connection.is_none() {
                    let connection = Db::connect(self.context, self.address, &Security::None)?;
                    poller.add(connection.fd(), key)?;
                    self.connection = Some(connection);
                }
                let looks_first = matches!(ask, Ask::Delete { .. });
                self.ask(Asked { call, ask, looks_first, until: now + TIME_LIMIT })?;
            } else {
                return Ok(());
            }
        }
    }

    /// How long there is nothing to do by itself.
    pub(super) fn timeout(&self, now: Instant) -> Duration {
        self.asked.as_ref().map_or(TIME_LIMIT, |asked| asked.until.saturating_duration_since(now))
    }

    fn answered(&mut self, calls: &Calls, asked: Asked, value: Bytes) -> Result<(), HostError> {
        let answer = match &asked.ask {
            // pylm answers a missing key with an empty value.
            Ask::Get { .. } | Ask::Delete { .. } if value.is_empty() => Answer::NoSuchKey,
            Ask::Delete { .. } if asked.looks_first => {
                return self.ask(Asked { looks_first: false, ..asked });
            }
            _ => Answer::Done(value),
        };
        calls.answer(asked.call, answer);
        Ok(())
    }

    fn ask(&mut self, asked: Asked) -> Result<(), HostError> {
        let client = self.client;
        let request = match &asked.ask {
            Ask::Set { key, value } => PalmMessage {
                client,
                function: "_.set",
                cache: key,
                payload: value,
                ..PalmMessage::default()
            },
            Ask::Delete { key } if !asked.looks_first => PalmMessage {
                client,
                function: "_.delete",
                payload: key.as_bytes(),
                ..PalmMessage::default()
            },
            Ask::Get { key } | Ask::Delete { key } => {
                PalmMessage { client, function: "_.get", payload: key.as_bytes(), ..PalmMessage::default() }
            }
        };
        if let Some(connection) = &self.connection {
            connection.send(&request)?;
        }
        self.asked = Some(asked);
        Ok(())
    }
}
