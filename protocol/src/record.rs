//! The records of the native protocol, one variant each; `docs/protocol.md` says who sends which, and when.

use crate::strings::{CALL, KEY, NAME, TEXT};
use crate::varint::{self, DecodeError, Reader};
use bytes::Bytes;
use uuid::Uuid;

/// Records of a type from here on may be skipped by a reader that does not know them.
const OPTIONAL: u8 = 0x80;

/// Payloads from this size on travel as frames of their own, which nobody copies.
pub const ATTACH_FROM: usize = 4 << 10;

/// The most functions that a host may offer: a frame of a few bytes for each must not become a heap of many.
pub const MOST_FUNCTIONS: u64 = 65_536;

/// The most steps of a place, a few for each node that a message may pass.
pub const MOST_STEPS: u64 = 1_024;

/// What a peer is to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Submits jobs.
    Client,
    /// Runs functions.
    Host,
}

/// A function that a host offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionOffer<'a> {
    /// Its name, without a server's.
    pub name: &'a str,
    /// Its results count only all together: they are held until the last one.
    pub atomic: bool,
    /// It is no function: the host is a node that follows, and `name` is the topic that it follows.
    pub topic: bool,
}

impl<'a> FunctionOffer<'a> {
    const ATOMIC: u64 = 1;
    const TOPIC: u64 = 2;

    /// A function whose results count one by one.
    pub const fn function(name: &'a str) -> Self {
        FunctionOffer { name, atomic: false, topic: false }
    }

    /// All results under a topic.
    pub const fn topic(name: &'a str) -> Self {
        FunctionOffer { name, atomic: false, topic: true }
    }
}

impl FunctionOffer<'_> {
    /// The only offer of a host that takes every function that nobody offers by name.
    pub const ANY: FunctionOffer<'static> = FunctionOffer::function("*");
}

/// The functions that are offered by name; `None` where the host takes any that nobody offers.
pub fn named<'o, 'a>(offers: &'o [FunctionOffer<'a>]) -> Option<&'o [FunctionOffer<'a>]> {
    match offers {
        [only] if only.name == FunctionOffer::ANY.name => None,
        named => Some(named),
    }
}

/// What the node has of a job that a client opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Nothing: the client submits all that has not ended.
    New,
    /// The job goes on.
    Known,
    /// It was cancelled meanwhile.
    Cancelled,
    /// There is no such job to attach to.
    Unknown,
    /// The job that is to be attached to has a client that is there.
    InUse,
}

/// Where a result stands among those of its message: the same whenever the message is run.
///
/// The path of the part, of the result within the part's, and of what gather made of it, without the trailing zeros that
/// most have: the only result of a message has the empty place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Place(pub Vec<u64>);

impl Place {
    /// The place of a path; trailing zeros make no difference.
    pub fn new(path: &[u64]) -> Self {
        let length = path.iter().rposition(|&step| step != 0).map_or(0, |last| last + 1);
        Place(path[..length].to_vec())
    }
}

/// The bit of an Open's flags that says that the job is another client's, which has gone: this one submits nothing, and takes
/// what is still to come.
pub const ATTACH: u64 = 1;

/// The bit of an Owed's flags that says that others than these may have been lost by the node, which cannot name them.
pub const INCOMPLETE: u64 = 1;

/// The bit of a Result's flags that says it counts only together with the end of its message.
pub const HELD_UNTIL_END: u64 = 1;

/// The bit of a Context's flags that says that a result for the client is to be published where the client listens, if it
/// listens at the host: it is a client of pylm's, and does not listen at the node.
pub const LISTENS_ELSEWHERE: u64 = 1;

/// The bit of a LeaseFailed's flags that says that no retry can help.
pub const PERMANENT: u64 = 1;

/// The data of a record: the bytes as they were received, or as they are to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload(pub Bytes);

/// Where the payloads of a batch that is read come from.
pub(crate) struct Source<'a> {
    /// The batch's own frame.
    pub(crate) frame: &'a Bytes,
    /// The frames behind it.
    pub(crate) attachments: &'a [Bytes],
}

/// The value of one field: how it is written, read, and how long it can get.
trait Field<'a>: Sized {
    fn write(&self, out: &mut Vec<u8>, attachments: &mut Vec<Bytes>);
    fn read(reader: &mut Reader<'a>, source: &mut Source<'_>) -> Result<Self, DecodeError>;
    /// An upper bound of what `write` appends, in bytes.
    fn bound(&self) -> usize;
    /// What a field is that the record's sender did not know yet.
    fn missing() -> Self;
}

impl<'a> Field<'a> for u64 {
    #[inline]
    fn write(&self, out: &mut Vec<u8>, _: &mut Vec<Bytes>) {
        varint::write(*self, out);
    }
    #[inline]
    fn read(reader: &mut Reader<'a>, _: &mut Source<'_>) -> Result<Self, DecodeError> {
        reader.varint()
    }
    #[inline]
    fn bound(&self) -> usize {
        varint::len(*self)
    }
    fn missing() -> Self {
        0
    }
}

impl<'a> Field<'a> for u32 {
    #[inline]
    fn write(&self, out: &mut Vec<u8>, _: &mut Vec<Bytes>) {
        varint::write(u64::from(*self), out);
    }
    #[inline]
    fn read(reader: &mut Reader<'a>, _: &mut Source<'_>) -> Result<Self, DecodeError> {
        u32::try_from(reader.varint()?).map_err(|_| DecodeError::Overflow)
    }
    #[inline]
    fn bound(&self) -> usize {
        varint::len(u64::from(*self))
    }
    fn missing() -> Self {
        0
    }
}

impl<'a> Field<'a> for &'a str {
    #[inline]
    fn write(&self, out: &mut Vec<u8>, _: &mut Vec<Bytes>) {
        varint::write(self.len() as u64, out);
        out.extend_from_slice(self.as_bytes());
    }
    #[inline]
    fn read(reader: &mut Reader<'a>, _: &mut Source<'_>) -> Result<Self, DecodeError> {
        reader.string()
    }
    #[inline]
    fn bound(&self) -> usize {
        10 + self.len()
    }
    fn missing() -> Self {
        ""
    }
}

impl<'a> Field<'a> for Uuid {
    fn write(&self, out: &mut Vec<u8>, _: &mut Vec<Bytes>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn read(reader: &mut Reader<'a>, _: &mut Source<'_>) -> Result<Self, DecodeError> {
        Uuid::from_slice(reader.take(16)?).map_err(|_| DecodeError::Truncated)
    }
    fn bound(&self) -> usize {
        16
    }
    fn missing() -> Self {
        Uuid::nil()
    }
}

impl<'a> Field<'a> for Role {
    fn write(&self, out: &mut Vec<u8>, _: &mut Vec<Bytes>) {
        out.push(match self {
            Role::Client => 1,
            Role::Host => 2,
        });
    }
    fn read(reader: &mut Reader<'a>, _: &mut Source<'_>) -> Result<Self, DecodeError> {
        match reader.octet()? {
            1 => Ok(Role::Client),
            2 => Ok(Role::Host),
            _ => Err(DecodeError::Value),
        }
    }
    fn bound(&self) -> usize {
        1
    }
    fn missing() -> Self {
        Role::Client
    }
}

impl<'a> Field<'a> for JobState {
    fn write(&self, out: &mut Vec<u8>, _: &mut Vec<Bytes>) {
        out.push(match self {
            JobState::New => 0,
            JobState::Known => 1,
            JobState::Cancelled => 2,
            JobState::Unknown => 3,
            JobState::InUse => 4,
        });
    }
    fn read(reader: &mut Reader<'a>, _: &mut Source<'_>) -> Result<Self, DecodeError> {
        match reader.octet()? {
            0 => Ok(JobState::New),
            1 => Ok(JobState::Known),
            2 => Ok(JobState::Cancelled),
            3 => Ok(JobState::Unknown),
            4 => Ok(JobState::InUse),
            _ => Err(DecodeError::Value),
        }
    }
    fn bound(&self) -> usize {
        1
    }
    fn missing() -> Self {
        JobState::New
    }
}

impl<'a> Field<'a> for Place {
    #[inline]
    fn write(&self, out: &mut Vec<u8>, _: &mut Vec<Bytes>) {
        varint::write(self.0.len() as u64, out);
        self.0.iter().for_each(|&step| varint::write(step, out));
    }
    #[inline]
    fn read(reader: &mut Reader<'a>, _: &mut Source<'_>) -> Result<Self, DecodeError> {
        let steps = reader.varint()?;
        if steps > MOST_STEPS {
            return Err(DecodeError::Value);
        }
        (0..steps).map(|_| reader.varint()).collect::<Result<_, _>>().map(Place)
    }
    #[inline]
    fn bound(&self) -> usize {
        10 + 10 * self.0.len()
    }
    fn missing() -> Self {
        Place::default()
    }
}

/// Numbers in ascending order; each is written as the distance to the one before it.
impl<'a> Field<'a> for Vec<u64> {
    fn write(&self, out: &mut Vec<u8>, _: &mut Vec<Bytes>) {
        varint::write(self.len() as u64, out);
        let mut last = 0;
        for &number in self {
            varint::write(number.wrapping_sub(last), out);
            last = number;
        }
    }
    fn read(reader: &mut Reader<'a>, _: &mut Source<'_>) -> Result<Self, DecodeError> {
        let count = reader.varint()?;
        let mut last = 0u64;
        let mut next = || {
            last = last.wrapping_add(reader.varint()?);
            Ok(last)
        };
        (0..count).map(|_| next()).collect()
    }
    fn bound(&self) -> usize {
        10 + 10 * self.len()
    }
    fn missing() -> Self {
        Vec::new()
    }
}

impl<'a> Field<'a> for Vec<FunctionOffer<'a>> {
    fn write(&self, out: &mut Vec<u8>, attachments: &mut Vec<Bytes>) {
        varint::write(self.len() as u64, out);
        for function in self {
            function.name.write(out, attachments);
            let atomic = if function.atomic { FunctionOffer::ATOMIC } else { 0 };
            let topic = if function.topic { FunctionOffer::TOPIC } else { 0 };
            varint::write(atomic | topic, out);
        }
    }
    fn read(reader: &mut Reader<'a>, _: &mut Source<'_>) -> Result<Self, DecodeError> {
        let count = reader.varint()?;
        if count > MOST_FUNCTIONS {
            return Err(DecodeError::Value);
        }
        let mut functions = Vec::new();
        for _ in 0..count {
            let name = NAME.take(reader.string()?)?;
            let flags = reader.varint()?;
            functions.push(FunctionOffer {
                name,
                atomic: flags & FunctionOffer::ATOMIC != 0,
                topic: flags & FunctionOffer::TOPIC != 0,
            });
        }
        Ok(functions)
    }
    fn bound(&self) -> usize {
        10 + self.iter().map(|function| function.name.len() + 11).sum::<usize>()
    }
    fn missing() -> Self {
        Vec::new()
    }
}

impl<'a> Field<'a> for Payload {
    #[inline]
    fn write(&self, out: &mut Vec<u8>, attachments: &mut Vec<Bytes>) {
        if self.0.len() >= ATTACH_FROM {
            attachments.push(self.0.clone());
            out.push(0);
            varint::write(attachments.len() as u64, out);
        } else {
            varint::write(self.0.len() as u64 + 1, out);
            out.extend_from_slice(&self.0);
        }
    }
    #[inline]
    fn read(reader: &mut Reader<'a>, source: &mut Source<'_>) -> Result<Self, DecodeError> {
        match reader.varint()? {
            0 => {
                let index = usize::try_from(reader.varint()?).map_err(|_| DecodeError::Attachments)?;
                let attachment = index.checked_sub(1).and_then(|index| source.attachments.get(index));
                attachment.cloned().map(Payload).ok_or(DecodeError::Attachments)
            }
            1 => Ok(Payload(Bytes::new())),
            length => {
                let bytes = reader.take(length - 1)?;
                Ok(Payload(source.frame.slice_ref(bytes)))
            }
        }
    }
    #[inline]
    fn bound(&self) -> usize {
        if self.0.len() >= ATTACH_FROM { 11 } else { 3 + self.0.len() }
    }
    fn missing() -> Self {
        Payload::default()
    }
}

macro_rules! records {
    (@write $field:ident: $type:ty, $out:ident, $attachments:ident) => {
        <$type as Field>::write($field, $out, $attachments)
    };
    (@write $field:ident: $type:ty = $bound:ident, $out:ident, $attachments:ident) => {
        <&str as Field>::write(&&*$bound.fit($field), $out, $attachments)
    };
    // A string may have a bound: `name: &'a str = NAME`.
    ($(#[doc = $doc:literal] $code:literal $name:ident {
        $($(#[doc = $field_doc:literal])? $field:ident: $type:ty $(= $bound:ident)?),* $(,)?
    })*) => {
        /// One record of a batch.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the fields are specified in docs/protocol.md")]
        pub enum Record<'a> {
            $(#[doc = $doc] $name { $($(#[doc = $field_doc])? $field: $type),* },)*
        }

        impl<'a> Record<'a> {
            /// Appends type and fields to `out`, and large payloads to `attachments`.
            #[inline]
            pub(crate) fn write(&self, out: &mut Vec<u8>, attachments: &mut Vec<Bytes>) {
                match self {
                    $(Record::$name { $($field),* } => {
                        out.push($code);
                        $(records!(@write $field: $type $(= $bound)?, out, attachments);)*
                    })*
                }
            }

            /// An upper bound of what `write` appends to `out`, in bytes.
            #[inline]
            pub(crate) fn bound(&self) -> usize {
                match self {
                    $(Record::$name { $($field),* } => 1 $(+ <$type as Field>::bound($field))*,)*
                }
            }

            /// Reads one record from its bytes; `None` for one that is not known and may be skipped.
            #[inline]
            pub(crate) fn read(bytes: &'a [u8], source: &mut Source<'_>) -> Result<Option<Self>, DecodeError> {
                let mut reader = Reader::new(bytes);
                match reader.octet()? {
                    $($code => Ok(Some(Record::$name {
                        $($field: match reader.is_empty() {
                            false => {
                                let value = <$type as Field>::read(&mut reader, source)?;
                                $(let value = $bound.take(value)?;)?
                                value
                            }
                            true => <$type as Field>::missing(),
                        }),*
                    })),)*
                    OPTIONAL.. => Ok(None),
                    unknown => Err(DecodeError::UnknownRecord(unknown)),
                }
            }

            /// The record's name, for logs.
            pub fn name(&self) -> &'static str {
                match self { $(Record::$name { .. } => stringify!($name),)* }
            }
        }
    };
}

records! {
    /// A peer's first record.
    0x01 Hello {
        minor: u64, role: Role, peer: Uuid, name: &'a str = NAME, software: &'a str = NAME,
        /// The largest payload that the peer takes, in bytes; 0: the default.
        max_message: u64,
        /// For a host: what it offers. Context refers to these by their place.
        functions: Vec<FunctionOffer<'a>>,
        limit: u64, limit_bytes: u64,
        /// How many connections the peer has made before this one.
        connection: u64,
    }
    /// The node's answer to Hello; durations in milliseconds.
    0x02 Welcome { minor: u64, node: Uuid, name: &'a str = NAME, heartbeat: u64, silence: u64, max_message: u64 }
    /// The node knows no such session, or ends it.
    0x03 Reset { code: &'a str = NAME, text: &'a str = TEXT }
    /// Nothing else was to be said.
    0x04 Heartbeat {
        /// Milliseconds for which the sender may stay silent, when that is longer than usual.
        patience: u64,
    }
    /// The sender is leaving.
    0x05 Goodbye {}

    /// Begins a job, or takes it up again.
    0x10 Open {
        job: u32, identity: Uuid, flags: u64, pipeline: &'a str = NAME, function: &'a str = CALL,
        /// How many outputs the client takes beyond those it has acknowledged.
        window: u64, window_bytes: u64,
        /// The epoch of the last Opened; nil at first.
        epoch: Uuid,
        /// How many outputs of that epoch the client has had.
        received: u64,
        /// Milliseconds that each message may take; 0: no limit.
        timeout: u64,
        /// From 0 to 10: with each step, the job gets twice as much of what several wait for.
        priority: u64,
        /// How often a message, or part of one, is run again whose function has failed.
        retries: u64,
        /// Milliseconds that all of the job may still take; 0: no limit.
        deadline: u64,
    }
    /// One message.
    0x11 Submit { job: u32, number: u64, cache: &'a str = KEY, payload: Payload }
    /// No number from `count` on will follow.
    0x12 Finish { job: u32, count: u64 }
    /// Ends everything of the job that has not ended.
    0x13 Cancel { job: u32 }
    /// The client has taken that many outputs of the job.
    0x14 Received { job: u32, outputs: u64 }
    /// The client needs nothing more of the job.
    0x15 Close { job: u32 }

    /// The job is open.
    0x20 Opened { job: u32, state: JobState, epoch: Uuid, next: u64, window: u64, window_bytes: u64 }
    /// The node has accepted that many Submits since Open.
    0x21 Accepted { job: u32, submitted: u64 }
    /// One result of several.
    0x22 Result { job: u32, number: u64, flags: u64, place: Place, payload: Payload }
    /// The only result, and the end.
    0x23 Reply { job: u32, number: u64, payload: Payload }
    /// The end of a message, and the number of its results.
    0x24 Done { job: u32, number: u64, results: u64 }
    /// The end of a message that failed, and the number of the results before that.
    0x25 Failed { job: u32, number: u64, results: u64, code: &'a str = NAME, text: &'a str = TEXT }
    /// The job's window has changed.
    0x26 Window { job: u32, window: u64, window_bytes: u64 }
    /// The job was cancelled: no outputs follow.
    0x27 Cancelled { job: u32 }

    /// Behind the Opened of a job that was attached to: the numbers of the messages whose end the client is still to get.
    0x28 Owed {
        job: u32, numbers: Vec<u64>,
        /// Bit 0: [`INCOMPLETE`].
        flags: u64,
    }

    /// What many assignments share.
    0x30 Context {
        context: u32, function: u32, job: Uuid, pipeline: &'a str = NAME, client: &'a str = NAME,
        functions: &'a str = CALL, stage: u64, hops: u64,
        /// How many results, and bytes of them, each lease may yield before the node gives more room.
        results: u64, results_bytes: u64,
        flags: u64,
    }
    /// A message for a function.
    0x31 Assign {
        lease: u64, context: u32, number: u64, part: u64, attempt: u32, timeout: u64, cache: &'a str = KEY, payload: Payload,
    }
    /// Asks for a lease back that was not begun.
    0x32 Withdraw { lease: u64 }
    /// Nobody wants the results of a lease any more.
    0x33 Abandon { lease: u64 }
    /// The node has taken that many ends of leases in this session.
    0x34 Taken { leases: u64 }
    /// A context that is not needed any more.
    0x35 Forget { context: u32 }
    /// How many results, and bytes of them, a lease may have yielded in all.
    0x36 Room { lease: u64, results: u64, results_bytes: u64 }
    /// How much the host takes at once.
    0x40 Limit {
        limit: u64, limit_bytes: u64,
        /// How many of them are on their way there and back.
        travelling: u64,
    }
    /// The host has not begun a lease, and will not.
    0x41 Released { lease: u64 }
    /// One result of several.
    0x42 LeaseResult { lease: u64, place: Place, payload: Payload, flags: u64 }
    /// The only result, and the end.
    0x43 LeaseReply { lease: u64, payload: Payload }
    /// The end of a lease, and the number of its results.
    0x44 LeaseDone { lease: u64, results: u64 }
    /// The function failed, after that many results.
    0x45 LeaseFailed { lease: u64, results: u64, flags: u64, code: &'a str = NAME, text: &'a str = TEXT }

    /// Asks for a value of the cache.
    0x50 Get { call: u64, key: &'a str = KEY }
    /// Stores a value in the cache; an empty key lets the node choose one.
    0x51 Set { call: u64, key: &'a str = KEY, payload: Payload }
    /// Deletes a value of the cache.
    0x52 Delete { call: u64, key: &'a str = KEY }
    /// The answer to a Get, Set or Delete.
    0x58 Answer { call: u64, status: u32, payload: Payload }

    /// How the process of a host ended in whose place it was started.
    0x80 Predecessor { how: &'a str }
    /// Asks for a Pong, at once, by which the round trip is known.
    0x81 Ping {
        /// Whatever the sender knows it again by.
        time: u64,
    }
    /// The answer.
    0x82 Pong {
        /// That of the Ping.
        time: u64,
    }
}
