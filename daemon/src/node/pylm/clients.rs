//! pylm clients: what they push, what they subscribe to, and what waits for them.

use super::calls::Calls;
use crate::node::bounds::{MOST_WINDOW, PYLM_OUTBOX, PYLM_OUTBOX_BYTES, WINDOW, WINDOW_BYTES};
use crate::node::ingress::Refusal;
use crate::node::ledger::{HostKey, JobKey};
use crate::node::message::Header;
use crate::node::sockets::Bound;
use pylm_transport::{Frame, Frames, Monitor, SendError};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// A PULL and an XPUB: those that all share, or those of one client.
#[derive(Debug)]
pub struct Line {
    /// Where messages are pushed to.
    pub pull: Bound,
    /// Where results are published.
    pub publisher: Bound,
    /// Who was given these, and when it last did something.
    pub owner: Option<(Box<str>, Instant)>,
    /// Who was told the address of the XPUB.
    pub listener: Option<Box<str>>,
    /// Topics of results that go on to other nodes, and the hosts that those are who listen here.
    pub followers: HashMap<Box<[u8]>, HostKey>,
    /// Whole topics that are subscribed to, and how often.
    pub topics: HashMap<Box<[u8]>, u32>,
    /// Messages that came in here and have not ended.
    pub open: u64,
    /// Bytes of their payloads.
    pub open_bytes: u64,
    /// Jobs from here whose results wait.
    pub backed_up: usize,
    /// Tells which PUSH sockets come and go.
    pub monitor: Monitor,
    /// More may wait in the monitor.
    pub monitor_ready: bool,
    /// Of a client's own line: which of its calls is under way.
    pub calls: Calls,
    /// More may wait in the PULL.
    pub pull_ready: bool,
    /// More may wait in the XPUB.
    pub publisher_ready: bool,
}

impl Line {
    pub(crate) fn new(pull: Bound, publisher: Bound, monitor: Monitor) -> Self {
        Line {
            monitor,
            monitor_ready: true,
            calls: Calls::default(),
            pull,
            publisher,
            owner: None,
            listener: None,
            followers: HashMap::new(),
            topics: HashMap::new(),
            open: 0,
            open_bytes: 0,
            backed_up: 0,
            pull_ready: true,
            publisher_ready: true,
        }
    }

    /// Whether no more is to be read for now: its clients have as much under way as is decent, beside `travelling` to far hosts and
    /// back, or do not read.
    pub fn is_full(&self, travelling: u64) -> bool {
        self.open >= (WINDOW + travelling).min(MOST_WINDOW)
            || self.open_bytes >= WINDOW_BYTES
            || self.backed_up > 0
    }

    /// A subscription came (`true`) or went.
    pub fn subscription(&mut self, topic: &[u8], came: bool) {
        if came {
            *self.topics.entry(topic.into()).or_default() += 1;
        } else if let Some(count) = self.topics.get_mut(topic) {
            *count -= 1;
            if *count == 0 {
                self.topics.remove(topic);
            }
        }
    }
}

/// What the node owes a pylm client for one pipeline.
#[derive(Debug)]
pub struct PylmStream {
    /// The client's id, the topic of its results.
    pub client: Box<str>,
    /// The id of its stream.
    pub pipeline: Box<str>,
    /// Where its messages come from.
    pub line: usize,
    /// Which of its client's calls it belongs to; 0 on the line that all share.
    pub call: u64,
    /// What the message that came last shares with those before it.
    pub header: Arc<Header>,
    /// The function that this calls, or why it cannot be called.
    pub function: Result<Box<str>, Refusal>,
    /// The client's id as a frame.
    topic: Frame,
    /// When its first message came.
    pub begun: Instant,
    /// When it last sent or took something.
    pub active: Instant,
    outbox: VecDeque<Frame>,
    bytes: usize,
    /// It is counted among its line's.
    pub backed_up: bool,
    /// It is among those to be flushed.
    pub dirty: bool,
    /// The number that its next message gets.
    pub next: u64,
}

impl PylmStream {
    pub(crate) fn new(
        client: &str,
        pipeline: &str,
        (line, call): (usize, u64),
        header: Arc<Header>,
        function: Result<Box<str>, Refusal>,
        now: Instant,
    ) -> Self {
        PylmStream {
            topic: Frame::copy_from(client.as_bytes()),
            function,
            client: client.into(),
            pipeline: pipeline.into(),
            line,
            call,
            header,
            begun: now,
            active: now,
            outbox: VecDeque::new(),
            bytes: 0,
            backed_up: false,
            dirty: false,
            next: 0,
        }
    }

    /// Queues a result.
    pub fn push(&mut self, palm: Frame) {
        self.bytes += palm.len();
        self.outbox.push_back(palm);
    }

    /// Publishes what the client takes.
    pub fn flush(&mut self, publisher: &Bound, now: Instant) {
        let mut frames = Frames::with_capacity(2);
        while let Some(frame) = self.outbox.pop_front() {
            let length = frame.len();
            frames.clear();
            frames.push(self.topic.share());
            frames.push(frame);
            match publisher.socket.send(&mut frames) {
                Ok(()) => {
                    self.bytes -= length;
                    self.active = now;
                }
                Err(SendError::Full | SendError::NoPeer) => {
                    frames.pop().into_iter().for_each(|frame| self.outbox.push_front(frame));
                    return;
                }
                Err(SendError::Other(error)) => {
                    tracing::error!(client = &*self.client, %error, "a result could not be published");
                    self.bytes -= length;
                }
            }
        }
    }

    /// Whether nothing waits.
    pub fn is_flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// How many results wait.
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }

    /// The bytes of them.
    pub fn waiting_bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// How many may wait, and bytes of them, before its job is held back.
    pub fn window(&self) -> (u64, u64) {
        (PYLM_OUTBOX as u64, PYLM_OUTBOX_BYTES as u64)
    }

    /// Drops what waits.
    pub fn clear(&mut self) {
        self.outbox.clear();
        self.bytes = 0;
    }

    /// Whether so much waits that its job is to be held back.
    pub fn is_backed_up(&self) -> bool {
        self.outbox.len() >= PYLM_OUTBOX || self.bytes >= PYLM_OUTBOX_BYTES
    }
}

/// A job, the pipeline of its messages, and the call that they are of.
#[derive(Debug)]
struct Known {
    pipeline: Box<str>,
    call: u64,
    job: JobKey,
}

/// Which job a pylm client's messages belong to.
#[derive(Debug, Default)]
pub struct Directory {
    by_client: HashMap<Box<str>, Vec<Known>>,
    /// Most messages are of the same job as the one before.
    last: Option<(Box<str>, Box<str>, JobKey)>,
}

impl Directory {
    /// The job of the message that came last, where it was of this client's pipeline.
    #[inline]
    pub fn last(&self, client: &[u8], pipeline: &[u8]) -> Option<JobKey> {
        let (last_client, last_pipeline, job) = self.last.as_ref()?;
        (last_client.as_bytes() == client && last_pipeline.as_bytes() == pipeline).then_some(*job)
    }

    /// The job of a client's pipeline, of this call.
    pub fn find(&mut self, client: &str, pipeline: &str, call: u64) -> Option<JobKey> {
        let jobs = self.by_client.get(client)?;
        let Known { job, .. } = jobs.iter().rfind(|job| *job.pipeline == *pipeline && job.call == call)?;
        self.last = Some((client.into(), pipeline.into(), *job));
        Some(*job)
    }

    /// All jobs of a client.
    pub fn of_client(&self, client: &str) -> impl Iterator<Item = JobKey> {
        self.by_client.get(client).into_iter().flatten().map(|known| known.job)
    }

    pub(crate) fn insert(&mut self, client: &str, pipeline: &str, call: u64, job: JobKey) {
        self.last = None;
        self.by_client.entry(client.into()).or_default().push(Known { pipeline: pipeline.into(), call, job });
    }

    pub(crate) fn remove(&mut self, client: &str, job: JobKey) {
        self.last = None;
        if let Some(jobs) = self.by_client.get_mut(client) {
            jobs.retain(|known| known.job != job);
            if jobs.is_empty() {
                self.by_client.remove(client);
            }
        }
    }
}
