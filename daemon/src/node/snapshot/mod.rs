//! What the node knows of itself: made when somebody asks for it, and told as JSON.

mod taking;
mod why;

use super::ledger::Counts;
use serde::Serialize;

/// The reserved key of the cache whose value is the node's snapshot.
pub const STATUS_KEY: &str = "status";

/// Jobs, hosts and functions that a snapshot lists, each at most.
const LISTED: usize = 1_000;

/// The node at one moment.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    name: String,
    version: &'static str,
    /// This run of the node.
    run: String,
    /// Seconds since it has started.
    uptime: f64,
    draining: bool,
    /// Messages of all jobs, of those that are gone too.
    counts: Counts,
    /// Parts that wait for a host.
    waiting: usize,
    /// Parts that are at hosts.
    leases: u64,
    /// Outputs that clients have yet to take.
    outputs: usize,
    /// Leases, results and ends of messages, ever: it stands still only when nothing moves.
    moves: u64,
    /// Messages that made no sense.
    garbage: u64,
    /// Messages that took down every host, and are kept for `pylm failed`.
    kept_failed: usize,
    cache: CacheUse,
    jobs: Vec<JobSnapshot>,
    hosts: Vec<HostSnapshot>,
    /// Functions and topics that parts wait for, and nobody offers or follows.
    unoffered: Vec<Unoffered>,
    left_off: LeftOff,
}

/// The cache, beside the keys that are always there.
#[derive(Debug, Serialize)]
struct CacheUse {
    keys: usize,
    bytes: usize,
}

/// How many more there are than are listed.
#[derive(Debug, Serialize)]
struct LeftOff {
    jobs: usize,
    hosts: usize,
    unoffered: usize,
}

#[derive(Debug, Serialize)]
struct JobSnapshot {
    identity: String,
    /// What the client calls itself, or its id where it has no name or is away.
    client: String,
    /// The functions that it calls.
    function: String,
    counts: Counts,
    /// Parts that have not ended, waiting or at hosts.
    open_parts: usize,
    /// Those that wait for a host.
    waiting: usize,
    /// Those that have failed, and wait until they are run again.
    retrying: usize,
    /// Those that are at hosts.
    leases: u64,
    /// Outputs that the client has yet to take.
    outputs: usize,
    /// Too many of them wait: nothing of the job is given to hosts.
    held: bool,
    /// For how many seconds the client has been away.
    away: Option<f64>,
    /// Why it does not move, or that it does.
    why: String,
}

#[derive(Debug, Serialize)]
struct HostSnapshot {
    name: String,
    kind: HostKind,
    /// It was lost, and may come back.
    away: bool,
    limit: u64,
    leases: u64,
    /// The functions it offers, or the topics it follows; none: any function that nobody else offers.
    functions: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum HostKind {
    Native,
    Pylm,
    Follower,
    Subscribers,
}

#[derive(Debug, Serialize)]
struct Unoffered {
    name: String,
    topic: bool,
    waiting: usize,
}

/// Text of a peer, which may be of any length.
fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
