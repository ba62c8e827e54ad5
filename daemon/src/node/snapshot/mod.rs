//! What the node knows of itself: made when somebody asks for it, and told as JSON.

mod figures;
mod shared;
mod standing;
mod standstill;
mod taking;
mod why;

pub(crate) use figures::{JournalUse, Queue, Work};
pub(crate) use shared::Shared;

use super::ledger::Counts;
use serde::Serialize;

/// The reserved key of the cache whose value is the node's snapshot.
pub const STATUS_KEY: &str = "status";

/// Jobs, hosts and functions that a snapshot lists, each at most.
const LISTED: usize = 1_000;

/// The node at one moment.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    pub(crate) name: String,
    pub(crate) version: &'static str,
    /// This run of the node.
    pub(crate) run: String,
    /// Seconds since it has started.
    pub(crate) uptime: f64,
    pub(crate) draining: bool,
    /// Why it is not well, in one sentence: what waits and does not move, or that nothing new is accepted.
    pub(crate) trouble: Option<String>,
    /// How many jobs stand still though they should not.
    pub(crate) stuck: usize,
    /// Messages of all jobs, of those that are gone too.
    pub(crate) counts: Counts,
    /// Parts that wait for a host.
    pub(crate) waiting: usize,
    /// Parts that are at hosts.
    pub(crate) leases: u64,
    /// Outputs that clients have yet to take.
    pub(crate) outputs: usize,
    /// Leases, results and ends of messages, ever: it stands still only when nothing moves.
    moves: u64,
    /// Messages that made no sense.
    pub(crate) garbage: u64,
    /// Connections that were refused, as the process may have no more files open.
    pub(crate) refused: u64,
    /// Connections over loopback that were cut because of their user.
    pub(crate) cut: u64,
    /// Messages that took down every host, and are kept for `pylm failed`.
    pub(crate) kept_failed: usize,
    cache: CacheUse,
    /// Everywhere something may wait, with its bound.
    pub(crate) queues: Vec<Queue>,
    /// What was done, and how long it took.
    pub(crate) work: Work,
    pub(crate) journal: Option<JournalUse>,
    /// Those that stand still go before those that move, and these before those with nothing under way.
    pub(crate) jobs: Vec<JobSnapshot>,
    pub(crate) hosts: Vec<HostSnapshot>,
    /// Functions and topics that parts wait for, and nobody offers or follows.
    pub(crate) unoffered: Vec<Unoffered>,
    pub(crate) left_off: LeftOff,
}

/// The cache, beside the keys that are always there.
#[derive(Debug, Serialize)]
struct CacheUse {
    keys: usize,
    bytes: usize,
}

/// How many more there are than are listed.
#[derive(Debug, Serialize)]
pub(crate) struct LeftOff {
    pub(crate) jobs: usize,
    pub(crate) hosts: usize,
    unoffered: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct JobSnapshot {
    pub(crate) identity: String,
    /// What the client calls itself, or did before it went away; its id where it has no name.
    client: String,
    /// The functions that it calls.
    pub(crate) function: String,
    pub(crate) counts: Counts,
    /// Parts that have not ended, waiting or at hosts.
    pub(crate) open_parts: usize,
    /// The bytes of their payloads.
    open_bytes: usize,
    /// Those that wait for a host.
    waiting: usize,
    /// Those that have failed, and wait until they are run again.
    retrying: usize,
    /// Those that are at hosts.
    leases: u64,
    /// Outputs that the client has yet to take.
    pub(crate) outputs: usize,
    /// Too many of them wait: nothing of the job is given to hosts.
    held: bool,
    /// For how many seconds the client has been away.
    away: Option<f64>,
    /// For how many seconds it has not moved; none when it has nothing to do, or waits for its client.
    pub(crate) still: Option<f64>,
    /// For how many seconds it may, before it counts as stuck.
    patience: Option<f64>,
    /// Hosts or hooks are at work on it, or on what has its turn before it.
    worked_on: bool,
    /// It has stood still for longer than it may.
    pub(crate) stuck: bool,
    /// Why it does not move, or that it does.
    pub(crate) why: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct HostSnapshot {
    pub(crate) name: String,
    pub(crate) kind: HostKind,
    /// It was lost, and may come back.
    pub(crate) away: bool,
    pub(crate) limit: u64,
    pub(crate) limit_bytes: u64,
    pub(crate) leases: u64,
    /// The bytes of their payloads.
    pub(crate) bytes: u64,
    /// For how many seconds it has neither given a result nor ended anything, while it has something.
    quiet: Option<f64>,
    /// The functions it offers, or the topics it follows; none: any function that nobody else offers.
    functions: Option<Vec<String>>,
    /// How many more of them there are.
    functions_left_off: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HostKind {
    Native,
    Pylm,
    Follower,
    Subscribers,
}

impl HostKind {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            HostKind::Native => "native",
            HostKind::Pylm => "pylm",
            HostKind::Follower => "follower",
            HostKind::Subscribers => "subscribers",
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Unoffered {
    pub(crate) name: String,
    topic: bool,
    pub(crate) waiting: usize,
}

/// Text of a peer, which may be of any length, and is to be written to terminals.
fn short(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    text.chars().take(200).map(shown).collect()
}
