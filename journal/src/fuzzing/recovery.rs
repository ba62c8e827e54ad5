//! A journal of any frames, damaged anyhow, is read: whatever is given back was written.
//!
//! An input is a list of steps, by which a journal is laid out. Frames get a header with the right CRC, since no mutation of the
//! input would find it; what is done to a file afterwards does not mend it.
//!
//! ```text
//! input = *step
//! step  = %x00 length body          ; a frame with this body
//!       / %x01 first                ; another segment, which begins with this sequence number
//!       / %x02 place OCTET          ; a byte of the segment is changed: exclusive or
//!       / %x03 length               ; the segment is cut to this length
//!       / %x04 place length         ; bytes of the segment are zeros
//!       / %x05 place length         ; bytes of the segment stand at its end once more
//! ```
//!
//! Numbers are varints; those that name a place are taken modulo the segment's length.

use super::records_of;
use crate::check::Summary;
use crate::export::export;
use crate::frame::Seal;
use crate::journal::{Journal, Options};
use crate::record::{JobHeader, Record};
use crate::recovered::{Recovered, RecoveredJob, lost};
use crate::segment::{self, Head};
use pylm_protocol::DecodeError;
use pylm_protocol::varint::Reader;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use uuid::Uuid;

/// The most that a journal is laid out of.
const STEPS: usize = 256;

/// What an input lays out.
struct Layout {
    segments: Vec<Vec<u8>>,
    /// What its frames say.
    said: Vec<Record>,
}

/// Lays out the journal that `input` describes in `folder`, whose segments are replaced, and reads it.
///
/// # Panics
/// When something is given back that no frame says, or the folder cannot be written to.
pub fn recovery(input: &[u8], folder: &Path) {
    let layout = layout(input);
    if let Err(error) = write(&layout.segments, folder) {
        panic!("cannot write to {}: {error}", folder.display());
    }
    let recovered = read(folder);
    check(&recovered, &layout.said);
    let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    for damage in &recovered.damage {
        assert!(damage.offset + damage.bytes <= length(&damage.file), "damage behind a file's end");
    }
    let summary = Summary::read(folder).unwrap_or_else(|error| panic!("no summary: {error}"));
    assert_eq!(
        (summary.jobs, summary.keys),
        (recovered.jobs.len(), recovered.cache.len()),
        "another summary"
    );
    assert_eq!((summary.damage, summary.lost), (recovered.damage, recovered.lost), "another summary");
    export(folder, &mut io::sink()).unwrap_or_else(|error| panic!("no export: {error}"));
}

/// As [`recovery()`]; then a node opens the journal and closes it, and the next one finds the same.
///
/// # Panics
/// As [`recovery()`], and when the next node finds something else.
pub fn reopening(input: &[u8], folder: &Path) {
    recovery(input, folder);
    let before = read(folder);
    let (run, options) = (Uuid::from_u128(1), Options { segment_bytes: 4 << 10, ..Options::default() });
    let (journal, opened) =
        Journal::open(folder, run, &options, || {}).unwrap_or_else(|error| panic!("not opened: {error}"));
    journal.close().unwrap_or_else(|error| panic!("not closed: {error}"));
    let after = read(folder);
    assert_eq!(after.last_run, Some(run), "the last run");
    for other in [&opened, &after] {
        assert_eq!(jobs(other), jobs(&before), "jobs");
        assert_eq!(other.cache, before.cache, "the cache");
    }
}

/// The jobs, but for the numbers to go on with: of what is not needed any more, cleaning forgets also the number. A start marks
/// those of which something may be lost.
fn jobs(recovered: &Recovered) -> HashMap<Uuid, RecoveredJob> {
    let job = |job: &RecoveredJob| {
        let header = JobHeader { flags: job.header.flags | JobHeader::DAMAGED, ..job.header.clone() };
        let (lost, incomplete) = (Vec::new(), false);
        RecoveredJob { header, next_serial: 0, next_number: 0, lost, incomplete, ..job.clone() }
    };
    recovered.jobs.iter().map(|(&identity, it)| (identity, job(it))).collect()
}

fn layout(input: &[u8]) -> Layout {
    let mut layout = Layout { segments: vec![head(0, 0).encode()], said: Vec::new() };
    let reader = &mut Reader::new(input);
    for _ in 0..STEPS {
        if reader.is_empty() || layout.step(reader).is_err() {
            break;
        }
    }
    layout
}

impl Layout {
    fn step(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let number = self.segments.len() as u64 - 1;
        let segment = self.segments.last_mut().ok_or(DecodeError::Value)?;
        let length = segment.len() as u64;
        // Of what was cut to nothing, each place is the first.
        let place = |place: u64| (place % length.max(1)) as usize;
        match reader.octet()? {
            0 => {
                let body = reader.bytes()?;
                segment.extend_from_slice(&framed(&head(number, 0).seal(), length, body));
                self.said.extend(records_of(&[body.to_vec()]));
            }
            1 => self.segments.push(head(number + 1, reader.varint()?).encode()),
            2 => {
                let (place, change) = (place(reader.varint()?), reader.octet()?);
                segment.get_mut(place).into_iter().for_each(|byte| *byte ^= change);
            }
            3 => segment.truncate((reader.varint()? % (length + 1)) as usize),
            step @ (4 | 5) => {
                let place = place(reader.varint()?);
                let end = place + (reader.varint()? % (length - place as u64 + 1)) as usize;
                match step {
                    4 => segment[place..end].fill(0),
                    _ => segment.extend_from_within(place..end),
                }
            }
            _ => return Err(DecodeError::Value),
        }
        Ok(())
    }
}

fn head(number: u64, first: u64) -> Head {
    let mut salt = *b"0123456789abcdef";
    salt[0] = number as u8;
    Head { number, first, salt }
}

fn framed(seal: &Seal, offset: u64, body: &[u8]) -> Vec<u8> {
    let mut hasher = seal.hasher(offset, body.len() as u64);
    hasher.update(body);
    let mut frame = seal.header(body.len() as u64, hasher.finalize()).to_vec();
    frame.extend_from_slice(body);
    frame
}

/// Leaves a journal of these segments in `folder`, as one that no process has open.
fn write(segments: &[Vec<u8>], folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        fs::remove_file(entry?.path())?;
    }
    fs::write(folder.join("lock"), "")?;
    for (number, bytes) in segments.iter().enumerate() {
        fs::write(segment::path(folder, number as u64), bytes)?;
    }
    Ok(())
}

fn read(folder: &Path) -> Recovered {
    Recovered::read(folder).unwrap_or_else(|error| panic!("damage is no reason to refuse a journal: {error}"))
}

/// Whether all that is given back was said.
fn check(recovered: &Recovered, said: &[Record]) {
    if let Some(run) = recovered.last_run {
        assert!(said.contains(&Record::Started { run }), "a run that nobody wrote");
    }
    for (key, value) in &recovered.cache {
        let set = Record::CacheSet { key: key.clone(), value: value.clone() };
        assert!(said.contains(&set), "a value of the cache that nobody wrote");
    }
    recovered.jobs.iter().for_each(|(&identity, job)| check_job(identity, job, said));
}

fn check_job(identity: Uuid, job: &RecoveredJob, said: &[Record]) {
    assert_eq!(job.header.identity, identity, "the header of another job");
    assert!(said.contains(&Record::JobOpened(Box::new(job.header.clone()))), "a job that nobody wrote");
    if let Some(count) = job.finished {
        assert!(said.contains(&Record::Finished { job: identity, count }), "an end that nobody wrote");
    }
    assert!(!job.cancelled || said.contains(&Record::Cancelled { job: identity }), "nobody cancelled it");
    for (&number, message) in &job.messages {
        let (cache, payload) = (message.cache.clone(), message.payload.clone());
        let accepted = Record::Accepted { job: identity, number, cache, payload };
        assert!(said.contains(&accepted), "a message that nobody wrote");
        assert!(number < job.next_number || number == u64::MAX, "a number that is given out again");
    }
    for (&serial, kept) in &job.outputs {
        let output =
            Record::Output { job: identity, serial, number: kept.number, output: kept.output.clone() };
        let is_lost = kept.output == lost() && said.iter().any(|said| is_end_at(&output, said));
        assert!(is_lost || said.contains(&output), "an output that nobody wrote");
        assert!(serial < job.next_serial || serial == u64::MAX, "a serial that is given out again");
    }
}

/// Whether `said` is an end in the place of `output`.
fn is_end_at(output: &Record, said: &Record) -> bool {
    match (output, said) {
        (
            Record::Output { job, serial, number, .. },
            Record::Output { job: same_job, serial: same_serial, number: same_number, output },
        ) => (job, serial, number) == (same_job, same_serial, same_number) && output.is_end(),
        _ => false,
    }
}
