//! What is alive: for each message, output and key that is still needed, the place of its record. Pure; it holds no data.

use crate::alive::Counts;
use crate::frame::{Kind, Span};
use crate::job::{Job, Kept, Shape};
use crate::record::Record;
use std::collections::HashMap;
use uuid::Uuid;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The segment's number.
    pub(crate) segment: u64,
    pub(crate) span: Span,
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
    pub(crate) fn apply_open(&mut self, record: &Record, slot: Slot, kind: Kind) {
        let opens = matches!(record, Record::JobOpened(_));
        if opens || record.job().is_none_or(|job| self.jobs.contains_key(&job)) {
            self.apply(record, slot, kind);
        }
    }

    /// A run of the node begins: messages without an end run again, and make their results anew. What has to be written, so that
    /// those of before are known as such when the messages have ended.
    pub(crate) fn begin_run(&mut self) -> Vec<Record> {
        let mut reruns = Vec::new();
        for (&identity, job) in &mut self.jobs {
            if job.drop_results_of_earlier_runs(&mut self.alive) {
                reruns.push(Record::Rerun { job: identity, below: job.next_serial });
            }
        }
        reruns
    }

    /// Takes note of a record, which stands at `slot`. Said again of the same thing, the later place counts.
    pub(crate) fn apply(&mut self, record: &Record, slot: Slot, kind: Kind) {
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
                if kind == Kind::New {
                    job.count(*serial);
                }
                job.keep(*serial, kept, alive);
            }
            Record::Acknowledged { job, below } => {
                let job = self.jobs.entry(*job).or_default();
                job.acknowledge(*below, slot, alive);
            }
            Record::Rerun { job, below } => {
                let job = self.jobs.entry(*job).or_default();
                job.next_serial = job.next_serial.max(*below);
                alive.born(slot);
                job.reruns.insert(*below, slot).into_iter().for_each(|old| alive.dead(old));
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
            job.reruns.retain(|_, slot| stays(slot));
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
            Record::Rerun { below, .. } => job.is_some_and(|job| job.reruns.get(below) == Some(&slot)),
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

/// A later record says the same.
pub(crate) fn replace<T>(place: &mut Option<T>, new: T, alive: &mut Counts, slot: impl Fn(&T) -> Slot) {
    alive.born(slot(&new));
    if let Some(old) = place.replace(new) {
        alive.dead(slot(&old));
    }
}
