//! A snapshot is taken by the routing thread, when somebody asks for it.

use super::why::{Standing, why};
use super::{CacheUse, HostKind, HostSnapshot, JobSnapshot, LISTED, LeftOff, Snapshot, Unoffered, short};
use crate::node::egress::Client;
use crate::node::hosts::Host;
use crate::node::ledger::{HostKey, JobKey, Waiting};
use crate::node::router::Router;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

impl Router {
    /// The node as it is now, as JSON.
    pub(crate) fn status(&self, now: Instant) -> Option<Bytes> {
        match serde_json::to_vec(&self.snapshot(now)) {
            Ok(json) => Some(json.into()),
            Err(error) => {
                tracing::error!(%error, "the node's status cannot be written");
                None
            }
        }
    }

    /// The node as it is now.
    fn snapshot(&self, now: Instant) -> Snapshot {
        let waiting = self.ledger.waiting();
        let mut by_job: HashMap<JobKey, Vec<Waiting<'_>>> = HashMap::new();
        let mut unoffered = BTreeMap::new();
        for waits in &waiting {
            by_job.entry(waits.job).or_default().push(*waits);
            if waits.hosts == 0 {
                *unoffered.entry((waits.name, waits.is_topic)).or_default() += waits.parts;
            }
        }
        let leased = self.ledger.leased();
        let retrying = self.ledger.retrying();
        let of_job = |&job: &JobKey| {
            let retrying = retrying.get(&job).copied().unwrap_or_default();
            self.snapshot_job(job, by_job.get(&job), leased.get(&job), retrying, now)
        };
        let (keys, bytes) = self.cache.usage();
        Snapshot {
            name: self.config.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            run: self.run.to_string(),
            uptime: now.duration_since(self.started).as_secs_f64(),
            draining: self.draining,
            counts: self.ledger.totals(),
            waiting: waiting.iter().map(|waits| waits.parts).sum(),
            leases: leased.values().sum(),
            outputs: self.clients.values().map(outputs).sum(),
            moves: self.ledger.moves(),
            garbage: self.garbage,
            kept_failed: self.failed.len(),
            cache: CacheUse { keys, bytes },
            jobs: self.jobs_to_list().iter().filter_map(of_job).collect(),
            hosts: self.hosts.iter().take(LISTED).map(|(key, host)| self.snapshot_host(key, host)).collect(),
            left_off: LeftOff {
                jobs: self.clients.len().saturating_sub(LISTED),
                hosts: self.hosts.len().saturating_sub(LISTED),
                unoffered: unoffered.len().saturating_sub(LISTED),
            },
            unoffered: unoffered
                .into_iter()
                .take(LISTED)
                .map(|((name, topic), waiting)| Unoffered { name: short(name), topic, waiting })
                .collect(),
        }
    }

    /// Jobs with something under way go before those without.
    fn jobs_to_list(&self) -> Vec<JobKey> {
        let is_busy = |key: &JobKey| self.ledger.job(*key).is_some_and(|job| job.counts.under_way > 0);
        let (mut busy, idle): (Vec<_>, Vec<_>) = self.clients.keys().partition(is_busy);
        busy.extend(idle);
        busy.truncate(LISTED);
        busy
    }

    fn snapshot_job(
        &self,
        key: JobKey,
        waiting: Option<&Vec<Waiting<'_>>>,
        leases: Option<&u64>,
        retrying: usize,
        now: Instant,
    ) -> Option<JobSnapshot> {
        let job = self.ledger.job(key)?;
        let client = self.clients.get(key)?;
        let waiting = waiting.map_or(&[][..], Vec::as_slice);
        let leases = leases.copied().unwrap_or_default();
        let (header, lost) = match client {
            Client::Native(stream) => (&stream.header, stream.lost),
            Client::Pylm(stream) => (&stream.header, None),
            Client::Followed(stream) => (&stream.header, None),
        };
        let away = lost.map(|since| now.duration_since(since));
        let outputs = outputs(client);
        let held = self.ledger.is_held(key);
        let name = match client {
            Client::Native(stream) => stream.session.and_then(|session| self.sessions.name(session)),
            Client::Followed(stream) => self.followed.get(stream.place).map(|followed| &*followed.from.topic),
            Client::Pylm(_) => None,
        };
        let standing = Standing {
            under_way: job.counts.under_way,
            waiting,
            retrying,
            leases,
            outputs,
            held,
            away,
            is_deaf: matches!(client, Client::Pylm(_)) && !self.is_there(key),
            is_starved: self.starved.iter().any(|(job, ..)| *job == key),
        };
        Some(JobSnapshot {
            identity: header.job.to_string(),
            client: short(name.filter(|name| !name.is_empty()).unwrap_or(header.client.as_str())),
            function: short(header.function.as_str()),
            counts: job.counts,
            open_parts: job.open_parts,
            waiting: waiting.iter().map(|waits| waits.parts).sum(),
            retrying,
            leases,
            outputs,
            held,
            away: away.map(|away| away.as_secs_f64()),
            why: why(&standing),
        })
    }

    fn snapshot_host(&self, key: HostKey, host: &Host) -> HostSnapshot {
        let offer = self.ledger.offer_of(key);
        let follows = offer.as_ref().is_some_and(|(_, follows)| *follows);
        let (name, kind, away) = match host {
            Host::Native(native) => {
                let name = native.session.and_then(|session| self.sessions.name(session));
                let name = name.map_or_else(|| native.peer.to_string(), short);
                let kind = if follows { HostKind::Follower } else { HostKind::Native };
                (name, kind, native.session.is_none())
            }
            Host::Pylm(place) => (self.workers[*place].push.address.clone(), HostKind::Pylm, false),
            Host::Subscribers(subscribers) => {
                (self.lines[subscribers.line].publisher.address.clone(), HostKind::Subscribers, false)
            }
        };
        let credit = self.ledger.credit(key);
        HostSnapshot {
            name,
            kind,
            away,
            limit: credit.map_or(0, |credit| credit.limit),
            leases: credit.map_or(0, |credit| credit.leases),
            functions: offer.map(|(names, _)| names.into_iter().take(LISTED).map(short).collect()),
        }
    }
}

/// Outputs that a client has yet to take.
fn outputs(client: &Client) -> usize {
    match client {
        Client::Native(stream) => stream.waiting(),
        Client::Pylm(stream) => stream.waiting(),
        Client::Followed(stream) => stream.waiting(),
    }
}
