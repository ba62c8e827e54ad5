//! Everything that is counted: jobs, messages, parts, leases, and the credit of hosts.
//!
//! The ledger is pure: no socket, no thread, and time is an argument. Each change of a state is one of its methods, and keeps
//! accepted = done + failed + cancelled + under way, for each job and for the node.

mod absent;
mod activity;
mod counts;
mod credit;
mod entries;
mod functions;
mod hosts;
mod late;
mod leases;
mod look;
#[cfg(test)]
mod model;
#[cfg(test)]
mod relay_model;
mod relays;
mod replies;
mod retries;
mod roll;
mod turns;
mod withdrawals;

pub use activity::{Activity, BUCKETS, Latencies};
pub use counts::{Counts, Outcome};
pub use credit::Credit;
pub use entries::{EndedMessage, Entry, Part, PartOf};
pub use leases::{Ended, LeaseEnd, LeaseResult, Passed};
pub use look::{Leased, Waiting};
pub use relays::Relay;
pub use replies::Whole;
pub use turns::{Assignment, Unoffered};

use crate::node::message::{Identity, Message};
use absent::AbsentHosts;
use activity::Clock;
use entries::{Entries, Gather, Tally};
use functions::Functions;
use leases::Lease;
use relays::Topics;
use retries::Retries;
use slotmap::{SlotMap, new_key_type};
use std::sync::Arc;
use std::time::Instant;

new_key_type! {
    /// A job's key.
    pub struct JobKey;
    /// A message's key, from its acceptance to its end.
    pub struct MessageKey;
    /// A lease's key, which its host gives back with the answer.
    pub struct LeaseKey;
    /// A host's key; it is kept while one that was lost may come back.
    pub struct HostKey;
    /// The key of a function that is offered or waited for, or of a follower of a topic.
    pub struct FunctionKey;
    /// The key of one job's queue for one function.
    pub struct LaneKey;
}

/// A part's key: its message's, where that is one part, or one of the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartKey(MessageKey);

/// What the ledger is told once.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How often a message may lose its host while it is tried alone.
    pub max_attempts: u32,
    /// Results go through gather hooks or joins, which give a sign when all of a message have.
    pub gathers: bool,
}

/// The highest priority: with each step from 0 to there, a job gets twice as much of what several wait for.
pub const PRIORITY: u32 = 10;

/// What is agreed for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// How often a part is run again whose function has failed.
    pub retries: u32,
    /// From 0 to [`PRIORITY`].
    pub priority: u32,
}

/// A job, as far as it is counted.
#[derive(Debug, Default)]
pub struct Job {
    /// Its messages.
    pub counts: Counts,
    /// The bytes of those that have not ended.
    pub bytes: u64,
    terms: Terms,
    /// Its outputs wait for its client: nothing of it is dispatched.
    held: bool,
    /// Parts that have not ended.
    pub open_parts: usize,
    /// The bytes of their payloads.
    pub open_bytes: usize,
    /// Those of them that go on to other nodes.
    pub relays: usize,
    /// The bytes of their payloads.
    pub relay_bytes: usize,
    /// Its queues, one for each function.
    lanes: Vec<LaneKey>,
    /// Its entries that have not ended, and some that have.
    roll: Vec<MessageKey>,
    /// When something of it last moved on: a result, an end, the first message after it had none, or the end of its being held.
    pub moved: Option<Instant>,
}

impl Job {
    /// One more message, of so many bytes, is under way.
    fn accept(&mut self, bytes: u64, now: Option<Instant>) {
        self.bytes += bytes;
        if self.counts.under_way == 0 {
            self.moved = now;
        }
        self.counts.accept();
    }
}

/// What is next for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// Something of it is still to come.
    Open,
    /// All parts have ended: gather is to be told.
    Gather(MessageKey),
    /// It is done.
    Done(MessageKey),
}

/// What was cancelled with a job.
#[derive(Debug, Default)]
pub struct Cancelled {
    /// Its messages that had not ended.
    pub messages: Vec<MessageKey>,
    /// The bytes of their payloads.
    pub bytes: u64,
    /// Leases whose results nobody waits for any more, with their hosts.
    pub abandoned: Vec<(HostKey, LeaseKey)>,
}

/// The ledger of one node.
#[derive(Debug)]
pub struct Ledger {
    rules: Rules,
    jobs: SlotMap<JobKey, Job>,
    entries: Entries,
    leases: SlotMap<LeaseKey, Lease>,
    hosts: SlotMap<HostKey, Credit>,
    absent: AbsentHosts,
    functions: Functions,
    topics: Topics,
    retries: Retries,
    totals: Counts,
    /// Entries that carry what came of messages after their end.
    late: usize,
    /// Leases that are on their way to hosts and back.
    travelling: u64,
    /// Leases, results and ends of messages, ever.
    moves: u64,
    activity: Activity,
    clock: Clock,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(rules: Rules) -> Self {
        Ledger {
            rules,
            jobs: SlotMap::with_key(),
            entries: Entries::default(),
            leases: SlotMap::with_key(),
            hosts: SlotMap::with_key(),
            absent: AbsentHosts::new(),
            functions: Functions::default(),
            topics: Topics::default(),
            retries: Retries::default(),
            totals: Counts::default(),
            late: 0,
            travelling: 0,
            moves: 0,
            activity: Activity::default(),
            clock: Clock::default(),
        }
    }

    /// What happens from here on happens now.
    pub fn tell_time(&mut self, now: Instant) {
        self.clock.set(now);
    }

    /// All messages of the node, of jobs that are gone too.
    pub fn totals(&self) -> Counts {
        self.totals
    }

    /// Begins a job.
    pub fn open_job(&mut self, terms: Terms) -> JobKey {
        self.jobs.insert(Job { terms, ..Job::default() })
    }

    /// A job that is open.
    pub fn job(&self, job: JobKey) -> Option<&Job> {
        self.jobs.get(job)
    }

    /// Holds a job back, or lets it go on.
    pub fn hold(&mut self, job: JobKey, held: bool) {
        let Some(entry) = self.jobs.get_mut(job) else { return };
        if std::mem::replace(&mut entry.held, held) && !held {
            entry.moved = self.clock.now;
            for &lane in &entry.lanes {
                self.functions.queue(lane);
            }
        }
    }

    /// Whether a job is held back.
    pub fn is_held(&self, job: JobKey) -> bool {
        self.jobs.get(job).is_some_and(|job| job.held)
    }

    /// Forgets a job; what has not ended of it is cancelled first.
    pub fn close_job(&mut self, job: JobKey) -> Cancelled {
        let cancelled = self.cancel_job(job);
        if let Some(job) = self.jobs.remove(job) {
            job.lanes.into_iter().for_each(|lane| self.functions.remove_lane(lane));
        }
        cancelled
    }

    /// Accepts a message, which is to have ended by its `deadline`. `original` is kept where hooks will want to see it.
    pub fn accept(
        &mut self,
        job: JobKey,
        number: u64,
        bytes: u64,
        original: Option<Arc<Message>>,
        deadline: Option<Instant>,
    ) -> Option<MessageKey> {
        self.jobs.get_mut(job)?.accept(bytes, self.clock.now);
        self.totals.accept();
        let message = self.new_message(job, number, bytes, original, deadline);
        let message = self.entries.accept(message);
        self.jobs.get_mut(job)?.enrol(message, &self.entries);
        Some(message)
    }

    /// Accepts a message that is one part, which waits for `function`: all at once, what [`accept`](Self::accept),
    /// [`add_part`](Self::add_part) and [`scattered`](Self::scattered) do one after the other.
    #[inline]
    pub fn accept_whole(
        &mut self,
        job: JobKey,
        number: u64,
        original: Option<Arc<Message>>,
        deadline: Option<Instant>,
        function: FunctionKey,
        body: Message,
    ) -> Option<MessageKey> {
        let message = self.new_message(job, number, 0, original, deadline);
        let entry = self.jobs.get_mut(job)?;
        entry.accept(body.payload.len() as u64, self.clock.now);
        self.totals.accept();
        entry.open_parts += 1;
        entry.open_bytes += body.payload.len();
        let lane = self.functions.lane(job, function, entry.terms.priority, &mut entry.lanes);
        let (message, part) = self.entries.accept_whole(message, function, body);
        entry.enrol(message, &self.entries);
        self.functions.push_back(lane, part);
        Some(message)
    }

    #[inline]
    fn new_message(
        &mut self,
        job: JobKey,
        number: u64,
        bytes: u64,
        original: Option<Arc<Message>>,
        deadline: Option<Instant>,
    ) -> Entry {
        let mut message = Entry::message(job, number, bytes);
        message.original = original;
        message.deadline = deadline.map(|deadline| self.clock.nanos_at(deadline));
        message.since = self.clock.nanos;
        message
    }

    /// A message that has not ended.
    pub fn message(&self, message: MessageKey) -> Option<&Entry> {
        self.entries.message(message)
    }

    /// The function of this name.
    #[inline]
    pub fn function(&mut self, name: &str, now: Instant) -> FunctionKey {
        self.functions.intern(name, now)
    }

    /// Adds a part to a message, and queues it for `function`.
    pub fn add_part(&mut self, message: MessageKey, function: FunctionKey, body: Message) {
        let Some(key) = self.entries.message(message).map(|open| open.job) else { return };
        let Some(job) = self.jobs.get_mut(key) else { return };
        let bytes = body.payload.len();
        let Some(part) = self.entries.add_part(message, function, body) else { return };
        job.open_parts += 1;
        job.open_bytes += bytes;
        if part.0 != message {
            job.enrol(part.0, &self.entries);
        }
        let lane = self.functions.lane(key, function, job.terms.priority, &mut job.lanes);
        self.functions.push_back(lane, part);
    }

    /// Scatter makes no more parts of this message.
    pub fn scattered(&mut self, message: MessageKey) -> Settled {
        if let Some(message) = self.entries.message_mut(message) {
            message.scattering = false;
        }
        self.settle(message)
    }

    /// Gather has given back everything of this message.
    pub fn gathered(&mut self, message: MessageKey) -> Settled {
        if let Some(message) = self.entries.message_mut(message) {
            message.gather = Gather::Answered;
        }
        self.settle(message)
    }

    /// Counts a result of a message that goes out to its client; `None` when the message has ended.
    pub fn count_result(&mut self, message: MessageKey) -> Option<(JobKey, u64)> {
        let message = self.entries.message_mut(message)?;
        message.results += 1;
        Some((message.job, message.number))
    }

    /// An error is to take the place of a result of a message, which goes on; the part that it counts as.
    pub fn fail_part(&mut self, message: MessageKey) -> Option<Identity> {
        let message = self.entries.message_mut(message)?;
        message.tally.fail();
        let part = message.parts;
        message.parts += 1;
        Some(Identity { number: message.number, part })
    }

    /// How a message ends of which nothing more is to come.
    pub fn outcome(&self, message: MessageKey) -> Outcome {
        match self.entries.message(message) {
            Some(message) if message.has_failed() => Outcome::Failed,
            _ => Outcome::Done,
        }
    }

    /// Notes that an error was a result of a message.
    pub fn note_error(&mut self, message: MessageKey) {
        if let Some(message) = self.entries.message_mut(message) {
            message.tally.fail();
        }
    }

    /// Ends a message. Where it was not done, what waits of it is dropped; what hosts have ends when they answer.
    pub fn end(&mut self, key: MessageKey, outcome: Outcome) -> Option<EndedMessage> {
        let message = self.entries.end_message(key)?;
        if outcome != Outcome::Done {
            self.drop_waiting(PartKey(key));
        }
        self.moves += 1;
        if message.tally == Tally::Counted {
            self.late -= 1;
            return Some(message);
        }
        self.totals.end(outcome);
        self.activity.messages.add(self.clock.since(message.since));
        if let Some(job) = self.jobs.get_mut(message.job) {
            job.moved = self.clock.now;
            job.bytes = job.bytes.saturating_sub(message.bytes);
            job.counts.end(outcome);
        }
        Some(message)
    }

    /// What is next for a message of which something has ended.
    pub fn settle(&mut self, message: MessageKey) -> Settled {
        let Some(open) = self.entries.message_mut(message) else { return Settled::Open };
        if open.scattering || open.open_parts > 0 || open.gather == Gather::Asked {
            Settled::Open
        } else if self.rules.gathers && open.gather == Gather::Open {
            open.gather = Gather::Asked;
            Settled::Gather(message)
        } else {
            Settled::Done(message)
        }
    }
}
