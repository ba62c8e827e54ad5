//! The native protocol: sessions, and the records that peers say in them, carried out.

mod allowance;
mod calls;
mod clients;
mod hosts;
mod open_jobs;
pub(crate) mod sessions;
pub(crate) mod stream;

use super::bounds::OFFERS;
use super::config::NodeConfig;
use super::doors::{Door, Sockets};
use super::egress::Client;
use super::halves::on_wire;
use super::hosts::{Host, NativeHost};
use super::permit::Permit;
use super::router::Router;
use super::sealed::address_of;
use bytes::Bytes;
use calls::Call;
use hosts::lease_key;
use pylm_access::{Date, GrantError};
use pylm_protocol::codes;
use pylm_protocol::link::{self, HEARTBEAT, SILENCE};
use pylm_protocol::{BatchReader, DecodeError, FunctionOffer, Record, Role, record};
use pylm_transport::{Frame, Frames, TcpConnection};
use sessions::{Newcomer, SessionKey, Sessions};
use std::time::Instant;

/// Why a session is reset.
struct Violation(String);

impl From<DecodeError> for Violation {
    fn from(error: DecodeError) -> Self {
        Violation(error.to_string())
    }
}

impl Violation {
    fn of(record: &Record<'_>) -> Self {
        Violation(format!("a {} is not for this peer to say, or not now", record.name()))
    }
}

impl Router {
    /// Takes one ZeroMQ message from a door: a request in pylm's way, a batch, or word of a lost connection.
    pub(crate) fn receive(&mut self, door: Door, frames: &mut Frames, now: Instant) {
        match frames.as_slice() {
            [route, gone] if gone.is_empty() => {
                if let Some(session) = self.sessions.by_route(door, route) {
                    self.lose_session(session, "its connection is lost", now);
                }
            }
            [route, frame, ..] => {
                let (session, bytes) =
                    (self.sessions.by_route(door, route), on_wire(&frames[1..], door.security()));
                match session {
                    Some(session) => self.sessions.count(session, bytes),
                    None => self.hear_stranger(frame, bytes, now),
                }
                if frame.is_empty() {
                    return self.serve(door, frames, now);
                }
                let attachments: Vec<Bytes> = frames.drain(2..).map(Frame::into_bytes).collect();
                if let (Some(batch), Some(route)) = (frames.pop(), frames.pop()) {
                    match session {
                        Some(session) => self.receive_batch(session, &batch.into_bytes(), &attachments, now),
                        None => self.receive_first((door, &route), batch, &attachments, now),
                    }
                }
            }
            _ => self.garbage("db", "a message of one frame"),
        }
    }

    fn receive_batch(&mut self, session: SessionKey, batch: &Bytes, attachments: &[Bytes], now: Instant) {
        if let Err(violation) = self.carry_out(session, batch, attachments, now) {
            self.end_violator(session, violation, now);
        }
    }

    /// The first batch of a connection.
    fn receive_first(&mut self, route: (Door, &[u8]), batch: Frame, attachments: &[Bytes], now: Instant) {
        let connection = batch.connection();
        let is_elsewhere = address_of(&batch).is_some_and(|address| !address.to_canonical().is_loopback());
        let permit = match route.0 {
            Door::Plain if is_elsewhere => Err(GrantError::Unencrypted),
            door => self.permit_of(door, &batch),
        };
        let Err(violation) = self.greet(route, (connection, permit), &batch.into_bytes(), attachments, now)
        else {
            return;
        };
        match self.sessions.by_route(route.0, route.1) {
            Some(session) => self.end_violator(session, violation, now),
            None => self.reset_violator(route, &violation),
        }
    }

    fn end_violator(&mut self, session: SessionKey, violation: Violation, now: Instant) {
        if let Some((door, route)) = self.sessions.route(session) {
            self.reset_violator((door, &route), &violation);
        }
        self.sessions.cut_soon(session, now);
        self.lose_session(session, "it broke the protocol", now);
    }

    fn reset_violator(&mut self, route: (Door, &[u8]), Violation(text): &Violation) {
        self.garbage("db", text);
        self.reset_stranger(route, codes::RESET_VIOLATION, text);
    }

    /// Tells a connection without a session that it has none, and why.
    fn reset_stranger(&self, (door, route): (Door, &[u8]), code: &str, text: &str) {
        if let Some(socket) = Sockets::of(&self.db, self.sealed.as_ref()).at(door) {
            Sessions::reset(socket, route, code, text);
        }
    }

    /// What whoever sent this frame may do.
    pub(crate) fn permit_of(&self, door: Door, frame: &Frame) -> Result<Permit, GrantError> {
        match (door, &self.sealed) {
            (Door::Plain, _) => Ok(Permit::ALL),
            (Door::Sealed, Some(sealed)) => {
                sealed.grant_of(frame).map(|grant| Permit::of(grant, address_of(frame)))
            }
            (Door::Sealed, None) => Err(GrantError::Gone),
        }
    }

    /// It has to begin with Hello.
    fn greet(
        &mut self,
        route: (Door, &[u8]),
        (connection, permit): (Option<TcpConnection>, Result<Permit, GrantError>),
        batch: &Bytes,
        attachments: &[Bytes],
        now: Instant,
    ) -> Result<(), Violation> {
        let mut reader = BatchReader::new(batch, attachments)?;
        let Some(first) = reader.next_record()? else { return Ok(()) };
        let Record::Hello {
            role,
            peer,
            name,
            software,
            max_message,
            functions,
            limit,
            limit_bytes,
            minor,
            connection: connections,
        } = first
        else {
            self.reset_stranger(route, codes::RESET_UNKNOWN, "say Hello first");
            return Ok(());
        };
        if functions.len() > OFFERS {
            return Err(Violation(format!("it offers more than {OFFERS} functions")));
        }
        if route.0 == Door::Sealed && !is_given(route.1) {
            self.reset_stranger(route, codes::RESET_REFUSED, "a peer must not choose a routing id");
            return Ok(());
        }
        let permit = match permit.and_then(|permit| admitted(permit, role, &functions)) {
            Ok(permit) => permit,
            Err(error) => {
                let why = error.to_string();
                tracing::warn!(peer = name, software, why, "a peer is refused");
                self.reset_stranger(route, codes::RESET_REFUSED, &why);
                return Ok(());
            }
        };
        let peer = permit.peer(peer);
        if self.draining && role == Role::Client {
            self.reset_stranger(route, codes::RESET_DRAINING, "this node is ending");
            return Ok(());
        }
        if let Some(old) = self.sessions.by_peer(peer) {
            // A node that stood still for a while may read what a peer said on connections that it has given up after what it says
            // on the one that it has.
            if self.sessions.get_mut(old).is_some_and(|old| old.connections > connections) {
                return Ok(());
            }
            self.sessions.last_words(
                old,
                &Sockets::of(&self.db, self.sealed.as_ref()),
                &Record::Reset {
                    code: codes::RESET_REPLACED,
                    text: "this peer has said Hello on another connection",
                },
            );
            self.sessions.cut_soon(old, now);
            self.lose_session(old, "it has connected anew", now);
        }
        let half = self.know(connection.as_ref(), now);
        let minor = pylm_protocol::spoken_minor(minor);
        let (door, route) = route;
        let newcomer = Newcomer {
            route,
            door,
            permit,
            connection,
            half,
            peer,
            connections,
            role,
            name,
            minor,
            max_message,
        };
        let session = self.sessions.open(newcomer, now);
        self.sessions.say(
            session,
            &Record::Welcome {
                minor,
                node: self.run,
                name: &self.config.name,
                heartbeat: HEARTBEAT.as_millis() as u64,
                silence: SILENCE.as_millis() as u64,
                max_message: self.config.max_message,
            },
        );
        if role == Role::Host {
            let known = self.hosts_by_peer.get(&peer).copied();
            let named = record::named(&functions);
            let host = match known {
                Some(host) => {
                    self.ledger.return_host(host, limit, limit_bytes, named, name, now);
                    host
                }
                None => self.ledger.add_host(limit, limit_bytes, named, name, now),
            };
            let native = NativeHost::new((peer, session), name, link::max_message(max_message), &functions);
            self.hosts.insert(host, Host::Native(native));
            self.hosts_by_peer.insert(peer, host);
            if let Some(session) = self.sessions.get_mut(session) {
                session.host = Some(host);
            }
            // Whoever has subscribed to a topic before anybody knew of it is a follower of it, too.
            for topic in functions.iter().filter(|function| function.topic) {
                for line in 0..self.lines.len() {
                    self.follow_by_subscription(line, topic.name, now);
                }
            }
            match functions.iter().find(|function| function.topic) {
                Some(topic) => tracing::info!(node = name, software, topic = topic.name, "a node follows"),
                None => tracing::info!(
                    host = name,
                    software,
                    functions = functions.len(),
                    limit,
                    "{} is here",
                    title(&self.config, name)
                ),
            }
        } else {
            tracing::debug!(client = name, software, "a client is here");
        }
        self.carry_out_rest(session, batch, &mut reader, now)
    }

    fn carry_out(
        &mut self,
        session: SessionKey,
        batch: &Bytes,
        attachments: &[Bytes],
        now: Instant,
    ) -> Result<(), Violation> {
        if let Some(session) = self.sessions.get_mut(session) {
            session.hear(now);
        }
        let mut reader = BatchReader::new(batch, attachments)?;
        self.carry_out_rest(session, batch, &mut reader, now)
    }

    /// Carries out the records of `batch` that `reader` has not read.
    fn carry_out_rest(
        &mut self,
        session: SessionKey,
        batch: &Bytes,
        reader: &mut BatchReader<'_>,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(open) = self.sessions.get_mut(session) else { return Ok(()) };
        let (role, host) = (open.role, open.host);
        loop {
            // First and apart, the records of which every message has one.
            match (role, host) {
                (Role::Client, _) => {
                    while let Some((job, number, cache, payload)) = reader.next_submit() {
                        self.submit(session, job, number, cache, batch.slice(payload), now)?;
                    }
                }
                (Role::Host, Some(host)) => {
                    while let Some((lease, payload)) = reader.next_lease_reply() {
                        self.take_only(host, session, lease_key(lease), batch.slice(payload));
                    }
                }
                (Role::Host, None) => {}
            }
            let Some(record) = reader.next_record()? else { break };
            let record = match Call::of(record) {
                Ok(call) => {
                    self.take_call(session, call, now)?;
                    continue;
                }
                Err(record) => record,
            };
            match record {
                Record::Heartbeat { patience } => {
                    if let Some(session) = self.sessions.get_mut(session) {
                        session.be_patient(patience, now);
                    }
                }
                Record::Ping { time } => self.sessions.hear_ping(session, time),
                Record::Pong { time } => self.hear_pong(session, time, now),
                Record::Goodbye {} => self.bid_farewell(session, role, now),
                record if role == Role::Client => self.carry_out_clients(session, record, now)?,
                record => self.carry_out_hosts(session, record, now)?,
            }
        }
        self.tell_accepted(session);
        Ok(())
    }

    /// A peer is leaving, of its own will.
    fn bid_farewell(&mut self, session: SessionKey, role: Role, now: Instant) {
        let Some(open) = self.sessions.get_mut(session) else { return };
        let title = title(&self.config, &open.name);
        match role {
            Role::Host => {
                tracing::info!(host = open.name, "{title} is leaving");
                if let Some(host) = open.host {
                    self.ledger.retire_host(host, now);
                }
                self.sessions.let_leave(session);
            }
            Role::Client => {
                let (jobs, name): (Vec<_>, _) = (open.jobs.keys().collect(), open.name.clone());
                for job in jobs {
                    match self.clients.get_mut(job) {
                        Some(Client::Native(stream)) if stream.attached => stream.lose(&name, now),
                        _ => self.close(job),
                    }
                }
            }
        }
    }

    /// A session is over: its host's leases go elsewhere, its jobs wait for their client.
    pub(crate) fn lose_session(&mut self, key: SessionKey, why: &str, now: Instant) {
        let Some(session) = self.sessions.close(key) else { return };
        for job in session.jobs.keys() {
            // Another client may have attached to it meanwhile.
            if let Some(Client::Native(stream)) = self.clients.get_mut(job)
                && stream.session == Some(key)
            {
                stream.lose(&session.name, now);
            }
        }
        let Some(host) = session.host else {
            tracing::debug!(client = session.name, why, "a client is gone");
            return;
        };
        let leases = self.ledger.credit(host).map_or(0, |credit| credit.leases);
        if leases > 0 {
            tracing::warn!(
                host = session.name,
                leases,
                why,
                "{} is lost, its messages go to others",
                title(&self.config, &session.name)
            );
        } else {
            tracing::info!(host = session.name, why, "{} is gone", title(&self.config, &session.name));
        }
        if let Some(Host::Native(native)) = self.hosts.get_mut(host) {
            native.session = None;
        }
        self.lose_host(host, true, now);
        self.forget_host_unless_awaited(host);
    }
}

/// Whether a routing id is one that a ROUTER gives by itself: five bytes, the first of them zero.
fn is_given(route: &[u8]) -> bool {
    matches!(route, [0, _, _, _, _])
}

/// What a peer may do that says this in Hello, if it may come in.
fn admitted(permit: Permit, role: Role, functions: &[FunctionOffer<'_>]) -> Result<Permit, GrantError> {
    permit.check(Date::now())?;
    match role {
        Role::Client => permit.check_client()?,
        Role::Host => permit.check_offers(functions)?,
    }
    Ok(permit)
}

/// What the log calls a host of this name: under `--inline` the node runs its functions itself.
fn title(config: &NodeConfig, host: &str) -> &'static str {
    if config.inline && host == config.name { "the node's own host" } else { "a worker host" }
}
