//! One job, over all connections of its client: what is to be sent, what has come, and what that means.

use super::backlog::{Backlog, Message};
use super::window::{Load, Window};
use crate::Error;
use bytes::Bytes;
use pylm_protocol::record::{ATTACH, HELD_UNTIL_END, INCOMPLETE};
use pylm_protocol::{BatchWriter, JobState, Place, Record, codes};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What stays the same over all connections of a job.
#[derive(Debug, Clone)]
pub(crate) struct JobTerms {
    pub(crate) identity: Uuid,
    /// The job is another client's, which has gone: of this one, only what is still to come is taken.
    pub(crate) attach: bool,
    pub(crate) pipeline: String,
    /// `server.function`, or several separated by spaces.
    pub(crate) function: String,
    /// Milliseconds that each message may take; 0: no limit.
    pub(crate) timeout: u64,
    /// When all of them are to have ended.
    pub(crate) deadline: Option<Instant>,
    pub(crate) priority: u64,
    pub(crate) retries: u64,
    /// How much the client takes beyond what it has acknowledged.
    pub(crate) outputs: Window,
}

impl JobTerms {
    /// Milliseconds to the deadline; 0 where there is none.
    fn milliseconds_left(&self) -> u64 {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.deadline.map_or(0, |deadline| milliseconds(left(deadline)))
    }
}

/// A duration as records give it, where 0 is none.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().max(1).try_into().unwrap_or(u64::MAX)
}

/// What a job has to tell its application.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Result {
        number: u64,
        place: Place,
        payload: Bytes,
    },
    /// The only result, and the end.
    Reply {
        number: u64,
        payload: Bytes,
    },
    Done {
        number: u64,
        results: u64,
    },
    Failed {
        number: u64,
        code: Box<str>,
        text: Box<str>,
        message: Message,
    },
}

impl Delivery {
    fn number_mut(&mut self) -> &mut u64 {
        match self {
            Delivery::Result { number, .. }
            | Delivery::Reply { number, .. }
            | Delivery::Done { number, .. }
            | Delivery::Failed { number, .. } => number,
        }
    }
}

/// Where a job stands with the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The present connection, if any, knows nothing of the job.
    Unopened,
    /// Open was sent; `early` for the first time, so that messages may follow at once.
    Opening {
        early: bool,
    },
    Open,
    /// Nothing is to come any more; Close is due where the node knows the job.
    Over {
        close: bool,
    },
}

/// The outputs of one epoch, in the node's count.
#[derive(Debug, Default)]
struct Outputs {
    epoch: Uuid,
    /// Those that have come.
    came: u64,
    /// Those that the present connection has brought or left out, at most `came` while it repeats what has come.
    position: u64,
    /// Those that the application has taken.
    taken: u64,
    /// Those that the node was told of.
    acknowledged: u64,
}

/// A job.
#[derive(Debug)]
pub(crate) struct Job {
    number: u32,
    terms: JobTerms,
    phase: Phase,
    outputs: Outputs,
    window: Window,
    backlog: Backlog,
    /// The next message to be submitted over the present connection.
    cursor: u64,
    /// What was submitted and has not ended.
    under_way: Load,
    /// Whether the node may have had the job's Open.
    was_opened: bool,
    /// The application has given all of its messages.
    finished: bool,
    finish_sent: bool,
    cancelled: bool,
    cancel_sent: bool,
    /// Of a job that was attached to: the numbers of the messages that had not ended, in ascending order. Here, they are
    /// counted from 0.
    numbers: Option<Box<[u64]>>,
    /// Why it cannot be attached to.
    refused: Option<JobState>,
    /// Of a job that was attached to: the node may have lost messages of it that it cannot name.
    incomplete: bool,
    deliveries: Vec<Delivery>,
    /// Bytes of payload in `deliveries`.
    delivered_bytes: usize,
    /// What has ended since [`take_freed`](Self::take_freed).
    freed: Load,
}

impl Job {
    pub(crate) fn new(number: u32, terms: JobTerms) -> Self {
        Job {
            number,
            terms,
            phase: Phase::Unopened,
            outputs: Outputs::default(),
            window: Window::EARLY,
            backlog: Backlog::default(),
            cursor: 0,
            under_way: Load::default(),
            was_opened: false,
            finished: false,
            finish_sent: false,
            cancelled: false,
            cancel_sent: false,
            numbers: None,
            refused: None,
            incomplete: false,
            deliveries: Vec::new(),
            delivered_bytes: 0,
            freed: Load::default(),
        }
    }

    // What the application does.

    /// Takes messages to submit, with the numbers that follow.
    pub(crate) fn submit(&mut self, messages: impl Iterator<Item = Message>) {
        if self.is_over() {
            // The job ended while they were on their way here.
            for message in messages {
                self.backlog.push(message);
            }
            self.end_all();
        } else {
            messages.for_each(|message| self.backlog.push(message));
        }
    }

    /// No further messages follow.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
        self.settle();
    }

    /// All that has not ended is to end.
    pub(crate) fn cancel(&mut self) {
        if !self.is_over() {
            self.cancelled = true;
            if !self.was_opened {
                self.end_all();
                self.phase = Phase::Over { close: false };
            }
        }
    }

    /// The application has taken that many outputs of an epoch.
    pub(crate) fn taken(&mut self, epoch: Uuid, outputs: u64) {
        if epoch == self.outputs.epoch {
            self.outputs.taken = self.outputs.taken.max(outputs.min(self.outputs.came));
        }
    }

    // What the connection does.

    pub(crate) fn disconnected(&mut self) {
        match self.phase {
            Phase::Over { .. } => self.phase = Phase::Over { close: false },
            _ => self.phase = Phase::Unopened,
        }
        self.finish_sent = false;
        self.cancel_sent = false;
        self.under_way = Load::default();
        self.cursor = self.backlog.first();
    }

    /// Whether [`transmit`](Self::transmit) has something to write.
    pub(crate) fn has_to_send(&mut self, draining: bool) -> bool {
        match self.phase {
            Phase::Unopened => !draining,
            Phase::Over { close } => close,
            Phase::Opening { .. } | Phase::Open if self.cancelled => !self.cancel_sent,
            Phase::Opening { early } => early && !draining && self.next_to_submit().is_some(),
            Phase::Open => {
                self.outputs.taken > self.outputs.acknowledged
                    || (!draining && (self.next_to_submit().is_some() || self.finish_is_due()))
            }
        }
    }

    /// Writes as much as belongs into the present batch. A node that is draining takes no messages.
    pub(crate) fn transmit(&mut self, draining: bool, max_message: u64, writer: &mut BatchWriter) {
        if self.phase == Phase::Unopened && !draining {
            self.open(writer);
        }
        match self.phase {
            Phase::Opening { .. } | Phase::Open if self.cancelled => {
                if !std::mem::replace(&mut self.cancel_sent, true) {
                    writer.push(&Record::Cancel { job: self.number });
                }
            }
            Phase::Opening { early } => {
                if early && !draining {
                    self.transmit_messages(max_message, writer);
                }
            }
            Phase::Open => {
                if self.outputs.taken > self.outputs.acknowledged {
                    self.outputs.acknowledged = self.outputs.taken;
                    writer.push(&Record::Received { job: self.number, outputs: self.outputs.taken });
                }
                if !draining {
                    self.transmit_messages(max_message, writer);
                }
            }
            Phase::Unopened | Phase::Over { .. } => {}
        }
        if self.phase == (Phase::Over { close: true }) {
            writer.push(&Record::Close { job: self.number });
            self.phase = Phase::Over { close: false };
        }
    }

    fn open(&mut self, writer: &mut BatchWriter) {
        // Outputs that came and were not taken are left out when they are repeated; so the node counts them as waiting.
        self.outputs.acknowledged = self.outputs.taken;
        self.outputs.position = self.outputs.taken;
        writer.push(&Record::Open {
            job: self.number,
            identity: self.terms.identity,
            flags: if self.terms.attach { ATTACH } else { 0 },
            pipeline: &self.terms.pipeline,
            function: &self.terms.function,
            window: self.terms.outputs.messages,
            window_bytes: self.terms.outputs.bytes,
            epoch: self.outputs.epoch,
            received: self.outputs.acknowledged,
            timeout: self.terms.timeout,
            priority: self.terms.priority,
            retries: self.terms.retries,
            deadline: self.terms.milliseconds_left(),
        });
        self.window = Window::EARLY;
        // A job that is opened again hears first from where on it has to submit.
        self.phase = Phase::Opening { early: !self.was_opened && !self.terms.attach };
        self.was_opened = true;
    }

    fn transmit_messages(&mut self, max_message: u64, writer: &mut BatchWriter) {
        while let Some(number) = self.next_to_submit() {
            if writer.is_full() {
                return;
            }
            let Some(message) = self.backlog.get(number) else { continue };
            let size = message.payload.len();
            if size as u64 > max_message {
                let text = format!("the payload has {size} bytes, the node takes {max_message}");
                self.fail(number, codes::TOO_LARGE, &text);
                self.settle();
                continue;
            }
            writer.submit(
                self.number,
                number,
                message.cache.as_deref().unwrap_or_default(),
                &message.payload,
            );
            self.cursor = number + 1;
            self.under_way.add(size);
        }
        if self.finish_is_due() {
            self.finish_sent = true;
            writer.push(&Record::Finish { job: self.number, count: self.backlog.next() });
        }
    }

    /// The next message, where the window lets it through.
    #[inline]
    fn next_to_submit(&mut self) -> Option<u64> {
        self.cursor = self.backlog.not_ended_from(self.cursor);
        let bytes = self.backlog.get(self.cursor)?.payload.len() as u64;
        self.window.admits(self.under_way, bytes).then_some(self.cursor)
    }

    fn finish_is_due(&self) -> bool {
        self.finished
            && !self.terms.attach
            && !self.finish_sent
            && !self.is_over()
            && self.backlog.not_ended_from(self.cursor) == self.backlog.next()
    }

    // What the node says.

    pub(crate) fn opened(&mut self, state: JobState, epoch: Uuid, next: u64, window: Window) {
        let Phase::Opening { early } = self.phase else { return };
        self.phase = Phase::Open;
        self.window = window;
        if epoch != self.outputs.epoch {
            self.outputs = Outputs { epoch, ..Outputs::default() };
            self.backlog.drop_held();
        }
        match state {
            // What was submitted right behind a first Open is under way, whatever the node had at that time.
            JobState::New | JobState::Known if early => {}
            JobState::New => {}
            JobState::Known if self.terms.attach => self.cursor = self.backlog.next(),
            JobState::Known => {
                self.cursor = next.clamp(self.backlog.first(), self.backlog.next());
                self.under_way = self.backlog.load_before(self.cursor);
            }
            JobState::Cancelled => self.node_cancelled(),
            JobState::Unknown | JobState::InUse => {
                self.refused = Some(state);
                self.end_all();
                self.phase = Phase::Over { close: false };
            }
        }
        self.settle();
    }

    /// What is still to come of a job that was attached to.
    pub(crate) fn owed(&mut self, numbers: Vec<u64>, flags: u64) {
        if self.numbers.is_some() || !self.terms.attach {
            return;
        }
        self.incomplete = flags & INCOMPLETE != 0;
        for _ in &numbers {
            self.backlog.push(Message { payload: Bytes::new(), cache: None });
        }
        self.numbers = Some(numbers.into());
        self.cursor = self.backlog.next();
        self.under_way = self.backlog.load_before(self.cursor);
        self.finished = true;
        self.settle();
    }

    /// The number under which a message is known here.
    #[inline]
    fn own(&self, number: u64) -> Option<u64> {
        match &self.numbers {
            None => Some(number),
            Some(numbers) => numbers.binary_search(&number).ok().map(|place| place as u64),
        }
    }

    pub(crate) fn set_window(&mut self, window: Window) {
        if self.phase == Phase::Open {
            self.window = window;
        }
    }

    /// Counts an output, and tells whether it is to be looked at: not when it was repeated after a lost connection.
    #[inline]
    fn count(&mut self) -> bool {
        if self.phase != Phase::Open {
            return false;
        }
        self.outputs.position += 1;
        let fresh = self.outputs.position > self.outputs.came;
        if fresh {
            self.outputs.came = self.outputs.position;
        }
        fresh
    }

    pub(crate) fn result(&mut self, number: u64, flags: u64, place: Place, payload: Bytes) {
        if !self.count() {
            return;
        }
        let Some(number) = self.own(number) else { return };
        let Some(had) = self.backlog.had(number) else { return };
        if flags & HELD_UNTIL_END != 0 {
            had.hold(place, payload);
        } else if had.delivered.insert(&place) {
            self.deliver_result(number, place, payload);
        }
    }

    #[inline]
    pub(crate) fn reply(&mut self, number: u64, payload: Bytes) {
        if !self.count() {
            return;
        }
        let Some(number) = self.own(number) else { return };
        let had = self.backlog.had_whole(number);
        if self.end(number).is_some() {
            if had {
                self.deliveries.push(Delivery::Done { number, results: 1 });
            } else {
                self.delivered_bytes += payload.len();
                self.deliveries.push(Delivery::Reply { number, payload });
            }
            self.settle();
        }
    }

    pub(crate) fn done(&mut self, number: u64, results: u64) {
        if self.count()
            && let Some(number) = self.own(number)
            && self.end(number).is_some()
        {
            self.deliveries.push(Delivery::Done { number, results });
            self.settle();
        }
    }

    pub(crate) fn failed(&mut self, number: u64, code: &str, text: &str) {
        if self.count()
            && let Some(number) = self.own(number)
        {
            self.fail(number, code, text);
            self.settle();
        }
    }

    /// The job was cancelled.
    pub(crate) fn node_cancelled(&mut self) {
        if !self.is_over() {
            self.cancelled = true;
            self.end_all();
            self.phase = Phase::Over { close: true };
        }
    }

    // What follows from it.

    fn fail(&mut self, number: u64, code: &str, text: &str) {
        if let Some(message) = self.end(number) {
            self.delivered_bytes += message.payload.len();
            self.deliveries.push(Delivery::Failed { number, code: code.into(), text: text.into(), message });
        }
    }

    fn end_all(&mut self) {
        self.backlog.drop_held();
        while !self.backlog.is_empty() {
            self.fail(self.backlog.first(), codes::CANCELLED, "the job was cancelled");
        }
    }

    fn deliver_result(&mut self, number: u64, place: Place, payload: Bytes) {
        self.delivered_bytes += payload.len();
        self.deliveries.push(Delivery::Result { number, place, payload });
    }

    /// Ends a message: delivers the results that were held for that, and makes room for another.
    #[inline]
    fn end(&mut self, number: u64) -> Option<Message> {
        let ended = self.backlog.end(number)?;
        for (place, payload) in ended.held {
            self.deliver_result(number, place, payload);
        }
        let size = ended.message.payload.len();
        if number < self.cursor {
            self.under_way.remove(size);
        }
        // What was attached to, the application has not submitted here.
        if !self.terms.attach {
            self.freed.add(size);
        }
        Some(ended.message)
    }

    /// Ends the job where nothing can come any more.
    #[inline]
    fn settle(&mut self) {
        if self.finished && self.backlog.is_empty() && !self.is_over() {
            self.phase = Phase::Over { close: self.phase != Phase::Unopened };
        }
    }

    // What others want to know.

    /// Whether all is over: no output follows, and messages that are still submitted end as cancelled.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// How it has ended, for who reads its results.
    pub(crate) fn outcome(&self) -> Result<(), Error> {
        match self.refused {
            Some(JobState::InUse) => Err(Error::JobInUse),
            Some(_) => Err(Error::NoSuchJob),
            None if self.incomplete => Err(Error::JobIncomplete),
            None => Ok(()),
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Whether everything is over and said to the node.
    pub(crate) fn is_closed(&self) -> bool {
        self.phase == Phase::Over { close: false }
    }

    /// Whether the node knows of it, over the present connection.
    pub(crate) fn is_known(&self) -> bool {
        !matches!(self.phase, Phase::Unopened | Phase::Over { close: false })
    }

    /// The present epoch, and how many of its outputs have come.
    pub(crate) fn came(&self) -> (Uuid, u64) {
        (self.outputs.epoch, self.outputs.came)
    }

    /// Whether the application has something to take, or has taken something that the node does not know of.
    pub(crate) fn is_behind(&self) -> bool {
        self.phase == Phase::Open && self.outputs.came > self.outputs.acknowledged
    }

    /// The oldest message that has not ended.
    pub(crate) fn oldest(&self) -> u64 {
        self.backlog.first()
    }

    /// What is to be delivered, and the bytes of payload in it.
    pub(crate) fn take_deliveries(&mut self) -> (Vec<Delivery>, usize) {
        if let Some(numbers) = &self.numbers {
            self.deliveries.iter_mut().for_each(|delivery| {
                let number = delivery.number_mut();
                *number = numbers.get(*number as usize).copied().unwrap_or_default();
            });
        }
        // The next turn will bring about as many.
        let next = Vec::with_capacity(self.deliveries.len());
        (std::mem::replace(&mut self.deliveries, next), std::mem::take(&mut self.delivered_bytes))
    }

    /// The messages that have ended since the last call.
    pub(crate) fn take_freed(&mut self) -> Load {
        std::mem::take(&mut self.freed)
    }
}
