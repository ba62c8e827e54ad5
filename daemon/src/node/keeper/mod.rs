//! The router's side of the journal: what the node accepts and owes is handed over once a turn, and clients are told what is on disk.
//!
//! Jobs of native clients are kept, and the cache. Messages of pylm clients and of earlier nodes are not: nobody could come back
//! for what those of the first get, and the second give them again.

mod deadline;
mod outputs;
mod recovery;

use crate::node::cache::CacheError;
use crate::node::config::NodeConfig;
use crate::node::egress::Client;
use crate::node::ledger::JobKey;
use crate::node::native::sessions::SessionKey;
use crate::node::native::stream::Stream;
use crate::node::router::Router;
use bytes::Bytes;
use pylm_journal::{Journal, Options, Record, Recovered};
use pylm_transport::Waker;
use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The journal of a node, and what waits for it.
#[derive(Debug)]
pub struct Keeper {
    journal: Journal,
    /// What this turn has brought.
    records: Vec<Record>,
    /// Submits of this turn, whose clients are to be told.
    submitted: Vec<Told>,
    /// The same of earlier turns, until they are durable up to that number.
    untold: VecDeque<(u64, Told)>,
    /// Jobs with Submits that wait until the journal takes them.
    waiting: Vec<JobKey>,
}

/// What a client is to be told: so many Submits of its job were accepted.
#[derive(Debug, Clone, Copy)]
struct Told {
    session: SessionKey,
    job: JobKey,
    submitted: u64,
}

impl Keeper {
    /// Opens the journal in `folder` for this run of the node.
    pub fn open(folder: &Path, run: Uuid, waker: Waker) -> Result<(Self, Recovered), pylm_journal::Error> {
        // Without a poller to wake, the node is ending.
        let wake = move || drop(waker.wake());
        let (journal, recovered) = Journal::open(folder, run, &Options::default(), wake)?;
        let keeper = Keeper {
            journal,
            records: Vec::new(),
            submitted: Vec::new(),
            untold: VecDeque::new(),
            waiting: Vec::new(),
        };
        Ok((keeper, recovered))
    }

    /// Something is to be kept.
    #[inline]
    pub fn keep(&mut self, record: Record) {
        self.records.push(record);
    }

    /// A client is to be told of its Submits when they are on disk.
    pub fn tell_when_durable(&mut self, session: SessionKey, job: JobKey, submitted: u64) {
        self.submitted.push(Told { session, job, submitted });
    }

    /// Whether no new messages are to be accepted.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.journal.is_full()
    }

    /// How the journal is doing.
    pub fn status(&self) -> pylm_journal::Status {
        self.journal.status()
    }

    /// The bytes that may wait for the disk.
    pub fn bound(&self) -> u64 {
        Options::default().queue_bytes
    }

    /// A job has Submits that have to wait.
    pub fn wait(&mut self, job: JobKey) {
        self.waiting.push(job);
    }

    /// Hands over what this turn has brought.
    fn append(&mut self) {
        let end = self.journal.append(std::mem::take(&mut self.records));
        self.untold.extend(self.submitted.drain(..).map(|told| (end, told)));
    }

    /// The next one to be told that is durable.
    fn next_durable(&mut self) -> Option<Told> {
        let durable = self.journal.durable();
        self.untold.pop_front_if(|(end, _)| *end <= durable).map(|(_, told)| told)
    }

    /// Waits until all is on disk, or cannot be brought there; whether all is.
    fn close(mut self) -> bool {
        self.append();
        let outcome = self.journal.close();
        if let Err(error) = &outcome {
            tracing::error!("{error}");
        }
        outcome.is_ok()
    }
}

/// A Submit that waits until the journal takes it.
#[derive(Debug)]
pub struct WaitingSubmit {
    /// The message's number.
    pub number: u64,
    /// Its cache key; empty where it was given none.
    pub cache: Box<str>,
    /// The data.
    pub payload: Bytes,
}

impl Router {
    /// Something is to be kept, where there is a journal.
    #[inline]
    pub(crate) fn keep(&mut self, record: Record) {
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(record);
        }
    }

    /// Hands the journal what this turn has brought, and tells clients what is on disk.
    pub(crate) fn keep_turn(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        keeper.append();
        while let Some(Told { session, job, submitted }) = keeper.next_durable() {
            if let Some(Client::Native(stream)) = self.clients.get(job)
                && stream.session == Some(session)
            {
                let record = pylm_protocol::Record::Accepted { job: stream.number, submitted };
                self.sessions.say(session, &record);
            }
        }
    }

    /// Accepts what waited for the journal, when that takes it.
    pub(crate) fn accept_waiting(&mut self, now: Instant) {
        let Some(keeper) = &mut self.keeper else { return };
        if keeper.waiting.is_empty() || self.draining {
            return;
        }
        for job in std::mem::take(&mut keeper.waiting) {
            self.accept_waiting_of(job, now);
        }
    }

    fn accept_waiting_of(&mut self, job: JobKey, now: Instant) {
        loop {
            let Some(Client::Native(stream)) = self.clients.get_mut(job) else { return };
            if stream.waiting.is_empty() {
                break;
            }
            let Some(keeper) = &mut self.keeper else { return };
            if keeper.is_full() {
                return keeper.wait(job);
            }
            if let Some(WaitingSubmit { number, cache, payload }) = stream.waiting.pop_front() {
                self.accept_submit(job, number, &cache, payload, now);
            }
        }
        if let Some(Client::Native(stream)) = self.clients.get(job)
            && let Some(session) = stream.session
        {
            self.tell_accepted(session);
        }
    }

    /// Stores a value in the cache.
    pub(crate) fn set_in_cache(&mut self, key: &str, value: Bytes) -> Result<String, CacheError> {
        if let Some(trouble) = self.keeper.as_ref().and_then(|keeper| keeper.journal.trouble()) {
            return Err(CacheError::Unkept(trouble));
        }
        let key = self.cache.set(key, value.clone())?;
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(Record::CacheSet { key: key.as_str().into(), value });
        }
        Ok(key)
    }

    /// Deletes a key of the cache; whether there was such a key.
    pub(crate) fn delete_from_cache(&mut self, key: &str) -> Result<bool, CacheError> {
        let was = self.cache.delete(key)?;
        if let (true, Some(keeper)) = (was, &mut self.keeper) {
            keeper.keep(Record::CacheDelete { key: key.into() });
        }
        Ok(was)
    }

    /// How long a job is kept whose client is away.
    pub(crate) fn patience_for(&self, job: JobKey, stream: &Stream) -> Duration {
        let NodeConfig { client_grace, keep, .. } = self.config;
        let is_owed =
            !stream.is_settled() || self.ledger.job(job).is_some_and(|job| job.counts.under_way > 0);
        if self.keeper.is_some() && is_owed { keep.max(client_grace) } else { client_grace }
    }

    /// Gives the journal the time that it needs to write all; whether it has.
    pub(crate) fn close_journal(&mut self) -> bool {
        self.keeper.take().is_none_or(Keeper::close)
    }
}
