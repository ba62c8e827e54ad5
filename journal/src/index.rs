//! What is alive: for each message, output and key that is still needed, the place of its record. Pure; it holds no data.

use crate::alive::Counts;
use crate::frame::Span;
use crate::record::{Output, Record};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The segment's number.
    pub(crate) segment: u64,
    pub(crate) span: Span,
}

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
    /// The serial of the first output that the client has not acknowledged, and where that was told.
    pub(crate) acknowledged: Option<(u64, Slot)>,
    /// Behind the highest serial that was seen.
    pub(crate) next_serial: u64,
    /// Behind the highest number that was seen.
    pub(crate) next_number: u64,
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
    fn of(output: &Output) -> Shape {
        match output {
            Output::Result { held: false, .. } => Shape::Result,
            Output::Result { held: true, .. } => Shape::HeldResult,
            Output::Reply { .. } => Shape::End { results: 0 },
            Output::Done { results } | Output::Failed { results, .. } => Shape::End { results: *results },
        }
    }
}

/// What is alive in the whole journal.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) run: Option<(Uuid, Slot)>,
    pub(crate) jobs: HashMap<Uuid, Job>,
    pub(crate) cache: HashMap<Box<str>, Slot>,
    pub(crate) alive: Counts,
}

impl Index {
    /// Takes note of a record of a journal that is in use. What is said of a job that is not open is dead already.
    pub(crate) fn apply_new(&mut self, record: &Record, slot: Slot) {
        let opens = matches!(record, Record::JobOpened(_));
        if opens || record.job().is_none_or(|job| self.jobs.contains_key(&job)) {
            self.apply(record, slot);
        }
    }

    /// Takes note of a record, which stands at `slot`. Said again of the same thing, the later place counts.
    pub(crate) fn apply(&mut self, record: &Record, slot: Slot) {
        let alive = &mut self.alive;
        match record {
            Record::Started { run } => {
                replace(&mut self.run, (*run, slot), alive, |run| run.1);
            }
            Record::JobOpened(header) => {
                let job = self.jobs.entry(header.identity).or_default();
                replace(&mut job.header, slot, alive, |slot| *slot);
            }
            Record::Accepted { job, number, .. } => {
                let job = self.jobs.entry(*job).or_default();
                job.next_number = job.next_number.max(number.saturating_add(1));
                alive.born(slot);
                job.messages.insert(*number, slot).into_iter().for_each(|old| alive.dead(old));
            }
            Record::Output { job, serial, number, output } => {
                let job = self.jobs.entry(*job).or_default();
                job.next_number = job.next_number.max(number.saturating_add(1));
                let kept = Kept { slot, number: *number, shape: Shape::of(output) };
                job.keep(*serial, kept, alive);
            }
            Record::Acknowledged { job, below } => {
                let job = self.jobs.entry(*job).or_default();
                job.acknowledge(*below, slot, alive);
            }
            Record::Finished { job, count } => {
                let job = self.jobs.entry(*job).or_default();
                replace(&mut job.finished, (*count, slot), alive, |finished| finished.1);
            }
            Record::Cancelled { job } => {
                let job = self.jobs.entry(*job).or_default();
                job.clear(alive);
                replace(&mut job.cancelled, slot, alive, |slot| *slot);
            }
            Record::Closed { job } => self.forget(*job),
            Record::CacheSet { key, .. } => {
                alive.born(slot);
                self.cache.insert(key.clone(), slot).into_iter().for_each(|old| alive.dead(old));
            }
            Record::CacheDelete { key } => {
                self.cache.remove(key).into_iter().for_each(|old| alive.dead(old));
            }
        }
    }

    /// Drops all that is known of a job.
    pub(crate) fn forget(&mut self, job: Uuid) {
        let Some(mut job) = self.jobs.remove(&job) else { return };
        job.clear(&mut self.alive);
        let told = [job.finished, job.acknowledged].map(|told| told.map(|(_, slot)| slot));
        [job.header, job.cancelled].into_iter().chain(told).flatten().for_each(|slot| self.alive.dead(slot));
    }

    /// Drops what is alive in a segment that cannot be read any more; how many records that were.
    pub(crate) fn forget_segment(&mut self, number: u64) -> u64 {
        let lost = self.alive.of(number).records;
        let stays = |slot: &Slot| slot.segment != number;
        self.run.take_if(|run| !stays(&run.1));
        self.cache.retain(|_, slot| stays(slot));
        for job in self.jobs.values_mut() {
            job.header.take_if(|slot| !stays(slot));
            job.cancelled.take_if(|slot| !stays(slot));
            job.finished.take_if(|told| !stays(&told.1));
            job.acknowledged.take_if(|told| !stays(&told.1));
            job.messages.retain(|_, slot| stays(slot));
            job.outputs.retain(|_, kept| stays(&kept.slot));
            job.held.values_mut().for_each(|held| held.retain(|_, slot| stays(slot)));
        }
        self.alive.forget(number);
        lost
    }

    /// Whether the record at `slot` is needed, and has no later place.
    pub(crate) fn is_alive(&self, record: &Record, slot: Slot) -> bool {
        let job = record.job().and_then(|job| self.jobs.get(&job));
        match record {
            Record::Started { .. } => self.run.is_some_and(|run| run.1 == slot),
            Record::JobOpened(_) => job.is_some_and(|job| job.header == Some(slot)),
            Record::Accepted { number, .. } => job.is_some_and(|job| job.messages.get(number) == Some(&slot)),
            Record::Output { serial, number, .. } => job.is_some_and(|job| {
                job.outputs.get(serial).is_some_and(|kept| kept.slot == slot)
                    || job.held.get(number).is_some_and(|held| held.get(serial) == Some(&slot))
            }),
            Record::Finished { .. } => {
                job.is_some_and(|job| job.finished.is_some_and(|finished| finished.1 == slot))
            }
            Record::Cancelled { .. } => job.is_some_and(|job| job.cancelled == Some(slot)),
            Record::CacheSet { key, .. } => self.cache.get(key) == Some(&slot),
            Record::Acknowledged { .. } => {
                job.is_some_and(|job| job.acknowledged.is_some_and(|told| told.1 == slot))
            }
            Record::Closed { .. } | Record::CacheDelete { .. } => false,
        }
    }
}

impl Job {
    fn keep(&mut self, serial: u64, kept: Kept, alive: &mut Counts) {
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

    fn acknowledge(&mut self, below: u64, slot: Slot, alive: &mut Counts) {
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
        let mut expected = self.below();
        let mut hole = false;
        let mut results: HashMap<u64, u64> = HashMap::new();
        let mut broken = Vec::new();
        for (&serial, kept) in &self.outputs {
            hole |= serial > expected;
            expected = serial.saturating_add(1);
            match kept.shape {
                Shape::End { results: all } => {
                    let acknowledged = self.held.get(&kept.number).map_or(0, BTreeMap::len) as u64;
                    let there = results.remove(&kept.number).unwrap_or_default() + acknowledged;
                    if hole && there < all {
                        broken.push(serial);
                    }
                }
                Shape::Result | Shape::HeldResult => *results.entry(kept.number).or_default() += 1,
            }
        }
        broken
    }

    /// Drops messages and outputs.
    fn clear(&mut self, alive: &mut Counts) {
        let messages = std::mem::take(&mut self.messages).into_values();
        let outputs = std::mem::take(&mut self.outputs).into_values().map(|kept| kept.slot);
        let held = std::mem::take(&mut self.held).into_values().flat_map(BTreeMap::into_values);
        messages.chain(outputs).chain(held).for_each(|slot| alive.dead(slot));
    }
}

fn replace<T>(place: &mut Option<T>, new: T, alive: &mut Counts, slot: impl Fn(&T) -> Slot) {
    alive.born(slot(&new));
    if let Some(old) = place.replace(new) {
        alive.dead(slot(&old));
    }
}
