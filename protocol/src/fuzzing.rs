//! The parsers of bytes from sockets, and what must hold of whatever they read: for the fuzz targets, and for the tests that
//! replay their corpora (`docs/fuzzing.md`).

use crate::batch::{BatchReader, BatchWriter};
use crate::palm::PalmMessage;
use crate::record::{ATTACH_FROM, FunctionOffer, Payload, Record};
use bytes::Bytes;

/// What a decoded batch may take on the heap, for each byte it was read from: the smallest offer of a function is two bytes
/// long, and a vector may have room for twice of what it holds.
const HEAP_PER_BYTE: usize = size_of::<FunctionOffer>();

static LARGE: [u8; ATTACH_FROM] = [7; ATTACH_FROM];

/// Reads a PalmMessage.
///
/// # Panics
/// When what was read is not the same after it was written, or is not where it should be.
pub fn palm(bytes: &[u8]) {
    let Ok(message) = PalmMessage::decode(bytes) else { return };
    assert_eq!(&bytes[message.payload_range(bytes)], message.payload, "the payload's place");
    if let Some(call) = message.call() {
        let entry = format!("{}.{}", call.server, call.function);
        assert!(message.function.split(' ').any(|other| other == entry), "a call that is not in the message");
    }
    let written = message.encode();
    assert!(written.len() <= bytes.len(), "what is written is the shortest form");
    let again = PalmMessage::decode(&written);
    assert_eq!(again, Ok(message), "what was written is not what is read");
    assert_eq!(message.encode(), written, "two ways to write one message");
}

/// Reads a native message: `batch` is its first frame, and three attachments are behind it, which are empty, short, and as long
/// as those that our writer makes.
///
/// # Panics
/// When what was read is not the same after it was written, lies elsewhere than in the message, or takes much more room.
pub fn native(batch: &[u8]) {
    let frame = Bytes::copy_from_slice(batch);
    let attachments = [Bytes::new(), Bytes::from_static(b"attached"), Bytes::from_static(&LARGE)];
    let records = read(&frame, &attachments);
    assert!(records.len() * 2 <= frame.len(), "a record has a length and a type");
    let heap: usize = records.iter().map(heap).sum();
    assert!(heap <= HEAP_PER_BYTE * frame.len(), "{heap} bytes on the heap from {} bytes", frame.len());
    for record in &records {
        let Some(Payload(payload)) = payload(record) else { continue };
        let is_in = |bytes: &Bytes| bytes.as_ptr_range().contains(&payload.as_ptr());
        let is_shared = payload.is_empty() || is_in(&frame) || attachments.iter().any(is_in);
        assert!(is_shared, "a payload was copied");
    }
    let written = write(&records);
    let frame = Bytes::from(written.0.clone());
    let again = if records.is_empty() { Vec::new() } else { read(&frame, &written.1) };
    assert_eq!(again, records, "what was written is not what is read");
    assert_eq!(write(&again), written, "two ways to write the same records");
}

/// The records up to the first thing that is none.
fn read<'a>(frame: &'a Bytes, attachments: &'a [Bytes]) -> Vec<Record<'a>> {
    let Ok(mut reader) = BatchReader::new(frame, attachments) else { return Vec::new() };
    std::iter::from_fn(|| reader.next_record().ok().flatten()).collect()
}

fn write(records: &[Record<'_>]) -> (Vec<u8>, Vec<Bytes>) {
    let mut writer = BatchWriter::new();
    for record in records {
        let (mut bytes, mut attachments) = (Vec::new(), Vec::new());
        record.write(&mut bytes, &mut attachments);
        assert!(bytes.len() <= record.bound(), "a {} is longer than its bound", record.name());
        writer.push(record);
    }
    writer.take()
}

/// What a record has allocated, in bytes.
fn heap(record: &Record<'_>) -> usize {
    match record {
        Record::Hello { functions, .. } => functions.capacity() * size_of::<FunctionOffer>(),
        Record::Result { place, .. } | Record::LeaseResult { place, .. } => {
            place.0.capacity() * size_of::<u64>()
        }
        _ => 0,
    }
}

fn payload<'r>(record: &'r Record<'_>) -> Option<&'r Payload> {
    match record {
        Record::Submit { payload, .. }
        | Record::Result { payload, .. }
        | Record::Reply { payload, .. }
        | Record::Assign { payload, .. }
        | Record::LeaseResult { payload, .. }
        | Record::LeaseReply { payload, .. }
        | Record::Set { payload, .. }
        | Record::Answer { payload, .. } => Some(payload),
        _ => None,
    }
}
