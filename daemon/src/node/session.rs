//! What native peers say: the records of the native protocol, carried out.

use super::bounds::{HEARTBEAT, JOBS, LEASE_RESULT_BYTES, LEASE_RESULTS, SILENCE, WINDOW, WINDOW_BYTES};
use super::egress::Client;
use super::hosts::{Host, NativeHost};
use super::ingress::no_function;
use super::ledger::{JobKey, LeaseEnd, LeaseKey};
use super::message::{Header, Message, Name};
use super::router::Router;
use super::sessions::{SessionKey, Sessions};
use super::stream::Stream;
use bytes::Bytes;
use pylm_protocol::codes::{self, NO_FUNCTION, TOO_LARGE};
use pylm_protocol::{BatchReader, DecodeError, JobState, Payload, Record, Role};
use pylm_transport::{Frame, Frames};
use slotmap::KeyData;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Results of one lease after which its host hears of room for more.
const ROOM_STEP: u64 = LEASE_RESULTS / 4;

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
    /// Takes one ZeroMQ message from the `db` socket: a request in pylm's way, a batch, or word of a lost connection.
    pub(crate) fn receive(&mut self, frames: &mut Frames, now: Instant) {
        match frames.as_slice() {
            [route, gone] if gone.is_empty() => {
                if let Some(session) = self.sessions.by_route(route) {
                    self.lose_session(session, "its connection is lost", now);
                }
            }
            [_, delimiter, ..] if delimiter.is_empty() => self.serve(frames, now),
            [_, _, ..] => {
                let attachments: Vec<Bytes> = frames.drain(2..).map(Frame::into_bytes).collect();
                if let (Some(batch), Some(route)) = (frames.pop(), frames.pop()) {
                    self.receive_batch(&route, &batch.into_bytes(), &attachments, now);
                }
            }
            _ => self.garbage("db", "a message of one frame"),
        }
    }

    fn receive_batch(&mut self, route: &[u8], batch: &Bytes, attachments: &[Bytes], now: Instant) {
        let session = self.sessions.by_route(route);
        let outcome = match session {
            Some(session) => self.carry_out(session, batch, attachments, now),
            None => self.greet(route, batch, attachments, now),
        };
        let Err(Violation(text)) = outcome else { return };
        self.garbage("db", &text);
        Sessions::reset(&self.db.socket, route, codes::RESET_VIOLATION, &text);
        if let Some(session) = self.sessions.by_route(route) {
            self.lose_session(session, "it broke the protocol", now);
        }
    }

    /// The first batch of a connection: it has to begin with Hello.
    fn greet(
        &mut self,
        route: &[u8],
        batch: &Bytes,
        attachments: &[Bytes],
        now: Instant,
    ) -> Result<(), Violation> {
        let mut reader = BatchReader::new(batch, attachments)?;
        let Some(first) = reader.next_record()? else { return Ok(()) };
        let Record::Hello { role, peer, name, software, max_message, functions, limit, limit_bytes, minor } =
            first
        else {
            Sessions::reset(&self.db.socket, route, codes::RESET_UNKNOWN, "say Hello first");
            return Ok(());
        };
        if self.draining && role == Role::Client {
            Sessions::reset(&self.db.socket, route, codes::RESET_DRAINING, "this node is ending");
            return Ok(());
        }
        if let Some(old) = self.sessions.by_peer(peer) {
            self.sessions.last_words(
                old,
                &self.db.socket,
                &Record::Reset {
                    code: codes::RESET_REPLACED,
                    text: "this peer has said Hello on another connection",
                },
            );
            self.lose_session(old, "it has connected anew", now);
        }
        let session = self.sessions.open(route, peer, role, name, max_message, now);
        self.sessions.say(
            session,
            &Record::Welcome {
                minor: pylm_protocol::spoken_minor(minor),
                node: self.run,
                name: &self.config.name,
                heartbeat: HEARTBEAT.as_millis() as u64,
                silence: SILENCE.as_millis() as u64,
                max_message: self.config.max_message,
            },
        );
        if role == Role::Host {
            let known = self.hosts_by_peer.get(&peer).copied();
            let host = match known {
                Some(host) => {
                    self.ledger.return_host(host, limit, limit_bytes, &functions, now);
                    host
                }
                None => self.ledger.add_host(limit, limit_bytes, Some(&functions), now),
            };
            self.hosts.insert(host, Host::Native(NativeHost::new(peer, session, &functions)));
            self.hosts_by_peer.insert(peer, host);
            if let Some(session) = self.sessions.get_mut(session) {
                session.host = Some(host);
            }
            self.undispatched = true;
            tracing::info!(
                host = name,
                software,
                functions = functions.len(),
                limit,
                "a worker host is here"
            );
        } else {
            tracing::debug!(client = name, software, "a client is here");
        }
        self.carry_out_rest(session, &mut reader, now)
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
        self.carry_out_rest(session, &mut reader, now)
    }

    fn carry_out_rest(
        &mut self,
        session: SessionKey,
        reader: &mut BatchReader<'_>,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(open) = self.sessions.get_mut(session) else { return Ok(()) };
        let role = open.role;
        while let Some(record) = reader.next_record()? {
            match record {
                Record::Heartbeat { patience } => {
                    if let Some(session) = self.sessions.get_mut(session) {
                        session.be_patient(patience, now);
                    }
                }
                Record::Goodbye {} => self.bid_farewell(session, role, now),
                Record::Get { call, key } => {
                    let value = self.cache.get(key);
                    let status = u32::from(value.is_none());
                    let payload = Payload(value.unwrap_or_default());
                    self.sessions.say(session, &Record::Answer { call, status, payload });
                }
                Record::Set { call, key, payload } => {
                    let outcome = self.cache.set(key, payload.0).map(|key| (0, key));
                    self.answer(session, call, outcome);
                }
                Record::Delete { call, key } => {
                    let outcome = self.cache.delete(key).map(|was| (u32::from(!was), key.to_owned()));
                    self.answer(session, call, outcome);
                }
                record if role == Role::Client => self.carry_out_clients(session, record, now)?,
                record => self.carry_out_hosts(session, record)?,
            }
        }
        self.tell_accepted(session);
        Ok(())
    }

    fn answer(
        &mut self,
        session: SessionKey,
        call: u64,
        outcome: Result<(u32, String), super::cache::CacheError>,
    ) {
        let (status, text) = outcome.unwrap_or_else(|error| (2, error.to_string()));
        self.sessions.say(session, &Record::Answer { call, status, payload: Payload(text.into()) });
    }

    #[inline]
    fn carry_out_clients(
        &mut self,
        session: SessionKey,
        record: Record<'_>,
        now: Instant,
    ) -> Result<(), Violation> {
        match record {
            Record::Submit { job, number, cache, payload } => {
                self.submit(session, job, number, cache, payload.0, now)?
            }
            Record::Received { job, outputs } => {
                if let Some((key, stream)) = self.stream(session, job) {
                    stream.acknowledge(outputs);
                    self.touch(key);
                }
            }
            Record::Open { .. } => self.open(session, record)?,
            Record::Finish { .. } => {}
            Record::Cancel { job } => {
                if let Some((key, stream)) = self.stream(session, job) {
                    stream.clear();
                    self.cancel(key);
                    self.sessions.say(session, &Record::Cancelled { job });
                }
            }
            Record::Close { job } => {
                if let Some((key, _)) = self.stream(session, job) {
                    self.close(key);
                }
            }
            other => return Err(Violation::of(&other)),
        }
        Ok(())
    }

    /// The job that a client calls so.
    #[inline]
    fn stream(&mut self, session: SessionKey, job: u32) -> Option<(JobKey, &mut Stream)> {
        let key = *self.sessions.get_mut(session)?.jobs.get(&job)?;
        match self.clients.get_mut(key)? {
            Client::Native(stream) => Some((key, stream)),
            Client::Pylm(_) => None,
        }
    }

    fn open(&mut self, session: SessionKey, record: Record<'_>) -> Result<(), Violation> {
        let Record::Open {
            job,
            identity,
            pipeline,
            function,
            window,
            window_bytes,
            epoch,
            received,
            timeout,
            ..
        } = record
        else {
            return Err(Violation::of(&record));
        };
        let Some(open) = self.sessions.get_mut(session) else { return Ok(()) };
        if open.jobs.len() >= JOBS {
            return Err(Violation(format!("more than {JOBS} jobs are open")));
        }
        if self.draining {
            return Ok(());
        }
        let (peer, max_message) = (open.peer, open.max_message);
        let known = self.jobs_by_identity.get(&identity).copied();
        let key = match known {
            Some(key) => {
                let Some(Client::Native(stream)) = self.clients.get_mut(key) else { return Ok(()) };
                if stream.session.is_some_and(|other| other != session) {
                    return Err(Violation("the job is open in another session".into()));
                }
                stream.resume(session, job, epoch, received);
                key
            }
            None => {
                let name = if pipeline.is_empty() { identity.to_string() } else { pipeline.to_owned() };
                let header = Header {
                    pipeline: name.as_str().into(),
                    client: Name::from(peer.to_string().as_str()),
                    function: function.into(),
                    stage: 0,
                    job: identity,
                };
                let key = self.ledger.open_job();
                self.clients
                    .insert(key, Client::Native(Stream::new(identity, job, session, Arc::new(header))));
                self.jobs_by_identity.insert(identity, key);
                key
            }
        };
        if let Some(open) = self.sessions.get_mut(session) {
            open.jobs.insert(job, key);
        }
        let Some(Client::Native(stream)) = self.clients.get_mut(key) else { return Ok(()) };
        stream.set_window(window, window_bytes);
        stream.max_message = max_message;
        stream.timeout = (timeout > 0).then(|| Duration::from_millis(timeout));
        let state = if known.is_some() { JobState::Known } else { JobState::New };
        let opened = Record::Opened {
            job,
            state,
            epoch: stream.epoch,
            next: stream.next,
            window: WINDOW,
            window_bytes: WINDOW_BYTES,
        };
        self.sessions.say(session, &opened);
        self.touch(key);
        Ok(())
    }

    /// One message of a native client.
    #[inline]
    fn submit(
        &mut self,
        session: SessionKey,
        job: u32,
        number: u64,
        cache: &str,
        payload: Bytes,
        now: Instant,
    ) -> Result<(), Violation> {
        // What is not accepted gets no output: the client keeps it for the node that comes next.
        if self.draining {
            return Ok(());
        }
        let max_message = self.config.max_message;
        let Some((key, stream)) = self.stream(session, job) else { return Ok(()) };
        if number < stream.next {
            return Ok(());
        }
        stream.next = number + 1;
        stream.submitted += 1;
        let first = stream.submitted == stream.told + 1;
        let message = Message {
            header: Arc::clone(&stream.header),
            cache: (!cache.is_empty()).then(|| cache.into()),
            payload,
        };
        let refused = if message.payload.len() as u64 > max_message {
            Some((TOO_LARGE, format!("the payload has more than {max_message} bytes; see --max-message")))
        } else if stream.function.is_empty() {
            Some((NO_FUNCTION, no_function(stream.header.function.as_str())))
        } else {
            None
        };
        if first && let Some(open) = self.sessions.get_mut(session) {
            open.submitted.push(key);
        }
        let under_way = self.ledger.job(key).map_or(0, |job| job.counts.under_way);
        if under_way >= 2 * WINDOW {
            return Err(Violation(format!("more than {WINDOW} messages of one job are under way")));
        }
        self.accept(key, number, message, refused, now);
        Ok(())
    }

    /// Tells a client how many of its Submits were accepted.
    fn tell_accepted(&mut self, session: SessionKey) {
        let Some(open) = self.sessions.get_mut(session) else { return };
        if open.role != Role::Client {
            return;
        }
        for key in std::mem::take(&mut open.submitted) {
            if let Some(Client::Native(stream)) = self.clients.get_mut(key) {
                let record = Record::Accepted { job: stream.number, submitted: stream.submitted };
                stream.told = stream.submitted;
                self.sessions.say(session, &record);
            }
        }
    }

    #[inline]
    fn carry_out_hosts(&mut self, session: SessionKey, record: Record<'_>) -> Result<(), Violation> {
        let Some(host) = self.sessions.get_mut(session).and_then(|session| session.host) else {
            return Ok(());
        };
        let lease_key = |lease| LeaseKey::from(KeyData::from_ffi(lease));
        match record {
            Record::LeaseReply { lease, payload } => {
                let lease = lease_key(lease);
                self.take_result(host, lease, 0, payload.0);
                self.take_end(host, lease, LeaseEnd::Done(1));
                self.sessions.take_end(session);
            }
            Record::LeaseResult { lease, place, payload } => {
                let index = match place.0.as_slice() {
                    [] => 0,
                    [index] => *index,
                    _ => return Err(Violation("a host's result has a place of one number".into())),
                };
                let length = payload.0.len() as u64;
                self.take_result(host, lease_key(lease), index, payload.0);
                // The host hears now and then that there is room for more, always before it has used up what it has.
                if (index + 1).is_multiple_of(ROOM_STEP) || length >= LEASE_RESULT_BYTES / ROOM_STEP {
                    self.give_room(host, lease_key(lease));
                }
            }
            Record::LeaseDone { lease, results } => {
                self.take_end(host, lease_key(lease), LeaseEnd::Done(results));
                self.sessions.take_end(session);
            }
            Record::LeaseFailed { lease, code, text, .. } => {
                self.take_failure(host, lease_key(lease), code, text);
                self.sessions.take_end(session);
            }
            Record::Released { lease } => {
                self.take_end(host, lease_key(lease), LeaseEnd::Released);
                self.sessions.take_end(session);
            }
            Record::Limit { limit, limit_bytes } => {
                self.ledger.set_limit(host, limit, limit_bytes);
                self.undispatched = true;
            }
            other => return Err(Violation::of(&other)),
        }
        Ok(())
    }

    /// A peer is leaving, of its own will.
    fn bid_farewell(&mut self, session: SessionKey, role: Role, now: Instant) {
        let Some(open) = self.sessions.get_mut(session) else { return };
        match role {
            Role::Host => {
                tracing::info!(host = open.name, "a worker host is leaving");
                if let Some(host) = open.host {
                    self.ledger.retire_host(host, now);
                }
            }
            Role::Client => {
                let jobs: Vec<_> = open.jobs.values().copied().collect();
                jobs.into_iter().for_each(|job| self.close(job));
            }
        }
    }

    /// A session is over: its host's leases go elsewhere, its jobs wait for their client.
    pub(crate) fn lose_session(&mut self, key: SessionKey, why: &str, now: Instant) {
        let Some(session) = self.sessions.close(key) else { return };
        for job in session.jobs.into_values() {
            if let Some(Client::Native(stream)) = self.clients.get_mut(job) {
                stream.session = None;
                stream.lost = Some(now);
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
                "a worker host is lost, its messages go to others"
            );
        } else {
            tracing::info!(host = session.name, why, "a worker host is gone");
        }
        if let Some(Host::Native(native)) = self.hosts.get_mut(host) {
            native.session = None;
        }
        self.lose_host(host, true, now);
        self.forget_host_unless_awaited(host);
    }
}
