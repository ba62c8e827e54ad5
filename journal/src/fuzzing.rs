//! The parser of bytes from disk, for the fuzz target and the test that replays its corpus.

use crate::encoder::Encoder;
use crate::frame::{FRAME_HEADER, Frame, Kind, Seal};
use crate::record::Record;
use bytes::Bytes;

/// Reads the body of a frame as if its CRC had been right; what can be read is the same when it is written and read again.
pub fn frame(body: &[u8]) {
    let Ok(frame) = Frame::decode(0, &Bytes::copy_from_slice(body)) else { return };
    let records: Vec<Record> = frame.records.into_iter().map(|(_, record)| record).collect();
    let again: Vec<Record> = bodies(&records)
        .iter()
        .flat_map(|body| {
            Frame::decode(0, &Bytes::copy_from_slice(body)).map_or(Vec::new(), |frame| frame.records)
        })
        .map(|(_, record)| record)
        .collect();
    assert_eq!(records, again, "what was written is not what is read");
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
