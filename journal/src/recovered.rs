//! What a journal gives back to a node that starts: all that was accepted and has not ended, and all that is still owed.

use crate::damage::Damage;
use crate::error::Error;
use crate::folder::Folder;
use crate::record::{JobHeader, Output, Record};
use crate::replay::{Losses, Replay};
use bytes::Bytes;
use pylm_protocol::codes;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use uuid::Uuid;

/// A message that was accepted and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedMessage {
    /// Its cache key; empty where it was given none.
    pub cache: Box<str>,
    /// The data.
    pub payload: Bytes,
}

/// An output that the client may not have had yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOutput {
    /// The message's number.
    pub number: u64,
    /// What the message got.
    pub output: Output,
}

/// A job as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredJob {
    /// What its messages share.
    pub header: JobHeader,
    /// Messages without an end, by number. They run again.
    pub messages: BTreeMap<u64, UnfinishedMessage>,
    /// Outputs of ended messages that were not acknowledged, by serial, in the order in which they were made: those that the node
    /// sends first, counted from 0 in a new epoch. Results of messages without an end are not here, since these run again and
    /// make them anew; a client that has had some knows them by their place. Held results are here until the end of
    /// their message is acknowledged, since a client forgets them when it comes back to another run.
    pub outputs: BTreeMap<u64, KeptOutput>,
    /// The serial of the next output.
    pub next_serial: u64,
    /// Higher than the number of every message that is known.
    pub next_number: u64,
    /// The count that Finished told.
    pub finished: Option<u64>,
    /// It was cancelled.
    pub cancelled: bool,
    /// Numbers of messages that were accepted, and of which damage has left neither the message nor an end.
    pub lost: Vec<Range<u64>>,
    /// Damage may have taken other messages of it, which nobody can name.
    pub incomplete: bool,
}

/// What a journal has of a node's last runs.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The id of the last run.
    pub last_run: Option<Uuid>,
    /// All jobs that were not closed.
    pub jobs: HashMap<Uuid, RecoveredJob>,
    /// The cache.
    pub cache: HashMap<Box<str>, Bytes>,
    /// What could not be read. A tail is cut off, and not seen again.
    pub damage: Vec<Damage>,
    /// How many records are missing that were durable once.
    pub lost: u64,
    /// Something is missing that was durable once.
    pub damaged: bool,
    /// To be written, so that it stays so: where messages run again, ends that became failures because results of theirs are lost, and jobs that
    /// may have lost something, which cannot be seen any more once the damaged segment is gone.
    pub(crate) mended: Vec<Record>,
}

impl Recovered {
    /// Reads the journal in `folder` without changing it. It must not be in use.
    pub fn read(folder: &Path) -> Result<Recovered, Error> {
        Recovered::collect(&mut Replay::read(&Folder::take(folder, false)?)?)
    }

    pub(crate) fn collect(replay: &mut Replay) -> Result<Recovered, Error> {
        let reruns = replay.index.begin_run();
        let jobs = replay.index.jobs.iter().map(|(&identity, job)| {
            let header = JobHeader { identity, ..JobHeader::default() };
            let Losses { named, others } = replay.losses(identity, job);
            let empty = RecoveredJob {
                header,
                messages: BTreeMap::new(),
                outputs: BTreeMap::new(),
                next_serial: job.next_serial,
                next_number: job.next_number,
                finished: job.finished.map(|finished| finished.0),
                cancelled: job.cancelled.is_some(),
                lost: named,
                incomplete: others,
            };
            (identity, empty)
        });
        let mut recovered = Recovered {
            last_run: replay.index.run.map(|run| run.0),
            jobs: jobs.collect(),
            cache: HashMap::new(),
            damage: replay.damage.clone(),
            lost: replay.lost,
            damaged: replay.is_damaged(),
            mended: reruns,
        };
        replay.visit(|record| {
            recovered.take(record);
            Ok(())
        })?;
        recovered.mark_damaged();
        for (identity, job) in &replay.index.jobs {
            let broken: HashSet<u64> = job.broken().into_iter().collect();
            if let Some(job) = recovered.jobs.get_mut(identity).filter(|_| !broken.is_empty()) {
                let mut failed = HashMap::new();
                for (serial, kept) in &mut job.outputs {
                    if broken.contains(serial) {
                        failed.insert(kept.number, *serial);
                        kept.output = lost();
                        recovered.mended.push(Record::Output {
                            job: *identity,
                            serial: *serial,
                            number: kept.number,
                            output: kept.output.clone(),
                        });
                    }
                }
                // The failure tells of no results: those that are left go with the lost ones.
                job.outputs.retain(|serial, kept| {
                    kept.output.is_end() || failed.get(&kept.number).is_none_or(|end| serial > end)
                });
            }
        }
        Ok(recovered)
    }

    /// That something may be missing of a job is told as long as its client has not come back, over further starts too.
    fn mark_damaged(&mut self) {
        for job in self.jobs.values_mut().filter(|job| !job.cancelled) {
            if job.header.is_damaged() {
                job.incomplete = true;
            } else if self.damaged {
                let flags = job.header.flags | JobHeader::DAMAGED;
                self.mended.push(Record::JobOpened(Box::new(JobHeader { flags, ..job.header.clone() })));
            }
        }
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::JobOpened(header) => {
                if let Some(job) = self.jobs.get_mut(&header.identity) {
                    job.header = *header;
                }
            }
            Record::Accepted { job, number, cache, payload } => {
                if let Some(job) = self.jobs.get_mut(&job) {
                    job.messages.insert(number, UnfinishedMessage { cache, payload });
                }
            }
            Record::Output { job, serial, number, output } => {
                if let Some(job) = self.jobs.get_mut(&job) {
                    job.outputs.insert(serial, KeptOutput { number, output });
                }
            }
            Record::CacheSet { key, value } => {
                self.cache.insert(key, value);
            }
            _ => {}
        }
    }
}

/// What becomes of a message whose results were lost after its end had been written.
pub(crate) fn lost() -> Output {
    Output::Failed {
        results: 0,
        code: codes::LOST.into(),
        text: "results of this message were lost when the node's journal was damaged: send it again".into(),
    }
}
