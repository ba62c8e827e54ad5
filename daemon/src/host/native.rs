//! Serving a node natively: one thread that moves messages, over one connection after the other.

mod connection;
mod intake;
mod outgoing;
mod overlong;
mod session;

use super::HostError;
use super::discovery::{self, Server};
use super::life::{BEAT, Life};
use super::limit::Pace;
use super::outbox::Fetched;
use super::parcel::{Given, LeaseContext};
use super::queue::Live;
use super::shared::Shared;
use super::untaken::Untaken;
use crate::supervisor::random_fraction;
use outgoing::Outgoing;
use overlong::Overlong;
use pylm_protocol::link::Backoff;
use pylm_transport::{Context, Poller, Security};
use session::Over;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};
use uuid::Uuid;

/// How long a host that is ending waits for the node to take its last results.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What the host knows over all of its connections.
pub(super) struct Native<'a> {
    address: &'a str,
    /// What it comes in with.
    security: &'a Security,
    shared: &'a Shared,
    life: &'a mut Life,
    poller: &'a mut Poller,
    limit_bytes: u64,
    /// The largest payload that this host takes, in bytes.
    max_message: u64,
    /// Names this host, whatever connection it comes over.
    peer: Uuid,
    /// How many connections there were, with this one.
    connections: u64,
    /// The run of the node that is being served.
    node: Option<Uuid>,
    backoff: Backoff,
    pace: Pace,
    /// What was sent and not taken.
    untaken: Untaken,
    live: Live,
    /// What was fetched from the slots; kept for its room.
    fetched: Fetched,
    /// When the slots' outboxes were emptied last, due or not.
    emptied: Instant,
    overlong: Overlong,
    /// The host was told to end.
    is_ending: bool,
    /// The node has said that it ends, and its connection is gone.
    has_node_ended: bool,
    /// Since when the host is ending and has nothing under way.
    finished: Option<Instant>,
    was_ready: bool,
    /// The node has said Welcome over the last connection.
    is_welcome: bool,
}

/// What belongs to one session.
#[derive(Default)]
struct Books {
    given: Given,
    contexts: HashMap<u32, Arc<LeaseContext>>,
    outgoing: Outgoing,
}

impl<'a> Native<'a> {
    /// A host that has not met the node at `address` yet, and takes so many bytes at a time, and in one message. A function may go on for `grace` when nobody wants its results. The waker of `poller` is the one that `shared` wakes.
    pub(super) fn new(
        (address, security): (&'a str, &'a Security),
        shared: &'a Shared,
        (limit_bytes, max_message): (u64, u64),
        grace: Duration,
        life: &'a mut Life,
        poller: &'a mut Poller,
    ) -> Self {
        Native {
            address,
            security,
            shared,
            life,
            poller,
            limit_bytes,
            max_message,
            peer: Uuid::new_v4(),
            connections: 0,
            node: None,
            backoff: Backoff::default(),
            pace: Pace::new(shared.outboxes.len(), shared.takes_nothing.load(Relaxed), Instant::now()),
            untaken: Untaken::default(),
            live: Live::default(),
            fetched: Fetched::default(),
            emptied: Instant::now(),
            overlong: Overlong::new(grace),
            is_ending: false,
            has_node_ended: false,
            finished: None,
            was_ready: false,
            is_welcome: false,
        }
    }

    /// Serves until the host is told to end, and has finished.
    pub(super) fn serve(mut self, context: &Context) -> Result<(), HostError> {
        loop {
            match self.session(context)? {
                Over::Drained => return Ok(()),
                Over::Overlong => self.life.end_process(),
                Over::Final(why) => return Err(HostError::Dismissed(why)),
                over @ (Over::Lost(_) | Over::NodeEnded) => {
                    if !self.is_welcome
                        && self.security.client_key().is_none()
                        && self.life.ends_processes()
                        && self.serves_pylm(context)?
                    {
                        warn!(
                            db = self.address,
                            "a node of pylm's serves there now: this process ends, and is started again for it"
                        );
                        self.life.end_process();
                    }
                    let delay = self.backoff.next_delay(random_fraction());
                    let (db, retry_ms) = (self.address, delay.as_millis() as u64);
                    match over {
                        Over::Lost(why) => warn!(db, %why, retry_ms, "the connection is lost"),
                        _ => {
                            self.has_node_ended = true;
                            info!(db, "the node has ended, and is waited for");
                        }
                    }
                    self.lose();
                    if self.pause(delay)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether what serves at the node's address, and said no Welcome, is a node of pylm's by now.
    fn serves_pylm(&mut self, context: &Context) -> Result<bool, HostError> {
        let found = discovery::ask(context, self.address, &self.shared.name, self.life)?;
        Ok(found == Some(Server::Pylm))
    }

    /// After a connection is lost: the node gives what was not begun to others.
    fn lose(&mut self) {
        if self.is_welcome && self.untaken.lose() {
            error!(
                "what this host has to say ends each connection, and is not said any more: the node gives its messages to others"
            );
            self.shared.next_run();
        }
        self.live.drop_waiting();
        self.live.forget_done();
        self.shared.calls.lose();
        self.shared.gates.next_session();
    }

    /// Waits before the next attempt; says whether the host has ended meanwhile.
    fn pause(&mut self, delay: Duration) -> Result<bool, HostError> {
        let end = Instant::now() + delay;
        let mut ready = Vec::new();
        loop {
            let now = Instant::now();
            let is_leaving = self.is_leaving(now);
            let is_idle = is_leaving && !self.live.any_begun();
            self.fetch(now, is_idle);
            for packed in self.fetched.packed.drain(..) {
                self.untaken.keep(packed);
            }
            if is_leaving && self.has_finished(is_idle, now) {
                return Ok(true);
            }
            if now >= end {
                return Ok(false);
            }
            self.poller.wait(Some((end - now).min(BEAT)), &mut ready)?;
        }
    }

    /// Gives a sign of life, and says whether the host was told to end.
    fn is_leaving(&mut self, now: Instant) -> bool {
        let is_leaving = !self.life.pulse(now);
        if is_leaving && !std::mem::replace(&mut self.is_ending, true) {
            info!("ending: what is begun is finished, the rest given back");
        }
        is_leaving
    }

    /// Fetches what the slots have to say, `all` of it or what is due, into `self.fetched`.
    fn fetch(&mut self, now: Instant, all: bool) {
        self.shared.take_signal();
        let all = all || now.duration_since(self.emptied) >= session::TICK;
        if all {
            self.emptied = now;
            let pace = &mut self.pace;
            self.shared.queue.look_after(|busy, begun| pace.observe_running(busy, begun as u64));
        }
        let run = self.shared.run();
        for outbox in &self.shared.outboxes {
            outbox.fetch(run, all, &mut self.fetched);
        }
        self.pace.observe(std::mem::take(&mut self.fetched.busy), std::mem::take(&mut self.fetched.done));
        for lease in self.fetched.forgotten.drain(..) {
            self.untaken.forget_stream(lease);
        }
    }

    /// Whether a host that is ending has nothing left to do, or waits in vain for the node to take its last results.
    /// `is_idle`: nothing was begun when the slots' results were fetched last.
    fn has_finished(&mut self, is_idle: bool, now: Instant) -> bool {
        if !is_idle {
            self.finished = None;
            return false;
        }
        let since = *self.finished.get_or_insert(now);
        // The next run of a node that has ended wants nothing of the leases that this one gave.
        if self.untaken.is_empty() || self.has_node_ended {
            return true;
        }
        let in_vain = now.duration_since(since) >= LAST_WORDS;
        if in_vain {
            warn!(db = self.address, "the node has not taken the last results, which others will give it");
        }
        in_vain
    }
}
