//! Frames: what is written and checked as a whole.
//!
//! ```text
//! frame  = marker crc length body       ; 4, 4 and 8 bytes, the lowest first; length counts the body
//! body   = kind first lag count *record ; varints
//! record = length *OCTET                ; length is a varint
//! ```
//!
//! The marker is the segment's own, and the CRC covers the segment's salt and the frame's place beside length and body: what a
//! file held before, or a journal that somebody sends as a message, is never taken for a frame.

use crate::codec::{self, Jobs};
use crate::record::Record;
use bytes::Bytes;
use crc32fast::Hasher;
use pylm_protocol::DecodeError;
use pylm_protocol::varint::Reader;

/// The bytes before a body.
pub(crate) const FRAME_HEADER: usize = 16;

/// The highest number, of a record or a segment, that is taken for one: no node gets so far, and behind it there is always room
/// for what comes next.
pub(crate) const HIGHEST: u64 = 1 << 62;

/// What makes the frames of one file its own.
#[derive(Debug, Clone)]
pub(crate) struct Seal {
    marker: [u8; 4],
    salted: Hasher,
}

impl Seal {
    pub(crate) fn new(salt: &[u8; 16]) -> Self {
        // A marker of zeros would be found all over a file that was not written to yet.
        let marker = [salt[0] | 1, salt[1], salt[2], salt[3]];
        let mut salted = Hasher::new();
        salted.update(salt);
        Seal { marker, salted }
    }

    /// What a frame of this file begins with.
    pub(crate) fn marker(&self) -> &[u8; 4] {
        &self.marker
    }

    /// A CRC that has taken in what precedes a body.
    pub(crate) fn hasher(&self, offset: u64, length: u64) -> Hasher {
        let mut hasher = self.salted.clone();
        hasher.update(&offset.to_le_bytes());
        hasher.update(&length.to_le_bytes());
        hasher
    }

    /// A frame's header.
    pub(crate) fn header(&self, length: u64, crc: u32) -> [u8; FRAME_HEADER] {
        let mut header = [0; FRAME_HEADER];
        header[..4].copy_from_slice(&self.marker);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
        header[8..].copy_from_slice(&length.to_le_bytes());
        header
    }

    /// The length of the body that a frame's header announces, and its CRC.
    pub(crate) fn read_header(&self, header: &[u8]) -> Option<(u64, u32)> {
        let (marker, rest) = header.split_first_chunk::<4>()?;
        let (crc, length) = rest.split_first_chunk::<4>()?;
        let length = u64::from_le_bytes(*length.first_chunk()?);
        (marker == &self.marker).then(|| (length, u32::from_le_bytes(*crc)))
    }

    /// Whether `body` is what was written at `offset`.
    pub(crate) fn matches(&self, offset: u64, body: &[u8], crc: u32) -> bool {
        let mut hasher = self.hasher(offset, body.len() as u64);
        hasher.update(body);
        hasher.finalize() == crc
    }
}

/// Whether a frame's records are new, or such as stood elsewhere before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Copies of living records, whose first place is about to be given up.
    Moved,
    /// New ones, which have sequence numbers.
    New,
}

/// Where a record is, within its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// A frame that was read.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Where the next one begins.
    pub(crate) end: u64,
    pub(crate) kind: Kind,
    /// The sequence number of its first record; of a frame of moved ones, that which comes next.
    pub(crate) first: u64,
    /// All lower sequence numbers were durable when it was written.
    pub(crate) durable: u64,
    pub(crate) records: Vec<(Span, Record)>,
}

impl Frame {
    /// Reads a frame's body, whose CRC was right.
    pub(crate) fn decode(offset: u64, body: &Bytes) -> Result<Frame, DecodeError> {
        let start = offset + FRAME_HEADER as u64;
        let mut reader = Reader::new(body);
        let kind = match reader.varint()? {
            0 => Kind::Moved,
            1 => Kind::New,
            _ => return Err(DecodeError::Value),
        };
        let first = reader.varint()?;
        if first > HIGHEST {
            return Err(DecodeError::Value);
        }
        let durable = first.checked_sub(reader.varint()?).ok_or(DecodeError::Value)?;
        let count = reader.varint()?;
        // Nobody writes such a frame, and its number would say nothing.
        if count == 0 {
            return Err(DecodeError::Value);
        }
        let mut jobs = Jobs::default();
        let mut records = Vec::new();
        for _ in 0..count {
            let bytes = reader.bytes()?;
            let length = bytes.len() as u64;
            let offset = start + (body.len() - reader.remaining()) as u64 - length;
            records.push((Span { offset, length }, codec::read(bytes, body, &mut jobs)?));
        }
        Ok(Frame { end: start + body.len() as u64, kind, first, durable, records })
    }
}
