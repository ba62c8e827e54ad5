//! Cleaning: what is alive in the oldest segment is written again at the journal's end, in small steps, and the segment given up.
//!
//! Only the oldest segment is ever given up. So whatever ended something, an end, an acknowledgement or a deleted key, stays on
//! disk for as long as what it ended, and needs no care of its own.

use crate::index::{Index, Slot};
use crate::record::Record;
use crate::scan::{Item, Scan};
use crate::segments::{Sealed, Segments};

/// How much of a segment is read in one step at least.
const STEP: u64 = 256 << 10;

/// A segment of which no more than one part in so many is alive is cleaned at once.
const SPARSE: u64 = 8;

/// The oldest segment's cleaning, as far as it has got.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    scan: Option<(u64, Scan)>,
}

/// What one step has found.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// To be written again.
    pub(crate) records: Vec<Record>,
    /// The segment was read to its end.
    pub(crate) complete: bool,
}

impl Cleaner {
    /// Whether there is something to clean. What is sealed stays below twice of what is alive, one segment, and what comes in
    /// meanwhile.
    pub(crate) fn is_due(&self, segments: &Segments, index: &Index) -> bool {
        let Some(oldest) = segments.sealed.front() else { return false };
        let alive = index.alive.of(oldest.number).bytes;
        // The last room is for what ends; half of it may be spent where that gives back a whole segment.
        if !segments.has_spare() && alive > segments.room() / 2 {
            return false;
        }
        self.is_at(oldest)
            || alive * SPARSE <= oldest.length
            || segments.sealed_bytes() > 2 * index.alive.bytes() + segments.size()
    }

    fn is_at(&self, oldest: &Sealed) -> bool {
        self.scan.as_ref().is_some_and(|scan| scan.0 == oldest.number)
    }

    /// Reads on in the oldest segment. `written` is what came in since the last step: cleaning is faster than that.
    pub(crate) fn step(&mut self, segments: &Segments, index: &Index, written: u64) -> Step {
        let mut step = Step::default();
        let Some(oldest) = segments.sealed.front() else { return step };
        if !self.is_at(oldest) {
            self.scan = Scan::open(&oldest.path).ok().map(|scan| (oldest.number, scan));
        }
        let Some((segment, scan)) = &mut self.scan else {
            step.complete = true;
            return step;
        };
        let end = scan.at.saturating_add(STEP.max(4 * written));
        while scan.at < end {
            match scan.next() {
                Item::Frame(frame) => {
                    let alive = |span| Slot { segment: *segment, span };
                    let records = frame.records.into_iter();
                    step.records.extend(
                        records.filter(|(span, record)| index.is_alive(record, alive(*span))).map(|it| it.1),
                    );
                }
                Item::Damage { .. } => {}
                Item::End { .. } => {
                    step.complete = true;
                    break;
                }
            }
            // What is alive costs its room, and nothing else does: the rest need not be read.
            if index.alive.of(*segment).records == step.records.len() as u64 {
                step.complete = true;
                break;
            }
        }
        if step.complete {
            self.scan = None;
        }
        step
    }
}
