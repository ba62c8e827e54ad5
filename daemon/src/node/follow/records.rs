//! What earlier nodes say: leases, and what becomes of them there.

use super::link::Stage;
use super::stream::FollowedStream;
use crate::node::bounds::{CONTEXTS, TURN};
use crate::node::egress::Client;
use crate::node::ledger::{JobKey, MessageKey, Outcome, Terms};
use crate::node::message::{CacheKey, Header, Message};
use crate::node::router::Router;
use bytes::Bytes;
use pylm_protocol::codes::TOO_LARGE;
use pylm_protocol::record::LISTENS_ELSEWHERE;
use pylm_protocol::{BatchReader, MAJOR, Record, deadline};
use pylm_transport::{Frame, Frames};
use std::sync::Arc;
use std::time::Instant;

impl Router {
    /// Reads a connection until it is empty or has had its turn; whether it may have more.
    pub(super) fn read_link(&mut self, place: usize, now: Instant) -> bool {
        let mut frames = std::mem::take(&mut self.followed_frames);
        let mut more = true;
        for _ in 0..TURN {
            let Some(link) = self.followed[place].link() else {
                more = false;
                break;
            };
            more = link.socket.recv(&mut frames).unwrap_or(false);
            if !more {
                break;
            }
            link.pulse.hear(now);
            if let Err(why) = self.hear_followed(place, &mut frames, now) {
                self.lose_followed(place, &why, now);
                more = false;
                break;
            }
        }
        self.followed_frames = frames;
        more
    }

    /// One message of an earlier node: an answer of its cache service, or a batch.
    fn hear_followed(&mut self, place: usize, frames: &mut Frames, now: Instant) -> Result<(), String> {
        let mut frames = frames.drain(..).map(Frame::into_bytes);
        let first = frames.next().unwrap_or_default();
        let rest: Vec<Bytes> = frames.collect();
        if first.is_empty() {
            let answer = rest.into_iter().next().unwrap_or_default();
            return self.hear_answer(place, &answer);
        }
        let mut reader = BatchReader::new(&first, &rest).map_err(|error| error.to_string())?;
        while let Some(record) = reader.next_record().map_err(|error| error.to_string())? {
            self.hear_record(place, record, now)?;
        }
        Ok(())
    }

    /// What the cache service of an earlier node answers.
    fn hear_answer(&mut self, place: usize, answer: &[u8]) -> Result<(), String> {
        let max_message = self.config.max_message;
        let followed = &mut self.followed[place];
        let peer = followed.peer;
        let Some(link) = followed.link() else { return Ok(()) };
        let text = String::from_utf8_lossy(answer).into_owned();
        match link.stage {
            Stage::Asked if text.is_empty() => {
                link.stage = Stage::AskedPublisher;
                link.ask("pub_address", peer);
            }
            Stage::Asked => match text.split('.').next().map(str::parse::<u8>) {
                Some(Ok(MAJOR)) => link.greet(max_message),
                _ => {
                    return Err(format!(
                        "it speaks version {text:?} of the native protocol, this node {MAJOR}"
                    ));
                }
            },
            Stage::AskedPublisher if text.is_empty() => return Err("it is no node".into()),
            Stage::AskedPublisher => {
                self.subscribe(place, &text)
                    .map_err(|error| format!("{text} cannot be subscribed to: {error}"))?;
            }
            Stage::Greeted | Stage::Welcomed => {}
        }
        Ok(())
    }

    fn hear_record(&mut self, place: usize, record: Record<'_>, now: Instant) -> Result<(), String> {
        let draining = self.draining;
        let followed = &mut self.followed[place];
        let Some(link) = followed.link() else { return Ok(()) };
        match record {
            Record::Welcome { minor, name, heartbeat, silence, max_message, .. } => {
                link.welcome(minor, (heartbeat, silence), max_message);
                if draining {
                    link.say(&Record::Goodbye {});
                }
                followed.backoff.reset();
                tracing::info!(node = name, topic = followed.from.topic, "follows a node");
            }
            Record::Reset { code, text } => {
                return Err(format!("it has ended the connection ({code}): {text}"));
            }
            Record::Heartbeat { patience } => link.pulse.be_patient(patience, now),
            Record::Ping { time } => link.say(&Record::Pong { time }),
            Record::Pong { time } => link.hear_pong(time, now),
            Record::Context { context, .. } => {
                if link.contexts.len() >= 2 * CONTEXTS {
                    return Err("it has more contexts than it may".into());
                }
                let job = self.open_followed(place, &record);
                if let (Some(job), Some(link)) = (job, self.followed[place].link()) {
                    let old = link.contexts.insert(context, job);
                    link.taken_back.extend(old);
                }
            }
            Record::Forget { context } => {
                let job = link.contexts.remove(&context);
                link.taken_back.extend(job);
            }
            Record::Assign { lease, context, cache, payload, timeout, .. } => {
                let job = *link.contexts.get(&context).ok_or("it has named a context that is not there")?;
                if draining {
                    link.say(&Record::Released { lease });
                } else {
                    let cache = (!cache.is_empty()).then(|| cache.into());
                    self.accept_followed(place, lease, job, (cache, payload.0), deadline(now, timeout), now);
                }
            }
            Record::Abandon { lease } => {
                if let Some((job, key)) = link.leases.remove(&lease) {
                    link.say(&Record::Released { lease });
                    self.abandon_message(job, lease, key);
                }
            }
            Record::Room { lease, results, results_bytes } => {
                if let Some(&(job, _)) = link.leases.get(&lease)
                    && let Some(Client::Followed(stream)) = self.clients.get_mut(job)
                {
                    stream.give_room(lease, results, results_bytes);
                    self.touch(job);
                }
            }
            // A lease that is asked for back is begun here as soon as it comes.
            _ => {}
        }
        Ok(())
    }

    /// What many leases share is a job here.
    fn open_followed(&mut self, place: usize, record: &Record<'_>) -> Option<JobKey> {
        let &Record::Context {
            job: identity,
            pipeline,
            client,
            functions,
            stage,
            hops,
            results,
            results_bytes,
            flags,
            ..
        } = record
        else {
            return None;
        };
        let header = Arc::new(Header {
            pipeline: pipeline.into(),
            client: client.into(),
            function: functions.into(),
            stage: stage.cast_signed(),
            job: identity,
            hops: u32::try_from(hops).unwrap_or(u32::MAX),
            elsewhere: flags & LISTENS_ELSEWHERE != 0,
        });
        let job = self.ledger.open_job(Terms::default());
        let stream = FollowedStream::new(place, header, results, results_bytes);
        self.clients.insert(job, Client::Followed(stream));
        Some(job)
    }

    /// Accepts a lease as a message.
    fn accept_followed(
        &mut self,
        place: usize,
        lease: u64,
        job: JobKey,
        (cache, payload): (Option<CacheKey>, Bytes),
        deadline: Option<Instant>,
        now: Instant,
    ) {
        let Some(Client::Followed(stream)) = self.clients.get(job) else { return };
        let message = Message { header: Arc::clone(&stream.header), cache, payload };
        let max = self.config.max_message;
        let too_large = message.payload.len() as u64 > max;
        let refused = too_large
            .then(|| (TOO_LARGE, format!("the payload has more than {max} bytes; see --max-message")));
        // When its time is over, the earlier node abandons it; functions here are to see it.
        let key = self.accept(job, lease, message, refused, deadline, now);
        if let Some(key) = key
            && let Some(link) = self.followed[place].link()
        {
            link.leases.insert(lease, (job, key));
        }
    }

    /// Nobody wants the results of a lease any more.
    fn abandon_message(&mut self, job: JobKey, lease: u64, key: MessageKey) {
        self.abandoned.extend(self.ledger.leases_of(key));
        if self.ledger.end(key, Outcome::Cancelled).is_some() {
            self.forget_in_hooks(key);
        }
        if let Some(Client::Followed(stream)) = self.clients.get_mut(job) {
            stream.forget(lease);
            self.touch(job);
        }
    }
}
