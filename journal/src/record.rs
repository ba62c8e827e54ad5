//! What a node tells its journal: one record for each thing that has to survive a crash.

use bytes::Bytes;
use pylm_protocol::Place;
use uuid::Uuid;

/// What all messages of a job share, as its Open and the node's first look at it have settled it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobHeader {
    /// Names the job for good.
    pub identity: Uuid,
    /// The client: a native one's peer id.
    pub client: Box<str>,
    /// The id of the client's stream.
    pub pipeline: Box<str>,
    /// `server.function`, or several separated by spaces.
    pub function: Box<str>,
    /// The step within a pipelined call.
    pub stage: i64,
    /// Bits: [`DAMAGED`](Self::DAMAGED).
    pub flags: u64,
    /// How many outputs the client takes beyond those it has acknowledged.
    pub window: u64,
    /// The same, in bytes.
    pub window_bytes: u64,
    /// Milliseconds that each message may take; 0: no limit.
    pub timeout: u64,
    /// Open's `priority`.
    pub priority: u64,
    /// Open's `retries`.
    pub retries: u64,
    /// The largest payload that the client takes, in bytes.
    pub max_message: u64,
    /// When all of its messages are to have ended, in milliseconds since 1970; 0: no limit.
    pub deadline: u64,
}

impl JobHeader {
    /// A journal that had this job was damaged, and its client has not submitted again what it misses.
    pub const DAMAGED: u64 = 2;

    /// Whether that is so.
    pub fn is_damaged(&self) -> bool {
        self.flags & Self::DAMAGED != 0
    }
}

/// What an output of a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A result, among several or with its end still to come.
    Result {
        /// Its place among the message's results.
        place: Place,
        /// It counts only together with the end of its message.
        held: bool,
        /// The data.
        payload: Bytes,
    },
    /// The only result, and the end.
    Reply {
        /// The data.
        payload: Bytes,
    },
    /// The end.
    Done {
        /// How many results the message had.
        results: u64,
    },
    /// The end of a message that failed.
    Failed {
        /// How many results went before.
        results: u64,
        /// One of the protocol's codes.
        code: Box<str>,
        /// What happened, for people.
        text: Box<str>,
    },
}

impl Output {
    /// Whether the message has ended with it.
    pub fn is_end(&self) -> bool {
        !matches!(self, Output::Result { .. })
    }
}

/// One thing that has to survive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A run of the node begins.
    Started {
        /// The id of that run, which native peers know as `node`.
        run: Uuid,
    },
    /// A job is open. Said again, it replaces what was known of the job, and nothing else changes.
    JobOpened(Box<JobHeader>),
    /// A message was accepted. Its number is the client's.
    Accepted {
        /// The job's identity.
        job: Uuid,
        /// The message's number.
        number: u64,
        /// Its cache key; empty where it was given none.
        cache: Box<str>,
        /// The data.
        payload: Bytes,
    },
    /// A message got a result, or its end.
    Output {
        /// The job's identity.
        job: Uuid,
        /// The place among all outputs that the job ever had: it grows by one with each, over epochs and over restarts.
        serial: u64,
        /// The message's number.
        number: u64,
        /// What the message got.
        output: Output,
    },
    /// The client has taken the outputs whose serial is lower.
    Acknowledged {
        /// The job's identity.
        job: Uuid,
        /// The serial of the first output that it has not taken.
        below: u64,
    },
    /// The node has started again when messages of the job had results and no end, which it makes anew: of a message that ends at
    /// `below` or behind it, results before that do not count. The journal writes it itself.
    Rerun {
        /// The job's identity.
        job: Uuid,
        /// The serial of the first output after the start.
        below: u64,
    },
    /// No message whose number is `count` or higher will follow.
    Finished {
        /// The job's identity.
        job: Uuid,
        /// Behind the highest number.
        count: u64,
    },
    /// All of the job's messages have ended, and none of its outputs is wanted any more; the job is still known.
    Cancelled {
        /// The job's identity.
        job: Uuid,
    },
    /// Nothing of the job is wanted any more.
    Closed {
        /// The job's identity.
        job: Uuid,
    },
    /// A key of the cache has a value.
    CacheSet {
        /// The key.
        key: Box<str>,
        /// The value.
        value: Bytes,
    },
    /// A key of the cache has none any more.
    CacheDelete {
        /// The key.
        key: Box<str>,
    },
}

impl Record {
    /// The job that the record is about.
    pub fn job(&self) -> Option<Uuid> {
        match self {
            Record::JobOpened(header) => Some(header.identity),
            Record::Accepted { job, .. }
            | Record::Output { job, .. }
            | Record::Acknowledged { job, .. }
            | Record::Rerun { job, .. }
            | Record::Finished { job, .. }
            | Record::Cancelled { job }
            | Record::Closed { job } => Some(*job),
            Record::Started { .. } | Record::CacheSet { .. } | Record::CacheDelete { .. } => None,
        }
    }

    /// The data that it carries.
    pub(crate) fn payload(&self) -> Option<&Bytes> {
        match self {
            Record::Accepted { payload, .. } | Record::CacheSet { value: payload, .. } => Some(payload),
            Record::Output { output: Output::Result { payload, .. } | Output::Reply { payload }, .. } => {
                Some(payload)
            }
            _ => None,
        }
    }

    /// What it costs in the queue, in bytes: its data, and what it needs itself.
    pub(crate) fn cost(&self) -> u64 {
        let text = match self {
            Record::JobOpened(header) => {
                header.client.len() + header.pipeline.len() + header.function.len() + size_of::<JobHeader>()
            }
            Record::Accepted { cache, .. } => cache.len(),
            Record::Output { output: Output::Failed { code, text, .. }, .. } => code.len() + text.len(),
            Record::CacheSet { key, .. } | Record::CacheDelete { key } => key.len(),
            _ => 0,
        };
        (size_of::<Record>() + text + self.payload().map_or(0, Bytes::len)) as u64
    }
}
