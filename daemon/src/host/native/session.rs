//! One session with the node, from Hello until its connection is lost or the host has ended.

use super::super::HostError;
use super::super::calls::Ask;
use super::super::life::BEAT;
use super::super::outbox::frames;
use super::connection::Connection;
use super::{Books, Native};
use pylm_protocol::{BatchWriter, MINOR, Payload, Record, Role};
use pylm_transport::{Context, Frames};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long results wait in a slot behind a lease that takes longer than was expected.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// How long a node that is there may be silent until its Welcome says something else.
const SILENCE: Duration = Duration::from_secs(5);
/// Multiparts that are read in one turn, before results are sent on.
const BUDGET: usize = 64;
/// Messages from this size on are announced, so that they may be slow.
const ANNOUNCE_FROM: usize = 1 << 20;
/// Links slower than that are lost links, in bytes for each millisecond.
const SLOWEST_LINK: u64 = 100;

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Over {
    /// The host was told to end, and has finished.
    Drained,
    /// Everything was given back, because of a function that cannot be stopped otherwise than with its process.
    Overlong,
    /// The connection is lost, or is to be made anew.
    Lost(String),
    /// The node wants no other attempt.
    Final(String),
}

/// What a session knows of its node.
pub(super) struct Session {
    pub(super) books: Books,
    /// Records that are not kept.
    pub(super) control: BatchWriter,
    /// Ends of leases that no slot has seen.
    pub(super) ends: BatchWriter,
    pub(super) ends_count: u64,
    /// The node has said Welcome.
    pub(super) is_welcome: bool,
    pub(super) heartbeat: Duration,
    pub(super) silence: Duration,
    /// The node asked for that much more time.
    pub(super) patience: Duration,
    /// The host has said Goodbye.
    pub(super) is_leaving: bool,
}

impl Native<'_> {
    /// Connects, and serves until the session is over.
    pub(super) fn session(&mut self, context: &Context) -> Result<Over, HostError> {
        let mut connection = Connection::open(context, self.address, self.poller)?;
        self.connections += 1;
        let mut session = Session {
            books: Books::default(),
            control: BatchWriter::new(),
            ends: BatchWriter::new(),
            ends_count: 0,
            is_welcome: false,
            heartbeat: BEAT,
            silence: SILENCE,
            patience: Duration::ZERO,
            is_leaving: false,
        };
        session.books.given.session = self.shared.gates.session();
        session.control.push(&self.hello());
        let over = self.turns(&mut connection, &mut session);
        connection.close(self.poller)?;
        over
    }

    fn hello(&self) -> Record<'_> {
        Record::Hello {
            minor: MINOR,
            role: Role::Host,
            peer: self.peer,
            name: &self.shared.name,
            software: concat!("pylm-worker ", env!("CARGO_PKG_VERSION")),
            functions: self.shared.offers(),
            max_message: pylm_protocol::DEFAULT_MAX_MESSAGE,
            limit: self.pace.told(),
            limit_bytes: self.limit_bytes,
            connection: self.connections - 1,
        }
    }

    fn turns(&mut self, connection: &mut Connection, session: &mut Session) -> Result<Over, HostError> {
        let mut frames = Frames::new();
        loop {
            let now = Instant::now();
            let is_overlong = self.has_overlong(session, now);
            let is_leaving = self.is_leaving(now) || is_overlong;
            // A node that has not said Welcome yet is told when it has: until then it knows nothing of this host.
            if is_leaving && session.is_welcome && !session.is_leaving {
                self.leave(session);
            }
            let is_idle = is_leaving && (is_overlong || !self.live.any_begun());
            self.fetch(now, is_idle);
            self.collect(session);
            if is_leaving && self.has_finished(is_idle, now) {
                return Ok(if is_overlong { Over::Overlong } else { Over::Drained });
            }
            if session.is_welcome {
                self.speak(connection, session, now);
            }
            if !session.control.is_empty() {
                session.books.outgoing.push_back(self::frames(&mut session.control));
            }
            connection.flush(&mut session.books.outgoing, now)?;

            let mut budget = BUDGET;
            while budget > 0 && connection.socket.recv(&mut frames)? {
                budget -= 1;
                connection.heard = Some(now);
                session.patience = Duration::ZERO;
                if let Err(over) = self.take_in(session, &mut frames, now) {
                    return Ok(over);
                }
            }
            if budget < BUDGET {
                continue;
            }
            if let Some(why) = connection.loss(now) {
                return Ok(Over::Lost(why.to_owned()));
            }
            let silent_for = connection.heard.map_or(Duration::ZERO, |heard| now.duration_since(heard));
            if silent_for >= session.silence.max(session.patience) {
                return Ok(Over::Lost(format!("the node was silent for {silent_for:.1?}")));
            }
            let timeout = self.timeout(connection, session, now);
            connection.wait(self.poller, timeout)?;
        }
    }

    /// How long nothing has to be done by itself.
    fn timeout(&self, connection: &Connection, session: &Session, now: Instant) -> Duration {
        if self.live.any_of_several() || !self.shared.gates.is_empty() {
            return TICK;
        }
        let until_beat = session.heartbeat.saturating_sub(now.duration_since(connection.said));
        // The pause keeps a socket that takes nothing from being asked all the time.
        until_beat.clamp(TICK, BEAT)
    }

    /// Keeps what was fetched from the slots, and queues it where there is somebody to send it to.
    pub(super) fn collect(&mut self, session: &mut Session) {
        for packed in self.fetched.packed.drain(..) {
            let bytes: usize = packed.frames.iter().map(|frame| frame.len()).sum();
            let frames = self.untaken.keep(packed);
            if session.is_welcome {
                if bytes >= ANNOUNCE_FROM {
                    let mut announcement = BatchWriter::new();
                    announcement.push(&Record::Heartbeat { patience: bytes as u64 / SLOWEST_LINK });
                    session.books.outgoing.push_back(self::frames(&mut announcement));
                }
                session.books.outgoing.push_back(frames);
            }
        }
        if !session.ends.is_empty() {
            let packed = super::super::untaken::Packed {
                frames: self::frames(&mut session.ends),
                ends: std::mem::take(&mut session.ends_count),
                stream: None,
            };
            session.books.outgoing.push_back(self.untaken.keep(packed));
        }
    }

    /// Says what the node has to know by now, beside results.
    fn speak(&mut self, connection: &Connection, session: &mut Session, now: Instant) {
        for (call, ask) in self.shared.calls.take_asked() {
            session.control.push(&match &ask {
                Ask::Get { key } => Record::Get { call, key },
                Ask::Set { key, value } => Record::Set { call, key, payload: Payload(value.clone()) },
                Ask::Delete { key } => Record::Delete { call, key },
            });
            if session.control.is_full() {
                session.books.outgoing.push_back(frames(&mut session.control));
            }
        }
        if !session.is_leaving
            && let Some(limit) = self.pace.news(self.shared.takes_nothing.load(Relaxed))
        {
            session.control.push(&Record::Limit { limit, limit_bytes: self.limit_bytes });
        }
        let is_quiet = session.control.is_empty() && session.books.outgoing.is_empty();
        if is_quiet && now.duration_since(connection.said) >= session.heartbeat {
            session.control.push(&Record::Heartbeat { patience: 0 });
        }
    }

    /// Says Goodbye, and gives back what was not begun; as soon as the node has said Welcome, for it hears nothing before that.
    fn leave(&mut self, session: &mut Session) {
        session.is_leaving = true;
        session.control.push(&Record::Goodbye {});
        // Ahead of the leases that are given back, so that the node gives them to others.
        session.books.outgoing.push_back(frames(&mut session.control));
        for task in self.live.leases(session.books.given.session) {
            if task.withdraw() {
                session.ends.push(&Record::Released { lease: task.lease });
                session.ends_count += 1;
            }
        }
    }
}
