//! A journal is looked through, and summed up.

use crate::damage::Damage;
use crate::error::Error;
use crate::folder::Folder;
use crate::job::Job;
use crate::replay::Replay;
use std::fmt;
use std::path::Path;
use uuid::Uuid;

/// What a journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The id of the node's last run.
    pub last_run: Option<Uuid>,
    /// How many segments there are.
    pub segments: usize,
    /// How long they are, in bytes.
    pub bytes: u64,
    /// How many records they hold.
    pub records: u64,
    /// How much of them is still needed, in bytes.
    pub alive_bytes: u64,
    /// Jobs that were not closed.
    pub jobs: usize,
    /// Messages that were accepted and have not ended.
    pub messages: usize,
    /// Outputs that clients have not acknowledged.
    pub outputs: usize,
    /// Keys of the cache.
    pub keys: usize,
    /// What could not be read.
    pub damage: Vec<Damage>,
    /// How many records are missing that were durable once.
    pub lost: u64,
}

impl Summary {
    /// Looks through the journal in `folder`, without changing it. It must not be in use.
    pub fn read(folder: &Path) -> Result<Summary, Error> {
        let replay = Replay::read(&Folder::take(folder, false)?)?;
        let jobs = || replay.index.jobs.values();
        Ok(Summary {
            last_run: replay.index.run.map(|run| run.0),
            segments: replay.segments.len(),
            bytes: replay.segments.iter().map(|segment| segment.length).sum(),
            records: replay.records,
            alive_bytes: replay.index.alive.bytes(),
            jobs: jobs().len(),
            messages: jobs().map(|job| job.messages.len()).sum(),
            outputs: jobs().map(Job::kept).sum(),
            keys: replay.index.cache.len(),
            damage: replay.damage,
            lost: replay.lost,
        })
    }

    /// Whether all is there that was durable. An end that was not finished is none of it.
    pub fn is_sound(&self) -> bool {
        self.lost == 0 && self.damage.iter().all(|damage| damage.tail)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = self.last_run.map_or("none".into(), |run| run.to_string());
        writeln!(formatter, "last run of the node   {run}")?;
        writeln!(formatter, "segments               {}, of {} bytes", self.segments, self.bytes)?;
        writeln!(
            formatter,
            "records                {}, {} bytes still needed",
            self.records, self.alive_bytes
        )?;
        writeln!(formatter, "open jobs              {}", self.jobs)?;
        writeln!(formatter, "unfinished messages    {}", self.messages)?;
        writeln!(formatter, "outputs kept           {}", self.outputs)?;
        writeln!(formatter, "keys in the cache      {}", self.keys)?;
        for damage in &self.damage {
            writeln!(formatter, "{damage}")?;
        }
        if self.lost > 0 {
            writeln!(formatter, "records lost           {}", self.lost)?;
        }
        match self.is_sound() {
            true => write!(formatter, "the journal is sound"),
            false => write!(formatter, "the journal is damaged: a node keeps what can be read, and goes on"),
        }
    }
}
