//! Sessions of native peers: who is behind a connection, what waits to be said to it, and when it was last heard.

use super::calls::Calls;
use super::open_jobs::OpenJobs;
use crate::node::doors::{Door, Sockets};
use crate::node::halves::{Allowed, Half};
use crate::node::ledger::{HostKey, JobKey};
use crate::node::permit::Permit;
use bytes::Bytes;
use pylm_access::{Date, GrantError};
use pylm_protocol::link::{self, Pulse, Trip};
use pylm_protocol::{BatchWriter, Record, Role};
use pylm_transport::{Frame, Frames, SendError, Socket, TcpConnection};
use slotmap::{SlotMap, new_key_type};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use uuid::Uuid;

new_key_type! {
    /// A session's key.
    pub struct SessionKey;
}

/// One connection of one native peer.
#[derive(Debug)]
pub struct Session {
    /// By which the ROUTER knows the connection.
    route: Bytes,
    /// Where it came in.
    door: Door,
    /// What it may do.
    pub(crate) permit: Permit,
    /// The peer, the same over all of its connections.
    pub peer: Uuid,
    /// How many connections the peer has made before this one.
    pub connections: u64,
    /// What it is.
    pub role: Role,
    /// What it calls itself.
    pub name: String,
    /// The largest payload it takes, in bytes.
    pub max_message: u64,
    /// A client's open jobs, by its own numbers.
    pub jobs: OpenJobs,
    /// What it has called, and not read the answers of.
    pub calls: Calls,
    /// Jobs with Submits that were accepted, and that it has not been told of.
    pub submitted: Vec<JobKey>,
    /// The host that it is.
    pub host: Option<HostKey>,
    /// Ends of leases that were taken from it.
    pub taken: u64,
    taken_said: u64,
    /// It is a host that has said Goodbye.
    leaving: bool,
    batch: BatchWriter,
    /// Whole messages that the socket has not taken yet.
    backlog: VecDeque<Frames>,
    /// When it was heard, and when something has to be said to it.
    pulse: Pulse,
    /// How far away it is.
    pub trip: Trip,
    /// Its last Ping, where that is to be answered.
    ping: Option<u64>,
    /// The connection as the kernel knows it.
    connection: Option<TcpConnection>,
    /// What came over it.
    half: Half,
    dirty: bool,
}

/// A peer that says Hello.
#[derive(Debug)]
pub struct Newcomer<'a> {
    /// By which the ROUTER knows the connection.
    pub route: &'a [u8],
    /// Where it came in.
    pub door: Door,
    /// What it may do.
    pub(crate) permit: Permit,
    /// The connection as the kernel knows it.
    pub connection: Option<TcpConnection>,
    /// What came over it so far.
    pub(crate) half: Option<Half>,
    /// The peer, the same over all of its connections.
    pub peer: Uuid,
    /// How many connections the peer has made before this one.
    pub connections: u64,
    /// What it is.
    pub role: Role,
    /// What it calls itself.
    pub name: &'a str,
    /// The minor version that it speaks.
    pub minor: u64,
    /// The largest payload it says it takes, in bytes.
    pub max_message: u64,
}

impl Session {
    /// It said something.
    #[inline]
    pub fn hear(&mut self, now: Instant) {
        self.pulse.hear(now);
    }

    /// It may be silent for so long.
    pub fn be_patient(&mut self, patience: u64, now: Instant) {
        self.pulse.be_patient(patience, now);
    }

    fn is_silent(&mut self, now: Instant) -> bool {
        let connection = &self.connection;
        self.pulse.silence(now, || connection.as_ref()?.idle()).is_some()
    }

    /// Whether there is something to say that by itself was no reason to.
    fn has_to_mention(&self) -> bool {
        self.taken > self.taken_said || !self.batch.is_empty()
    }

    /// Whether it is time to say something.
    fn is_due(&self, now: Instant) -> bool {
        self.pulse.is_due(now) && self.backlog.is_empty()
    }

    /// Says a heartbeat; to a client without jobs that rests itself, it is the last one for a while.
    fn say_heartbeat(&mut self) {
        let rests = self.role == Role::Client && self.jobs.len() == 0 && self.pulse.is_patient();
        let heartbeat = self.pulse.heartbeat(rests);
        self.batch.push(&heartbeat);
    }

    /// Puts it among those to be flushed, with more than a heartbeat to say.
    #[inline]
    fn touch(&mut self, key: SessionKey, dirty: &mut Vec<SessionKey>) {
        self.pulse.wake();
        self.flush_soon(key, dirty);
    }

    #[inline]
    fn flush_soon(&mut self, key: SessionKey, dirty: &mut Vec<SessionKey>) {
        if !std::mem::replace(&mut self.dirty, true) {
            dirty.push(key);
        }
    }

    /// Says how many ends of leases were taken, where that is news.
    fn say_taken(&mut self) {
        if self.taken > self.taken_said {
            self.taken_said = self.taken;
            self.batch.push(&Record::Taken { leases: self.taken });
        }
    }

    /// Answers a Ping; not while the peer takes nothing, so that no answers heap up. And says one with what is said to a client with
    /// jobs, where it is time for that: their windows follow the round trip.
    fn measure_distance(&mut self, now: Instant) {
        if self.backlog.is_empty()
            && let Some(time) = self.ping.take()
        {
            self.batch.push(&Record::Pong { time });
        }
        if self.role == Role::Client
            && self.jobs.len() > 0
            && !self.batch.is_empty()
            && let Some(ping) = self.trip.ask(now)
        {
            self.batch.push(&ping);
        }
    }

    /// Puts the batch behind what waits for the socket.
    fn seal(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if let Some(announcement) = self.pulse.announce(self.batch.bytes()) {
            let mut before = BatchWriter::new();
            before.push(&announcement);
            self.queue(before.take(), 0);
        }
        let (batch, answers) = (self.batch.take(), std::mem::take(&mut self.calls.in_batch));
        self.queue(batch, answers);
    }

    /// Queues a batch, with so many answers to calls in it.
    fn queue(&mut self, (frame, attachments): (Vec<u8>, Vec<Bytes>), answers: usize) {
        let mut frames = Frames::with_capacity(2 + attachments.len());
        frames.push(Frame::copy_from(&self.route));
        match answers {
            0 => {
                frames.push(Frame::from_vec(frame));
                frames.extend(attachments.into_iter().map(Frame::from_bytes));
            }
            answers => {
                let unread = &self.calls.unread;
                frames.push(unread.frame(frame.into(), answers));
                frames.extend(attachments.into_iter().map(|attachment| unread.frame(attachment, 0)));
            }
        }
        self.backlog.push_back(frames);
    }

    /// Gives the socket what it takes; false when the connection is gone.
    fn send(&mut self, socket: &Socket) -> bool {
        while let Some(frames) = self.backlog.front_mut() {
            match socket.send(frames) {
                Ok(()) => drop(self.backlog.pop_front()),
                Err(SendError::Full) => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    sessions: SlotMap<SessionKey, Session>,
    by_route: HashMap<Bytes, SessionKey>,
    /// The same of the encrypted door, whose ROUTER names connections by itself.
    by_sealed_route: HashMap<Bytes, SessionKey>,
    by_peer: HashMap<Uuid, SessionKey>,
    dirty: Vec<SessionKey>,
    /// Sessions with a backlog.
    stalled: Vec<SessionKey>,
    /// Connections whose sessions were ended here, and when they are cut.
    doomed: Vec<(Instant, TcpConnection)>,
    /// When all of them were looked at last.
    looked: Option<Instant>,
    /// When it was looked at last what is half there.
    looked_at_halves: Option<Instant>,
}

/// The time between two looks at all sessions, which may be thousands.
const LOOK: Duration = Duration::from_millis(200);

/// The same for what is half there, of which the kernel is asked.
const LOOK_AT_HALVES: Duration = Duration::from_secs(1);

/// How long the last words to a peer may take to leave.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The most ends of leases that a host keeps without hearing that they were taken, beside those of the last [`LOOK`].
const KEPT_ENDS: u64 = 32;

/// A result of so many bytes is not kept that long.
const KEPT_BYTES: usize = 64 << 10;

impl Sessions {
    /// Begins a session.
    pub fn open(&mut self, newcomer: Newcomer<'_>, now: Instant) -> SessionKey {
        let route = Bytes::copy_from_slice(newcomer.route);
        let mut pulse = Pulse::new(now);
        pulse.hear(now);
        pulse.speak(newcomer.minor, newcomer.connection.is_some());
        let key = self.sessions.insert(Session {
            route: route.clone(),
            door: newcomer.door,
            permit: newcomer.permit,
            peer: newcomer.peer,
            connections: newcomer.connections,
            role: newcomer.role,
            name: newcomer.name.to_owned(),
            max_message: link::max_message(newcomer.max_message),
            jobs: OpenJobs::default(),
            calls: Calls::default(),
            submitted: Vec::new(),
            host: None,
            taken: 0,
            taken_said: 0,
            leaving: false,
            batch: BatchWriter::new(),
            backlog: VecDeque::new(),
            pulse,
            trip: Trip::new(now),
            ping: None,
            connection: newcomer.connection,
            half: newcomer.half.unwrap_or_else(|| Half::new(now)),
            dirty: false,
        });
        self.routes(newcomer.door).insert(route, key);
        self.by_peer.insert(newcomer.peer, key);
        key
    }

    fn routes(&mut self, door: Door) -> &mut HashMap<Bytes, SessionKey> {
        match door {
            Door::Plain => &mut self.by_route,
            Door::Sealed => &mut self.by_sealed_route,
        }
    }

    /// The session behind a connection.
    #[inline]
    pub fn by_route(&self, door: Door, route: &[u8]) -> Option<SessionKey> {
        let routes = match door {
            Door::Plain => &self.by_route,
            Door::Sealed => &self.by_sealed_route,
        };
        routes.get(route).copied()
    }

    /// Where the connection of a session came in, and by which the ROUTER knows it.
    pub fn route(&self, key: SessionKey) -> Option<(Door, Bytes)> {
        self.sessions.get(key).map(|session| (session.door, session.route.clone()))
    }

    /// The session of a peer.
    pub fn by_peer(&self, peer: Uuid) -> Option<SessionKey> {
        self.by_peer.get(&peer).copied()
    }

    /// What the peer of a session calls itself.
    pub fn name(&self, key: SessionKey) -> Option<&str> {
        self.sessions.get(key).map(|session| &*session.name)
    }

    /// One session.
    pub fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.sessions.get_mut(key)
    }

    /// All sessions.
    pub fn keys(&self) -> Vec<SessionKey> {
        self.sessions.keys().collect()
    }

    /// Says a record to a peer, with the next flush at the latest.
    #[inline]
    pub fn say(&mut self, key: SessionKey, record: &Record<'_>) {
        self.write(key, |batch| batch.push(record));
    }

    /// As [`say`](Self::say), for what `write` puts into the peer's batch.
    #[inline]
    pub fn write(&mut self, key: SessionKey, write: impl FnOnce(&mut BatchWriter)) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        write(&mut session.batch);
        if session.batch.is_full() {
            session.seal();
        }
        session.touch(key, &mut self.dirty);
    }

    /// Says a record to a peer that need not hear of it at once: with what is said next, or with the next look at all sessions.
    #[inline]
    pub fn mention(&mut self, key: SessionKey, record: &Record<'_>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.batch.push(record);
        if session.batch.is_full() {
            self.touch(key);
        }
    }

    /// Lets `fill` write into a peer's batch until it has no more; it returns whether the batch was too full for more.
    #[inline]
    pub fn fill(&mut self, key: SessionKey, mut fill: impl FnMut(&mut BatchWriter) -> bool) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        while fill(&mut session.batch) {
            session.seal();
        }
        self.touch(key);
    }

    #[inline]
    fn touch(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.touch(key, &mut self.dirty);
        }
    }

    /// A peer has said a Ping: it is answered with the next flush.
    pub fn hear_ping(&mut self, key: SessionKey, time: u64) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.ping = Some(time);
            self.touch(key);
        }
    }

    /// One more end of a lease was taken from a host. It hears of that as of what is [mentioned](Self::mention), but sooner where it has
    /// to keep much until then, or wants to leave.
    #[inline]
    pub fn take_end(&mut self, key: SessionKey, bytes: usize) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.taken += 1;
            let many = session.taken - session.taken_said >= KEPT_ENDS;
            if many || bytes >= KEPT_BYTES || session.leaving {
                self.touch(key);
            }
        }
    }

    /// A host has said Goodbye: it waits until all that it gives is taken.
    pub fn let_leave(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.leaving = true;
            self.touch(key);
        }
    }

    /// Sends what waits; sessions whose connection turns out to be gone are returned.
    pub(crate) fn flush(&mut self, sockets: &Sockets<'_>, now: Instant) -> Vec<SessionKey> {
        let mut gone = Vec::new();
        let mut stalled = std::mem::take(&mut self.stalled);
        stalled.append(&mut self.dirty);
        for key in stalled {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            session.dirty = false;
            session.say_taken();
            session.measure_distance(now);
            session.seal();
            session.pulse.say(now);
            let Some(socket) = sockets.at(session.door) else { continue };
            if !session.send(socket) {
                gone.push(key);
            } else if !session.backlog.is_empty() {
                session.dirty = true;
                self.stalled.push(key);
            }
        }
        gone
    }

    /// Whether a connection takes no more for now.
    pub fn is_stalled(&self) -> bool {
        !self.stalled.is_empty()
    }

    /// Says a heartbeat to whom nothing was said for a while; who was silent too long is returned.
    pub fn tick(&mut self, now: Instant) -> Vec<SessionKey> {
        let mut silent = Vec::new();
        if self.looked.is_some_and(|looked| now.duration_since(looked) < LOOK) {
            return silent;
        }
        self.looked = Some(now);
        self.doomed.extract_if(.., |(at, _)| *at <= now).for_each(|(_, connection)| connection.cut());
        for (key, session) in &mut self.sessions {
            if session.is_silent(now) {
                silent.push(key);
            } else if session.has_to_mention() {
                session.touch(key, &mut self.dirty);
            } else if session.is_due(now) {
                session.say_heartbeat();
                session.flush_soon(key, &mut self.dirty);
            }
        }
        silent
    }

    /// A message of so many bytes came whole.
    #[inline]
    pub(crate) fn count(&mut self, key: SessionKey, bytes: u64) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.half.take(bytes);
        }
    }

    /// Cuts the connections of peers that keep more of half messages than is allowed, where `is_read` tells of which doors all was read;
    /// the names of these peers, and what there was.
    pub(crate) fn cut_halves(
        &mut self,
        allowed: Allowed,
        is_read: impl Fn(Door) -> bool,
        now: Instant,
    ) -> Vec<(&str, u64)> {
        if self.looked_at_halves.is_some_and(|looked| now.duration_since(looked) < LOOK_AT_HALVES) {
            return Vec::new();
        }
        self.looked_at_halves = Some(now);
        for session in self.sessions.values_mut() {
            if let Some(received) = session.connection.as_ref().and_then(TcpConnection::received) {
                session.half.look(received, is_read(session.door), now);
            }
        }
        let halves = self.sessions.values().map(|session| (session, &session.half));
        let cut = allowed.cut(halves, now).into_iter().map(|(session, bytes)| {
            session.connection.iter().for_each(TcpConnection::cut);
            (&*session.name, bytes)
        });
        cut.collect()
    }

    /// Sessions whose grants are not good any more, with why.
    pub(crate) fn forbidden(&self, now: Date) -> Vec<(SessionKey, GrantError)> {
        let all = self.sessions.iter();
        all.filter_map(|(key, session)| Some((key, session.permit.check(now).err()?))).collect()
    }

    /// Sessions with a job that has far more messages under way than the grant allows.
    pub(crate) fn greedy(&self, under_way: impl Fn(JobKey) -> u64) -> Vec<SessionKey> {
        let is_greedy = |session: &Session| {
            let most = session.permit.most_under_way().saturating_mul(2);
            most < u64::MAX && session.jobs.keys().any(|job| under_way(job) > most)
        };
        self.sessions.iter().filter(|(_, session)| is_greedy(session)).map(|(key, _)| key).collect()
    }

    /// The connection of a session is cut in a while, when its last words have left: as long as it is there, libzmq holds what came of
    /// half a message.
    pub fn cut_soon(&mut self, key: SessionKey, now: Instant) {
        let connection = self.sessions.get_mut(key).and_then(|session| session.connection.take());
        self.doomed.extend(connection.map(|connection| (now + LAST_WORDS, connection)));
    }

    /// Ends a session.
    pub fn close(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.sessions.remove(key)?;
        self.routes(session.door).remove(&session.route);
        if self.by_peer.get(&session.peer) == Some(&key) {
            self.by_peer.remove(&session.peer);
        }
        Some(session)
    }

    /// Tells a connection without a session that it has none.
    pub fn reset(socket: &Socket, route: &[u8], code: &str, text: &str) {
        let mut batch = BatchWriter::new();
        batch.push(&Record::Reset { code, text });
        let mut frames = vec![Frame::copy_from(route), Frame::from_vec(batch.take().0)];
        // Whoever does not take it is gone, or does not read: there is nobody to tell.
        let _ = socket.send(&mut frames);
    }

    /// Sends what waits to one peer, as its connection is about to end.
    pub(crate) fn last_words(&mut self, key: SessionKey, sockets: &Sockets<'_>, record: &Record<'_>) {
        if let Some(session) = self.sessions.get_mut(key)
            && let Some(socket) = sockets.at(session.door)
        {
            session.say_taken();
            session.batch.push(record);
            session.seal();
            session.send(socket);
        }
    }
}
