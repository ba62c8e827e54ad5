//! pylm's `PalmMessage` (proto3), read without copying and written in one go.
//!
//! pylm knows fields 1 to 6. Fields 16 and 17 are ours: they carry a node's own key through a Python worker, since
//! Python's protobuf keeps fields that it does not know.

use crate::strings::{CALL, KEY, NAME};
use crate::varint::{self, DecodeError, Reader};
use std::ops::Range;

const PIPELINE: u32 = 1;
const CLIENT: u32 = 2;
const STAGE: u32 = 3;
const FUNCTION: u32 = 4;
const CACHE: u32 = 5;
const PAYLOAD: u32 = 6;
const LEASE: u32 = 16;
const NODE: u32 = 17;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED32: u8 = 5;

/// What a node writes into a message that goes to a pylm worker, to know the answer again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracking {
    /// The lease's key.
    pub lease: u64,
    /// The run of the node that gave the lease: an answer to an earlier run's lease is nobody's.
    pub node: u64,
}

/// A PalmMessage, borrowed from the bytes it was read from or is to be written from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PalmMessage<'a> {
    /// The id of the client's stream.
    pub pipeline: &'a str,
    /// The id of the client, the topic under which results return.
    pub client: &'a str,
    /// The step within a pipelined call, from 0.
    pub stage: i64,
    /// `server.function`, or several separated by spaces.
    pub function: &'a str,
    /// A cache key.
    pub cache: &'a str,
    /// The data.
    pub payload: &'a [u8],
    /// A node's own key.
    pub tracking: Option<Tracking>,
}

/// The fields of a PalmMessage as they came, strings not looked at: for who knows them already, or does not need them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are those of PalmMessage")]
pub struct PalmFields<'a> {
    pub pipeline: &'a [u8],
    pub client: &'a [u8],
    pub stage: i64,
    pub function: &'a [u8],
    pub cache: &'a [u8],
    pub payload: &'a [u8],
    pub tracking: Option<Tracking>,
}

impl<'a> PalmFields<'a> {
    /// Reads a message; fields that are not known are passed over.
    ///
    /// # Errors
    /// When the bytes are not a PalmMessage: cut short, or a wrong wire type.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut message = PalmFields::default();
        let (mut lease, mut node) = (None, None);
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            match reader.varint()? {
                PIPELINE_TAG => message.pipeline = reader.bytes()?,
                CLIENT_TAG => message.client = reader.bytes()?,
                STAGE_TAG => message.stage = reader.varint()?.cast_signed(),
                FUNCTION_TAG => message.function = reader.bytes()?,
                CACHE_TAG => message.cache = reader.bytes()?,
                PAYLOAD_TAG => message.payload = reader.bytes()?,
                LEASE_TAG => lease = Some(fixed64(&mut reader)?),
                NODE_TAG => node = Some(fixed64(&mut reader)?),
                other => skip(&mut reader, other)?,
            }
        }
        message.tracking = lease.zip(node).map(|(lease, node)| Tracking { lease, node });
        Ok(message)
    }

    /// The message, its strings looked at.
    ///
    /// # Errors
    /// When a string is not UTF-8, or longer than it may be.
    pub fn check(self) -> Result<PalmMessage<'a>, DecodeError> {
        NAME.check_length(self.pipeline.len().max(self.client.len()))?;
        CALL.check_length(self.function.len())?;
        KEY.check_length(self.cache.len())?;
        let string = |bytes| std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8);
        Ok(PalmMessage {
            pipeline: string(self.pipeline)?,
            client: string(self.client)?,
            stage: self.stage,
            function: string(self.function)?,
            cache: string(self.cache)?,
            payload: self.payload,
            tracking: self.tracking,
        })
    }

    /// The fields that all messages of a stream have in common, at the end of `out`.
    #[inline]
    pub fn encode_head(&self, out: &mut Vec<u8>) {
        bytes(PIPELINE, self.pipeline, out);
        bytes(CLIENT, self.client, out);
        if self.stage != 0 {
            tag(STAGE, VARINT, out);
            varint::write(self.stage.cast_unsigned(), out);
        }
        bytes(FUNCTION, self.function, out);
    }

    /// The other fields, behind those of [`encode_head`](Self::encode_head).
    #[inline]
    pub fn encode_tail(&self, out: &mut Vec<u8>) {
        self.encode_before_payload(out);
        out.extend_from_slice(self.payload);
        self.encode_tracking(out);
    }

    /// What stands in the tail before the payload's own bytes.
    #[inline]
    pub fn encode_before_payload(&self, out: &mut Vec<u8>) {
        bytes(CACHE, self.cache, out);
        if !self.payload.is_empty() {
            tag(PAYLOAD, LENGTH, out);
            varint::write(self.payload.len() as u64, out);
        }
    }

    /// What stands in the tail behind the payload.
    #[inline]
    pub fn encode_tracking(&self, out: &mut Vec<u8>) {
        if let Some(tracking) = self.tracking {
            tag(LEASE, FIXED64, out);
            out.extend_from_slice(&tracking.lease.to_le_bytes());
            tag(NODE, FIXED64, out);
            out.extend_from_slice(&tracking.node.to_le_bytes());
        }
    }

    /// Where `payload` lies in the bytes that the message was read from.
    pub fn payload_range(&self, bytes: &'a [u8]) -> Range<usize> {
        if self.payload.is_empty() {
            return 0..0;
        }
        let start = self.payload.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
        start..start + self.payload.len()
    }
}

impl<'a> PalmMessage<'a> {
    /// Reads a message; fields that are not known are passed over.
    ///
    /// # Errors
    /// When the bytes are not a PalmMessage: cut short, a wrong wire type, a string that is not UTF-8 or longer than it may be.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        PalmFields::read(bytes)?.check()
    }

    /// Where `payload` lies in the bytes that this message was decoded from.
    pub fn payload_range(&self, bytes: &'a [u8]) -> Range<usize> {
        PalmFields { payload: self.payload, ..PalmFields::default() }.payload_range(bytes)
    }

    /// The message as bytes, in the order of the field numbers; defaults are left out, as proto3 does.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode_into(&mut out);
        out
    }

    /// As [`encode`](Self::encode), at the end of `out`.
    #[inline]
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let fields = self.fields();
        fields.encode_head(out);
        fields.encode_tail(out);
    }

    fn fields(&self) -> PalmFields<'a> {
        PalmFields {
            pipeline: self.pipeline.as_bytes(),
            client: self.client.as_bytes(),
            stage: self.stage,
            function: self.function.as_bytes(),
            cache: self.cache.as_bytes(),
            payload: self.payload,
            tracking: self.tracking,
        }
    }

    /// An upper bound of the length of [`encode`](Self::encode)'s bytes.
    fn encoded_len(&self) -> usize {
        let strings = self.pipeline.len() + self.client.len() + self.function.len() + self.cache.len();
        strings + self.payload.len() + 6 * 11 + 2 * 10
    }

    /// The entry of `function` at `stage`, and pylm's reading of it; `None` where there is none.
    pub fn call(&self) -> Option<Call<'a>> {
        Call::of(self.function, self.stage)
    }
}

/// One entry of `function`: what is to be called, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The server's name, before the dot.
    pub server: &'a str,
    /// The function's name, behind it.
    pub function: &'a str,
}

impl<'a> Call<'a> {
    /// The entry at `stage` of a field of several entries; a single entry stands for every stage, as in pylm's workers.
    pub fn of(functions: &'a str, stage: i64) -> Option<Self> {
        let entry = Self::from_stage(functions, stage)?.split(' ').next();
        let (server, function) = entry?.split_once('.')?;
        (!function.is_empty()).then_some(Call { server, function })
    }

    /// The same entry, and those behind it: what is still to be called from there on.
    pub fn from_stage(functions: &'a str, stage: i64) -> Option<&'a str> {
        if !functions.contains(' ') {
            return Some(functions);
        }
        match usize::try_from(stage).ok()?.checked_sub(1) {
            None => Some(functions),
            Some(last) => functions.match_indices(' ').nth(last).map(|(space, _)| &functions[space + 1..]),
        }
    }
}

#[inline]
fn tag(field: u32, wire: u8, out: &mut Vec<u8>) {
    varint::write(tag_of(field, wire), out);
}

/// What stands before a field of this wire type.
const fn tag_of(field: u32, wire: u8) -> u64 {
    (field << 3 | wire as u32) as u64
}

const PIPELINE_TAG: u64 = tag_of(PIPELINE, LENGTH);
const CLIENT_TAG: u64 = tag_of(CLIENT, LENGTH);
const STAGE_TAG: u64 = tag_of(STAGE, VARINT);
const FUNCTION_TAG: u64 = tag_of(FUNCTION, LENGTH);
const CACHE_TAG: u64 = tag_of(CACHE, LENGTH);
const PAYLOAD_TAG: u64 = tag_of(PAYLOAD, LENGTH);
const LEASE_TAG: u64 = tag_of(LEASE, FIXED64);
const NODE_TAG: u64 = tag_of(NODE, FIXED64);

#[inline]
fn bytes(field: u32, value: &[u8], out: &mut Vec<u8>) {
    if !value.is_empty() {
        tag(field, LENGTH, out);
        varint::write(value.len() as u64, out);
        out.extend_from_slice(value);
    }
}

#[inline]
fn fixed64(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let mut value = [0; 8];
    value.copy_from_slice(reader.take(8)?);
    Ok(u64::from_le_bytes(value))
}

/// Passes over a field that is not known. One of pylm's is known, and has another wire type than it should.
fn skip(reader: &mut Reader<'_>, tag: u64) -> Result<(), DecodeError> {
    let field = u32::try_from(tag >> 3).map_err(|_| DecodeError::Overflow)?;
    match (tag & 7) as u8 {
        _ if field == 0 => Err(DecodeError::Value),
        _ if field <= PAYLOAD => Err(DecodeError::WireType(field)),
        VARINT => reader.varint().map(drop),
        FIXED64 => reader.take(8).map(drop),
        LENGTH => reader.bytes().map(drop),
        FIXED32 => reader.take(4).map(drop),
        _ => Err(DecodeError::WireType(field)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_message_survives(
            pipeline: String, client: String, stage: i64, function: String, cache: String,
            payload: Vec<u8>, keys: Option<(u64, u64)>,
        ) {
            let message = PalmMessage {
                pipeline: &pipeline, client: &client, stage, function: &function, cache: &cache, payload: &payload,
                tracking: keys.map(|(lease, node)| Tracking { lease, node }),
            };
            let bytes = message.encode();
            prop_assert!(bytes.len() <= message.encoded_len());
            let read = PalmMessage::decode(&bytes).unwrap();
            prop_assert_eq!(read, message);
            prop_assert_eq!(&bytes[read.payload_range(&bytes)], &payload[..]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            if let Ok(message) = PalmMessage::decode(&bytes) {
                let _ = message.call();
                prop_assert_eq!(&bytes[message.payload_range(&bytes)], message.payload);
            }
        }
    }

    #[test]
    fn the_bytes_are_those_of_pylm() {
        let message = PalmMessage {
            pipeline: "p",
            client: "c",
            stage: 1,
            function: "s.f",
            cache: "k",
            payload: b"data",
            tracking: None,
        };
        assert_eq!(message.encode(), b"\x0a\x01p\x12\x01c\x18\x01\x22\x03s.f\x2a\x01k\x32\x04data");
    }

    #[test]
    fn fields_that_are_not_known_are_passed_over() {
        let bytes = b"\xa2\x06\x03abc\x32\x01x\xa8\x06\x05\xad\x06abcd\xa9\x06abcdefgh";
        assert_eq!(PalmMessage::decode(bytes).unwrap().payload, b"x");
    }

    #[test]
    fn a_single_entry_is_taken_whatever_the_stage() {
        let call = |functions, stage| Call::of(functions, stage).map(|call| (call.server, call.function));
        assert_eq!(call("server.f", 0), Some(("server", "f")));
        assert_eq!(call("server.f", 3), Some(("server", "f")));
        assert_eq!(call("a.f b.g", 1), Some(("b", "g")));
        assert_eq!(call("a.f b.g", 2), None);
        assert_eq!(call("a.f b.g", -1), None);
        assert_eq!(call("f", 0), None);
        assert_eq!(call("server.", 0), None);
        assert_eq!(call("", 0), None);
    }

    #[test]
    fn what_is_still_to_be_called_begins_with_the_entry_at_the_stage() {
        assert_eq!(Call::from_stage("server.f", -1), Some("server.f"));
        assert_eq!(Call::from_stage("server.f", 3), Some("server.f"));
        assert_eq!(Call::from_stage("a.f b.g c.h", 0), Some("a.f b.g c.h"));
        assert_eq!(Call::from_stage("a.f b.g c.h", 1), Some("b.g c.h"));
        assert_eq!(Call::from_stage("a.f b.g c.h", 2), Some("c.h"));
        assert_eq!(Call::from_stage("a.f b.g c.h", 3), None);
        assert_eq!(Call::from_stage("a.f b.g c.h", -1), None);
    }
}
