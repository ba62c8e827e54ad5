//! How full the node's queues are, what it has done, and how its journal is: figures for whoever watches it.

use super::super::bounds::{GATHER, GATHER_BYTES, MOST_WINDOW, ROOM, ROOM_BYTES, WINDOW};
use crate::node::egress::Client;
use crate::node::ledger::Latencies;
use crate::node::router::Router;
use serde::Serialize;

/// A place where something waits. What is bounded for each job, or each host, is summed up, bounds included.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Queue {
    pub(crate) name: &'static str,
    /// How many messages, or results, are there.
    pub(crate) messages: Option<u64>,
    /// How many may be.
    pub(crate) messages_bound: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) bytes_bound: Option<u64>,
}

/// What was done since the node started.
#[derive(Debug, Serialize)]
pub(crate) struct Work {
    /// Leases given: each part's first attempt and every further one.
    pub(crate) attempts: u64,
    /// Leases whose host was lost while it had them.
    pub(crate) deaths: u64,
    /// Leases that hosts gave back without having begun.
    pub(crate) released: u64,
    /// Hosts that were lost with leases.
    pub(crate) hosts_lost: u64,
    /// Seconds from a message's acceptance to its end.
    pub(crate) messages: Latencies,
    /// Seconds from a lease to its end.
    pub(crate) leases: Latencies,
}

/// How the journal is doing.
#[derive(Debug, Serialize)]
pub(crate) struct JournalUse {
    /// How many records are on disk, ever.
    pub(crate) durable: u64,
    /// Bytes that wait to be.
    pub(crate) queued_bytes: u64,
    /// How long all its files are.
    pub(crate) disk_bytes: u64,
    /// How much of that is still needed.
    pub(crate) alive_bytes: u64,
    /// Why it takes nothing for now.
    pub(crate) trouble: Option<String>,
}

impl Router {
    pub(super) fn figures_of_work(&self) -> Work {
        let activity = self.ledger.activity();
        Work {
            attempts: activity.attempts,
            deaths: activity.deaths,
            released: activity.released,
            hosts_lost: activity.hosts_lost,
            messages: activity.messages.clone(),
            leases: activity.leases.clone(),
        }
    }

    pub(super) fn figures_of_journal(&self) -> Option<JournalUse> {
        self.keeper.as_ref().map(|keeper| {
            let status = keeper.status();
            JournalUse {
                durable: status.durable,
                queued_bytes: status.queued_bytes,
                disk_bytes: status.disk_bytes,
                alive_bytes: status.alive_bytes,
                trouble: status.trouble,
            }
        })
    }

    /// Everywhere something may wait.
    pub(super) fn queues(&self) -> Vec<Queue> {
        let (jobs, travelling) = (self.clients.len() as u64, self.ledger.travelling());
        let native = |client: &Client| match client {
            Client::Native(stream) => stream.allowance.told(),
            Client::Pylm(_) | Client::Followed(_) => (WINDOW + travelling).min(MOST_WINDOW),
        };
        let messages_bound = self.clients.values().map(native).sum();
        let (mut parts, mut parts_bytes) = (0, 0);
        let mut outputs = Filled::default();
        for (key, client) in &self.clients {
            if let Some(job) = self.ledger.job(key) {
                parts += job.open_parts as u64;
                parts_bytes += job.open_bytes as u64;
            }
            outputs.add(Filled::of(client));
        }
        let mut at_hosts = Filled::default();
        for credit in self.hosts.keys().filter_map(|host| self.ledger.credit(host)) {
            at_hosts.add(Filled {
                messages: credit.leases,
                messages_bound: credit.limit,
                bytes: credit.bytes,
                bytes_bound: credit.limit_bytes,
            });
        }
        let messages = self.ledger.totals().under_way;
        let mut queues = vec![
            Queue {
                name: "messages",
                messages: Some(messages),
                messages_bound: Some(messages_bound),
                ..Queue::default()
            },
            Queue {
                name: "parts",
                messages: Some(parts),
                messages_bound: Some(jobs * ROOM as u64),
                bytes: Some(parts_bytes),
                bytes_bound: Some(jobs * ROOM_BYTES as u64),
            },
            at_hosts.queue("hosts"),
            outputs.queue("outputs"),
        ];
        if let Some((results, bytes)) = self.gatherer.as_ref().map(|gatherer| gatherer.load()) {
            queues.push(Queue {
                name: "gather",
                messages: Some(results as u64),
                messages_bound: Some(GATHER as u64),
                bytes: Some(bytes as u64),
                bytes_bound: Some(GATHER_BYTES as u64),
            });
        }
        if let Some(keeper) = &self.keeper {
            queues.push(Queue {
                name: "journal",
                bytes: Some(keeper.status().queued_bytes),
                bytes_bound: Some(keeper.bound()),
                ..Queue::default()
            });
        }
        queues.push(Queue {
            name: "cache",
            bytes: Some(self.cache.usage().1 as u64),
            bytes_bound: Some(self.config.cache_bytes as u64),
            ..Queue::default()
        });
        queues
    }
}

/// How full several queues of one kind are, together.
#[derive(Debug, Default)]
struct Filled {
    messages: u64,
    messages_bound: u64,
    bytes: u64,
    bytes_bound: u64,
}

impl Filled {
    /// Outputs that a client has yet to take.
    fn of(client: &Client) -> Self {
        let (messages, bytes, (messages_bound, bytes_bound)) = match client {
            Client::Native(stream) => (stream.waiting(), stream.waiting_bytes(), stream.window()),
            Client::Pylm(stream) => (stream.waiting(), stream.waiting_bytes(), stream.window()),
            Client::Followed(stream) => (stream.waiting(), stream.waiting_bytes(), stream.window()),
        };
        Filled { messages: messages as u64, messages_bound, bytes, bytes_bound }
    }

    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.messages_bound = self.messages_bound.saturating_add(other.messages_bound);
        self.bytes_bound = self.bytes_bound.saturating_add(other.bytes_bound);
    }

    fn queue(self, name: &'static str) -> Queue {
        Queue {
            name,
            messages: Some(self.messages),
            messages_bound: Some(self.messages_bound),
            bytes: Some(self.bytes),
            bytes_bound: Some(self.bytes_bound),
        }
    }
}
