//! What a job owes its client: outputs that were not sent, or not acknowledged.

use super::allowance::Allowance;
use super::sessions::SessionKey;
use crate::node::ingress::Refusal;
use crate::node::keeper::WaitingSubmit;
use crate::node::ledger::{MessageKey, PRIORITY, Terms};
use crate::node::message::Header;
use bytes::Bytes;
use pylm_access::Grant;
use pylm_protocol::codes::LOST;
use pylm_protocol::record::HELD_UNTIL_END;
use pylm_protocol::{BatchWriter, MOST_OUTPUTS, Payload, Place, Record};
use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// One output of a job.
#[derive(Debug)]
pub enum Output {
    /// A result, among several or with its end still to come.
    Result {
        /// The message's number.
        number: u64,
        /// Its place among the message's results.
        place: Place,
        /// It counts only together with the end.
        held: bool,
        /// The data.
        payload: Bytes,
    },
    /// The only result, and the end.
    Reply {
        /// The message's number.
        number: u64,
        /// The data.
        payload: Bytes,
    },
    /// The end.
    Done {
        /// The message's number.
        number: u64,
        /// How many results it had.
        results: u64,
    },
    /// The end of a message that failed.
    Failed(Box<Failure>),
}

/// Why a message failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The message's number.
    pub number: u64,
    /// How many results went before.
    pub results: u64,
    /// No retry can help, for an earlier node that would know.
    pub permanent: bool,
    /// One of the protocol's codes.
    pub code: String,
    /// What happened, for people.
    pub text: String,
}

impl Output {
    /// The number of its message.
    pub fn number(&self) -> u64 {
        match self {
            Output::Result { number, .. } | Output::Reply { number, .. } | Output::Done { number, .. } => {
                *number
            }
            Output::Failed(failure) => failure.number,
        }
    }

    /// What it costs in the client's window of bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Output::Result { payload, .. } | Output::Reply { payload, .. } => payload.len() as u64,
            Output::Done { .. } | Output::Failed(_) => 0,
        }
    }
}

impl Output {
    /// Becomes one record with the output that follows, where that is the end of the message whose only result it is.
    pub fn merge(&mut self, next: &Output) -> bool {
        if let Output::Done { number, results: 1 } = next
            && let Output::Result { number: of, place, payload, .. } = self
            && of == number
            && place.0.is_empty()
        {
            *self = Output::Reply { number: *number, payload: std::mem::take(payload) };
            return true;
        }
        false
    }
}

/// The outputs of a native client's job, from when they are made until the client has acknowledged them.
#[derive(Debug)]
pub struct Stream {
    /// The job's identity.
    pub identity: Uuid,
    /// The client's own number for it.
    pub number: u32,
    /// The session of its client; none while that is away.
    pub session: Option<SessionKey>,
    /// Since when the client is away.
    pub lost: Option<Instant>,
    /// What the client that is away called itself; empty where nobody knows.
    pub lost_name: Box<str>,
    /// What its messages share.
    pub header: Arc<Header>,
    /// The function's name at the first stage; empty where the job names none.
    pub function: Box<str>,
    /// The grant under which it was opened; none where it is the own user's, or not known any more.
    pub owner: Option<Arc<Grant>>,
    /// Why none of its messages can be run.
    pub refused: Option<Refusal>,
    /// Names the order in which outputs are counted.
    pub epoch: Uuid,
    /// The number that the next new message has at least.
    pub next: u64,
    /// Submits since Open.
    pub submitted: u64,
    /// Of these, how many the client was told of.
    pub told: u64,
    /// How long each of its messages may take.
    pub timeout: Option<Duration>,
    /// When all of them are to have ended.
    pub deadline: Option<Instant>,
    /// What the ledger is told of it.
    pub terms: Terms,
    /// When its messages are to have ended, in the order of their acceptance.
    pub deadlines: VecDeque<(Instant, MessageKey)>,
    /// The largest payload that its client takes, in bytes.
    pub max_message: u64,
    /// Its client is none that submitted it: it may leave and come again.
    pub attached: bool,
    /// All of its messages have ended so, and no output is wanted any more.
    pub cancelled: bool,
    /// The journal has lost something: the client is asked for all that has not ended, when it comes.
    pub doubtful: bool,
    /// Messages of which the journal has lost everything: they fail, unless the client that submitted them comes and does so again.
    pub missing: Vec<Range<u64>>,
    /// The journal may have lost others, which cannot be named: who attaches is told so.
    pub incomplete: bool,
    /// Messages that are here, among those that the client is asked for.
    pub known: HashSet<u64>,
    /// Submits that wait until the journal takes them.
    pub waiting: VecDeque<WaitingSubmit>,
    /// How many of its messages may be under way.
    pub allowance: Allowance,
    window: u64,
    window_bytes: u64,
    /// Each with its serial, its place among all outputs that the job ever had.
    outputs: VecDeque<(u64, Output)>,
    next_serial: u64,
    /// How many of `outputs` were handed to the journal.
    kept: usize,
    /// The outputs that the client has acknowledged have lower serials.
    taken_below: u64,
    /// The same, as the journal knows it.
    kept_below: u64,
    /// How many outputs were acknowledged: the count of `outputs`' first.
    acknowledged: u64,
    /// How many of `outputs` were sent in this session.
    sent: usize,
    sent_bytes: u64,
    waiting_bytes: u64,
    /// It is among those to be flushed.
    pub dirty: bool,
}

impl Stream {
    /// A stream with no outputs, whose client is away.
    pub fn new(identity: Uuid, header: Arc<Header>, refused: Option<Refusal>) -> Self {
        let function = header.call().map_or("", |call| call.function).into();
        Stream {
            identity,
            number: 0,
            session: None,
            lost: None,
            lost_name: Box::default(),
            header,
            function,
            owner: None,
            refused,
            epoch: Uuid::new_v4(),
            next: 0,
            submitted: 0,
            told: 0,
            timeout: None,
            deadline: None,
            terms: Terms::default(),
            deadlines: VecDeque::new(),
            max_message: u64::MAX,
            attached: false,
            cancelled: false,
            doubtful: false,
            missing: Vec::new(),
            incomplete: false,
            known: HashSet::new(),
            waiting: VecDeque::new(),
            allowance: Allowance::new(Instant::now()),
            window: 1,
            window_bytes: 1,
            outputs: VecDeque::new(),
            next_serial: 0,
            kept: 0,
            taken_below: 0,
            kept_below: 0,
            acknowledged: 0,
            sent: 0,
            sent_bytes: 0,
            waiting_bytes: 0,
            dirty: false,
        }
    }

    /// How much the client takes beyond what it has acknowledged. It is not the client that says how much the node keeps for it.
    pub fn set_window(&mut self, window: u64, window_bytes: u64) {
        let (most, most_bytes) = MOST_OUTPUTS;
        self.window = window.clamp(1, most);
        self.window_bytes = window_bytes.clamp(1, most_bytes);
    }

    /// How urgent it is, and how often what fails is run again, as the client says it.
    pub fn set_terms(&mut self, priority: u64, retries: u64) {
        let most = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        self.terms = Terms { priority: most(priority).min(PRIORITY), retries: most(retries) };
    }

    /// When a message that is accepted now is to have ended.
    #[inline]
    pub fn deadline_of_next(&self, now: Instant) -> Option<Instant> {
        let own = self.timeout.and_then(|timeout| now.checked_add(timeout));
        own.into_iter().chain(self.deadline).min()
    }

    /// The same, in outputs and in bytes.
    pub fn window(&self) -> (u64, u64) {
        (self.window, self.window_bytes)
    }

    /// The number that the next Submit has at least.
    pub fn expected(&self) -> u64 {
        self.waiting.back().map_or(self.next, |last| last.number + 1)
    }

    /// The next message whose time is over.
    pub fn overdue(&mut self, now: Instant) -> Option<MessageKey> {
        let (deadline, message) = *self.deadlines.front()?;
        (deadline <= now).then(|| self.deadlines.pop_front().map(|_| message))?
    }

    /// Forgets the times of messages that are no longer `open`, when there are many beside the `under_way`.
    pub fn forget_ended(&mut self, under_way: usize, open: impl Fn(MessageKey) -> bool) {
        const FEW: usize = 1_024;
        if self.deadlines.len() > 2 * under_way + FEW {
            self.deadlines.retain(|&(_, message)| open(message));
        }
    }

    /// Queues an output. The end of a message whose only result still waits becomes one record with it.
    pub fn push(&mut self, output: Output) {
        let len = self.outputs.len();
        if self.sent < len
            && self.kept < len
            && let Some((_, last)) = self.outputs.back_mut()
            && last.merge(&output)
        {
            return;
        }
        self.waiting_bytes += output.bytes();
        self.outputs.push_back((self.next_serial, output));
        self.next_serial += 1;
    }

    /// Ends the messages of which everything is lost.
    pub fn fail_missing(&mut self) {
        for number in std::mem::take(&mut self.missing).into_iter().flatten() {
            self.push(Output::Failed(Box::new(Failure {
                number,
                results: 0,
                permanent: true,
                code: LOST.into(),
                text: "this message was lost when the node's journal was damaged: send it again".into(),
            })));
        }
    }

    /// Queues an output that an earlier run has left.
    pub fn restore(&mut self, serial: u64, output: Output) {
        self.waiting_bytes += output.bytes();
        self.outputs.push_back((serial, output));
        self.kept += 1;
    }

    /// The serial of the next output is at least that.
    pub fn count_from(&mut self, serial: u64) {
        self.next_serial = self.next_serial.max(serial);
    }

    /// The outputs that were not handed to the journal, with their serials; from now on they were.
    pub fn unkept(&mut self) -> impl Iterator<Item = &(u64, Output)> {
        let first = std::mem::replace(&mut self.kept, self.outputs.len());
        self.outputs.range(first..)
    }

    /// Below which serial the client has acknowledged all outputs, where the journal does not know that yet; from now on it does.
    pub fn newly_acknowledged(&mut self) -> Option<u64> {
        let below = std::mem::replace(&mut self.kept_below, self.taken_below);
        (below < self.taken_below).then_some(self.taken_below)
    }

    /// Writes what the client has room for into its batch, until that is full; whether more could be written.
    pub fn fill(&mut self, batch: &mut BatchWriter) -> bool {
        while let Some((_, output)) = self.outputs.get(self.sent) {
            let bytes = output.bytes();
            let room = (self.sent as u64) < self.window && self.sent_bytes + bytes <= self.window_bytes;
            if !room && self.sent > 0 {
                return false;
            }
            if batch.is_full() {
                return true;
            }
            let job = self.number;
            match output {
                Output::Result { number, place, held, payload } => batch.push(&Record::Result {
                    job,
                    number: *number,
                    flags: if *held { HELD_UNTIL_END } else { 0 },
                    place: place.clone(),
                    payload: Payload(payload.clone()),
                }),
                Output::Reply { number, payload } => batch.reply(job, *number, payload),
                Output::Done { number, results } => {
                    batch.push(&Record::Done { job, number: *number, results: *results });
                }
                Output::Failed(failure) => batch.push(&Record::Failed {
                    job,
                    number: failure.number,
                    results: failure.results,
                    code: &failure.code,
                    text: &failure.text,
                }),
            }
            self.sent += 1;
            self.sent_bytes += bytes;
            self.waiting_bytes -= bytes;
        }
        false
    }

    /// The client has taken that many outputs in all.
    pub fn acknowledge(&mut self, outputs: u64) {
        while self.acknowledged < outputs && self.sent > 0 {
            let Some((serial, output)) = self.outputs.pop_front() else { return };
            self.acknowledged += 1;
            self.sent -= 1;
            self.kept = self.kept.saturating_sub(1);
            self.taken_below = self.taken_below.max(serial + 1);
            self.sent_bytes -= output.bytes();
        }
    }

    /// The client is back, and has had `received` outputs of `epoch`: what it has not had is sent again.
    pub fn resume(&mut self, session: SessionKey, number: u32, epoch: Uuid, received: u64) {
        if epoch == self.epoch {
            self.acknowledge(received);
        } else {
            self.epoch = Uuid::new_v4();
            self.acknowledged = 0;
        }
        self.waiting_bytes += self.sent_bytes;
        self.sent_bytes = 0;
        self.sent = 0;
        self.session = Some(session);
        self.number = number;
        self.lost = None;
        self.submitted = 0;
        self.told = 0;
        // The client submits them again.
        self.waiting.clear();
    }

    /// The client's session is over. What was not accepted it submits again.
    pub fn lose(&mut self, name: &str, now: Instant) {
        self.session = None;
        self.lost_name = name.into();
        self.waiting.clear();
        self.lost = Some(now);
    }

    /// Drops all outputs, and what was not accepted.
    pub fn clear(&mut self) {
        self.outputs.clear();
        self.waiting.clear();
        self.kept = 0;
        self.sent = 0;
        self.sent_bytes = 0;
        self.waiting_bytes = 0;
    }

    /// The numbers of messages whose end waits for the client.
    pub fn ends(&self) -> impl Iterator<Item = u64> {
        let is_end = |output: &Output| !matches!(output, Output::Result { .. });
        self.outputs.iter().filter(move |(_, output)| is_end(output)).map(|(_, output)| output.number())
    }

    /// Whether outputs wait for the client beyond what is decent: then nothing more is to be made.
    pub fn is_backed_up(&self) -> bool {
        let waiting = (self.outputs.len() - self.sent) as u64;
        waiting > self.window.div_ceil(4) || self.waiting_bytes > self.window_bytes.div_ceil(4)
    }

    /// How many outputs the client has not acknowledged.
    pub fn waiting(&self) -> usize {
        self.outputs.len()
    }

    /// The bytes of them.
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes + self.sent_bytes
    }

    /// Whether the client has had everything.
    pub fn is_settled(&self) -> bool {
        self.outputs.is_empty()
    }
}
