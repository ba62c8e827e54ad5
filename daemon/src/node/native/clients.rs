//! What native clients say: jobs are opened, messages submitted, outputs acknowledged.

use super::Violation;
use super::sessions::SessionKey;
use super::stream::Stream;
use crate::node::bounds::{JOBS, WINDOW_BYTES};
use crate::node::egress::Client;
use crate::node::keeper::{Keeper, WaitingSubmit};
use crate::node::ledger::JobKey;
use crate::node::message::{Header, Message, Name};
use crate::node::permit::Permit;
use crate::node::router::Router;
use bytes::Bytes;
use pylm_journal as journal;
use pylm_protocol::codes::{REFUSED, TOO_LARGE};
use pylm_protocol::record::{ATTACH, INCOMPLETE};
use pylm_protocol::{JobState, Record, Role};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

impl Router {
    pub(super) fn carry_out_clients(
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
            Record::Open { .. } => self.open(session, record, now)?,
            Record::Finish { job, count } => {
                if let Some((_, stream)) = self.stream(session, job) {
                    let job = stream.identity;
                    self.keep(journal::Record::Finished { job, count });
                }
            }
            Record::Cancel { job } => {
                if let Some((key, _)) = self.stream(session, job) {
                    self.cancel_native(key);
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
        let key = self.sessions.get_mut(session)?.jobs.find(job)?;
        match self.clients.get_mut(key)? {
            Client::Native(stream) => Some((key, stream)),
            Client::Pylm(_) | Client::Followed(_) => None,
        }
    }

    fn open(&mut self, session: SessionKey, record: Record<'_>, now: Instant) -> Result<(), Violation> {
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
            priority,
            retries,
            deadline,
            flags,
            ..
        } = record
        else {
            return Err(Violation::of(&record));
        };
        let Some(open) = self.sessions.get_mut(session) else { return Ok(()) };
        if open.jobs.len() >= JOBS {
            return Err(Violation(format!("more than {JOBS} jobs are open")));
        }
        if open.jobs.find(job).is_some() {
            return Err(Violation(format!("the number {job} is that of an open job")));
        }
        if self.draining {
            return Ok(());
        }
        let (peer, max_message, permit) = (open.peer, open.max_message, open.permit.clone());
        let known = self.jobs_by_identity.get(&identity).copied();
        let attaches = flags & ATTACH != 0;
        if attaches && let Err(state) = self.may_attach(known, &permit) {
            let (epoch, next, window, window_bytes) = (Uuid::nil(), 0, 1, 1);
            let refused = Record::Opened { job, state, epoch, next, window, window_bytes };
            self.sessions.say(session, &refused);
            return Ok(());
        }
        let key = match known {
            Some(key) => {
                let Some(Client::Native(stream)) = self.clients.get_mut(key) else { return Ok(()) };
                if !attaches && !is_own(stream, &permit, peer) {
                    return Err(Violation("the job is another client's".into()));
                }
                // In the same session it would be told all anew, each time.
                if stream.session.is_some() {
                    return Err(Violation("the job is open already".into()));
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
                    ..Header::default()
                };
                let refused = self.function_of(&header).err();
                let mut stream = Stream::new(identity, Arc::new(header), refused);
                stream.owner = permit.grant().cloned();
                stream.set_terms(priority, retries);
                let key = self.ledger.open_job(stream.terms);
                stream.number = job;
                stream.session = Some(session);
                self.clients.insert(key, Client::Native(Box::new(stream)));
                self.jobs_by_identity.insert(identity, key);
                key
            }
        };
        if let Some(open) = self.sessions.get_mut(session) {
            open.jobs.insert(job, key);
        }
        let Some(Client::Native(stream)) = self.clients.get_mut(key) else { return Ok(()) };
        stream.set_window(window, window_bytes);
        stream.allowance.reopen(permit.most_under_way(), now);
        stream.max_message = max_message;
        if let Err(why) =
            permit.check_job(function, priority).or_else(|why| if attaches { Ok(()) } else { Err(why) })
        {
            stream.refused = Some((REFUSED, why.to_string()));
        }
        stream.attached = attaches;
        if attaches {
            stream.fail_missing();
        } else {
            stream.missing.clear();
            stream.incomplete = false;
            stream.timeout = (timeout > 0).then(|| Duration::from_millis(timeout));
            stream.deadline = pylm_protocol::deadline(now, deadline);
        }
        let state = match known {
            Some(_) if stream.cancelled => JobState::Cancelled,
            Some(_) if !std::mem::take(&mut stream.doubtful) => JobState::Known,
            _ => JobState::New,
        };
        let opened = Record::Opened {
            job,
            state,
            epoch: stream.epoch,
            next: stream.next,
            window: stream.allowance.told(),
            window_bytes: WINDOW_BYTES,
        };
        self.sessions.say(session, &opened);
        if attaches {
            let mut numbers: Vec<_> = stream.ends().collect();
            let open = self.ledger.messages_of(key).filter_map(|message| self.ledger.message(message));
            numbers.extend(open.map(|message| message.number));
            numbers.sort_unstable();
            let flags = if stream.incomplete { INCOMPLETE } else { 0 };
            self.sessions.say(session, &Record::Owed { job, numbers, flags });
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(journal::Record::JobOpened(stream.to_journal()));
        }
        self.touch(key);
        Ok(())
    }

    /// Whether a client may take over what a job that is known so, or not, owes.
    fn may_attach(&self, known: Option<JobKey>, permit: &Permit) -> Result<(), JobState> {
        match known.and_then(|key| self.clients.get(key)) {
            // Nobody is told that there is somebody else's.
            Some(Client::Native(stream)) if !permit.may_attach(stream.owner.as_ref()) => {
                Err(JobState::Unknown)
            }
            Some(Client::Native(stream)) => match stream.session {
                Some(_) => Err(JobState::InUse),
                None => Ok(()),
            },
            _ => Err(JobState::Unknown),
        }
    }

    /// One message of a native client.
    #[inline]
    pub(super) fn submit(
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
        let is_full = self.keeper.as_ref().is_some_and(Keeper::is_full);
        let Some((key, stream)) = self.stream(session, job) else { return Ok(()) };
        if number < stream.expected() || stream.cancelled {
            return Ok(());
        }
        let has_to_wait = is_full || !stream.waiting.is_empty();
        let (waiting, most) = (stream.waiting.len() as u64, stream.allowance.most());
        let (under_way, bytes) = self.ledger.job(key).map_or((0, 0), |job| (job.counts.under_way, job.bytes));
        if under_way + waiting >= 2 * most {
            return Err(Violation(format!("more than {most} messages of one job are under way")));
        }
        if under_way > 0 && bytes + payload.len() as u64 > 2 * WINDOW_BYTES {
            return Err(Violation(format!("more than {WINDOW_BYTES} bytes of one job are under way")));
        }
        if !has_to_wait {
            self.accept_submit(key, number, cache, payload, now);
        } else if let (Some(Client::Native(stream)), Some(keeper)) =
            (self.clients.get_mut(key), &mut self.keeper)
        {
            if stream.waiting.is_empty() {
                keeper.wait(key);
            }
            stream.waiting.push_back(WaitingSubmit { number, cache: cache.into(), payload });
        }
        Ok(())
    }

    /// Accepts a message of a native client.
    #[inline]
    pub(crate) fn accept_submit(
        &mut self,
        key: JobKey,
        number: u64,
        cache: &str,
        payload: Bytes,
        now: Instant,
    ) {
        let max_message = self.config.max_message;
        let Some(Client::Native(stream)) = self.clients.get_mut(key) else { return };
        stream.next = number + 1;
        stream.submitted += 1;
        if stream.submitted == stream.told + 1
            && let Some(open) = stream.session.and_then(|session| self.sessions.get_mut(session))
        {
            open.submitted.push(key);
        }
        if !stream.known.is_empty() && stream.known.remove(&number) {
            return;
        }
        let message = Message {
            header: Arc::clone(&stream.header),
            cache: (!cache.is_empty()).then(|| cache.into()),
            payload,
        };
        let refused = if message.payload.len() as u64 > max_message {
            Some((TOO_LARGE, format!("the payload has more than {max_message} bytes; see --max-message")))
        } else {
            stream.refused.clone()
        };
        if let Some(keeper) = &mut self.keeper {
            let (job, payload) = (stream.identity, message.payload.clone());
            keeper.keep(journal::Record::Accepted { job, number, cache: cache.into(), payload });
        }
        let deadline = stream.deadline_of_next(now);
        self.accept(key, number, message, refused, deadline, now);
    }

    /// Tells a client how many of its Submits were accepted: at once, or when they are on disk.
    pub(crate) fn tell_accepted(&mut self, session: SessionKey) {
        let Some(open) = self.sessions.get_mut(session) else { return };
        if open.role != Role::Client {
            return;
        }
        for key in std::mem::take(&mut open.submitted) {
            if let Some(Client::Native(stream)) = self.clients.get_mut(key) {
                stream.told = stream.submitted;
                if let Some(keeper) = &mut self.keeper {
                    keeper.tell_when_durable(session, key, stream.submitted);
                    continue;
                }
                // It goes with the first result, as a rule.
                let record = Record::Accepted { job: stream.number, submitted: stream.submitted };
                self.sessions.mention(session, &record);
            }
        }
    }
}

/// Whether a job is that of a client which opens it again. What came out of the journal has no owner, but the id of its client is one that
/// nobody has with another key.
fn is_own(stream: &Stream, permit: &Permit, peer: Uuid) -> bool {
    match (permit.grant(), &stream.owner) {
        (Some(grant), Some(owner)) => grant.key == owner.key,
        (Some(_), None) => stream.header.client.as_str() == peer.to_string(),
        (None, owner) => owner.is_none(),
    }
}
