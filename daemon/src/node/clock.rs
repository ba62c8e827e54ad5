//! Everything that is a matter of time: silence, deadlines, waits and graces that are over.

use super::bounds::{ABSENCE, PYLM_SUBSCRIPTION};
use super::dispatch::lost;
use super::doors::Sockets;
use super::egress::Client;
use super::ledger::{Relay, Unoffered};
use super::router::Router;
use pylm_protocol::codes::{LOST, RESET_SILENT, TIMEOUT, UNFOLLOWED, UNKNOWN_FUNCTION};
use pylm_protocol::{Record, nearest};
use std::time::Instant;

/// Functions among which the one is looked for that was meant.
const COMPARED: usize = 1_000;

impl Router {
    /// Looks at everything that is a matter of time.
    pub(crate) fn tick(&mut self, now: Instant) {
        for session in self.sessions.tick(now) {
            self.sessions.last_words(
                session,
                &Sockets::of(&self.db, self.sealed.as_ref()),
                &Record::Reset { code: RESET_SILENT, text: "nothing was heard for too long" },
            );
            self.sessions.cut_soon(session, now);
            self.lose_session(session, "nothing was heard from it for too long", now);
        }
        self.end_forbidden(now);
        self.replies.forget_read();
        self.tick_doors(now);
        self.tick_pushed(now);
        self.expire_unoffered(now);
        self.tick_followed(now);
        self.room_made |= !self.starved.is_empty();
        // Connections that come and go leave word with each socket, also with one that is only ever sent on.
        for worker in &self.workers {
            if let Err(error) = worker.push.socket.events() {
                tracing::error!(%error, "a socket cannot be asked for its state");
            }
        }
        self.end_unmatched_calls(now);
        self.expire_overdue(now);
        self.ledger.resume(now);
        self.withdraw();
        let lost: Vec<_> = self.hosts.keys().collect();
        lost.into_iter().for_each(|host| self.forget_host_unless_awaited(host));
        let over: Vec<_> = self
            .clients
            .iter()
            .filter(|(key, client)| match client {
                Client::Native(stream) => stream
                    .lost
                    .is_some_and(|since| now.duration_since(since) >= self.patience_for(*key, stream)),
                // They are closed with their context.
                Client::Followed(_) => false,
                Client::Pylm(stream) => {
                    let idle = self.ledger.job(*key).is_none_or(|job| job.counts.under_way == 0);
                    idle && self.is_served(client) && now.duration_since(stream.active) >= PYLM_SUBSCRIPTION
                }
            })
            .map(|(key, _)| key)
            .collect();
        for job in over {
            if let Some(Client::Native(stream)) = self.clients.get(job) {
                tracing::info!(job = %stream.identity, "the client of a job did not come back, the job is cancelled");
            }
            self.close(job);
        }
    }

    /// Ends what waited in vain for somebody to offer its function, or to follow its topic.
    pub(super) fn expire_unoffered(&mut self, now: Instant) {
        if self.awaits_hosts_until.is_some_and(|until| now < until) {
            return;
        }
        self.ledger.expire_absent(ABSENCE, now);
        let mut returned = Vec::new();
        let mut unknown = (String::new(), String::new());
        for Unoffered { part, name } in self.ledger.expire_unoffered(self.config.function_wait, now) {
            match part.relay().cloned() {
                None if part.losses() > 0 => {
                    let times = part.losses();
                    let text = lost(
                        &part,
                        &format!("lost its host {times} times, and no host offers {name:?} any more"),
                    );
                    self.keep_failed(&part, LOST, &text);
                    self.fail_part(&part, LOST, &text);
                }
                None => {
                    if unknown.0 != name || unknown.1.is_empty() {
                        unknown.1 = self.why_unknown(&name);
                        unknown.0 = name;
                    }
                    self.fail_part(&part, UNKNOWN_FUNCTION, &unknown.1);
                }
                Some(Relay { place, held, to_client: true }) => {
                    returned.push(part.message);
                    self.emit(part.message, part.identity, place, held, part.part.body);
                }
                Some(_) => {
                    let text = self.why_unfollowed(&name);
                    self.fail_part(&part, UNFOLLOWED, &text);
                }
            }
        }
        // A message may have had several results that come back.
        for message in returned {
            let settled = self.ledger.settle(message);
            self.settle(settled);
        }
    }

    fn why_unfollowed(&self, topic: &str) -> String {
        match nearest(topic, self.ledger.followed_topics().take(COMPARED)) {
            Some(near) => {
                format!("nobody follows {topic:?}, but somebody follows {near:?}; did you mean that?")
            }
            None => format!("nobody follows {topic:?}; start a node with --from {topic}=ADDRESS"),
        }
    }

    fn why_unknown(&self, name: &str) -> String {
        match nearest(name, self.ledger.offered_functions().take(COMPARED)) {
            Some(near) => format!("no worker host offers {name:?}; did you mean {near:?}?"),
            None => format!("no worker host offers {name:?}; start one with a plugin that has it"),
        }
    }

    /// Ends messages whose time is over.
    fn expire_overdue(&mut self, now: Instant) {
        let mut overdue = Vec::new();
        for (job, client) in &mut self.clients {
            if let Client::Native(stream) = client {
                overdue.extend(std::iter::from_fn(|| stream.overdue(now)));
                let under_way = self.ledger.job(job).map_or(0, |job| job.counts.under_way);
                if under_way > 0 && stream.deadline.is_some_and(|deadline| deadline <= now) {
                    // Those of an earlier run of this node may have heard of another one, or of none.
                    overdue.extend(self.ledger.messages_of(job));
                }
                stream.forget_ended(under_way as usize, |message| self.ledger.message(message).is_some());
            }
        }
        for message in overdue {
            if self.ledger.message(message).is_some() {
                self.abandoned.extend(self.ledger.leases_of(message));
                self.fail(message, TIMEOUT, "its time was over; see --timeout and --deadline");
            }
        }
    }
}
