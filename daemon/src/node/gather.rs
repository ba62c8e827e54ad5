//! Gather: results that count go through the hooks, on a thread of their own; a join holds them until its parent is complete.

use super::bounds::{GATHER, GATHER_BYTES, MOST_WINDOW, ROOM, ROOM_BYTES};
use super::egress::Client;
use super::hook::{self, Desk};
use super::hosts::Host;
use super::ledger::{HostKey, Job, LeaseKey, MessageKey, Outcome, Passed, Whole};
use super::message::{Identity, Message};
use super::native::stream::Output;
use super::route::{Routed, route};
use super::router::Router;
use bytes::Bytes;
use pylm_plugin_host::{CallError, JoinState, PluginSet, Text};
use pylm_protocol::codes::HOOK_FAILED;
use pylm_protocol::{Place, Record};
use pylm_transport::Waker;
use slotmap::{Key, SecondaryMap};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// Results that are handed over at a time.
const HAND_OVER: usize = 256;

/// Messages that there is room for, beyond those that are under way.
const ORIGINALS: usize = 1_024;

/// What the hooks' thread is to do.
#[derive(Debug)]
enum Work {
    /// Take a result, with the message it belongs to.
    Result(Arc<Message>, Passed),
    /// All results of a message were given.
    Complete(MessageKey, Arc<Message>, u64),
    /// Both: take the only result of a message.
    Whole(Whole),
    /// Nobody wants the results of a message.
    Forget(MessageKey),
}

/// What the hooks have made.
#[derive(Debug)]
enum Made {
    /// A result for the way out.
    Result(MessageKey, Identity, Place, bool, Routed),
    /// All of a message was given back.
    Complete(MessageKey),
    /// Both: the only result of a message, which goes out or on. The message comes back, so that no other thread than the router's
    /// counts who has it.
    Whole(Whole),
    /// A hook failed.
    Failed(MessageKey, CallError),
}

/// What is handed over together.
#[derive(Debug, Default)]
struct HandOver {
    made: Vec<Made>,
    /// So many results were taken.
    taken: usize,
    /// The bytes of them.
    taken_bytes: usize,
}

/// The router's side.
#[derive(Debug)]
pub struct Gatherer {
    work: Sender<Vec<Work>>,
    made: Receiver<HandOver>,
    batch: Vec<Work>,
    /// Room for messages as they came, of those that have ended.
    originals: Vec<Arc<Message>>,
    /// Messages of which all parts have ended.
    complete: Vec<MessageKey>,
    /// Results that the hooks have not taken.
    outstanding: usize,
    /// The bytes of them.
    outstanding_bytes: usize,
}

impl Gatherer {
    /// Starts the thread, where there are hooks for results.
    pub fn start(plugins: &PluginSet, stack: usize, waker: Waker) -> io::Result<Option<Self>> {
        if !plugins.has_gather() && !plugins.has_join() && !plugins.has_route() {
            return Ok(None);
        }
        let (work, inbox) = channel();
        let (outbox, made) = sync_channel(64);
        let plugins = plugins.clone();
        let thread = std::thread::Builder::new().name("gather".into()).stack_size(stack);
        thread.spawn(move || Hooks::new(&plugins, &outbox, &waker).run(&inbox))?;
        Ok(Some(Gatherer {
            work,
            made,
            batch: Vec::new(),
            originals: Vec::new(),
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

    /// A message as it came.
    pub fn original(&mut self, message: Message) -> Arc<Message> {
        if let Some(mut original) = self.originals.pop()
            && let Some(room) = Arc::get_mut(&mut original)
        {
            *room = message;
            return original;
        }
        Arc::new(message)
    }

    /// A message as it came has ended, and nobody but this thread has it, as a rule.
    fn keep_room(&mut self, mut original: Arc<Message>) {
        if self.originals.len() < ORIGINALS
            && let Some(message) = Arc::get_mut(&mut original)
        {
            message.payload = Bytes::new();
            message.cache = None;
            self.originals.push(original);
        }
    }

    /// Hands this turn's work to the thread. Without that, the node is ending.
    fn hand_over(&mut self) {
        let next = Vec::with_capacity(self.batch.len().min(HAND_OVER));
        let _ = self.work.send(std::mem::replace(&mut self.batch, next));
    }

    fn push(&mut self, bytes: usize, result: Work) {
        self.outstanding += 1;
        self.outstanding_bytes += bytes;
        self.batch.push(result);
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
        gatherer.push(passed.result.payload.len(), Work::Result(original, passed));
    }

    /// A lease was ended by its only result, which is all of a message: it goes through the hooks, and comes back as its end. Gives
    /// the result back where there is more to it.
    #[inline]
    pub(crate) fn gather_whole(
        &mut self,
        host: HostKey,
        lease: LeaseKey,
        payload: Bytes,
    ) -> Result<(), Bytes> {
        let Some(gatherer) = &mut self.gatherer else { return Err(payload) };
        let whole = self.ledger.reply_for_hooks(host, lease, payload)?;
        gatherer.push(whole.result.payload.len(), Work::Whole(whole));
        Ok(())
    }

    /// Takes what the hooks have made, and gives them what this turn has brought.
    pub(crate) fn take_gathered(&mut self) {
        let was_full = self.gatherer.as_ref().is_some_and(Gatherer::is_full);
        while let Some(gatherer) = &mut self.gatherer
            && let Ok(HandOver { made, taken, taken_bytes }) = gatherer.made.try_recv()
        {
            gatherer.outstanding -= taken;
            gatherer.outstanding_bytes -= taken_bytes;
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
            gatherer.hand_over();
        }
    }

    fn take_made_result(&mut self, made: Made) {
        match made {
            Made::Result(key, identity, place, held, routed) => {
                self.forward(key, identity, place, held, routed)
            }
            Made::Complete(key) => {
                let settled = self.ledger.gathered(key);
                self.settle(settled);
            }
            Made::Whole(whole) => self.take_whole_result(whole),
            Made::Failed(key, error) => self.fail(key, HOOK_FAILED, &hook::failure("gather", &error)),
        }
    }

    /// Sends the only result of a message out or on, and with it its end, where nothing is to come back.
    fn take_whole_result(&mut self, Whole { message: key, identity, result, original }: Whole) {
        if let Some(gatherer) = &mut self.gatherer {
            gatherer.keep_room(original);
        }
        if !self.config.pipelined
            && let Some(open) = self.ledger.message(key)
            && let Some(Client::Native(stream)) = self.clients.get_mut(open.job)
            && result.payload.len() as u64 <= stream.max_message.min(self.config.max_message)
        {
            stream.push(Output::Reply { number: identity.number, payload: result.payload });
            let job = open.job;
            self.ledger.end(key, Outcome::Done);
            return self.touch(job);
        }
        self.forward(key, identity, Place::default(), false, Routed::unsaid(result));
        let settled = self.ledger.gathered(key);
        self.settle(settled);
    }

    /// Lets a host go on with a lease of many results, where their client has room.
    pub(crate) fn give_room(&mut self, host: HostKey, lease: LeaseKey) {
        let Some(part) = self.ledger.leased_part(lease) else { return };
        let (job, makes_parts) = (part.job, part.relay().is_none());
        // Each result that goes on is a part; what comes back from there makes none.
        let most = ROOM + self.ledger.travelling().min(MOST_WINDOW) as usize;
        let is_crowded = |job: &Job| job.relays > most || job.relay_bytes > ROOM_BYTES;
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

/// The hooks' side.
struct Hooks<'a> {
    plugins: &'a PluginSet,
    desk: Desk,
    /// The joins of messages whose results come.
    joins: SecondaryMap<MessageKey, JoinState<'a>>,
    out: HandOver,
    outbox: &'a SyncSender<HandOver>,
    waker: &'a Waker,
}

impl<'a> Hooks<'a> {
    fn new(plugins: &'a PluginSet, outbox: &'a SyncSender<HandOver>, waker: &'a Waker) -> Self {
        let (desk, joins, out) = (Desk::default(), SecondaryMap::new(), HandOver::default());
        Hooks { plugins, desk, joins, out, outbox, waker }
    }

    fn run(mut self, inbox: &Receiver<Vec<Work>>) {
        while let Ok(batch) = inbox.recv() {
            self.out.made.reserve(batch.len().min(HAND_OVER));
            for work in batch {
                self.carry_out(work);
                self.hand_over_much();
            }
            if !self.hand_over() {
                return;
            }
        }
    }

    #[inline]
    fn carry_out(&mut self, work: Work) {
        match work {
            Work::Result(original, passed) => {
                let Passed { message, identity, index, held, result, .. } = passed;
                let outcome = self.take(&original, message, (identity, index, held), &result);
                self.count_taken(result.payload.len());
                self.fail_on(outcome, message);
            }
            Work::Complete(message, original, number) => {
                let outcome = self.complete(message, &original, number);
                self.end_on(outcome, message);
            }
            Work::Whole(whole) => {
                let (message, bytes) = (whole.message, whole.result.payload.len());
                let outcome = self.take_whole(whole);
                self.count_taken(bytes);
                self.end_on(outcome, message);
            }
            Work::Forget(message) => drop(self.joins.remove(message)),
        }
    }

    #[inline]
    fn count_taken(&mut self, bytes: usize) {
        self.out.taken += 1;
        self.out.taken_bytes += bytes;
    }

    /// Hands over what was made; whether the node is there to take it.
    fn hand_over(&mut self) -> bool {
        if self.out.made.is_empty() && self.out.taken == 0 {
            return true;
        }
        // Without a poller to wake, the node is ending.
        self.outbox.send(std::mem::take(&mut self.out)).is_ok() && self.waker.wake().is_ok()
    }

    /// The same, where it is much.
    #[inline]
    fn hand_over_much(&mut self) {
        if self.out.made.len() >= HAND_OVER {
            self.hand_over();
            self.out.made.reserve(HAND_OVER);
        }
    }

    #[inline]
    fn fail_on(&mut self, outcome: Result<(), CallError>, message: MessageKey) {
        if let Err(error) = outcome {
            self.joins.remove(message);
            self.out.made.push(Made::Failed(message, error));
        }
    }

    /// The same of what was the last of the message.
    #[inline]
    fn end_on(&mut self, outcome: Result<(), CallError>, message: MessageKey) {
        let failed = outcome.is_err();
        self.fail_on(outcome, message);
        if failed {
            self.out.made.push(Made::Complete(message));
        }
    }

    /// The only result of a message. Most give one, which is all of the message then.
    #[inline]
    fn take_whole(&mut self, mut whole: Whole) -> Result<(), CallError> {
        let Whole { message, identity, .. } = whole;
        if self.plugins.has_join() || self.plugins.has_route() {
            self.take(&whole.original, message, (identity, 0, false), &whole.result)?;
            return self.complete(message, &whole.original, identity.number);
        }
        let (parent, key, own_key) = self.show(&whole.original, &whole.result, identity);
        let result_key = own_key.as_ref().unwrap_or(&key);
        let mut gathered = self.plugins.gather(&parent, self.desk.show(&whole.result, result_key));
        let Some(first) = gathered.next().transpose()? else {
            self.out.made.push(Made::Complete(message));
            return Ok(());
        };
        let changed = self.desk.take_changed(first, &whole.result, result_key);
        let second = gathered.next();
        if second.is_none() {
            drop(gathered);
            self.desk.take_back(parent, &whole.original.header);
            self.desk.take_key_back(key);
            whole.result = changed.unwrap_or(whole.result);
            self.out.made.push(Made::Whole(whole));
            return Ok(());
        }
        let first = changed.unwrap_or_else(|| whole.result.clone());
        self.give(message, identity, Place::default(), false, Routed::unsaid(first));
        for (output, gathered) in (1..).zip(second.into_iter().chain(gathered)) {
            let result = self.desk.take(gathered?, &whole.result, result_key);
            self.give(
                message,
                identity,
                Place::new(&[identity.part, 0, output]),
                false,
                Routed::unsaid(result),
            );
        }
        self.out.made.push(Made::Complete(message));
        Ok(())
    }

    /// One result: through gather, and then into the join or out.
    fn take(
        &mut self,
        original: &Message,
        message: MessageKey,
        (identity, index, held): (Identity, u64, bool),
        result: &Message,
    ) -> Result<(), CallError> {
        let (parent, key, own_key) = self.show(original, result, identity);
        let result_key = own_key.as_ref().unwrap_or(&key);
        let gathered = self.plugins.gather(&parent, self.desk.show(result, result_key));
        for (output, gathered) in (0..).zip(gathered) {
            let gathered = gathered?;
            if self.plugins.has_join() {
                self.join(message, &parent)?.take(gathered)?;
                continue;
            }
            let place = Place::new(&[identity.part, index, output]);
            let gathered = self.desk.take(gathered, result, result_key);
            self.route(message, identity, place, held, gathered)?;
        }
        self.desk.take_back(parent, &original.header);
        self.desk.take_key_back(key);
        Ok(())
    }

    /// A message for hooks that get a result of it, and its cache key; that of the result, if it is another one.
    #[inline]
    fn show(
        &mut self,
        original: &Message,
        result: &Message,
        identity: Identity,
    ) -> (pylm_plugin_host::Message, Text, Option<Text>) {
        let key = self.desk.key(original, Identity { part: 0, ..identity });
        let is_same = match (&original.cache, &result.cache) {
            (Some(key), Some(own)) => key.is_shared_with(own),
            (None, None) => identity.part == 0,
            _ => false,
        };
        let own_key = (!is_same).then(|| self.desk.key(result, identity));
        (self.desk.show(original, &key), key, own_key)
    }

    /// The join of a message, begun when its first result comes.
    fn join(
        &mut self,
        message: MessageKey,
        parent: &pylm_plugin_host::Message,
    ) -> Result<&mut JoinState<'a>, CallError> {
        let gone = || CallError {
            kind: pylm_plugin_host::CallErrorKind::Failed,
            permanent: true,
            message: "the join is gone".into(),
        };
        if !self.joins.contains_key(message) {
            self.joins.insert(message, self.plugins.join(parent)?.ok_or_else(gone)?);
        }
        self.joins.get_mut(message).ok_or_else(gone)
    }

    /// A message has all of its results: the join gives what replaces them.
    fn complete(&mut self, message: MessageKey, original: &Message, number: u64) -> Result<(), CallError> {
        if self.plugins.has_join() {
            let identity = Identity { number, part: 0 };
            let key = self.desk.key(original, identity);
            let parent = self.desk.show(original, &key);
            self.join(message, &parent)?;
            let joined = self.joins.remove(message).map(JoinState::finish);
            for (output, joined) in (0..).zip(joined.into_iter().flatten()) {
                let joined = self.desk.take(joined?, original, &key);
                self.route(message, identity, Place::new(&[output]), false, joined)?;
            }
            self.desk.take_back(parent, &original.header);
        }
        self.out.made.push(Made::Complete(message));
        Ok(())
    }

    fn route(
        &mut self,
        message: MessageKey,
        identity: Identity,
        place: Place,
        held: bool,
        result: Message,
    ) -> Result<(), CallError> {
        if !self.plugins.has_route() {
            self.give(message, identity, place, held, Routed::unsaid(result));
            return Ok(());
        }
        let made = &mut self.out.made;
        let mut copies = 0;
        route(self.plugins, &mut self.desk, &result, identity, |routed| {
            let mut place = place.clone();
            if copies > 0 {
                place.0.resize(3, 0);
                place.0.push(copies);
            }
            copies += 1;
            made.push(Made::Result(message, identity, place, held, routed));
        })?;
        self.hand_over_much();
        Ok(())
    }

    /// A result is made.
    fn give(&mut self, message: MessageKey, identity: Identity, place: Place, held: bool, routed: Routed) {
        self.out.made.push(Made::Result(message, identity, place, held, routed));
        self.hand_over_much();
    }
}
