//! Records are packed into frames, ready to be written at one place of a segment.

use crate::codec::{self, Jobs};
use crate::frame::{FRAME_HEADER, Kind, Seal, Span};
use crate::record::Record;
use bytes::Bytes;
use pylm_protocol::varint;

/// A body that has grown to this size is not added to.
const BODY: usize = 64 << 10;

/// Data from this size on is written from where it lies.
const BORROWED: usize = 16 << 10;

/// Frames that are to be written one behind the other, at one place.
#[derive(Debug)]
pub(crate) struct Encoder<'a> {
    seal: &'a Seal,
    /// Where the first frame begins.
    start: u64,
    /// How many bytes the frames take.
    length: u64,
    /// All bytes but those of large data.
    own: Vec<u8>,
    /// Large data, and before which place of `own` it belongs.
    data: Vec<(usize, Bytes)>,
    jobs: Jobs,
    heads: Vec<u8>,
    /// Where each record is, in the order in which they were given.
    pub(crate) spans: Vec<Span>,
}

impl<'a> Encoder<'a> {
    /// `own` is room to write in.
    pub(crate) fn new(seal: &'a Seal, start: u64, mut own: Vec<u8>) -> Self {
        own.clear();
        Encoder {
            seal,
            start,
            length: 0,
            own,
            data: Vec::new(),
            jobs: Jobs::default(),
            heads: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// Adds frames with these records. `first` is the sequence number of the first one, or where they are moved ones the next
    /// number; what is lower than `durable` is durable already.
    pub(crate) fn push(&mut self, kind: Kind, mut first: u64, durable: u64, mut records: &[Record]) {
        while !records.is_empty() {
            let written = self.push_frame(kind, first, durable, records);
            records = &records[written..];
            if kind == Kind::New {
                first += written as u64;
            }
        }
    }

    /// Adds one frame; how many of the records it took.
    fn push_frame(&mut self, kind: Kind, first: u64, durable: u64, records: &[Record]) -> usize {
        let offset = self.start + self.length;
        let lengths = self.write_heads(records);
        let (header, data) = (self.own.len(), self.data.len());
        self.own.extend_from_slice(&[0; FRAME_HEADER]);
        varint::write(u64::from(kind == Kind::New), &mut self.own);
        for number in [first, first - durable, lengths.len() as u64] {
            varint::write(number, &mut self.own);
        }
        let mut borrowed = 0;
        let mut heads = &self.heads[..];
        for (record, &head) in records.iter().zip(&lengths) {
            let payload = record.payload();
            let length = head + payload.map_or(0, Bytes::len);
            varint::write(length as u64, &mut self.own);
            let behind = (self.own.len() - header + borrowed) as u64;
            self.spans.push(Span { offset: offset + behind, length: length as u64 });
            let (now, later) = heads.split_at(head);
            heads = later;
            self.own.extend_from_slice(now);
            match payload {
                Some(payload) if payload.len() >= BORROWED => {
                    self.data.push((self.own.len(), payload.clone()));
                    borrowed += payload.len();
                }
                Some(payload) => self.own.extend_from_slice(payload),
                None => {}
            }
        }
        let frame = self.own.len() - header + borrowed;
        let length = (frame - FRAME_HEADER) as u64;
        let mut hasher = self.seal.hasher(offset, length);
        woven(&self.own, header + FRAME_HEADER, &self.data[data..]).for_each(|slice| hasher.update(slice));
        self.own[header..header + FRAME_HEADER].copy_from_slice(&self.seal.header(length, hasher.finalize()));
        self.length += frame as u64;
        lengths.len()
    }

    /// Writes the records of one frame, all but their data, to `heads`; returns how long each is there.
    fn write_heads(&mut self, records: &[Record]) -> Vec<usize> {
        self.jobs.clear();
        self.heads.clear();
        let mut lengths = Vec::new();
        let mut body = 0;
        for record in records {
            if body >= BODY || self.jobs.is_full() {
                break;
            }
            let before = self.heads.len();
            codec::write(record, &mut self.jobs, &mut self.heads);
            let head = self.heads.len() - before;
            lengths.push(head);
            body += head + record.payload().map_or(0, Bytes::len);
        }
        lengths
    }

    /// How many bytes the frames take.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends a frame's header of zeros, which says that nothing follows; the next write replaces it.
    pub(crate) fn finish(&mut self) {
        self.own.extend_from_slice(&[0; FRAME_HEADER]);
    }

    /// The bytes, in as few slices as can be.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        woven(&self.own, 0, &self.data)
    }

    /// Where the records are, and the room to write in.
    pub(crate) fn into_parts(self) -> (Vec<Span>, Vec<u8>) {
        (self.spans, self.own)
    }
}

/// The bytes of `own` from `from` on, with the data between them.
fn woven<'a>(own: &'a [u8], from: usize, data: &'a [(usize, Bytes)]) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(from).chain(data.iter().map(|&(place, _)| place));
    let ends = data.iter().map(|&(place, _)| place).chain(std::iter::once(own.len()));
    let between = data.iter().map(|(_, bytes)| &bytes[..]).chain(std::iter::once(&[][..]));
    starts.zip(ends).zip(between).flat_map(|((start, end), bytes)| [&own[start..end], bytes])
}
