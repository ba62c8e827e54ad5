//! The table of messages that have not ended, and of their parts.
//!
//! Most messages are one part: such a message and its part are one entry, which is looked up once, and takes as little room as can
//! be. The two can end in either order.

use super::{FunctionKey, JobKey, LeaseKey, MessageKey, PartKey, Relay};
use crate::node::message::{Identity, Message};
use bytes::Bytes;
use pylm_protocol::Place;
use slotmap::SlotMap;
use std::borrow::{Borrow, BorrowMut};
use std::collections::HashSet;
use std::num::NonZeroU64;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A message, a part, or both in one.
#[derive(Debug)]
pub struct Entry {
    /// The job.
    pub job: JobKey,
    /// The message's number in the job.
    pub number: u64,
    /// The message as it came, where hooks want to see it.
    pub original: Option<Arc<Message>>,
    /// When the message is to have ended, by the ledger's clock.
    pub(super) deadline: Option<NonZeroU64>,
    /// When the message was accepted, by the ledger's clock.
    pub(super) since: u64,
    /// Results that went to the client.
    pub(super) results: u64,
    /// Parts that were ever made.
    pub(super) parts: u64,
    /// Parts that have not ended.
    pub(super) open_parts: u32,
    /// It is a message that has not ended; otherwise it is a part only.
    is_open: bool,
    /// Scatter may make more parts of it.
    pub(super) scattering: bool,
    /// How far gather is with it.
    pub(super) gather: Gather,
    /// How it is counted when it ends.
    pub(super) tally: Tally,
    /// The message that the part is of: itself, where it is both.
    pub(super) message: MessageKey,
    load: Load,
}

/// How a message is counted when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tally {
    /// As done.
    Done,
    /// As failed: an error took the place of a result, though it goes on to its end.
    Failed,
    /// Not any more: it carries what came of a message after its end.
    Counted,
}

impl Tally {
    pub(super) fn fail(&mut self) {
        if *self == Tally::Done {
            *self = Tally::Failed;
        }
    }
}

/// How far gather is with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gather {
    /// It takes results.
    Open,
    /// It was told that all parts have ended, and has not answered.
    Asked,
    /// It has given back all.
    Answered,
}

/// What is left of an entry's payload.
#[derive(Debug)]
enum Load {
    /// It is a part, which has not ended.
    Part(Part),
    /// Only how many bytes the message's had.
    Bytes(u64),
}

/// A part that has not ended.
#[derive(Debug)]
pub struct Part {
    /// The function it is for.
    pub function: FunctionKey,
    /// What the function gets.
    pub body: Message,
    /// How often it was leased.
    pub attempt: u32,
    /// Its place among the message's parts.
    index: u64,
    /// The lease that is out.
    pub(super) lease: Option<LeaseKey>,
    /// What few parts have.
    pub(super) history: Option<Box<History>>,
}

/// What befell a part, and what else only few are. Apart, it keeps the others small.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Where it goes on to, if it is not for a function.
    pub(super) relay: Option<Relay>,
    /// How many of its results were passed on, of which it was not known that they are the only ones.
    pub(super) passed: u64,
    /// Results that count only together with the last of their lease.
    pub(super) held: Vec<(LeaseKey, Place, Bytes)>,
    /// The places of a follower's results that were passed on.
    pub(super) places: HashSet<Place>,
    /// How often its host was lost while it had others too.
    pub(super) suspicions: u32,
    /// How often its host was lost while it was alone.
    pub(super) deaths: u32,
    /// The host that was lost last while it had nothing else.
    pub(super) lost_at: Option<Box<str>>,
    /// What was told of how such a host ended.
    pub(super) cause: Option<Box<str>>,
    /// How often its function has failed and it was to be run again.
    pub(super) errors: u32,
    /// Leases of hosts that were lost, which may still come back with an answer.
    pub(super) orphans: Vec<LeaseKey>,
}

impl Part {
    fn new(index: u64, function: FunctionKey, body: Message) -> Self {
        Part { function, body, attempt: 0, index, lease: None, history: None }
    }

    /// Where it goes on to, if it is not for a function.
    pub fn relay(&self) -> Option<&Relay> {
        self.history.as_ref()?.relay.as_ref()
    }

    /// Whether a result of it was passed on.
    pub fn has_given(&self) -> bool {
        self.passed() > 0
    }

    /// How many of its results were passed on.
    pub(super) fn passed(&self) -> u64 {
        self.history.as_ref().map_or(0, |history| history.passed)
    }

    /// How often its function has failed and it was to be run again.
    pub(super) fn errors(&self) -> u32 {
        self.history.as_ref().map_or(0, |history| history.errors)
    }

    /// Whether it was at hosts that were lost, twice: it may be what kills them, and is tried alone.
    pub(super) fn is_suspect(&self) -> bool {
        self.history.as_ref().is_some_and(|history| history.suspicions >= 2)
    }

    /// How often its host was lost.
    pub fn losses(&self) -> u32 {
        self.history.as_ref().map_or(0, |history| history.deaths + history.suspicions)
    }

    /// Whether its host was lost while it had nothing else, and others could have told.
    pub(super) fn is_deadly(&self) -> bool {
        self.history.as_ref().is_some_and(|history| history.deaths > 0)
    }

    /// What is known of how its hosts ended.
    pub fn cause(&self) -> Option<String> {
        let history = self.history.as_ref()?;
        let last = || history.lost_at.as_ref().map(|host| format!("the last one was {host:?}"));
        history.cause.as_ref().map(|cause| String::from(&**cause)).or_else(last)
    }

    pub(super) fn history(&mut self) -> &mut History {
        self.history.get_or_insert_default()
    }
}

/// A part, with what it is a part of.
#[derive(Debug)]
pub struct PartOf<P> {
    /// The message.
    pub message: MessageKey,
    /// That message's job.
    pub job: JobKey,
    /// Which message and part it is.
    pub identity: Identity,
    /// The part.
    pub part: P,
}

impl<P: Borrow<Part>> PartOf<P> {
    #[inline]
    fn new(message: MessageKey, job: JobKey, number: u64, part: P) -> Self {
        let identity = Identity { number, part: part.borrow().index };
        PartOf { message, job, identity, part }
    }
}

impl<P: Borrow<Part>> Deref for PartOf<P> {
    type Target = Part;

    fn deref(&self) -> &Part {
        self.part.borrow()
    }
}

impl<P: BorrowMut<Part>> DerefMut for PartOf<P> {
    fn deref_mut(&mut self) -> &mut Part {
        self.part.borrow_mut()
    }
}

/// A message that has ended.
#[derive(Debug, Clone, Copy)]
pub struct EndedMessage {
    /// Its job.
    pub job: JobKey,
    /// Its number in the job.
    pub number: u64,
    /// The bytes of its payload.
    pub bytes: u64,
    /// Results that went to the client.
    pub results: u64,
    /// When it was accepted, by the ledger's clock.
    pub(super) since: u64,
    pub(super) tally: Tally,
}

impl EndedMessage {
    /// Whether it only carried what came of a message after its end.
    pub fn is_counted(&self) -> bool {
        self.tally == Tally::Counted
    }
}

impl Entry {
    /// A message of which no part was made yet.
    pub(super) fn message(job: JobKey, number: u64, bytes: u64) -> Self {
        Entry {
            job,
            number,
            original: None,
            deadline: None,
            since: 0,
            results: 0,
            parts: 0,
            open_parts: 0,
            is_open: true,
            scattering: true,
            gather: Gather::Open,
            tally: Tally::Done,
            message: MessageKey::default(),
            load: Load::Bytes(bytes),
        }
    }

    /// Whether an error took the place of a result of the message.
    pub fn has_failed(&self) -> bool {
        self.tally == Tally::Failed
    }

    /// The bytes of the message's payload.
    fn bytes(&self) -> u64 {
        match &self.load {
            Load::Part(part) => part.body.payload.len() as u64,
            Load::Bytes(bytes) => *bytes,
        }
    }

    #[inline]
    fn part(&self) -> Option<PartOf<&Part>> {
        let Load::Part(part) = &self.load else { return None };
        Some(PartOf::new(self.message, self.job, self.number, part))
    }

    #[inline]
    fn part_mut(&mut self) -> Option<PartOf<&mut Part>> {
        let Load::Part(part) = &mut self.load else { return None };
        Some(PartOf::new(self.message, self.job, self.number, part))
    }

    fn ended(&self) -> EndedMessage {
        let Entry { job, number, results, since, tally, .. } = *self;
        EndedMessage { job, number, bytes: self.bytes(), results, since, tally }
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Entries(SlotMap<MessageKey, Entry>);

/// Entries that have their place from the start. It is memory of the system's that nobody has touched, and costs nothing until it is
/// used; a table that begins as large grows without being copied, and leaves nothing behind.
const RESERVED: usize = 1 << 19;

impl Default for Entries {
    fn default() -> Self {
        Entries(SlotMap::with_capacity_and_key(RESERVED))
    }
}

impl Entries {
    /// Takes in a message.
    pub(super) fn accept(&mut self, message: Entry) -> MessageKey {
        self.0.insert(message)
    }

    /// Takes in a message that is one part.
    #[inline]
    pub(super) fn accept_whole(
        &mut self,
        message: Entry,
        function: FunctionKey,
        body: Message,
    ) -> (MessageKey, PartKey) {
        let load = Load::Part(Part::new(0, function, body));
        let key = self.0.insert_with_key(|key| Entry {
            scattering: false,
            parts: 1,
            open_parts: 1,
            message: key,
            load,
            ..message
        });
        (key, PartKey(key))
    }

    /// Adds a part to a message that has not ended.
    pub(super) fn add_part(
        &mut self,
        key: MessageKey,
        function: FunctionKey,
        body: Message,
    ) -> Option<PartKey> {
        let message = self.message_mut(key)?;
        let part = Part::new(message.parts, function, body);
        message.parts += 1;
        // The first one is as a rule all of the message. With one of another size, its own would be forgotten.
        if part.index == 0 && part.body.payload.len() as u64 == message.bytes() {
            message.open_parts += 1;
            message.message = key;
            message.load = Load::Part(part);
            return Some(PartKey(key));
        }
        self.insert_part(key, part)
    }

    /// Adds a part for a follower, which goes on as `identity`.
    pub(super) fn add_relay(
        &mut self,
        key: MessageKey,
        identity: Identity,
        function: FunctionKey,
        body: Message,
        relay: Relay,
    ) -> Option<PartKey> {
        let history = History { relay: Some(relay), ..History::default() };
        let part = Part::new(identity.part, function, body);
        self.insert_part(key, Part { history: Some(Box::new(history)), ..part })
    }

    fn insert_part(&mut self, key: MessageKey, part: Part) -> Option<PartKey> {
        let message = self.message_mut(key)?;
        message.open_parts += 1;
        let (job, number) = (message.job, message.number);
        let entry =
            Entry { is_open: false, message: key, load: Load::Part(part), ..Entry::message(job, number, 0) };
        Some(PartKey(self.0.insert(entry)))
    }

    /// A message that has not ended.
    #[inline]
    pub(super) fn message(&self, key: MessageKey) -> Option<&Entry> {
        self.0.get(key).filter(|entry| entry.is_open)
    }

    #[inline]
    pub(super) fn message_mut(&mut self, key: MessageKey) -> Option<&mut Entry> {
        self.0.get_mut(key).filter(|entry| entry.is_open)
    }

    /// A part that has not ended, whether its message has or not.
    #[inline]
    pub(super) fn part(&self, key: PartKey) -> Option<PartOf<&Part>> {
        self.0.get(key.0)?.part()
    }

    #[inline]
    pub(super) fn part_mut(&mut self, key: PartKey) -> Option<PartOf<&mut Part>> {
        self.0.get_mut(key.0)?.part_mut()
    }

    /// The message that is this part, where neither has ended.
    #[inline]
    pub(super) fn whole(&self, key: PartKey) -> Option<(&Entry, &Part)> {
        match self.0.get(key.0)? {
            entry @ Entry { is_open: true, load: Load::Part(part), .. } => Some((entry, part)),
            _ => None,
        }
    }

    /// Ends a message and its only part together; see [`whole`](Self::whole).
    #[inline]
    pub(super) fn end_whole(&mut self, key: PartKey) -> Option<(EndedMessage, PartOf<Part>)> {
        let entry = self.0.remove(key.0)?;
        let ended = entry.ended();
        let Load::Part(part) = entry.load else { return None };
        Some((ended, PartOf::new(entry.message, entry.job, entry.number, part)))
    }

    /// Ends a message. Its parts may end later.
    pub(super) fn end_message(&mut self, key: MessageKey) -> Option<EndedMessage> {
        let message = self.message_mut(key)?;
        let ended = message.ended();
        if message.part().is_some() {
            message.is_open = false;
            message.original = None;
        } else {
            self.0.remove(key);
        }
        Some(ended)
    }

    /// Ends a part. Its message may end later.
    pub(super) fn end_part(&mut self, key: PartKey) -> Option<PartOf<Part>> {
        let entry = self.0.get_mut(key.0)?;
        let PartOf { message, job, identity, .. } = entry.part()?;
        let bytes = Load::Bytes(entry.bytes());
        let Load::Part(part) = std::mem::replace(&mut entry.load, bytes) else { return None };
        if !entry.is_open {
            self.0.remove(key.0);
        }
        if let Some(message) = self.message_mut(message) {
            message.open_parts -= 1;
        }
        Some(PartOf { message, job, identity, part })
    }

    /// Whether there is an entry of this key.
    #[inline]
    pub(super) fn has(&self, key: MessageKey) -> bool {
        self.0.contains_key(key)
    }
}

#[cfg(test)]
impl Entries {
    /// The messages that have not ended.
    pub(super) fn messages(&self) -> impl Iterator<Item = (MessageKey, &Entry)> {
        self.0.iter().filter(|(_, entry)| entry.is_open)
    }

    /// Whether something of a job is left.
    pub(super) fn knows_job(&self, job: JobKey) -> bool {
        self.0.values().any(|entry| entry.job == job)
    }

    /// How many messages, and how many parts, have not ended.
    pub(super) fn count(&self) -> (usize, usize) {
        let parts = self.0.values().filter(|entry| entry.part().is_some());
        (self.messages().count(), parts.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::message::Header;

    fn body(payload: &'static str) -> Message {
        let payload = Bytes::from_static(payload.as_bytes());
        Message { header: Arc::new(Header::default()), cache: None, payload }
    }

    fn message(bytes: u64) -> Entry {
        Entry::message(JobKey::default(), 7, bytes)
    }

    #[test]
    fn an_entry_is_small() {
        // With its place in a lane and its record's head it stays below 200 bytes.
        assert!(size_of::<Entry>() <= 160, "an entry takes {} bytes", size_of::<Entry>());
    }

    #[test]
    fn a_message_and_its_only_part_end_in_either_order() {
        let mut entries = Entries::default();
        for message_first in [true, false] {
            let (key, part) = entries.accept_whole(message(4), FunctionKey::default(), body("data"));
            assert_eq!(entries.part(part).unwrap().message, key);
            if message_first {
                assert_eq!(entries.end_message(key).unwrap().bytes, 4);
                assert!(entries.message(key).is_none() && entries.whole(part).is_none());
                assert_eq!(entries.part(part).unwrap().body.payload, "data");
                assert_eq!(entries.end_part(part).unwrap().identity, Identity { number: 7, part: 0 });
            } else {
                assert_eq!(entries.end_part(part).unwrap().body.payload, "data");
                assert!(entries.part(part).is_none() && entries.end_part(part).is_none());
                assert_eq!(entries.message(key).unwrap().open_parts, 0);
                assert_eq!(entries.end_message(key).unwrap().bytes, 4, "of a payload that has gone");
            }
            assert_eq!(entries.count(), (0, 0));
        }
    }

    #[test]
    fn parts_are_entries_of_their_own_beside_the_first() {
        let mut entries = Entries::default();
        let key = entries.accept(message(4));
        let add =
            |entries: &mut Entries, payload| entries.add_part(key, FunctionKey::default(), body(payload));
        let first = add(&mut entries, "data").unwrap();
        let second = add(&mut entries, "data").unwrap();
        assert_eq!(first, PartKey(key));
        assert_eq!(entries.part(second).unwrap().identity, Identity { number: 7, part: 1 });
        assert!(entries.whole(second).is_none());
        entries.end_part(first).unwrap();
        let third = add(&mut entries, "data").unwrap();
        assert!(entries.part(first).is_none(), "an old key is not that of another part");
        assert_eq!((entries.message(key).unwrap().parts, entries.message(key).unwrap().open_parts), (3, 2));
        entries.end_message(key).unwrap();
        assert!(add(&mut entries, "data").is_none(), "the message has ended");
        assert_eq!(entries.count(), (0, 2));
        assert!([second, third].into_iter().all(|part| entries.end_part(part).is_some()));
        assert_eq!(entries.count(), (0, 0));
    }

    #[test]
    fn a_first_part_of_another_size_leaves_the_messages_as_it_was() {
        let mut entries = Entries::default();
        let key = entries.accept(message(4));
        let part = entries.add_part(key, FunctionKey::default(), body("longer")).unwrap();
        assert_ne!(part, PartKey(key));
        assert_eq!(entries.end_message(key).unwrap().bytes, 4);
        assert_eq!(entries.end_part(part).unwrap().body.payload, "longer");
    }
}
