//! The connection to an earlier node: its socket, what waits to be said over it, and what this node has of it.

use super::stream::FollowedStream;
use crate::node::bounds::{FOLLOW_LIMIT, HOST_BYTES, MOST_WINDOW};
use crate::node::config::{From, NodeConfig};
use crate::node::egress::Client;
use crate::node::ledger::{JobKey, Ledger, MessageKey};
use bytes::Bytes;
use pylm_client::why_refused;
use pylm_protocol::link::{self, Flow, Pulse, Trip};
use pylm_protocol::palm::PalmMessage;
use pylm_protocol::{BatchWriter, FunctionOffer, MINOR, Record, Role};
use pylm_transport::{
    Context, Frame, Frames, Monitor, MonitorEventKind, Options, Security, SendError, Socket, SocketKind,
    TcpConnection,
};
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
    /// The connection as the kernel knows it, once it is there.
    connection: Option<TcpConnection>,
    /// How many there were before it.
    connections: u64,
    /// How far it is.
    pub stage: Stage,
    /// When the other side was heard, and when something has to be said to it.
    pub pulse: Pulse,
    /// How far away it is.
    trip: Trip,
    /// How fast leases end.
    flow: Flow,
    /// Leases that it was told to have on their way, beside the usual ones.
    travelling: u64,
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
    address: String,
    security: Security,
}

impl Link {
    /// Begins to connect; `name` is that of this node as a follower.
    pub fn open(
        context: &Context,
        config: &NodeConfig,
        from: &From,
        (peer, connections): (Uuid, u64),
        name: String,
        now: Instant,
    ) -> io::Result<Self> {
        let options = Options {
            max_message_size: Some(link::largest_frame(config.max_message)),
            reconnect_interval: Duration::from_millis(50),
            reconnect_interval_max: Duration::from_secs(1),
            security: from.security.clone(),
            ..Options::default()
        };
        let socket = context.socket(SocketKind::Dealer, &options)?;
        let monitor = socket.monitor()?;
        let address = from.address.to_string();
        socket.connect(&address)?;
        Ok(Link {
            socket,
            monitor,
            connection: None,
            connections,
            stage: Stage::Asked,
            pulse: Pulse::new(now),
            trip: Trip::new(now),
            flow: Flow::new(now),
            travelling: 0,
            contexts: HashMap::new(),
            taken_back: Vec::new(),
            leases: HashMap::new(),
            max_message: u64::MAX,
            batch: BatchWriter::new(),
            backlog: VecDeque::new(),
            hello: (peer, name, from.topic.clone()),
            address,
            security: from.security.clone(),
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
            connection: self.connections,
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
        let before = self.leases.len();
        while stream.fill(&mut self.batch, &mut self.leases) {
            self.seal();
        }
        self.flow.count((before - self.leases.len()) as u64);
    }

    /// The other side has answered a Ping: it may have as many leases on their way, beside the usual ones, as the link takes.
    pub fn hear_pong(&mut self, time: u64, now: Instant) {
        if !self.trip.hear(time, now) {
            return;
        }
        self.flow.look(&self.trip, now);
        let travelling = self.flow.travelling(&self.trip).min(MOST_WINDOW);
        if travelling.abs_diff(self.travelling) * 4 >= FOLLOW_LIMIT + self.travelling {
            self.travelling = travelling;
            let limit = FOLLOW_LIMIT + travelling;
            self.say(&Record::Limit { limit, limit_bytes: HOST_BYTES, travelling });
        }
    }

    fn seal(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if let Some(announcement) = self.pulse.announce(self.batch.bytes()) {
            let mut before = BatchWriter::new();
            before.push(&announcement);
            self.queue(before.take());
        }
        let batch = self.batch.take();
        self.queue(batch);
    }

    fn queue(&mut self, (frame, attachments): (Vec<u8>, Vec<Bytes>)) {
        let mut frames = Frames::with_capacity(1 + attachments.len());
        frames.push(Frame::from_vec(frame));
        frames.extend(attachments.into_iter().map(Frame::from_bytes));
        self.backlog.push_back(frames);
    }

    /// Sends what the socket takes.
    pub fn flush(&mut self, now: Instant) -> io::Result<()> {
        if self.stage == Stage::Welcomed
            && !self.batch.is_empty()
            && let Some(ping) = self.trip.ask(now)
        {
            self.batch.push(&ping);
        }
        self.seal();
        while let Some(frames) = self.backlog.front_mut() {
            match self.socket.send(frames) {
                Ok(()) => {
                    self.backlog.pop_front();
                    self.pulse.say(now);
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

    /// Hears from its monitor what becomes of the connection; whether it is lost.
    pub fn listen(&mut self, now: Instant) -> bool {
        while let Some(event) = self.monitor.next_event() {
            match event.kind {
                MonitorEventKind::Connected => self.connection = event.connection(),
                MonitorEventKind::HandshakeSucceeded => self.pulse.hear(now),
                MonitorEventKind::HandshakeFailed | MonitorEventKind::HandshakeFailedAuth
                    if self.stage == Stage::Asked =>
                {
                    self.tell_of_refusal(event.kind);
                    return true;
                }
                MonitorEventKind::Disconnected => return true,
                _ => {}
            }
        }
        false
    }

    /// Tells why the other side has cut the connection, where that can be found out here.
    fn tell_of_refusal(&self, event: MonitorEventKind) {
        if let Some(why) = why_refused(&self.address, &self.security, event) {
            tracing::error!(why, "an earlier node refuses this one, and is tried again");
        }
    }

    /// The other side has said Welcome, with these terms.
    pub fn welcome(&mut self, minor: u64, (heartbeat, silence): (u64, u64), max_message: u64) {
        self.stage = Stage::Welcomed;
        self.max_message = link::max_message(max_message);
        self.pulse.set_rhythm(heartbeat, silence);
        self.pulse.speak(minor, self.connection.is_some());
    }

    /// Whether it is connected, and has said nothing for too long.
    pub fn is_silent(&mut self, now: Instant) -> bool {
        let connection = &self.connection;
        self.pulse.silence(now, || connection.as_ref()?.idle()).is_some()
    }

    /// Whether a heartbeat is to be said.
    pub fn is_due(&self, now: Instant) -> bool {
        self.stage == Stage::Welcomed && self.pulse.is_due(now) && !self.is_stalled()
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
