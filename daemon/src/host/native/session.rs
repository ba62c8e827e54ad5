//! One session with the node, from Hello until its connection is lost or the host has ended.

use super::super::HostError;
use super::super::calls::Ask;
use super::super::life::BEAT;
use super::super::limit::Limit;
use super::super::outbox::frames;
use super::connection::Connection;
use super::{Books, Native};
use pylm_protocol::link::Pulse;
use pylm_protocol::{BatchWriter, MINOR, Payload, Record, Role};
use pylm_transport::{Context, Frames};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long results wait in a slot behind a lease that takes longer than was expected.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// Multiparts that are read in one turn, before results are sent on.
const BUDGET: usize = 64;
/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Over {
    /// The host was told to end, and has finished.
    Drained,
    /// Everything was given back, because of a function that cannot be stopped otherwise than with its process.
    Overlong,
    /// The connection is lost, or is to be made anew.
    Lost(String),
    /// The node has ended, as it said before.
    NodeEnded,
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
    /// The node has said Goodbye.
    pub(super) is_ending: bool,
    /// The host has said Goodbye.
    pub(super) is_leaving: bool,
}

impl Native<'_> {
    /// Connects, and serves until the session is over.
    pub(super) fn session(&mut self, context: &Context) -> Result<Over, HostError> {
        let mut connection =
            Connection::open(context, (self.address, self.security.clone()), self.max_message, self.poller)?;
        self.connections += 1;
        self.is_welcome = false;
        self.pace.reconnect(Instant::now());
        let mut session = Session {
            books: Books::default(),
            control: BatchWriter::new(),
            ends: BatchWriter::new(),
            ends_count: 0,
            is_ending: false,
            is_leaving: false,
        };
        session.books.given.session = self.shared.gates.session();
        session.control.push(&self.hello());
        if let Some(how) = self.life.predecessor() {
            session.control.push(&Record::Predecessor { how });
        }
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
            max_message: self.max_message,
            limit: self.pace.told().leases,
            limit_bytes: self.limit_bytes,
            connection: self.connections - 1,
        }
    }

    fn turns(&mut self, connection: &mut Connection, session: &mut Session) -> Result<Over, HostError> {
        let mut frames = Frames::new();
        loop {
            let now = Instant::now();
            let is_overlong = self.has_overlong(&connection.pulse, session, now);
            let is_leaving = self.is_leaving(now) || is_overlong;
            // A node that has not said Welcome yet is told when it has: until then it knows nothing of this host.
            if is_leaving && self.is_welcome && !session.is_leaving {
                self.leave(&connection.pulse, session);
            }
            let is_idle = is_leaving && (is_overlong || !self.live.any_begun());
            self.fetch(now, is_idle);
            self.collect(&connection.pulse, session);
            if is_leaving && self.has_finished(is_idle, now) {
                return Ok(if is_overlong { Over::Overlong } else { Over::Drained });
            }
            if self.is_welcome {
                self.speak(connection, session, now);
            }
            session.books.outgoing.push_written(&mut session.control, &connection.pulse);
            connection.flush(&mut session.books.outgoing, now)?;

            let mut budget = BUDGET;
            while budget > 0 && connection.socket.recv(&mut frames)? {
                budget -= 1;
                connection.pulse.hear(now);
                if let Err(over) = self.take_in(connection, session, &mut frames, now) {
                    return Ok(over);
                }
            }
            if budget < BUDGET {
                continue;
            }
            if let Some(why) = connection.loss(now) {
                return Ok(if session.is_ending { Over::NodeEnded } else { Over::Lost(why.to_owned()) });
            }
            if let Some(silence) = connection.silence(now) {
                return Ok(Over::Lost(format!("the node was silent for {silence:.1?}")));
            }
            let timeout = self.timeout(connection, now);
            connection.wait(self.poller, timeout)?;
        }
    }

    /// How long nothing has to be done by itself.
    fn timeout(&self, connection: &Connection, now: Instant) -> Duration {
        if self.live.any_of_several() || !self.shared.gates.is_empty() {
            return TICK;
        }
        let until_beat = connection.pulse.due_at().saturating_duration_since(now);
        // The pause keeps a socket that takes nothing from being asked all the time.
        until_beat.clamp(TICK, BEAT)
    }

    /// Keeps what was fetched from the slots, and queues it where there is somebody to send it to.
    pub(super) fn collect(&mut self, pulse: &Pulse, session: &mut Session) {
        for packed in self.fetched.packed.drain(..) {
            let frames = self.untaken.keep(packed);
            if self.is_welcome {
                session.books.outgoing.push(frames, pulse);
            }
        }
        if !session.ends.is_empty() {
            let packed = super::super::untaken::Packed {
                frames: frames(&mut session.ends),
                ends: std::mem::take(&mut session.ends_count),
                stream: None,
            };
            session.books.outgoing.push(self.untaken.keep(packed), pulse);
        }
    }

    /// Says what the node has to know by now, beside results.
    fn speak(&mut self, connection: &mut Connection, session: &mut Session, now: Instant) {
        for (call, ask) in self.shared.calls.take_asked() {
            session.control.push(&match &ask {
                Ask::Get { key } => Record::Get { call, key },
                Ask::Set { key, value } => Record::Set { call, key, payload: Payload(value.clone()) },
                Ask::Delete { key } => Record::Delete { call, key },
            });
            if session.control.is_full() {
                session.books.outgoing.push_written(&mut session.control, &connection.pulse);
            }
        }
        if !session.is_leaving
            && let Some(Limit { leases: limit, travelling }) =
                self.pace.news(self.shared.takes_nothing.load(Relaxed))
        {
            session.control.push(&Record::Limit { limit, limit_bytes: self.limit_bytes, travelling });
        }
        let is_quiet = session.control.is_empty() && session.books.outgoing.is_empty();
        if is_quiet && connection.pulse.is_due(now) {
            session.control.push(&connection.pulse.heartbeat(false));
        } else if !is_quiet && let Some(ping) = self.pace.ask(now) {
            session.control.push(&ping);
        }
    }

    /// Says Goodbye, and gives back what was not begun; as soon as the node has said Welcome, for it hears nothing before that.
    fn leave(&mut self, pulse: &Pulse, session: &mut Session) {
        session.is_leaving = true;
        session.control.push(&Record::Goodbye {});
        // Ahead of the leases that are given back, so that the node gives them to others.
        session.books.outgoing.push_written(&mut session.control, pulse);
        for task in self.live.leases(session.books.given.session) {
            if task.withdraw() {
                session.ends.push(&Record::Released { lease: task.lease });
                session.ends_count += 1;
            }
        }
    }
}
