//! A client's message and its parts, from acceptance to the end.

use super::{FunctionKey, JobKey, LeaseKey, MessageKey, Relay};
use crate::node::message::{Identity, Message};
use bytes::Bytes;
use pylm_protocol::Place;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// A message that has not ended.
#[derive(Debug)]
pub struct OpenMessage {
    /// Its job.
    pub job: JobKey,
    /// Its number in the job.
    pub number: u64,
    /// The bytes of its payload.
    pub bytes: u64,
    /// The message as it came, where hooks want to see it.
    pub original: Option<Arc<Message>>,
    /// When it is to have ended.
    pub deadline: Option<Instant>,
    /// Results that went to the client.
    pub results: u64,
    /// When it was accepted.
    pub(super) since: u64,
    /// Scatter may make more parts of it.
    pub(super) scattering: bool,
    /// Parts that have not ended.
    pub(super) open_parts: u32,
    /// Parts that were ever made.
    pub(super) parts: u64,
    /// Gather was told that all parts have ended, and has not answered.
    pub(super) gathering: bool,
    /// Gather has answered.
    pub(super) gathered: bool,
}

impl OpenMessage {
    pub(super) fn new(
        job: JobKey,
        number: u64,
        bytes: u64,
        original: Option<Arc<Message>>,
        deadline: Option<Instant>,
    ) -> Self {
        OpenMessage {
            job,
            number,
            bytes,
            original,
            deadline,
            results: 0,
            since: 0,
            scattering: true,
            open_parts: 0,
            parts: 0,
            gathering: false,
            gathered: false,
        }
    }
}

/// What is next for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// Something of it is still to come.
    Open,
    /// All parts have ended: gather is to be told.
    Gather(MessageKey),
    /// It is done.
    Done(MessageKey),
}

/// A part that has not ended.
#[derive(Debug)]
pub struct Part {
    /// The message it is a part of.
    pub message: MessageKey,
    /// That message's job.
    pub job: JobKey,
    /// Which message and part it is.
    pub identity: Identity,
    /// The function it is for.
    pub function: FunctionKey,
    /// What the function gets.
    pub body: Message,
    /// How often it was leased.
    pub attempt: u32,
    /// Where it goes on to, if it is not for a function.
    pub relay: Option<Box<Relay>>,
    /// How many of its results were passed on.
    pub(super) passed: u64,
    /// The lease that is out.
    pub(super) lease: Option<LeaseKey>,
    /// What few parts have.
    pub(super) history: Option<Box<History>>,
}

/// What befell a part. Most have none; apart, it keeps the others small.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Results that count only together with the last of their lease.
    pub(super) held: Vec<(LeaseKey, Place, Bytes)>,
    /// The places of a follower's results that were passed on.
    pub(super) places: HashSet<Place>,
    /// How often its host was lost while it had others too.
    pub(super) suspicions: u32,
    /// How often its host was lost while it was alone.
    pub(super) deaths: u32,
    /// How often its function has failed and it was to be run again.
    pub(super) errors: u32,
    /// Leases of hosts that were lost, which may still come back with an answer.
    pub(super) orphans: Vec<LeaseKey>,
}

impl Part {
    pub(super) fn of(
        job: JobKey,
        message: MessageKey,
        identity: Identity,
        function: FunctionKey,
        body: Message,
    ) -> Self {
        Part {
            message,
            job,
            identity,
            function,
            body,
            attempt: 0,
            relay: None,
            passed: 0,
            lease: None,
            history: None,
        }
    }

    /// Whether it was at hosts that were lost, twice: it may be what kills them, and is tried alone.
    pub(super) fn is_suspect(&self) -> bool {
        self.history.as_ref().is_some_and(|history| history.suspicions >= 2)
    }

    pub(super) fn history(&mut self) -> &mut History {
        self.history.get_or_insert_default()
    }
}
