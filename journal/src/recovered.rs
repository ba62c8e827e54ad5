//! What a journal gives back to a node that starts: all that was accepted and has not ended, and all that is still owed.

use crate::damage::Damage;
use crate::error::Error;
use crate::folder::Folder;
use crate::record::{JobHeader, Output, Record};
use crate::replay::Replay;
use bytes::Bytes;
use pylm_protocol::codes;
use std::collections::{BTreeMap, HashMap, HashSet};
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
    /// Outputs that were not acknowledged, by serial, in the order in which they were made. Held results are here until the end of
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
}

impl RecoveredJob {
    /// Drops the results of messages that have no end yet: they run again and make them anew, and a client that has had some
    /// knows them by their place. A node that begins a new epoch for each job, as it should, calls this first.
    pub fn drop_unfinished_results(&mut self) {
        let messages = &self.messages;
        self.outputs.retain(|_, kept| !messages.contains_key(&kept.number) || kept.output.is_end());
    }
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
}

impl Recovered {
    /// Reads the journal in `folder` without changing it. It must not be in use.
    pub fn read(folder: &Path) -> Result<Recovered, Error> {
        Recovered::collect(&Replay::read(&Folder::take(folder, false)?)?)
    }

    pub(crate) fn collect(replay: &Replay) -> Result<Recovered, Error> {
        let jobs = replay.index.jobs.iter().map(|(&identity, job)| {
            let header = JobHeader { identity, ..JobHeader::default() };
            let empty = RecoveredJob {
                header,
                messages: BTreeMap::new(),
                outputs: BTreeMap::new(),
                next_serial: job.next_serial,
                next_number: job.next_number,
                finished: job.finished.map(|finished| finished.0),
                cancelled: job.cancelled.is_some(),
            };
            (identity, empty)
        });
        let mut recovered = Recovered {
            last_run: replay.index.run.map(|run| run.0),
            jobs: jobs.collect(),
            cache: HashMap::new(),
            damage: replay.damage.clone(),
            lost: replay.lost,
        };
        replay.visit(|record| {
            recovered.take(record);
            Ok(())
        })?;
        for (identity, job) in &replay.index.jobs {
            let broken: HashSet<u64> = job.broken().into_iter().collect();
            if let Some(job) = recovered.jobs.get_mut(identity).filter(|_| !broken.is_empty()) {
                job.outputs.retain(|serial, kept| {
                    if broken.contains(serial) {
                        kept.output = lost();
                    }
                    true
                });
            }
        }
        Ok(recovered)
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
fn lost() -> Output {
    Output::Failed {
        results: 0,
        code: codes::LOST.into(),
        text: "results of this message were lost when the node's journal was damaged: send it again".into(),
    }
}
