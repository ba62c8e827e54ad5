//! The parser of bytes from disk, and what must hold of whatever it reads: for the fuzz targets, and for the tests that replay
//! their corpora (`docs/fuzzing.md`).

pub mod recovery;

use crate::encoder::Encoder;
use crate::frame::{FRAME_HEADER, Frame, Kind, Seal};
use crate::record::{Output, Record};
use bytes::Bytes;

/// What the records of a frame may take beside their data, for each byte they were read from: the shortest record takes three
/// bytes with its length, and a vector may have room for twice of what it holds.
const HEAP_PER_BYTE: usize = size_of::<Record>();

/// Reads the body of a frame as if its CRC had been right; what can be read is the same when it is written and read again.
///
/// # Panics
/// When it is not the same, or takes much more room than the bytes that it was read from.
pub fn frame(body: &[u8]) {
    let Ok(frame) = Frame::decode(0, &Bytes::copy_from_slice(body)) else { return };
    let room = frame.records.capacity() * size_of::<(crate::frame::Span, Record)>();
    assert!(room / 2 <= HEAP_PER_BYTE * body.len().max(8), "{room} bytes from {} bytes", body.len());
    let records: Vec<Record> = frame.records.into_iter().map(|(_, record)| record).collect();
    for record in &records {
        if let Record::Output { output: Output::Result { place, .. }, .. } = record {
            assert!(place.0.capacity() <= 2 * body.len().max(4), "a place with more steps than bytes");
        }
    }
    let bodies = bodies(&records);
    assert_eq!(records_of(&bodies), records, "what was written is not what is read");
    assert_eq!(self::bodies(&records_of(&bodies)), bodies, "two ways to write the same records");
}

/// The bodies of the frames that records are written in.
pub fn bodies(records: &[Record]) -> Vec<Vec<u8>> {
    let seal = Seal::new(b"0123456789abcdef");
    let mut encoder = Encoder::new(&seal, 0, Vec::new());
    encoder.push(Kind::New, 0, 0, records);
    let bytes: Vec<u8> = encoder.slices().flatten().copied().collect();
    let mut rest = &bytes[..];
    let mut bodies = Vec::new();
    while let Some((length, crc)) = seal.read_header(rest) {
        let offset = (bytes.len() - rest.len()) as u64;
        let (body, behind) = rest[FRAME_HEADER..].split_at(length as usize);
        assert!(seal.matches(offset, body, crc), "a frame's own CRC");
        bodies.push(body.to_vec());
        rest = behind;
    }
    bodies
}

/// The records of bodies, as far as they can be read.
fn records_of(bodies: &[Vec<u8>]) -> Vec<Record> {
    let decode = |body: &Vec<u8>| Frame::decode(0, &Bytes::copy_from_slice(body)).ok();
    bodies.iter().filter_map(decode).flat_map(|frame| frame.records).map(|(_, record)| record).collect()
}
