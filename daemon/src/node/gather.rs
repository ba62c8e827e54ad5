//! Gather: results that count go through the hooks, on a thread of their own; a join holds them until its parent is complete.

use super::bounds::{GATHER, GATHER_BYTES, ROOM, ROOM_BYTES};
use super::hook;
use super::hosts::Host;
use super::ledger::{HostKey, Job, LeaseKey, MessageKey, Passed};
use super::message::{Identity, Message};
use super::route::{Routed, route};
use super::router::Router;
use pylm_plugin_host::{CallError, JoinState, PluginSet};
use pylm_protocol::codes::HOOK_FAILED;
use pylm_protocol::{Place, Record};
use pylm_transport::Waker;
use slotmap::Key;
use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// What the hooks' thread is to do.
#[derive(Debug)]
enum Work {
    /// Take a result, with the message it belongs to.
    Result(Box<Message>, Passed),
    /// All results of a message were given.
    Complete(MessageKey, Box<Message>, u64),
    /// Nobody wants the results of a message.
    Forget(MessageKey),
}

/// What the hooks have made.
#[derive(Debug)]
enum Made {
    /// A result for the way out.
    Result(MessageKey, Identity, Place, bool, Routed),
    /// That many results, of so many bytes, were taken.
    Taken(usize, usize),
    /// All of a message was given back.
    Complete(MessageKey),
    /// A hook failed.
    Failed(MessageKey, CallError),
}

/// The router's side.
#[derive(Debug)]
pub struct Gatherer {
    work: Sender<Vec<Work>>,
    made: Receiver<Vec<Made>>,
    batch: Vec<Work>,
    /// Messages of which all parts have ended.
    complete: Vec<MessageKey>,
    /// Results that the hooks have not taken.
    outstanding: usize,
    /// The bytes of them.
    outstanding_bytes: usize,
}

impl Gatherer {
    /// Starts the thread, where there are hooks for results.
    pub fn start(plugins: &PluginSet, waker: Waker) -> io::Result<Option<Self>> {
        if !plugins.has_gather() && !plugins.has_join() && !plugins.has_route() {
            return Ok(None);
        }
        let (work, inbox) = channel();
        let (outbox, made) = sync_channel(64);
        let plugins = plugins.clone();
        let thread = std::thread::Builder::new().name("gather".into());
        thread.spawn(move || {
            Hooks { plugins, joins: HashMap::new(), made: Vec::new() }.run(&inbox, &outbox, &waker)
        })?;
        Ok(Some(Gatherer {
            work,
            made,
            batch: Vec::new(),
            complete: Vec::new(),
            outstanding: 0,
            outstanding_bytes: 0,
        }))
    }

    /// Whether the hooks have as much before them as is decent.
    pub fn is_full(&self) -> bool {
        self.outstanding >= GATHER || self.outstanding_bytes >= GATHER_BYTES
    }

    /// Results that the hooks have before them, and their bytes.
    pub fn load(&self) -> (usize, usize) {
        (self.outstanding, self.outstanding_bytes)
    }

    /// All parts of a message have ended.
    pub fn complete(&mut self, message: MessageKey) {
        self.complete.push(message);
    }

    /// A message has ended.
    pub fn forget(&mut self, message: MessageKey) {
        self.batch.push(Work::Forget(message));
    }
}

impl Router {
    /// Hands a result to the hooks; without any, it is on its way out.
    #[inline]
    pub(crate) fn gather(&mut self, passed: Passed) {
        if let Some(place) = passed.relayed {
            return self.emit(passed.message, passed.identity, place, passed.held, passed.result);
        }
        let Some(gatherer) = &mut self.gatherer else {
            let place = Place::new(&[passed.identity.part, passed.index]);
            let (key, identity) = (passed.message, passed.identity);
            if !self.config.pipelined && self.followed.is_empty() {
                return self.emit(key, identity, place, passed.held, passed.result);
            }
            return self.forward(key, identity, place, passed.held, Routed::unsaid(passed.result));
        };
        let Some(original) = self.ledger.message(passed.message).and_then(|open| open.original.clone())
        else {
            return;
        };
        gatherer.outstanding += 1;
        gatherer.outstanding_bytes += passed.result.payload.len();
        gatherer.batch.push(Work::Result(original, passed));
    }

    /// Takes what the hooks have made, and gives them what this turn has brought.
    pub(crate) fn take_gathered(&mut self) {
        let was_full = self.gatherer.as_ref().is_some_and(Gatherer::is_full);
        while let Some(made) = self.gatherer.as_ref().and_then(|gatherer| gatherer.made.try_recv().ok()) {
            for made in made {
                self.take_made_result(made);
            }
        }
        if was_full && !self.gatherer.as_ref().is_some_and(Gatherer::is_full) {
            self.give_room_to_starved();
        }
        let Some(gatherer) = &mut self.gatherer else { return };
        for key in std::mem::take(&mut gatherer.complete) {
            if let Some(open) = self.ledger.message(key)
                && let Some(original) = open.original.clone()
            {
                gatherer.batch.push(Work::Complete(key, original, open.number));
            }
        }
        if !gatherer.batch.is_empty() {
            // Without the thread, the node is ending.
            let _ = gatherer.work.send(std::mem::take(&mut gatherer.batch));
        }
    }

    fn take_made_result(&mut self, made: Made) {
        match made {
            Made::Result(key, identity, place, held, routed) => {
                self.forward(key, identity, place, held, routed)
            }
            Made::Taken(results, bytes) => {
                if let Some(gatherer) = &mut self.gatherer {
                    gatherer.outstanding -= results;
                    gatherer.outstanding_bytes -= bytes;
                }
            }
            Made::Complete(key) => {
                let settled = self.ledger.gathered(key);
                self.settle(settled);
            }
            Made::Failed(key, error) => self.fail(key, HOOK_FAILED, &hook::failure("gather", &error)),
        }
    }

    /// Lets a host go on with a lease of many results, where their client has room.
    pub(crate) fn give_room(&mut self, host: HostKey, lease: LeaseKey) {
        let Some(part) = self.ledger.leased_part(lease) else { return };
        let (job, makes_parts) = (part.job, part.relay.is_none());
        // Each result that goes on is a part; what comes back from there makes none.
        let is_crowded = |job: &Job| job.relays > ROOM || job.relay_bytes > ROOM_BYTES;
        let crowded = makes_parts && self.ledger.job(job).is_some_and(is_crowded);
        if self.ledger.is_held(job) || crowded || self.gatherer.as_ref().is_some_and(Gatherer::is_full) {
            self.starved.push((job, host, lease));
            return;
        }
        if let Some((results, results_bytes)) = self.ledger.room(lease)
            && let Some(Host::Native(native)) = self.hosts.get(host)
            && let Some(session) = native.session
        {
            self.sessions
                .say(session, &Record::Room { lease: lease.data().as_ffi(), results, results_bytes });
        }
    }

    /// Lets hosts go on whose leases wait for room, as far as there is any again.
    pub(crate) fn give_room_to_starved(&mut self) {
        for (_, host, lease) in std::mem::take(&mut self.starved) {
            self.give_room(host, lease);
        }
    }
}

/// The hooks' side: the hooks and their open joins.
struct Hooks {
    plugins: PluginSet,
    joins: HashMap<MessageKey, JoinState>,
    made: Vec<Made>,
}

/// Results that are handed over at a time.
const HAND_OVER: usize = 256;

impl Hooks {
    fn run(mut self, inbox: &Receiver<Vec<Work>>, outbox: &SyncSender<Vec<Made>>, waker: &Waker) {
        let hand_over = |made: &mut Vec<Made>| {
            // Without a poller to wake, the node is ending.
            outbox.send(std::mem::take(made)).is_ok() && waker.wake().is_ok()
        };
        while let Ok(batch) = inbox.recv() {
            for work in batch {
                match work {
                    Work::Result(original, passed) => {
                        let bytes = passed.result.payload.len();
                        let message = passed.message;
                        let outcome = self
                            .take(&original, passed, &mut |made| made.len() < HAND_OVER || hand_over(made));
                        self.made.push(Made::Taken(1, bytes));
                        self.fail_on(outcome, message);
                    }
                    Work::Complete(key, original, number) => {
                        let outcome = self.complete(key, &original, number, &mut |made| {
                            made.len() < HAND_OVER || hand_over(made)
                        });
                        match outcome {
                            Ok(()) => self.made.push(Made::Complete(key)),
                            failed => self.fail_on(failed, key),
                        }
                    }
                    Work::Forget(key) => drop(self.joins.remove(&key)),
                }
            }
            if !self.made.is_empty() && !hand_over(&mut self.made) {
                return;
            }
        }
    }

    fn fail_on(&mut self, outcome: Result<(), CallError>, message: MessageKey) {
        if let Err(error) = outcome {
            self.joins.remove(&message);
            self.made.push(Made::Failed(message, error));
        }
    }

    /// One result: through gather, and then into the join or out.
    fn take(
        &mut self,
        original: &Message,
        passed: Passed,
        hand_over: &mut dyn FnMut(&mut Vec<Made>) -> bool,
    ) -> Result<(), CallError> {
        let Passed { message: key, identity, index, held, result, .. } = passed;
        let parent = hook::to_plugin(original, Identity { part: 0, ..identity });
        let as_plugin = hook::to_plugin(&result, identity);
        for (output, gathered) in self.plugins.gather(&parent, as_plugin).enumerate() {
            let gathered = gathered?;
            if self.plugins.has_join() {
                self.join(key, &parent)?.take(gathered)?;
                continue;
            }
            let place = Place::new(&[identity.part, index, output as u64]);
            let message = hook::from_plugin(gathered, &result, identity);
            self.route(key, identity, place, held, message)?;
            hand_over(&mut self.made);
        }
        Ok(())
    }

    /// The join of a message, begun when its first result comes.
    fn join(
        &mut self,
        key: MessageKey,
        parent: &pylm_plugin_host::Message,
    ) -> Result<&mut JoinState, CallError> {
        use std::collections::hash_map::Entry;
        match self.joins.entry(key) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let state = self.plugins.join(parent)?.ok_or_else(|| CallError {
                    kind: pylm_plugin_host::CallErrorKind::Failed,
                    permanent: true,
                    message: "the join is gone".into(),
                })?;
                Ok(entry.insert(state))
            }
        }
    }

    /// A message has all of its results: the join gives what replaces them.
    fn complete(
        &mut self,
        key: MessageKey,
        original: &Message,
        number: u64,
        hand_over: &mut dyn FnMut(&mut Vec<Made>) -> bool,
    ) -> Result<(), CallError> {
        if !self.plugins.has_join() {
            return Ok(());
        }
        let identity = Identity { number, part: 0 };
        let parent = hook::to_plugin(original, identity);
        self.join(key, &parent)?;
        let Some(state) = self.joins.remove(&key) else { return Ok(()) };
        for (output, joined) in state.finish().enumerate() {
            let message = hook::from_plugin(joined?, original, identity);
            self.route(key, identity, Place::new(&[output as u64]), false, message)?;
            hand_over(&mut self.made);
        }
        Ok(())
    }

    fn route(
        &mut self,
        key: MessageKey,
        identity: Identity,
        place: Place,
        held: bool,
        message: Message,
    ) -> Result<(), CallError> {
        let made = &mut self.made;
        let mut copies = 0;
        route(&self.plugins, message, identity, |routed| {
            let mut place = place.clone();
            if copies > 0 {
                place.0.resize(3, 0);
                place.0.push(copies);
            }
            copies += 1;
            made.push(Made::Result(key, identity, place, held, routed));
        })
    }
}
