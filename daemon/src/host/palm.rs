//! A call that comes as a PalmMessage, and its answer: the same message with another payload.

use pylm_plugin_host::{Call, Function, Services};
use pylm_protocol::palm::PalmMessage;
use std::sync::atomic::AtomicBool;

const PAYLOAD_FIELD: u64 = 6;
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// The place among `functions` of the one that a message calls: the word after the dot of the entry at its stage.
pub(super) fn called(functions: &[Function], message: &PalmMessage<'_>) -> Option<usize> {
    let name = message.call()?.function;
    functions.iter().position(|function| function.name() == name)
}

/// What a function is told of the message that calls it.
pub(super) fn call<'a>(
    message: &PalmMessage<'a>,
    services: &'a dyn Services,
    cancelled: &'a AtomicBool,
    worker: &'a str,
) -> Call<'a> {
    Call::new(services, cancelled)
        .pipeline(message.pipeline)
        .client(message.client)
        .stage(message.stage)
        .function(message.function)
        .cache_key(message.cache)
        .worker(worker)
}

/// The bytes of `message` with `payload` in place of its own, and every other field as it was, those that nobody here knows
/// included; `None` where it is no protobuf message.
pub(super) fn with_payload(message: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len() + payload.len() + 11);
    let mut rest = message;
    while !rest.is_empty() {
        let (field, length) = field(rest)?;
        let (bytes, behind) = rest.split_at_checked(length)?;
        if field != PAYLOAD_FIELD {
            out.extend_from_slice(bytes);
        }
        rest = behind;
    }
    if !payload.is_empty() {
        out.push((PAYLOAD_FIELD << 3 | LENGTH) as u8);
        write_varint(payload.len() as u64, &mut out);
        out.extend_from_slice(payload);
    }
    Some(out)
}

/// The number of the first field, and its length with its tag.
fn field(bytes: &[u8]) -> Option<(u64, usize)> {
    let (tag, tag_length) = varint(bytes)?;
    let value = bytes.get(tag_length..)?;
    let length = match tag & 7 {
        VARINT => varint(value)?.1,
        FIXED64 => 8,
        FIXED32 => 4,
        LENGTH => {
            let (length, length_length) = varint(value)?;
            usize::try_from(length).ok()?.checked_add(length_length)?
        }
        _ => return None,
    };
    Some((tag >> 3, tag_length.checked_add(length)?))
}

/// A varint and its length.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, octet) in bytes.iter().take(10).enumerate() {
        value |= u64::from(octet & 0x7f) << (7 * index);
        if *octet < 0x80 {
            return Some((value, index + 1));
        }
    }
    None
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pylm_protocol::palm::Tracking;

    #[test]
    fn all_but_the_payload_stays() {
        let message = PalmMessage {
            pipeline: "p",
            client: "c",
            stage: 2,
            function: "s.f",
            cache: "k",
            payload: b"old",
            tracking: Some(Tracking { lease: 1, node: 2 }),
        };
        let mut bytes = message.encode();
        bytes.extend_from_slice(b"\xa2\x09\x03abc"); // field 148, unknown
        let changed = with_payload(&bytes, b"the new one").unwrap();
        assert_eq!(
            PalmMessage::decode(&changed).unwrap(),
            PalmMessage { payload: b"the new one", ..message }
        );
        assert!(changed.windows(6).any(|window| window == b"\xa2\x09\x03abc"));
        assert_eq!(PalmMessage::decode(&with_payload(&bytes, b"").unwrap()).unwrap().payload, b"");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = with_payload(&bytes, b"x");
        }

        #[test]
        fn what_decodes_decodes_with_its_new_payload(payload: Vec<u8>, function: String, stage: i64) {
            let message = PalmMessage { function: &function, stage, payload: &payload, ..PalmMessage::default() };
            let changed = with_payload(&message.encode(), b"new").unwrap();
            prop_assert_eq!(PalmMessage::decode(&changed).unwrap(), PalmMessage { payload: b"new", ..message });
        }
    }
}
