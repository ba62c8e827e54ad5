//! The connection to an earlier node: its socket, what waits to be said over it, and what this node has of it.

use super::stream::FollowedStream;
use crate::node::bounds::{FOLLOW_LIMIT, FRAME_OVERHEAD, HOST_BYTES, PATIENCE, SILENCE};
use crate::node::config::{From, NodeConfig};
use crate::node::egress::Client;
use crate::node::ledger::{JobKey, Ledger, MessageKey};
use pylm_protocol::palm::PalmMessage;
use pylm_protocol::{BatchWriter, FunctionOffer, MINOR, Record, Role};
use pylm_transport::{Context, Frame, Frames, Monitor, Options, SendError, Socket, SocketKind};
use slotmap::SecondaryMap;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What the other side has said by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing: it was asked what it is.
    Asked,
    /// It is a node of pylm's, and was asked where it publishes.
    AskedPublisher,
    /// It is native, and was said Hello.
    Greeted,
    /// It has said Welcome.
    Welcomed,
}

/// The connection to an earlier node.
#[derive(Debug)]
pub struct Link {
    /// A DEALER.
    pub socket: Socket,
    /// Tells whether it is connected.
    pub monitor: Monitor,
    /// How many there were before it.
    connection: u64,
    /// How far it is.
    pub stage: Stage,
    /// When something was sent last.
    pub said: Instant,
    /// When something was received last, or the connection was there; none before that.
    pub heard: Option<Instant>,
    /// Until when it may stay silent, by its own word.
    patience: Option<Instant>,
    /// The jobs that its leases belong to, by their contexts.
    pub contexts: HashMap<u32, JobKey>,
    /// Jobs whose contexts it has taken back.
    pub taken_back: Vec<JobKey>,
    /// Its leases that have not ended, and the messages that they are here.
    pub leases: HashMap<u64, (JobKey, MessageKey)>,
    /// The largest payload that it takes, in bytes.
    pub max_message: u64,
    batch: BatchWriter,
    backlog: VecDeque<Frames>,
    hello: (Uuid, String, String),
}

impl Link {
    /// Begins to connect; `name` is that of this node as a follower.
    pub fn open(
        context: &Context,
        config: &NodeConfig,
        from: &From,
        (peer, connection): (Uuid, u64),
        name: String,
        now: Instant,
    ) -> io::Result<Self> {
        let options = Options {
            max_message_size: Some(config.max_message + FRAME_OVERHEAD),
            reconnect_interval: Duration::from_millis(50),
            reconnect_interval_max: Duration::from_secs(1),
            ..Options::default()
        };
        let socket = context.socket(SocketKind::Dealer, &options)?;
        let monitor = socket.monitor()?;
        socket.connect(&from.address.to_string())?;
        Ok(Link {
            socket,
            monitor,
            connection,
            stage: Stage::Asked,
            said: now,
            heard: None,
            patience: None,
            contexts: HashMap::new(),
            taken_back: Vec::new(),
            leases: HashMap::new(),
            max_message: u64::MAX,
            batch: BatchWriter::new(),
            backlog: VecDeque::new(),
            hello: (peer, name, from.topic.clone()),
        })
    }

    /// Asks its cache service for a key.
    pub fn ask(&self, key: &str, peer: Uuid) {
        let client = peer.to_string();
        let request = PalmMessage {
            client: &client,
            function: "_.get",
            payload: key.as_bytes(),
            ..PalmMessage::default()
        };
        let mut frames = vec![Frame::empty(), Frame::from_vec(request.encode())];
        if let Err(error) = self.socket.send(&mut frames) {
            tracing::debug!(%error, "an earlier node cannot be asked");
        }
    }

    /// Says Hello.
    pub fn greet(&mut self, max_message: u64) {
        self.stage = Stage::Greeted;
        let (peer, name, topic) = &self.hello;
        self.batch.push(&Record::Hello {
            minor: MINOR,
            role: Role::Host,
            peer: *peer,
            name,
            software: concat!("pylmd ", env!("CARGO_PKG_VERSION")),
            max_message,
            functions: vec![FunctionOffer::topic(topic)],
            limit: FOLLOW_LIMIT,
            limit_bytes: HOST_BYTES,
            connection: self.connection,
        });
    }

    /// Says a record, with the next flush at the latest.
    pub fn say(&mut self, record: &Record<'_>) {
        self.batch.push(record);
        if self.batch.is_full() {
            self.seal();
        }
    }

    /// Says what has become of leases, as far as they have room.
    pub fn fill(&mut self, stream: &mut FollowedStream) {
        while stream.fill(&mut self.batch, &mut self.leases) {
            self.seal();
        }
    }

    fn seal(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let (frame, attachments) = self.batch.take();
        let mut frames = Frames::with_capacity(1 + attachments.len());
        frames.push(Frame::from_vec(frame));
        frames.extend(attachments.into_iter().map(Frame::from_bytes));
        self.backlog.push_back(frames);
    }

    /// Sends what the socket takes.
    pub fn flush(&mut self, now: Instant) -> io::Result<()> {
        self.seal();
        while let Some(frames) = self.backlog.front_mut() {
            match self.socket.send(frames) {
                Ok(()) => {
                    self.backlog.pop_front();
                    self.said = now;
                }
                Err(SendError::Full | SendError::NoPeer) => break,
                Err(SendError::Other(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether something waits that the socket does not take.
    pub fn is_stalled(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// It said something.
    pub fn hear(&mut self, now: Instant) {
        self.heard = Some(now);
        self.patience = None;
    }

    /// It may be silent for so long.
    pub fn be_patient(&mut self, patience: u64, now: Instant) {
        self.patience = Some(now + Duration::from_millis(patience).min(PATIENCE));
    }

    /// Whether it is connected, and has said nothing for too long.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.heard.is_some_and(|heard| now.duration_since(heard) > SILENCE)
            && self.patience.is_none_or(|until| now > until)
    }

    /// All jobs that its leases belong to.
    pub fn jobs(&self) -> Vec<JobKey> {
        self.contexts.values().chain(&self.taken_back).copied().collect()
    }

    /// Jobs whose contexts were taken back, and of which nothing is under way or waits any more.
    pub fn forgotten(&mut self, ledger: &Ledger, clients: &SecondaryMap<JobKey, Client>) -> Vec<JobKey> {
        let is_flushed = |job: JobKey| match clients.get(job) {
            Some(Client::Followed(stream)) => stream.is_flushed(),
            _ => true,
        };
        let is_over =
            |job: &JobKey| ledger.job(*job).is_none_or(|job| job.counts.under_way == 0) && is_flushed(*job);
        let over: Vec<_> = self.taken_back.extract_if(.., |job| is_over(job)).collect();
        over
    }
}
