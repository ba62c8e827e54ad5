//! A snapshot is taken by the routing thread, when somebody asks for it.

use super::standing::Standing;
use super::standstill::{Stillness, stillness};
use super::why::why;
use super::{CacheUse, HostKind, HostSnapshot, JobSnapshot, LISTED, LeftOff, Snapshot, Unoffered, short};
use crate::gate;
use crate::node::egress::Client;
use crate::node::hosts::Host;
use crate::node::ledger::{HostKey, JobKey, Leased, Waiting};
use crate::node::router::Router;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

impl Router {
    /// The node as it is now.
    pub(super) fn snapshot(&self, now: Instant) -> Snapshot {
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
        let starved: HashSet<JobKey> = self.starved.iter().map(|(job, ..)| *job).collect();
        let retrying = self.ledger.retrying();
        let standings = self.clients.iter().filter_map(|(key, client)| {
            let waiting = by_job.get(&key).map_or(&[][..], Vec::as_slice);
            let standing = Standing {
                retrying: retrying.get(&key).copied().unwrap_or_default(),
                is_starved: starved.contains(&key),
                ..self.standing(key, client, waiting, leased.get(&key).copied(), now)?
            };
            let still = stillness(&standing, self.config.stuck_after, now);
            Some((key, client, standing, still))
        });
        let mut standings: Vec<_> = standings.collect();
        let is_stuck = |still: &Option<Stillness>| still.is_some_and(|still| still.is_over());
        standings.sort_by_key(|(.., standing, still)| (!is_stuck(still), standing.under_way == 0));
        let stuck = standings.iter().filter(|(.., still)| is_stuck(still)).count();
        let jobs: Vec<_> = standings
            .iter()
            .take(LISTED)
            .map(|(key, client, standing, still)| self.snapshot_job(*key, client, standing, *still))
            .collect();
        let journal = self.figures_of_journal();
        let unwritten = journal.as_ref().and_then(|journal| journal.trouble.as_deref());
        let (keys, bytes) = self.cache.usage();
        Snapshot {
            name: self.config.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            run: self.run.to_string(),
            uptime: now.duration_since(self.started).as_secs_f64(),
            draining: self.draining,
            trouble: trouble(&jobs, stuck, unwritten),
            stuck,
            counts: self.ledger.totals(),
            waiting: waiting.iter().map(|waits| waits.parts).sum(),
            leases: leased.values().map(|leased| leased.parts).sum(),
            outputs: self.clients.values().map(outputs).sum(),
            moves: self.ledger.moves(),
            garbage: self.garbage,
            refused: gate::refused(),
            cut: gate::cut(),
            kept_failed: self.failed.len(),
            cache: CacheUse { keys, bytes },
            queues: self.queues(),
            work: self.figures_of_work(),
            journal,
            jobs,
            hosts: self
                .hosts
                .iter()
                .take(LISTED)
                .map(|(key, host)| self.snapshot_host(key, host, now))
                .collect(),
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

    /// Where a job stands.
    fn standing<'a>(
        &self,
        key: JobKey,
        client: &Client,
        waiting: &'a [Waiting<'a>],
        leased: Option<Leased>,
        now: Instant,
    ) -> Option<Standing<'a>> {
        let job = self.ledger.job(key)?;
        let lost = match client {
            Client::Native(stream) => stream.lost,
            Client::Pylm(_) | Client::Followed(_) => None,
        };
        Some(Standing {
            under_way: job.counts.under_way,
            moved: job.moved,
            waiting,
            retrying: 0,
            leased: leased.unwrap_or_default(),
            outputs: outputs(client),
            held: self.ledger.is_held(key),
            away: lost.map(|since| now.duration_since(since)),
            is_deaf: matches!(client, Client::Pylm(_)) && !self.is_there(key),
            is_starved: false,
        })
    }

    fn snapshot_job(
        &self,
        key: JobKey,
        client: &Client,
        standing: &Standing<'_>,
        still: Option<Stillness>,
    ) -> JobSnapshot {
        let header = match client {
            Client::Native(stream) => &stream.header,
            Client::Pylm(stream) => &stream.header,
            Client::Followed(stream) => &stream.header,
        };
        let name = match client {
            Client::Native(stream) => match stream.session {
                Some(session) => self.sessions.name(session),
                None => Some(&*stream.lost_name),
            },
            Client::Followed(stream) => self.followed.get(stream.place).map(|followed| &*followed.from.topic),
            Client::Pylm(_) => None,
        };
        let job = self.ledger.job(key);
        JobSnapshot {
            identity: header.job.to_string(),
            client: short(name.filter(|name| !name.is_empty()).unwrap_or(header.client.as_str())),
            function: short(header.function.as_str()),
            counts: job.map(|job| job.counts).unwrap_or_default(),
            open_parts: job.map_or(0, |job| job.open_parts),
            open_bytes: job.map_or(0, |job| job.open_bytes),
            waiting: standing.waiting.iter().map(|waits| waits.parts).sum(),
            retrying: standing.retrying,
            leases: standing.leased.parts,
            outputs: standing.outputs,
            held: standing.held,
            away: standing.away.map(|away| away.as_secs_f64()),
            still: still.map(|still| still.lasts.as_secs_f64()),
            patience: still.map(|still| still.patience.as_secs_f64()),
            worked_on: still.is_some_and(|still| still.is_worked_on),
            stuck: still.is_some_and(|still| still.is_over()),
            why: why(standing),
        }
    }

    fn snapshot_host(&self, key: HostKey, host: &Host, now: Instant) -> HostSnapshot {
        let offer = self.ledger.offer_of(key);
        let follows = offer.as_ref().is_some_and(|(_, follows)| *follows);
        let (name, kind, away) = match host {
            Host::Native(native) => {
                let kind = if follows { HostKind::Follower } else { HostKind::Native };
                let name = match &*native.name {
                    "" => native.peer.to_string(),
                    name => short(name),
                };
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
            limit_bytes: credit.map_or(0, |credit| credit.limit_bytes),
            leases: credit.map_or(0, |credit| credit.leases),
            bytes: credit.map_or(0, |credit| credit.bytes),
            quiet: credit
                .filter(|credit| credit.leases > 0)
                .and_then(|credit| credit.moved)
                .map(|moved| now.saturating_duration_since(moved).as_secs_f64()),
            functions_left_off: offer.as_ref().map_or(0, |(names, _)| names.len().saturating_sub(LISTED)),
            functions: offer.map(|(names, _)| names.into_iter().take(LISTED).map(short).collect()),
        }
    }
}

/// Why the node is not well.
fn trouble(jobs: &[JobSnapshot], stuck: usize, unwritten: Option<&str>) -> Option<String> {
    if let Some(trouble) = unwritten {
        return Some(format!("no new messages are accepted: {trouble}"));
    }
    let job = jobs.first().filter(|_| stuck > 0)?;
    let still = job.still.unwrap_or_default();
    let others = match stuck - 1 {
        0 => String::new(),
        others => format!("; so do {others} more"),
    };
    Some(format!(
        "{}; job {} ({}) has {} under way and has not moved for {still:.0} s{others}",
        job.why, job.identity, job.function, job.counts.under_way
    ))
}

/// Outputs that a client has yet to take.
fn outputs(client: &Client) -> usize {
    match client {
        Client::Native(stream) => stream.waiting(),
        Client::Pylm(stream) => stream.waiting(),
        Client::Followed(stream) => stream.waiting(),
    }
}
