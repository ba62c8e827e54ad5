//! `Bytes` on the host's side of payloads, text and messages, without copies in either direction.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::abi::{BufferOwner, BufferTable, Message, Payload, Text};

/// A message as the host keeps it: shared bytes, often all of one frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The job, as its client named it.
    pub pipeline: Bytes,
    /// The client.
    pub client: Bytes,
    /// The step within a pipelined call.
    pub stage: i64,
    /// `server.function`, one for each stage.
    pub function: Bytes,
    /// A cache key.
    pub cache: Bytes,
    /// What the message carries.
    pub payload: Bytes,
}

/// One of a message's names is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotText {
    /// Which one.
    pub field: &'static str,
}

impl fmt::Display for NotText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the message's {} is not valid UTF-8", self.field)
    }
}

impl std::error::Error for NotText {}

const NAMES: [&str; 4] = ["pipeline", "client", "function", "cache"];

impl TryFrom<Fields> for Message {
    type Error = NotText;

    fn try_from(fields: Fields) -> Result<Message, NotText> {
        let Fields { pipeline, client, stage, function, cache, payload } = fields;
        let all = Arc::new([pipeline, client, function, cache, payload]);
        for (field, name) in all.iter().zip(NAMES) {
            std::str::from_utf8(field).map_err(|_| NotText { field: name })?;
        }
        // SAFETY: the first four were just checked.
        let text = |index: usize| unsafe { Text::from_payload(share(&all, index)) };
        Ok(Message::default()
            .with_pipeline(text(0))
            .with_client(text(1))
            .with_stage(stage)
            .with_function(text(2))
            .with_cache(text(3))
            .with_payload(share(&all, 4)))
    }
}

impl From<Message> for Fields {
    fn from(message: Message) -> Fields {
        let ([pipeline, client, function, cache], _) = message.parts();
        Fields {
            pipeline: as_bytes(pipeline.as_payload()),
            client: as_bytes(client.as_payload()),
            stage: message.stage(),
            function: as_bytes(function.as_payload()),
            cache: as_bytes(cache.as_payload()),
            payload: message.into_payload().into_bytes(),
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Payload {
        if bytes.is_empty() {
            return Payload::empty();
        }
        let owner = Arc::into_raw(Arc::new(bytes));
        // SAFETY: the owner keeps the bytes, and `ONE` counts it.
        unsafe { Payload::from_parts(&*owner, owner.cast(), &ONE) }
    }
}

impl Payload {
    /// The same bytes as the host's own type, without a copy; what the host once made comes back as it was.
    pub fn into_bytes(self) -> Bytes {
        if self.is_empty() {
            return Bytes::new();
        }
        own(&self).unwrap_or_else(|| Bytes::from_owner(self))
    }
}

impl Text {
    /// The same text as the host's own type, without a copy.
    pub fn into_bytes(self) -> Bytes {
        Payload::from(self).into_bytes()
    }
}

fn as_bytes(payload: &Payload) -> Bytes {
    if payload.is_empty() {
        Bytes::new()
    } else {
        own(payload).unwrap_or_else(|| Bytes::from_owner(payload.clone()))
    }
}

/// The part of a message that `fields` keep.
fn share(fields: &Arc<[Bytes; 5]>, index: usize) -> Payload {
    if fields[index].is_empty() {
        return Payload::empty();
    }
    // SAFETY: the owner keeps the bytes, and `SIX` counts it.
    unsafe { Payload::from_parts(&fields[index], Arc::into_raw(Arc::clone(fields)).cast(), &SIX) }
}

/// The host's own bytes behind a payload, if they are the host's.
fn own(payload: &Payload) -> Option<Bytes> {
    let (owner, table) = payload.owner();
    let held: &[Bytes] = if std::ptr::eq(table, &ONE) {
        // SAFETY: only this file makes payloads with this table, and always over an `Arc<Bytes>` that they hold.
        std::slice::from_ref(unsafe { &*owner.cast::<Bytes>() })
    } else if std::ptr::eq(table, &SIX) {
        // SAFETY: only this file makes payloads with this table, and always over an `Arc<[Bytes; 5]>` that they hold.
        unsafe { &*owner.cast::<[Bytes; 5]>() }
    } else {
        return None;
    };
    let part = payload.as_ptr_range();
    let holder = held.iter().find(|bytes| {
        let whole = bytes.as_ptr_range();
        !bytes.is_empty() && whole.start <= part.start && part.end <= whole.end
    })?;
    Some(holder.slice_ref(payload))
}

/// The owner is an `Arc<Bytes>`.
static ONE: BufferTable = BufferTable { shared: true, clone: clone_arc::<Bytes>, drop: drop_arc::<Bytes> };

/// The owner is an `Arc<[Bytes; 5]>`.
static SIX: BufferTable =
    BufferTable { shared: true, clone: clone_arc::<[Bytes; 5]>, drop: drop_arc::<[Bytes; 5]> };

unsafe extern "C" fn clone_arc<T>(data: *const u8, _: usize, owner: *const ()) -> BufferOwner {
    // SAFETY: the payload that is cloned holds a count of this owner.
    unsafe { Arc::increment_strong_count(owner.cast::<T>()) };
    BufferOwner { data, owner }
}

unsafe extern "C" fn drop_arc<T>(_: *const u8, _: usize, owner: *const ()) {
    // SAFETY: this payload's count is given back once.
    drop(unsafe { Arc::from_raw(owner.cast::<T>()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        let frame = Bytes::from_static(b"job client 1 server.function key payload that is long");
        Fields {
            pipeline: frame.slice(0..3),
            client: frame.slice(4..10),
            stage: 1,
            function: frame.slice(13..28),
            cache: Bytes::new(),
            payload: frame.slice(33..),
        }
    }

    #[test]
    fn a_message_that_passes_through_comes_back_as_the_hosts_own_bytes() {
        let before = fields();
        let message = Message::try_from(before.clone()).unwrap();
        assert_eq!(message.function(), "server.function");
        let copies: Vec<Fields> = std::iter::repeat_n(message, 3).map(Fields::from).collect();
        for copy in copies {
            assert_eq!(copy, before);
            assert_eq!(copy.payload.as_ptr(), before.payload.as_ptr());
            assert_eq!(copy.client.as_ptr(), before.client.as_ptr());
        }
    }

    #[test]
    fn a_slice_of_a_host_payload_stays_in_the_hosts_memory() {
        let whole = Bytes::from(vec![7; 4096]);
        let part = Payload::from(whole.clone()).slice(1000..2000).into_bytes();
        assert_eq!(part.as_ptr(), whole[1000..].as_ptr());
        assert_eq!(part.len(), 1000);
    }

    #[test]
    fn bytes_of_a_plugin_are_not_copied() {
        for len in [1, 100, 4096] {
            let bytes = vec![5; len];
            let at = bytes.as_ptr();
            let payload = Payload::from(bytes);
            let second = payload.clone();
            let taken = payload.into_bytes();
            assert_eq!(taken.as_ptr(), at);
            assert_eq!(taken, second.into_bytes());
        }
    }

    #[test]
    fn names_that_are_not_utf8_are_refused_by_name() {
        let fields = Fields { client: Bytes::from_static(b"\xff"), ..fields() };
        assert_eq!(Message::try_from(fields), Err(NotText { field: "client" }));
    }
}
