//! One client over all of its connections: greeting, heartbeats, and whose record is whose.

use super::calls::{CacheAnswer, CacheCall, Calls};
use super::job::Job;
use super::jobs::Jobs;
use super::window::Window;
use crate::Error;
use bytes::Bytes;
use pylm_protocol::link::{self, Pulse};
use pylm_protocol::palm::PalmMessage;
use pylm_protocol::{
    BatchReader, BatchWriter, DEFAULT_MAX_MESSAGE, DISCOVERY_KEY, MAJOR, MINOR, Record, Role, codes,
};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How often a question for the protocol's version is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The call that follows Goodbye; those of the application count from 0.
const LAST_CALL: u64 = u64::MAX;

/// So many sessions in a row may be reset as a violation before what is said again and again is taken to be the reason.
const MOST_VIOLATIONS: u32 = 2;

/// Who the client is.
#[derive(Debug, Clone)]
pub(crate) struct Introduction {
    pub(crate) peer: Uuid,
    pub(crate) name: String,
    pub(crate) software: String,
    /// The largest payload that the client takes, in bytes.
    pub(crate) max_message: u64,
    /// The node's address, for errors.
    pub(crate) address: String,
}

/// Where the present connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Down,
    /// Hello is due.
    Fresh,
    /// Hello was sent.
    Greeting,
    Up,
    /// The node takes no more messages.
    Draining,
    /// Goodbye was sent.
    Leaving,
}

/// What a session wants to send as one ZeroMQ message.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// A PalmMessage for the cache service, behind an empty frame.
    Question(Vec<u8>),
    /// A batch and its attachments.
    Batch(Vec<u8>, Vec<Bytes>),
}

/// Why a connection is of no more use.
#[derive(Debug)]
pub(crate) enum Break {
    /// To be followed by another; the cause in words.
    Lost(String),
    /// For good.
    Final(Error),
}

/// A client's side of the protocol; `W` is whoever waits for the answer to a cache call.
#[derive(Debug)]
pub(crate) struct Session<W> {
    introduction: Introduction,
    /// How many connections there were, with this one once it is made.
    connections: u64,
    link: Link,
    /// The connection is there; until then, the first words wait for it.
    made: bool,
    /// When the node was heard, and when something has to be said to it.
    pulse: Pulse,
    /// The kernel tells what comes over the connection.
    kernel_tells: bool,
    /// Whether this address has proved to be a native node.
    proven: bool,
    /// When the node is asked, or asked again, whether it is a native one, as it has not answered that yet.
    ask_at: Option<Instant>,
    node_max_message: u64,
    jobs: Jobs,
    /// Jobs to which something has come.
    touched: Vec<u32>,
    calls: Calls<W>,
    answers: Vec<(W, CacheAnswer)>,
    /// How many sessions in a row were reset as a violation, before anything came of them.
    violations: u32,
    writer: BatchWriter,
    /// A large message that waits for its announcement.
    announced: Option<Outgoing>,
}

impl<W> Session<W> {
    pub(crate) fn new(introduction: Introduction, now: Instant) -> Self {
        Session {
            introduction,
            connections: 0,
            link: Link::Down,
            made: false,
            pulse: Pulse::new(now),
            kernel_tells: false,
            proven: false,
            ask_at: None,
            node_max_message: DEFAULT_MAX_MESSAGE,
            jobs: Jobs::default(),
            touched: Vec::new(),
            calls: Calls::default(),
            answers: Vec::new(),
            violations: 0,
            writer: BatchWriter::new(),
            announced: None,
        }
    }

    // What the application does.

    pub(crate) fn add_job(&mut self, number: u32, job: Job) {
        self.jobs.insert(number, job);
    }

    /// A job to which the application does something that the node may have to hear of.
    pub(crate) fn job(&mut self, number: u32) -> Option<&mut Job> {
        self.jobs.change(number)
    }

    /// A job from which the application takes what has come.
    pub(crate) fn job_to_read(&mut self, number: u32) -> Option<&mut Job> {
        self.jobs.get(number)
    }

    pub(crate) fn remove_job(&mut self, number: u32) {
        self.jobs.remove(number);
    }

    pub(crate) fn call(&mut self, call: CacheCall, waiting: W) {
        self.calls.push(call, waiting);
    }

    /// The last words, which cancel every job, and a question by whose answer it is known that the node has read them. Nothing
    /// may be sent after them.
    pub(crate) fn goodbye(&mut self) -> Option<Outgoing> {
        matches!(self.link, Link::Greeting | Link::Up | Link::Draining).then(|| {
            self.link = Link::Leaving;
            self.writer.push(&Record::Goodbye {});
            self.writer.push(&Record::Get { call: LAST_CALL, key: DISCOVERY_KEY });
            self.take_batch()
        })
    }

    /// Whether the node has the last words, or will never have them.
    pub(crate) fn has_left(&self) -> bool {
        self.link == Link::Down
    }

    // What the connection does.

    /// A connection is being made. What is said now is sent as soon as it is.
    pub(crate) fn connecting(&mut self, now: Instant) {
        self.link = Link::Fresh;
        self.made = false;
        self.ask_at = (!self.proven).then_some(now);
        self.pulse = Pulse::new(now);
    }

    /// The connection is made; the kernel tells of the bytes that come over it, or not.
    pub(crate) fn connected(&mut self, kernel_tells: bool, now: Instant) {
        self.connections += 1;
        self.made = true;
        self.kernel_tells = kernel_tells;
        self.pulse.say(now);
        self.pulse.hear(now);
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        if self.link != Link::Down {
            self.link = Link::Down;
            self.ask_at = None;
            self.announced = None;
            self.jobs.disconnected();
            self.calls.disconnected();
        }
    }

    /// Whether the node has greeted.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up | Link::Draining)
    }

    /// The largest payload that the node takes, in bytes.
    pub(crate) fn node_max_message(&self) -> u64 {
        self.node_max_message
    }

    /// When [`transmit`](Self::transmit) or [`check`](Self::check) will have something to do if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.link {
            Link::Down => None,
            // At once.
            Link::Fresh => Some(self.pulse.said()),
            _ if !self.made => None,
            Link::Greeting | Link::Up | Link::Draining | Link::Leaving => {
                [Some(self.pulse.due_at()), self.pulse.lost_at(), self.ask_at].into_iter().flatten().min()
            }
        }
    }

    /// Looks whether the node has been silent for too long. To be asked when everything that came was received; `idle` tells for how
    /// long the kernel has received nothing.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        idle: impl FnOnce() -> Option<Duration>,
    ) -> Result<(), Break> {
        match self.link {
            Link::Down => Ok(()),
            _ if !self.made || self.pulse.silence(now, idle).is_none() => Ok(()),
            _ if self.ask_at.is_some() => {
                Err(Break::Lost("it accepts connections, but does not answer".into()))
            }
            _ => Err(Break::Lost("nothing was heard from the node for too long".into())),
        }
    }

    /// What is to be sent next; nothing when all is said.
    pub(crate) fn transmit(&mut self, now: Instant) -> Option<Outgoing> {
        if let Some(announced) = self.announced.take() {
            return Some(announced);
        }
        if self.link == Link::Down || (!self.made && self.link != Link::Fresh) {
            return None;
        }
        if self.ask_at.is_some_and(|ask_at| ask_at <= now) {
            self.ask_at = Some(now + ASK_AGAIN);
            return Some(Outgoing::Question(self.question()));
        }
        // Right behind the question, as nearly everybody who is asked is a native node. Others do not take it for a request.
        if self.link == Link::Fresh {
            self.hello();
            if !self.made {
                return Some(self.take_batch());
            }
        }
        self.calls.transmit(&mut self.writer);
        let draining = self.link == Link::Draining;
        self.jobs.transmit(draining, self.node_max_message, &mut self.writer, &mut self.touched);
        if self.writer.is_empty() {
            if !self.pulse.is_due(now) {
                return None;
            }
            self.rest();
        } else {
            self.wake(now);
        }
        self.pulse.say(now);
        let announcement = self.pulse.announce(self.writer.bytes());
        let batch = self.take_batch();
        let Some(announcement) = announcement else { return Some(batch) };
        self.announced = Some(batch);
        self.writer.push(&announcement);
        Some(self.take_batch())
    }

    /// Says a heartbeat. Without jobs and calls there is little to lose: then it is the last one for a while.
    fn rest(&mut self) {
        let rests = self.link == Link::Up && self.jobs.is_empty() && self.calls.is_empty();
        let heartbeat = self.pulse.heartbeat(rests);
        self.writer.push(&heartbeat);
    }

    /// There is something to say: a node that was allowed to be silent for long is so no more.
    fn wake(&mut self, now: Instant) {
        if self.pulse.wake() {
            self.pulse.expect(now);
        }
    }

    fn question(&self) -> Vec<u8> {
        PalmMessage {
            client: &self.introduction.name,
            function: "_.get",
            payload: DISCOVERY_KEY.as_bytes(),
            ..PalmMessage::default()
        }
        .encode()
    }

    fn hello(&mut self) {
        self.link = Link::Greeting;
        self.writer.push(&Record::Hello {
            minor: MINOR,
            role: Role::Client,
            peer: self.introduction.peer,
            name: &self.introduction.name,
            software: &self.introduction.software,
            max_message: self.introduction.max_message,
            functions: Vec::new(),
            limit: 0,
            limit_bytes: 0,
            connection: self.connections - u64::from(self.made),
        });
    }

    fn take_batch(&mut self) -> Outgoing {
        let (frame, attachments) = self.writer.take();
        Outgoing::Batch(frame, attachments)
    }

    /// Takes one ZeroMQ message.
    ///
    /// # Errors
    /// When the connection is of no more use.
    pub(crate) fn receive(&mut self, frames: &[Bytes], now: Instant) -> Result<(), Break> {
        let Some((frame, attachments)) = frames.split_first() else { return Ok(()) };
        self.pulse.hear(now);
        if frame.is_empty() {
            return match (self.ask_at, attachments) {
                (Some(_), [value]) => self.discovered(value),
                // The answer to a question that was asked again.
                _ => Ok(()),
            };
        }
        let mut reader = BatchReader::new(frame, attachments).map_err(violation)?;
        loop {
            // First and apart, the record of which every message has one.
            while let Some((job, number, payload)) = reader.next_reply() {
                self.violations = 0;
                self.output(job, |job| job.reply(number, frame.slice(payload)));
            }
            let Some(record) = reader.next_record().map_err(violation)? else { return Ok(()) };
            self.take(record, now)?;
        }
    }

    fn discovered(&mut self, value: &[u8]) -> Result<(), Break> {
        if value.is_empty() {
            return Err(Break::Final(Error::NotNative { address: self.introduction.address.clone() }));
        }
        let theirs = String::from_utf8_lossy(value).into_owned();
        match theirs.split_once('.').map(|(major, _)| major.parse::<u8>()) {
            Some(Ok(MAJOR)) => {
                self.ask_at = None;
                Ok(())
            }
            Some(Ok(_)) => Err(Break::Final(Error::Version { theirs })),
            _ => Err(Break::Final(Error::NotNative { address: self.introduction.address.clone() })),
        }
    }

    fn take(&mut self, record: Record<'_>, now: Instant) -> Result<(), Break> {
        match record {
            Record::Reply { job, number, payload } => {
                self.violations = 0;
                self.output(job, |job| job.reply(number, payload.0));
            }
            Record::Result { job, number, flags, place, payload } => {
                self.output(job, |job| job.result(number, flags, place, payload.0));
            }
            Record::Done { job, number, results } => {
                self.violations = 0;
                self.output(job, |job| job.done(number, results));
            }
            Record::Failed { job, number, code, text, .. } => {
                self.violations = 0;
                self.output(job, |job| job.failed(number, code, text));
            }
            Record::Opened { job, state, epoch, next, window, window_bytes } => {
                let window = Window { messages: window, bytes: window_bytes };
                self.output(job, |job| job.opened(state, epoch, next, window));
            }
            Record::Owed { job, numbers, flags } => self.output(job, |job| job.owed(numbers, flags)),
            Record::Window { job, window, window_bytes } => {
                let window = Window { messages: window, bytes: window_bytes };
                self.output(job, |job| job.set_window(window));
            }
            Record::Cancelled { job } => self.output(job, Job::node_cancelled),
            // The client keeps every message until its end, and so needs not know that the node has it.
            Record::Accepted { .. } => {}
            Record::Answer { call: LAST_CALL, .. } if self.link == Link::Leaving => self.link = Link::Down,
            Record::Answer { call, status, payload } => {
                self.violations = 0;
                self.answers.extend(self.calls.answer(call, status, payload.0));
            }
            Record::Heartbeat { patience } => {
                self.pulse.be_patient(patience, now);
            }
            Record::Ping { time } => self.writer.push(&Record::Pong { time }),
            Record::Pong { .. } => {}
            Record::Welcome { minor, heartbeat, silence, max_message, .. } => {
                self.welcome(minor, (heartbeat, silence), max_message);
            }
            Record::Goodbye {} if self.link == Link::Up => self.link = Link::Draining,
            Record::Goodbye {} => {}
            Record::Reset { code: codes::RESET_REFUSED, text } => {
                return Err(Break::Final(Error::NotAdmitted(text.to_owned())));
            }
            Record::Reset { code, text } if codes::is_final(code) => {
                return Err(Break::Final(Error::Refused { code: code.into(), text: text.into() }));
            }
            // The same would be said again, and be refused again.
            Record::Reset { code, text } if self.is_hopeless(code) => {
                return Err(Break::Final(Error::Refused { code: code.into(), text: text.into() }));
            }
            Record::Reset { code, text } => {
                return Err(Break::Lost(format!("the node reset the session: {code}: {text}")));
            }
            other => {
                return Err(Break::Lost(format!(
                    "the node sent {}, which is a client's or host's",
                    other.name()
                )));
            }
        }
        Ok(())
    }

    /// Whether the node has ended several sessions in a row because of what was said in them, and given nothing in between.
    fn is_hopeless(&mut self, code: &str) -> bool {
        if code == codes::RESET_VIOLATION {
            self.violations += 1;
        }
        self.violations > MOST_VIOLATIONS
    }

    fn welcome(&mut self, minor: u64, (heartbeat, silence): (u64, u64), max_message: u64) {
        if self.link == Link::Greeting {
            self.link = Link::Up;
        }
        self.proven = true;
        self.ask_at = None;
        self.pulse.set_rhythm(heartbeat, silence);
        self.pulse.speak(minor, self.kernel_tells);
        self.node_max_message = link::max_message(max_message);
    }

    /// Hands something to its job; what is for a job that is over crossed that on its way.
    #[inline]
    fn output(&mut self, number: u32, take: impl FnOnce(&mut Job)) {
        if let Some(job) = self.jobs.change(number) {
            take(job);
            if self.touched.last() != Some(&number) {
                self.touched.push(number);
            }
        }
    }

    /// The jobs to which something has come since the last call, perhaps more than once.
    pub(crate) fn take_touched(&mut self, into: &mut Vec<u32>) {
        into.append(&mut self.touched);
    }

    /// The answers to cache calls that have come.
    pub(crate) fn take_answers(&mut self) -> impl Iterator<Item = (W, CacheAnswer)> {
        self.answers.drain(..)
    }
}

fn violation(error: pylm_protocol::DecodeError) -> Break {
    Break::Lost(format!("the node broke the protocol: {error}"))
}
