//! A journal is read from its beginning, and what is alive of it is found.

use crate::damage::Damage;
use crate::error::Error;
use crate::folder::Folder;
use crate::frame::{Frame, Kind};
use crate::index::{Index, Slot};
use crate::job::{Job, Shape};
use crate::numbers::Numbers;
use crate::record::Record;
use crate::scan::{Item, Scan, Unreadable};
use std::collections::HashMap;
use std::iter;
use std::ops::Range;
use std::path::PathBuf;
use uuid::Uuid;

/// A segment that was found.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    /// How long the file is.
    pub(crate) length: u64,
    /// Where its last frame that counts ends; 0 where its head could not be read.
    pub(crate) used: u64,
}

/// The messages of a job that were accepted, or that have ended.
#[derive(Debug)]
struct Seen {
    /// None before it can have been among what was lost: what was ended and given up before the oldest segment is not missed.
    first: u64,
    numbers: Numbers,
}

/// What damage has taken of a job.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Messages that were accepted, and of which nothing is left.
    pub(crate) named: Vec<Range<u64>>,
    /// There may be others, which nobody can name.
    pub(crate) others: bool,
}

/// What reading a journal has shown.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) index: Index,
    pub(crate) segments: Vec<Segment>,
    pub(crate) damage: Vec<Damage>,
    /// How many records are missing that had been durable.
    pub(crate) lost: u64,
    /// How many records were read.
    pub(crate) records: u64,
    /// The sequence number that comes next.
    pub(crate) next: u64,
    /// The messages of each job of which something was read that says what became of them.
    seen: HashMap<Uuid, Seen>,
    /// Frames behind a hole: whether they count, a later one may tell.
    pending: Vec<(u64, Frame)>,
    /// Where the hole is that they are behind of.
    hole: Option<u64>,
    /// Whole segments could not be read: what is lost is more than is counted.
    unread: bool,
}

impl Replay {
    /// Reads the journal in `folder`.
    pub(crate) fn read(folder: &Folder) -> Result<Replay, Error> {
        let mut replay = Replay::default();
        let mut scans = Vec::new();
        for (number, path) in folder.segments()? {
            match Scan::open(&path) {
                Ok(scan) if scan.head.number == number => {
                    replay.add(number, path, scan.length);
                    // Every scan holds a file open and is read later: here only what its head says is of interest.
                    scans.push(scan.head.first);
                }
                Ok(_) | Err(Unreadable::Damaged) => {
                    let length = path.metadata().map_or(0, |metadata| metadata.len());
                    replay.damage.push(Damage { file: path.clone(), offset: 0, bytes: length, tail: false });
                    replay.add(number, path, length);
                    replay.unread = true;
                    scans.push(u64::MAX);
                }
                Err(Unreadable::Version(version)) => return Err(Error::Version { file: path, version }),
                Err(Unreadable::File(error)) => return Err(Error::folder(&path, error)),
            }
        }
        for place in 0..scans.len() {
            if scans[place] == u64::MAX {
                continue;
            }
            let limit = scans[place + 1..].iter().copied().min().unwrap_or(u64::MAX);
            replay.read_segment(place, limit)?;
        }
        replay.end();
        Ok(replay)
    }

    fn add(&mut self, number: u64, path: PathBuf, length: u64) {
        self.segments.push(Segment { number, path, length, used: 0 });
    }

    /// Reads one segment, of which only sequence numbers below `limit` count.
    fn read_segment(&mut self, place: usize, limit: u64) -> Result<(), Error> {
        let Segment { number, path, .. } = self.segments[place].clone();
        let mut scan = match Scan::open(&path) {
            Ok(scan) => scan,
            Err(Unreadable::File(error)) => return Err(Error::folder(&path, error)),
            Err(_) => return Ok(()),
        };
        self.begin_segment(scan.head.first);
        loop {
            match scan.next() {
                Item::Frame(frame) => {
                    let counts = frame.kind == Kind::Moved || frame.first < limit;
                    let end = frame.end;
                    if counts {
                        self.take(number, frame);
                    }
                    if self.hole.is_none() {
                        self.segments[place].used = end;
                    }
                }
                Item::Damage { offset, bytes } => {
                    self.segments[place].used = offset;
                    self.hole.get_or_insert(offset);
                    self.damage.push(Damage { file: path.clone(), offset, bytes, tail: false });
                }
                Item::End { torn } => {
                    let offset = scan.at;
                    if torn > 0 {
                        self.damage.push(Damage { file: path.clone(), offset, bytes: torn, tail: true });
                    }
                    if self.hole.is_none() {
                        self.segments[place].used = offset;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// A segment begins, whose first number shows how much of what went before was durable.
    fn begin_segment(&mut self, first: u64) {
        if self.records == 0 && self.pending.is_empty() && self.next == 0 {
            self.next = first;
        }
        if first > self.next {
            self.accept_pending();
            self.lost += first.saturating_sub(self.next);
            self.next = self.next.max(first);
        }
        self.pending.clear();
        self.hole = None;
    }

    fn take(&mut self, segment: u64, frame: Frame) {
        if self.hole.is_some() || frame.first > self.next {
            let was_durable = frame.durable > self.next;
            if frame.first > self.next && !was_durable {
                self.hole.get_or_insert(frame.end);
                self.pending.push((segment, frame));
                return;
            }
            self.accept_pending();
            self.hole = None;
        }
        self.accept(segment, &frame);
    }

    fn accept_pending(&mut self) {
        for (segment, frame) in std::mem::take(&mut self.pending) {
            self.accept(segment, &frame);
        }
    }

    fn accept(&mut self, segment: u64, frame: &Frame) {
        if frame.kind == Kind::New {
            if frame.first < self.next {
                return;
            }
            self.lost += frame.first - self.next;
            self.next = frame.first + frame.records.len() as u64;
        }
        self.records += frame.records.len() as u64;
        for (span, record) in &frame.records {
            self.see(record);
            self.index.apply(record, Slot { segment, span: *span }, frame.kind);
        }
    }

    fn see(&mut self, record: &Record) {
        let (job, number) = match record {
            Record::Accepted { job, number, .. } => (job, number),
            Record::Output { job, number, output, .. } if matches!(Shape::of(output), Shape::End { .. }) => {
                (job, number)
            }
            Record::Closed { job } => {
                self.seen.remove(job);
                return;
            }
            _ => return,
        };
        let first = number.saturating_sub(self.lost);
        let seen = || Seen { first, numbers: Numbers::default() };
        self.seen.entry(*job).or_insert_with(seen).numbers.insert(*number);
    }

    /// Whether anything is missing that was durable.
    pub(crate) fn is_damaged(&self) -> bool {
        self.lost > 0 || self.damage.iter().any(|damage| !damage.tail)
    }

    /// What is lost of a job. Each message of which nothing is left has cost a record.
    pub(crate) fn losses(&self, identity: Uuid, job: &Job) -> Losses {
        if !self.is_damaged() || job.cancelled.is_some() {
            return Losses::default();
        }
        let count = job.finished.map(|told| told.0);
        let next = job.next_number.max(count.unwrap_or_default());
        let mut left = self.lost;
        let mut named = match self.seen.get(&identity) {
            Some(seen) => seen.numbers.missing(seen.first..next),
            None => iter::once(next.saturating_sub(left)..next).collect(),
        };
        let length = |ranges: &[Range<u64>]| ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        let missing = length(&named);
        named.retain_mut(|range| {
            range.end = range.end.min(range.start.saturating_add(left));
            left -= range.end - range.start;
            !range.is_empty()
        });
        // Behind the last that is known there is nothing where the client has told how many there are, or all that is lost has a name.
        let others = self.unread || missing > self.lost || (count.is_none() && left > 0);
        Losses { named, others }
    }

    /// The end of the journal: what stands behind a hole, and was never durable, does not count.
    fn end(&mut self) {
        let unfinished = self.pending.first().map(|(segment, _)| *segment);
        let last = self.segments.last().filter(|last| unfinished.is_some_and(|number| number == last.number));
        if let (Some(hole), Some(last)) = (self.hole, last) {
            self.damage.retain(|damage| damage.file != last.path || damage.offset < hole);
            let bytes = last.length.saturating_sub(hole);
            self.damage.push(Damage { file: last.path.clone(), offset: hole, bytes, tail: true });
            self.pending.clear();
        }
        // A later segment was begun, though it cannot be read: what stood before it may have been durable.
        self.accept_pending();
        // Jobs of which nobody can say any more what they were.
        let index = &mut self.index;
        let nameless: Vec<_> =
            index.jobs.iter().filter(|(_, job)| job.header.is_none()).map(|(&job, _)| job).collect();
        nameless.into_iter().for_each(|job| index.forget(job));
    }

    /// Reads all that is alive once more, in the order in which it stands, and shows it to `visit`.
    pub(crate) fn visit(&self, mut visit: impl FnMut(Record) -> Result<(), Error>) -> Result<(), Error> {
        for segment in &self.segments {
            if self.index.alive.of(segment.number).records == 0 {
                continue;
            }
            let mut scan = match Scan::open(&segment.path) {
                Ok(scan) => scan,
                Err(Unreadable::File(error)) => return Err(Error::folder(&segment.path, error)),
                Err(_) => continue,
            };
            loop {
                match scan.next() {
                    Item::Frame(frame) => {
                        for (span, record) in frame.records {
                            if self.index.is_alive(&record, Slot { segment: segment.number, span }) {
                                visit(record)?;
                            }
                        }
                    }
                    Item::Damage { .. } => {}
                    Item::End { .. } => break,
                }
            }
        }
        Ok(())
    }
}
