//! What is alive of one job, and how its records make it so.

use crate::alive::Counts;
use crate::index::{Slot, replace};
use crate::record::Output;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// What is alive of one job.
#[derive(Debug, Default)]
pub(crate) struct Job {
    /// None as long as only records were seen that should stand behind it.
    pub(crate) header: Option<Slot>,
    /// Messages without an end, by number.
    pub(crate) messages: BTreeMap<u64, Slot>,
    /// Outputs that the client has not acknowledged, by serial.
    pub(crate) outputs: BTreeMap<u64, Kept>,
    /// Results, by message, that the client has acknowledged, but forgets when it loses the node before their end.
    pub(crate) held: HashMap<u64, BTreeMap<u64, Slot>>,
    /// Serials with which a run of the node began when messages had results and no end, and where that was told.
    pub(crate) reruns: BTreeMap<u64, Slot>,
    /// The serial of the first output that the client has not acknowledged, and where that was told.
    pub(crate) acknowledged: Option<(u64, Slot)>,
    /// Behind the highest serial that was seen.
    pub(crate) next_serial: u64,
    /// Behind the highest number that was seen.
    pub(crate) next_number: u64,
    /// The serial of the output that was written last.
    last_serial: Option<u64>,
    /// Serials of outputs that damage has taken.
    missing: Vec<Range<u64>>,
    /// Finished, and its count.
    pub(crate) finished: Option<(u64, Slot)>,
    /// Cancelled.
    pub(crate) cancelled: Option<Slot>,
}

/// An output that is alive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) slot: Slot,
    pub(crate) number: u64,
    pub(crate) shape: Shape,
}

/// What of an output decides how long it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Result,
    HeldResult,
    End {
        /// How many results went before.
        results: u64,
    },
}

impl Shape {
    pub(crate) fn of(output: &Output) -> Shape {
        match output {
            Output::Result { held: false, .. } => Shape::Result,
            Output::Result { held: true, .. } => Shape::HeldResult,
            Output::Reply { .. } => Shape::End { results: 0 },
            Output::Done { results } | Output::Failed { results, .. } => Shape::End { results: *results },
        }
    }
}

impl Job {
    /// Outputs are written in the order of their serials: where one is left out, it was lost.
    pub(crate) fn count(&mut self, serial: u64) {
        if let Some(next) =
            self.last_serial.and_then(|last| last.checked_add(1)).filter(|&next| next < serial)
        {
            self.missing.push(next..serial);
        }
        self.last_serial = self.last_serial.max(Some(serial));
    }

    /// Drops the results of earlier runs of messages: all of one without an end; of another those from before the last start that
    /// came before its end, and those beyond as many as its end tells of. Whether results were dropped that no earlier start had
    /// dropped.
    pub(crate) fn drop_results_of_earlier_runs(&mut self, alive: &mut Counts) -> bool {
        let mut ended: HashMap<u64, (u64, u64)> = HashMap::new();
        for (serial, kept) in &self.outputs {
            if let Shape::End { results } = kept.shape {
                let first = self.reruns.range(..=serial).next_back().map_or(0, |(&below, _)| below);
                ended.insert(kept.number, (first, results));
            }
        }
        let mut counts = |serial: u64, number: u64| {
            let ended = ended.get_mut(&number).filter(|(first, left)| serial >= *first && *left > 0);
            ended.map(|(_, left)| *left -= 1).is_some()
        };
        let results = self.outputs.iter().filter(|(_, kept)| !matches!(kept.shape, Shape::End { .. }));
        let results = results.map(|(&serial, kept)| (serial, kept.number));
        let held =
            self.held.iter().flat_map(|(&number, held)| held.keys().map(move |&serial| (serial, number)));
        let mut results: Vec<(u64, u64)> = results.chain(held).collect();
        // The last ones first: a run begins with the first result again.
        results.sort_unstable_by(|one, other| other.cmp(one));
        results.retain(|&(serial, number)| !counts(serial, number));
        let known = self.reruns.keys().next_back().copied().unwrap_or_default();
        let is_news = results.first().is_some_and(|&(serial, _)| serial >= known);
        for (serial, number) in results {
            let kept = self.outputs.remove(&serial).map(|kept| kept.slot);
            let held = self.held.get_mut(&number).and_then(|held| held.remove(&serial));
            kept.or(held).into_iter().for_each(|slot| alive.dead(slot));
        }
        self.held.retain(|_, held| !held.is_empty());
        is_news
    }

    pub(crate) fn keep(&mut self, serial: u64, kept: Kept, alive: &mut Counts) {
        self.next_serial = self.next_serial.max(serial.saturating_add(1));
        if let Shape::End { .. } = kept.shape {
            self.messages.remove(&kept.number).into_iter().for_each(|old| alive.dead(old));
        }
        if serial >= self.below() {
            alive.born(kept.slot);
            self.outputs.insert(serial, kept).into_iter().for_each(|old| alive.dead(old.slot));
        } else if kept.shape == Shape::HeldResult {
            alive.born(kept.slot);
            self.hold(serial, kept, alive);
        }
    }

    fn hold(&mut self, serial: u64, kept: Kept, alive: &mut Counts) {
        let old = self.held.entry(kept.number).or_default().insert(serial, kept.slot);
        old.into_iter().for_each(|old| alive.dead(old));
    }

    pub(crate) fn acknowledge(&mut self, below: u64, slot: Slot, alive: &mut Counts) {
        let below = below.max(self.below());
        replace(&mut self.acknowledged, (below, slot), alive, |told| told.1);
        self.next_serial = self.next_serial.max(below);
        while let Some(first) = self.outputs.first_entry().filter(|first| *first.key() < below) {
            let (serial, kept) = first.remove_entry();
            match kept.shape {
                Shape::HeldResult => self.hold(serial, kept, alive),
                Shape::Result => alive.dead(kept.slot),
                Shape::End { .. } => {
                    alive.dead(kept.slot);
                    let held = self.held.remove(&kept.number).unwrap_or_default();
                    held.into_values().for_each(|slot| alive.dead(slot));
                }
            }
        }
        if self.held.is_empty() {
            while let Some(first) = self.reruns.first_entry().filter(|first| *first.key() <= below) {
                alive.dead(first.remove());
            }
        }
    }

    /// The serial of the first output that the client has not acknowledged.
    pub(crate) fn below(&self) -> u64 {
        self.acknowledged.map_or(0, |(below, _)| below)
    }

    /// How many outputs are kept.
    pub(crate) fn kept(&self) -> usize {
        self.outputs.len() + self.held.values().map(BTreeMap::len).sum::<usize>()
    }

    /// The serials of ends whose results are not all there any more, because damage has taken some.
    pub(crate) fn broken(&self) -> Vec<u64> {
        if self.missing.is_empty() {
            return Vec::new();
        }
        let below = self.below();
        let mut results: HashMap<u64, u64> = HashMap::new();
        let mut broken = Vec::new();
        for (&serial, kept) in &self.outputs {
            match kept.shape {
                Shape::End { results: all } => {
                    let acknowledged = self.held.get(&kept.number).map_or(0, BTreeMap::len) as u64;
                    let there = results.remove(&kept.number).unwrap_or_default() + acknowledged;
                    let missing = self.missing.iter().any(|range| range.start < serial && range.end > below);
                    if missing && there < all {
                        broken.push(serial);
                    }
                }
                Shape::Result | Shape::HeldResult => *results.entry(kept.number).or_default() += 1,
            }
        }
        broken
    }

    /// Drops messages and outputs.
    pub(crate) fn clear(&mut self, alive: &mut Counts) {
        let messages = std::mem::take(&mut self.messages).into_values();
        let outputs = std::mem::take(&mut self.outputs).into_values().map(|kept| kept.slot);
        let held = std::mem::take(&mut self.held).into_values().flat_map(BTreeMap::into_values);
        let reruns = std::mem::take(&mut self.reruns).into_values();
        messages.chain(outputs).chain(held).chain(reruns).for_each(|slot| alive.dead(slot));
    }
}
