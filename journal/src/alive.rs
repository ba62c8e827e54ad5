//! How much is alive, segment by segment.

use crate::index::Slot;
use std::collections::BTreeMap;

/// What is alive in one segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Alive {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// What is alive by segment, and in all.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    segments: BTreeMap<u64, Alive>,
    bytes: u64,
}

impl Counts {
    /// A record at `slot` is needed.
    pub(crate) fn born(&mut self, slot: Slot) {
        let alive = self.segments.entry(slot.segment).or_default();
        alive.records += 1;
        alive.bytes += slot.span.length;
        self.bytes += slot.span.length;
    }

    /// It is not any more.
    pub(crate) fn dead(&mut self, slot: Slot) {
        if let Some(alive) = self.segments.get_mut(&slot.segment) {
            alive.records -= 1;
            alive.bytes -= slot.span.length;
            self.bytes -= slot.span.length;
            if alive.records == 0 {
                self.segments.remove(&slot.segment);
            }
        }
    }

    /// Nothing of a segment counts any more.
    pub(crate) fn forget(&mut self, segment: u64) {
        if let Some(alive) = self.segments.remove(&segment) {
            self.bytes -= alive.bytes;
        }
    }

    pub(crate) fn of(&self, segment: u64) -> Alive {
        self.segments.get(&segment).copied().unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}
