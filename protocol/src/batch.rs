//! Batches: what waits for one peer, packed into the frames of one ZeroMQ message.

use crate::MAJOR;
use crate::record::{ATTACH_FROM, Payload, Record, Source};
use crate::strings::KEY;
use crate::varint::{self, DecodeError, Head, Reader};
use bytes::Bytes;
use std::ops::Range;

const MARK: [u8; 2] = [b'P', MAJOR];

/// The types of the records of which every message has one.
mod code {
    pub const SUBMIT: u8 = 0x11;
    pub const REPLY: u8 = 0x23;
    pub const ASSIGN: u8 = 0x31;
    pub const LEASE_REPLY: u8 = 0x43;
}

/// The most that records of one batch take, in bytes, before a new one is begun.
pub const BATCH_BYTES: usize = 64 << 10;

/// The most that attachments of one batch take, in bytes, unless there is just one.
pub const ATTACHED_BYTES: usize = 256 << 10;

/// The fields of a [`Record::Assign`] but its payload.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs, reason = "the fields are specified in docs/protocol.md")]
pub struct Assign<'a> {
    pub lease: u64,
    pub context: u32,
    pub number: u64,
    pub part: u64,
    pub attempt: u32,
    pub timeout: u64,
    pub cache: &'a str,
}

/// Packs records into a batch and its attachments.
#[derive(Debug, Default)]
pub struct BatchWriter {
    frame: Vec<u8>,
    attachments: Vec<Bytes>,
    attached: usize,
    /// Bytes that a batch of several records is to have room for from its second record on: about what the largest of the last
    /// ones took. With less, all that it holds would be copied again and again as it grows.
    usual: usize,
}

/// After so many batches that were smaller, half of what the largest took is forgotten.
const MEMORY: usize = 8;

impl BatchWriter {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record.
    #[inline]
    pub fn push(&mut self, record: &Record<'_>) {
        // The length goes before what it counts. One byte is enough for most; else it is padded to ten.
        let bound = record.bound();
        let hole = if bound < 0x80 {
            1
        } else if bound < 1 << 21 {
            3
        } else {
            10
        };
        self.make_room(hole + bound);
        let at = self.frame.len();
        self.frame.resize(at + hole, 0x80);
        let attached = self.attachments.len();
        record.write(&mut self.frame, &mut self.attachments);
        let mut length = (self.frame.len() - at - hole) as u64;
        for octet in &mut self.frame[at..at + hole - 1] {
            *octet = length as u8 | 0x80;
            length >>= 7;
        }
        self.frame[at + hole - 1] = length as u8;
        self.attached += self.attachments[attached..].iter().map(Bytes::len).sum::<usize>();
    }

    /// Appends a [`Record::Submit`], without its payload being counted once more; as do the three below, for the records of which
    /// every message has one.
    #[inline]
    pub fn submit(&mut self, job: u32, number: u64, cache: &str, payload: &Bytes) {
        if !self.push_short(code::SUBMIT, [u64::from(job), number, 0], cache, payload) {
            self.push(&Record::Submit { job, number, cache, payload: Payload(payload.clone()) });
        }
    }

    /// Appends a [`Record::Assign`].
    #[inline]
    pub fn assign(&mut self, assign: Assign<'_>, payload: &Bytes) {
        let Assign { lease, context, number, part, attempt, timeout, cache } = assign;
        let numbers = [lease, u64::from(context), number, part, u64::from(attempt), timeout, 0];
        if !self.push_short(code::ASSIGN, numbers, cache, payload) {
            let payload = Payload(payload.clone());
            self.push(&Record::Assign { lease, context, number, part, attempt, timeout, cache, payload });
        }
    }

    /// Appends a [`Record::LeaseReply`]. `own` is asked for the payload only if that is to be attached.
    #[inline]
    pub fn lease_reply<P: AsRef<[u8]>>(&mut self, lease: u64, payload: P, own: impl FnOnce(P) -> Bytes) {
        if !self.push_short(code::LEASE_REPLY, [lease], "", payload.as_ref()) {
            self.push(&Record::LeaseReply { lease, payload: Payload(own(payload)) });
        }
    }

    /// Appends a [`Record::Reply`].
    #[inline]
    pub fn reply(&mut self, job: u32, number: u64, payload: &Bytes) {
        if !self.push_short(code::REPLY, [u64::from(job), number], "", payload) {
            self.push(&Record::Reply { job, number, payload: Payload(payload.clone()) });
        }
    }

    /// Appends a record of a few integers and a payload behind them; false where it has a cache key too, or an attachment.
    #[inline]
    fn push_short<const N: usize>(
        &mut self,
        code: u8,
        numbers: [u64; N],
        cache: &str,
        payload: &[u8],
    ) -> bool {
        if payload.len() >= ATTACH_FROM || !cache.is_empty() {
            return false;
        }
        let mut body = Head::default();
        body.octet(code);
        numbers.iter().for_each(|&number| body.varint(number));
        body.varint(payload.len() as u64 + 1);
        self.make_room(varint::LONGEST + body.len() + payload.len());
        varint::write((body.len() + payload.len()) as u64, &mut self.frame);
        self.frame.extend_from_slice(body.as_bytes());
        self.frame.extend_from_slice(payload);
        true
    }

    /// Begins the batch where it is empty, and makes room for so many bytes more. The first record gets no more than it takes, as it
    /// may be the only one.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        let len = self.frame.len();
        if len == 0 {
            self.frame.reserve(MARK.len() + bytes);
            self.frame.extend_from_slice(&MARK);
        } else if self.frame.capacity() - len < bytes {
            self.frame.reserve(bytes.max(self.usual.saturating_sub(len)));
        }
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.frame.is_empty()
    }

    /// Whether another record belongs into a batch of its own.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.frame.len() >= BATCH_BYTES - ATTACH_FROM || self.attached >= ATTACHED_BYTES
    }

    /// The bytes that the batch holds, attachments included.
    pub fn bytes(&self) -> usize {
        self.frame.len() + self.attached
    }

    /// Takes the batch's frame and its attachments, and leaves an empty batch.
    pub fn take(&mut self) -> (Vec<u8>, Vec<Bytes>) {
        self.attached = 0;
        let len = self.frame.len();
        self.usual = (len + len / 4).min(BATCH_BYTES + BATCH_BYTES / 4).max(self.usual - self.usual / MEMORY);
        (std::mem::take(&mut self.frame), std::mem::take(&mut self.attachments))
    }
}

/// Reads the records of a batch one by one.
pub struct BatchReader<'a> {
    frame: &'a Bytes,
    reader: Reader<'a>,
    attachments: &'a [Bytes],
}

impl<'a> BatchReader<'a> {
    /// Begins to read the batch in `frame`; `attachments` are the frames behind it.
    ///
    /// # Errors
    /// When `frame` is not a batch of this protocol's version.
    pub fn new(frame: &'a Bytes, attachments: &'a [Bytes]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame);
        if reader.take(2) != Ok(&MARK) {
            return Err(DecodeError::NotABatch);
        }
        Ok(BatchReader { frame, reader, attachments })
    }

    /// The next record, where it is a [`Record::Submit`] whose payload is not attached: its job, number and cache key, and where in the
    /// frame its payload lies. `None` for all else, for [`next_record`](Self::next_record) to read; the same with the three below.
    #[inline]
    pub fn next_submit(&mut self) -> Option<(u32, u64, &'a str, Range<usize>)> {
        let (mut reader, end) = self.short(code::SUBMIT)?;
        let job = u32::try_from(reader.varint().ok()?).ok()?;
        let number = reader.varint().ok()?;
        let cache = short_key(&mut reader)?;
        Some((job, number, cache, self.end_short(reader, end)?))
    }

    /// The next record, where it is a [`Record::Assign`] whose payload is not attached.
    #[inline]
    pub fn next_assign(&mut self) -> Option<(Assign<'a>, Range<usize>)> {
        let (mut reader, end) = self.short(code::ASSIGN)?;
        let assign = Assign {
            lease: reader.varint().ok()?,
            context: u32::try_from(reader.varint().ok()?).ok()?,
            number: reader.varint().ok()?,
            part: reader.varint().ok()?,
            attempt: u32::try_from(reader.varint().ok()?).ok()?,
            timeout: reader.varint().ok()?,
            cache: short_key(&mut reader)?,
        };
        Some((assign, self.end_short(reader, end)?))
    }

    /// The next record, where it is a [`Record::LeaseReply`] whose payload is not attached: the lease.
    #[inline]
    pub fn next_lease_reply(&mut self) -> Option<(u64, Range<usize>)> {
        let (mut reader, end) = self.short(code::LEASE_REPLY)?;
        let lease = reader.varint().ok()?;
        Some((lease, self.end_short(reader, end)?))
    }

    /// The next record, where it is a [`Record::Reply`] whose payload is not attached: its job and number.
    #[inline]
    pub fn next_reply(&mut self) -> Option<(u32, u64, Range<usize>)> {
        let (mut reader, end) = self.short(code::REPLY)?;
        let job = u32::try_from(reader.varint().ok()?).ok()?;
        let number = reader.varint().ok()?;
        Some((job, number, self.end_short(reader, end)?))
    }

    /// A reader of the next record's fields, if its type is `code`, and where it ends.
    #[inline]
    fn short(&self, code: u8) -> Option<(Reader<'a>, usize)> {
        let mut reader = self.reader;
        let length = usize::try_from(reader.varint().ok()?).ok()?;
        let end = reader.position().checked_add(length)?;
        (reader.octet().ok()? == code).then_some((reader, end))
    }

    /// Reads the payload, the last field that this version knows, and goes on to the next record.
    #[inline]
    fn end_short(&mut self, mut reader: Reader<'a>, end: usize) -> Option<Range<usize>> {
        // 0 stands for an attachment.
        let length = usize::try_from(reader.varint().ok()?.checked_sub(1)?).ok()?;
        let start = reader.position();
        let payload = start..start.checked_add(length)?;
        if payload.end > end {
            return None;
        }
        self.reader.skip_to(end)?;
        Some(payload)
    }

    /// The next record; `None` when all are read.
    ///
    /// # Errors
    /// When the bytes are not a record, or records and attachments do not match. Nothing more can be read then.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Record<'a>>, DecodeError> {
        while !self.reader.is_empty() {
            let bytes = self.reader.bytes()?;
            let mut source = Source { frame: self.frame, attachments: self.attachments };
            if let Some(record) = Record::read(bytes, &mut source)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// A cache key; mostly an empty one.
#[inline]
fn short_key<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
    let bytes = reader.bytes().ok()?;
    if bytes.is_empty() {
        return Some("");
    }
    std::str::from_utf8(bytes).ok().filter(|key| KEY.check(key).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FunctionOffer, Payload, Role};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn read_all(frame: Vec<u8>, attachments: Vec<Bytes>) -> Result<usize, DecodeError> {
        let frame = Bytes::from(frame);
        let mut reader = BatchReader::new(&frame, &attachments)?;
        let mut count = 0;
        while reader.next_record()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn records_of_every_size_come_back_as_they_were() {
        let sizes = [0, 1, 100, 126, 127, 128, 129, 1000, ATTACH_FROM - 1, ATTACH_FROM, 1 << 20];
        let mut writer = BatchWriter::new();
        let records: Vec<_> = sizes
            .iter()
            .map(|&size| Record::Submit {
                job: 3,
                number: size as u64,
                cache: "key",
                payload: Payload(Bytes::from(vec![size as u8; size])),
            })
            .collect();
        records.iter().for_each(|record| writer.push(record));
        assert!(writer.is_full());
        let (frame, attachments) = writer.take();
        assert!(writer.is_empty());
        assert_eq!(attachments.len(), 2);
        let frame = Bytes::from(frame);
        let mut reader = BatchReader::new(&frame, &attachments).unwrap();
        for record in records {
            assert_eq!(reader.next_record().unwrap(), Some(record));
        }
        assert_eq!(reader.next_record(), Ok(None));
    }

    /// The next record, read in the short way where that is possible; at most one such way is.
    fn next_by_any_way<'a>(reader: &mut BatchReader<'a>, frame: &Bytes) -> Record<'a> {
        let payload = |range| Payload(frame.slice(range));
        if let Some((job, number, cache, range)) = reader.next_submit() {
            Record::Submit { job, number, cache, payload: payload(range) }
        } else if let Some((assign, range)) = reader.next_assign() {
            let Assign { lease, context, number, part, attempt, timeout, cache } = assign;
            Record::Assign { lease, context, number, part, attempt, timeout, cache, payload: payload(range) }
        } else if let Some((lease, range)) = reader.next_lease_reply() {
            Record::LeaseReply { lease, payload: payload(range) }
        } else if let Some((job, number, range)) = reader.next_reply() {
            Record::Reply { job, number, payload: payload(range) }
        } else {
            reader.next_record().unwrap().unwrap()
        }
    }

    #[test]
    fn what_is_written_in_a_short_way_is_read_as_the_record() {
        let sizes = [0, 1, 100, 126, 127, 128, 1000, ATTACH_FROM - 1, ATTACH_FROM];
        let numbers = [0, 1, 127, 128, 1 << 33, (1 << 56) - 1, 1 << 56, u64::MAX];
        for (size, number) in sizes.into_iter().flat_map(|size| numbers.map(|number| (size, number))) {
            for cache in ["", "key"] {
                let bytes = Bytes::from(vec![7; size]);
                let payload = || Payload(bytes.clone());
                let (lease, context, part, attempt, timeout) = (number, 9, 3, u32::MAX, number / 2);
                let mut writer = BatchWriter::new();
                writer.submit(u32::MAX, number, cache, &bytes);
                writer.assign(Assign { lease, context, number, part, attempt, timeout, cache }, &bytes);
                writer.lease_reply(lease, &bytes, Bytes::clone);
                writer.reply(5, number, &bytes);
                let expected = [
                    Record::Submit { job: u32::MAX, number, cache, payload: payload() },
                    Record::Assign {
                        lease,
                        context,
                        number,
                        part,
                        attempt,
                        timeout,
                        cache,
                        payload: payload(),
                    },
                    Record::LeaseReply { lease, payload: payload() },
                    Record::Reply { job: 5, number, payload: payload() },
                ];
                let (frame, attachments) = writer.take();
                let frame = Bytes::from(frame);
                let mut reader = BatchReader::new(&frame, &attachments).unwrap();
                let mut short = BatchReader::new(&frame, &attachments).unwrap();
                for record in expected {
                    assert_eq!(next_by_any_way(&mut short, &frame), record);
                    assert_eq!(reader.next_record().unwrap(), Some(record));
                }
                assert_eq!(reader.next_record(), Ok(None));
                assert_eq!(short.next_record(), Ok(None));
            }
        }
    }

    #[test]
    fn a_small_payload_is_not_copied_when_it_is_read() {
        let mut writer = BatchWriter::new();
        writer.push(&Record::LeaseReply { lease: 1, payload: Payload(Bytes::from_static(b"abc")) });
        let frame = Bytes::from(writer.take().0);
        let mut reader = BatchReader::new(&frame, &[]).unwrap();
        let Ok(Some(Record::LeaseReply { payload, .. })) = reader.next_record() else {
            panic!("not a reply")
        };
        assert!(frame.as_ptr_range().contains(&payload.0.as_ptr()));
    }

    #[test]
    fn later_fields_and_optional_records_are_passed_over() {
        let mut frame = MARK.to_vec();
        frame.extend([3, 0x90, 1, 2]); // an optional record of a later version
        frame.extend([3, 0x04, 7, 7]); // a Heartbeat with fields of a later version
        assert_eq!(read_all(frame, vec![]), Ok(1));
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        assert_eq!(read_all(vec![], vec![]), Err(DecodeError::NotABatch));
        assert_eq!(read_all(b"P\x02".to_vec(), vec![]), Err(DecodeError::NotABatch));
        let mut frame = MARK.to_vec();
        frame.extend([1, 0x7f]);
        assert_eq!(read_all(frame, vec![]), Err(DecodeError::UnknownRecord(0x7f)));
        let mut frame = MARK.to_vec();
        frame.extend([4, 0x43, 1, 0, 1]); // a LeaseReply that refers to an attachment
        assert_eq!(read_all(frame.clone(), vec![Bytes::new()]), Ok(1));
        assert_eq!(read_all(frame, vec![]), Err(DecodeError::Attachments));
    }

    #[test]
    fn a_batch_has_room_for_what_the_large_ones_before_it_took_whatever_small_ones_came_between() {
        let mut writer = BatchWriter::new();
        let payload = Bytes::from(vec![7; 1 << 10]);
        let mut fill = |records: u64| {
            let mut grown = 0;
            for lease in 0..records {
                let before = writer.frame.capacity();
                writer.lease_reply(lease, &payload, Bytes::clone);
                grown += usize::from(writer.frame.capacity() != before);
            }
            writer.take();
            writer.push(&Record::Taken { leases: records });
            assert!(writer.frame.capacity() < 64, "a record alone takes no more than it needs");
            writer.take();
            grown
        };
        assert!(fill(32) > 2);
        for _ in 0..100 {
            assert!(fill(32) <= 2);
        }
        assert!(writer.usual > 32 << 10);
        for _ in 0..100 {
            writer.push(&Record::Taken { leases: 1 });
            writer.take();
        }
        assert!(writer.usual < 64, "what was is forgotten");
    }

    #[test]
    fn a_hello_survives() {
        let hello = Record::Hello {
            minor: 0,
            role: Role::Host,
            peer: Uuid::from_u128(7),
            name: "worker1",
            software: "pylm-worker 0.1.0",
            functions: vec![
                FunctionOffer::function("f"),
                FunctionOffer { name: "g", atomic: true, topic: false },
            ],
            max_message: 1 << 27,
            limit: 2,
            limit_bytes: 1 << 25,
            connection: 3,
        };
        let mut writer = BatchWriter::new();
        writer.push(&hello);
        let frame = Bytes::from(writer.take().0);
        let mut reader = BatchReader::new(&frame, &[]).unwrap();
        assert_eq!(reader.next_record(), Ok(Some(hello)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, attachments: Vec<Vec<u8>>) {
            let mut frame = MARK.to_vec();
            frame.extend(bytes);
            let _ = read_all(frame, attachments.into_iter().map(Bytes::from).collect());
        }

        #[test]
        fn the_short_ways_read_what_the_long_one_does(bytes: Vec<u8>, codes: Vec<u8>) {
            // Records whose types and lengths are often right.
            let mut frame = MARK.to_vec();
            for (chunk, code) in bytes.chunks(9).zip(codes) {
                let code = [code::SUBMIT, code::ASSIGN, code::LEASE_REPLY, code::REPLY][code as usize % 4];
                frame.extend([chunk.len() as u8 + 1 + (code & 0x10) / 8, code]);
                frame.extend(chunk);
            }
            let frame = Bytes::from(frame);
            let (mut long, mut short) = (BatchReader::new(&frame, &[]).unwrap(), BatchReader::new(&frame, &[]).unwrap());
            while let Ok(Some(record)) = long.next_record() {
                prop_assert_eq!(next_by_any_way(&mut short, &frame), record);
            }
            prop_assert!(short.next_submit().is_none() && short.next_assign().is_none());
            prop_assert!(short.next_lease_reply().is_none() && short.next_reply().is_none());
        }

        #[test]
        fn a_batch_cut_anywhere_is_no_whole_batch(cut in 0usize..60) {
            let mut writer = BatchWriter::new();
            writer.push(&Record::Submit { job: 1, number: 2, cache: "c", payload: Payload(Bytes::from_static(&[9; 50])) });
            let (mut frame, attachments) = writer.take();
            let whole = frame.len();
            frame.truncate(cut);
            let read = read_all(frame, attachments);
            prop_assert!(cut >= whole || cut == MARK.len() || read.is_err());
        }
    }
}
