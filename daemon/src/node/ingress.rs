//! Ingress: a message of a client is read, finds its job, and is accepted. From here on it is counted, and it will end.

use super::egress::Client;
use super::ledger::{FunctionKey, JobKey, MessageKey, Terms};
use super::message::{CacheKey, Header, Message};
use super::pylm::clients::PylmStream;
use super::router::Router;
use bytes::Bytes;
use pylm_protocol::codes::{NO_FUNCTION, TOO_LARGE, WRONG_SERVER};
use pylm_protocol::nearest;
use pylm_protocol::palm::{PalmFields, PalmMessage};
use pylm_protocol::strings::KEY;
use pylm_transport::{Frame, Frames, Socket};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// A cache key that is one, if any is given.
#[inline]
fn key(bytes: &[u8]) -> Option<Option<&str>> {
    if bytes.is_empty() {
        return Some(None);
    }
    let key = std::str::from_utf8(bytes).ok()?;
    KEY.check(key).is_ok().then_some(Some(key))
}

impl Router {
    /// Takes one message from a PULL of pylm clients.
    pub(crate) fn receive_message(&mut self, line: usize, frames: &mut Frames, now: Instant) {
        match frames.pop().filter(|_| frames.is_empty()) {
            Some(frame) => self.receive_frame(line, frame, now),
            None => self.garbage("pull", "a message of several frames"),
        }
    }

    /// Takes what was read from the PULL of a client's own line. Who has connected meanwhile is heard first.
    pub(super) fn receive_pulled(&mut self, line: usize, now: Instant) {
        self.hear_pushes(line, now);
        let mut pulled = std::mem::take(&mut self.pulled);
        pulled.drain(..).for_each(|frame| self.receive_frame(line, frame, now));
        self.pulled = pulled;
        // What is closed is to be looked at again.
        self.lines[line].monitor_ready |= self.lines[line].calls.is_undrained();
    }

    fn receive_frame(&mut self, line: usize, mut frame: Frame, now: Instant) {
        let call = match line {
            0 => 0,
            line => match self.lines[line].calls.of(&mut frame) {
                Some(call) => call,
                // Its client has left the call that it is of.
                None => return,
            },
        };
        let palm = match PalmFields::read(&frame) {
            Ok(palm) if !palm.client.is_empty() => palm,
            Ok(_) => return self.garbage("pull", "a message without a client"),
            Err(error) => return self.garbage("pull", &error.to_string()),
        };
        let (job, cache) = match (self.job_of_the_last(call, &palm), key(palm.cache)) {
            (Some(job), Some(cache)) => (job, cache),
            _ => match palm.check() {
                Ok(palm) => {
                    (self.job_of(line, call, &palm, now), Some(palm.cache).filter(|key| !key.is_empty()))
                }
                Err(error) => return self.garbage("pull", &error.to_string()),
            },
        };
        let Some(Client::Pylm(stream)) = self.clients.get_mut(job) else { return };
        stream.active = now;
        let number = stream.next;
        stream.next += 1;
        let header = Arc::clone(&stream.header);
        let cache = cache.map(CacheKey::from);
        let max = self.config.max_message;
        let refused = if palm.payload.len() as u64 > max {
            Some((TOO_LARGE, format!("the payload has more than {max} bytes; see --max-message")))
        } else {
            stream.function.as_ref().err().cloned()
        };
        let payload = copy_if_small(&palm, &frame).unwrap_or_else(|range| frame.into_bytes().slice(range));
        let message = Message { header, cache, payload };
        let line = &mut self.lines[line];
        line.open += 1;
        line.open_bytes += message.payload.len() as u64;
        self.accept(job, number, message, refused, None, now);
    }

    /// The job of the message that came last, where this one is of the same and calls the same.
    fn job_of_the_last(&self, call: u64, palm: &PalmFields<'_>) -> Option<JobKey> {
        let job = self.directory.last(palm.client, palm.pipeline)?;
        let Some(Client::Pylm(stream)) = self.clients.get(job) else { return None };
        let header = &stream.header;
        let same = header.function.as_bytes() == palm.function && header.stage == palm.stage;
        (stream.call == call && same).then_some(job)
    }

    /// The job of a message, with its header as this message has it.
    fn job_of(&mut self, line: usize, call: u64, palm: &PalmMessage<'_>, now: Instant) -> JobKey {
        let job = match self.directory.find(palm.client, palm.pipeline, call) {
            Some(job) => job,
            None => self.open_pylm((line, call), palm, now),
        };
        let Some(Client::Pylm(stream)) = self.clients.get(job) else { return job };
        let header = &stream.header;
        if header.function.as_str() != palm.function || header.stage != palm.stage {
            let header = Arc::new(Header {
                function: palm.function.into(),
                stage: palm.stage,
                ..Header::clone(header)
            });
            let function = self.function_of(&header).map(Box::from);
            if let Some(Client::Pylm(stream)) = self.clients.get_mut(job) {
                stream.header = header;
                stream.function = function;
            }
        }
        job
    }

    /// A pylm client has begun something new.
    fn open_pylm(&mut self, line: (usize, u64), palm: &PalmMessage<'_>, now: Instant) -> JobKey {
        let header = Arc::new(Header {
            pipeline: palm.pipeline.into(),
            client: palm.client.into(),
            function: palm.function.into(),
            stage: palm.stage,
            job: Uuid::new_v4(),
            ..Header::default()
        });
        let function = self.function_of(&header).map(Box::from);
        let job = self.ledger.open_job(Terms::default());
        self.jobs_by_identity.insert(header.job, job);
        let stream = PylmStream::new(palm.client, palm.pipeline, line, header, function, now);
        self.clients.insert(job, Client::Pylm(stream));
        self.directory.insert(palm.client, palm.pipeline, line.1, job);
        job
    }

    /// Accepts a message, which is to have ended by its `deadline`, and hands it to the next stage; or ends it at once, where it
    /// is `refused`.
    #[inline]
    pub(crate) fn accept(
        &mut self,
        job: JobKey,
        number: u64,
        message: Message,
        refused: Option<Refusal>,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Option<MessageKey> {
        let function = match (refused, &self.scatterer) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(_)) => Ok(None),
            (None, None) => self.function_key(job, &message.header, now).map(Some),
        };
        let bytes = message.payload.len() as u64;
        let key = match function {
            Ok(Some(function)) => {
                let original = self.gatherer.as_mut().map(|gatherer| gatherer.original(message.clone()));
                self.ledger.accept_whole(job, number, original, deadline, function, message)?
            }
            Ok(None) => {
                let original = self.original(message);
                self.ledger.accept(job, number, bytes, Some(original), deadline)?
            }
            Err(_) => {
                let original = self.gatherer.as_mut().map(|gatherer| gatherer.original(message));
                self.ledger.accept(job, number, bytes, original, deadline)?
            }
        };
        if let Some(deadline) = deadline
            && let Some(Client::Native(stream)) = self.clients.get_mut(job)
        {
            stream.deadlines.push_back((deadline, key));
        }
        match (function, &mut self.scatterer) {
            (Err((code, text)), _) => {
                self.fail(key, code, &text);
                let settled = self.ledger.scattered(key);
                self.settle(settled);
            }
            (Ok(_), Some(scatterer)) => scatterer.enqueue(job, key),
            (Ok(_), None) => {}
        }
        Some(key)
    }

    /// A message as hooks will want to see it.
    fn original(&mut self, message: Message) -> Arc<Message> {
        match &mut self.gatherer {
            Some(gatherer) => gatherer.original(message),
            None => Arc::new(message),
        }
    }

    /// The function that a message is for at its stage. Where the node runs functions itself, the server's name has to be its own,
    /// as with pylm's Server, Pipeline and Sink; `_` stands for whichever node it is.
    ///
    /// # Errors
    /// When it names none, or another server.
    pub(super) fn function_of<'a>(&self, header: &'a Header) -> Result<&'a str, Refusal> {
        let Some(call) = header.call() else {
            let field = header.function.as_str();
            return Err((NO_FUNCTION, format!("{field:?} names no function: it should be SERVER.FUNCTION")));
        };
        let name = &self.config.name;
        if self.config.inline && call.server != name && call.server != "_" {
            let called = call.server;
            let right = format!("{name}.{}", call.function);
            let remedy = match nearest(called, [name.as_str()]) {
                Some(_) => format!("did you mean {right:?}?"),
                None => format!("call {right:?}, or the node that is meant"),
            };
            let text =
                format!("it calls {called:?}, and this is {name:?}, which runs functions itself; {remedy}");
            return Err((WRONG_SERVER, text));
        }
        Ok(call.function)
    }

    /// Queues one part of a message for its function.
    #[inline]
    pub(crate) fn add_part(&mut self, job: JobKey, key: MessageKey, part: Message, now: Instant) {
        match self.function_key(job, &part.header, now) {
            Ok(function) => self.ledger.add_part(key, function, part),
            Err((code, text)) => self.fail(key, code, &text),
        }
    }

    /// The function of [`function_of`](Self::function_of), as the ledger knows it. Most messages are as their job's first one.
    #[inline]
    fn function_key(
        &mut self,
        job: JobKey,
        header: &Arc<Header>,
        now: Instant,
    ) -> Result<FunctionKey, Refusal> {
        let function = match self.clients.get(job) {
            Some(Client::Native(stream)) if Arc::ptr_eq(&stream.header, header) => &*stream.function,
            Some(Client::Pylm(PylmStream { header: known, function: Ok(function), .. }))
                if Arc::ptr_eq(known, header) =>
            {
                &**function
            }
            _ => self.function_of(header)?,
        };
        Ok(self.ledger.function(function, now))
    }

    /// A subscription came to, or went from, an XPUB of pylm clients.
    pub(crate) fn receive_subscription(&mut self, line: usize, frames: &mut Frames, now: Instant) {
        let Some((&[kind @ (0 | 1)], topic)) = frames.first().and_then(|frame| frame.split_first_chunk())
        else {
            return self.garbage("pub", "not a subscription");
        };
        let came = kind == 1;
        let own = &mut self.lines[line];
        // On a client's own line this is when it begins to listen, so that nothing was published to it before.
        let listen = if came { Socket::subscribe } else { Socket::unsubscribe };
        if line > 0
            && let Err(error) = listen(&own.publisher.socket, topic)
        {
            tracing::error!(%error, "a subscription cannot be taken");
        }
        own.subscription(topic, came);
        let listens = own.topics.contains_key(topic);
        // Other topics are none of its client's calls.
        let is_call = own.owner.as_ref().is_some_and(|(owner, _)| owner.as_bytes() == topic);
        if is_call {
            own.calls.subscription(came, listens, now);
        }
        let Ok(client) = std::str::from_utf8(topic) else { return };
        let jobs: Vec<_> = self.directory.of_client(client).collect();
        self.update_followers(line, client, now);
        for job in jobs {
            let Some(Client::Pylm(stream)) = self.clients.get_mut(job) else { continue };
            stream.active = now;
            if came {
                self.touch(job);
                continue;
            }
            // A client subscribes anew for each call: with its subscription, its call is over, and what is left of that must not
            // reach the next one.
            let counted = stream.call > 0 && stream.line == line;
            let is_over = if counted { self.lines[line].calls.is_over(stream.call) } else { !listens };
            if is_over {
                self.close(job);
            }
        }
    }

    /// Hears which PUSH sockets of a client have come and gone.
    pub(crate) fn read_pull_monitor(&mut self, place: usize, now: Instant) {
        self.hear_pushes(place, now);
        let line = &mut self.lines[place];
        if line.calls.is_undrained() {
            line.pull_ready |= line.pull.socket.events().is_ok_and(|events| events.readable);
            if !line.pull_ready {
                line.calls.drained(!line.topics.is_empty());
            }
        }
    }

    fn hear_pushes(&mut self, place: usize, now: Instant) {
        let line = &mut self.lines[place];
        let mut is_over = false;
        while let Some(event) = line.monitor.next_event() {
            self.pushed.hear(place, &event, now);
            if place > 0 {
                is_over |= line.calls.push(&event);
            }
        }
        if is_over {
            self.close_calls(place);
        }
    }

    /// Ends calls of which only the subscription is closed, after a while.
    pub(super) fn end_unmatched_calls(&mut self, now: Instant) {
        for place in 1..self.lines.len() {
            if self.lines[place].calls.end_unmatched(now) {
                self.close_calls(place);
            }
        }
    }

    /// Closes the jobs of calls that are over.
    fn close_calls(&mut self, place: usize) {
        let line = &self.lines[place];
        let Some((client, _)) = &line.owner else { return };
        let is_over = |job: &JobKey| match self.clients.get(*job) {
            Some(Client::Pylm(stream)) => {
                stream.line == place && stream.call > 0 && line.calls.is_over(stream.call)
            }
            _ => false,
        };
        let over: Vec<_> = self.directory.of_client(client).filter(is_over).collect();
        over.into_iter().for_each(|job| self.close(job));
    }
}

/// Why a message cannot be run: one of the protocol's codes, and a text for people.
pub type Refusal = (&'static str, String);

/// A copy of a small payload, which is not to keep the frame that it came in; where a large one lies in that frame.
#[inline]
pub fn copy_if_small(palm: &PalmFields<'_>, frame: &Frame) -> Result<Bytes, Range<usize>> {
    const SMALL: usize = 4 << 10;
    if palm.payload.len() < SMALL {
        Ok(Bytes::copy_from_slice(palm.payload))
    } else {
        Err(palm.payload_range(frame))
    }
}

/// The data of a message whose payload a pylm peer is to read as an error.
pub const PYLM_ERROR: Bytes = Bytes::from_static(b"0");
