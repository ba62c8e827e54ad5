//! Scatter: hooks make parts of a message, on a thread of their own, and no more of them than the job has room for.

use super::bounds::{MOST_WINDOW, ROOM, ROOM_BYTES};
use super::hook::{self, Desk};
use super::ledger::{JobKey, Ledger, MessageKey};
use super::message::{Identity, Message};
use super::router::Router;
use pylm_plugin_host::{CallError, Parts, PluginSet, Text};
use pylm_protocol::codes::HOOK_FAILED;
use pylm_transport::Waker;
use slotmap::SecondaryMap;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Instant;

/// Parts that are asked for at first, and at a time from then on: most messages have few.
const FIRST: usize = 8;
const NEXT: usize = 64;

/// What the hooks' thread is to do.
#[derive(Debug)]
enum Work {
    /// Begin with a message, and make its first parts.
    Begin(JobKey, MessageKey, Arc<Message>, Identity),
    /// Make more parts.
    More(JobKey, MessageKey),
    /// Nobody wants more parts.
    Forget(MessageKey),
}

/// What the hooks have made.
#[derive(Debug)]
enum Made {
    /// The message as it came is the only part. It comes back, so that no other thread than the router's counts who has it.
    Whole { job: JobKey, message: MessageKey, original: Arc<Message>, asked: usize },
    /// Anything else.
    Parts(Box<MadeParts>),
}

/// Parts of a message.
#[derive(Debug)]
struct MadeParts {
    job: JobKey,
    message: MessageKey,
    parts: Vec<Message>,
    /// How it goes on: with more parts, at the end, or not at all.
    state: Result<bool, CallError>,
    asked: usize,
}

/// The router's side: who waits to be scattered, and the thread that does it.
#[derive(Debug)]
pub struct Scatterer {
    work: Sender<Vec<Work>>,
    made: Receiver<Vec<Made>>,
    batch: Vec<Work>,
    jobs: SecondaryMap<JobKey, Scatters>,
    /// Jobs with messages that wait.
    active: Vec<JobKey>,
}

/// The messages of one job that are being scattered.
#[derive(Debug, Default)]
struct Scatters {
    /// Those that wait for room; whether they have begun.
    waiting: VecDeque<(MessageKey, bool)>,
    /// Parts that were asked for and have not come.
    asked: usize,
    active: bool,
}

/// How many parts of a job there may be, with those that are on their way to far hosts and back.
fn most_parts(ledger: &Ledger) -> usize {
    ROOM + ledger.travelling().min(MOST_WINDOW) as usize
}

impl Scatterer {
    /// Starts the thread, where there are scatter hooks.
    pub fn start(plugins: &PluginSet, stack: usize, waker: Waker) -> io::Result<Option<Self>> {
        if !plugins.has_scatter() {
            return Ok(None);
        }
        let (work, inbox) = channel();
        let (outbox, made) = sync_channel(64);
        let plugins = plugins.clone();
        std::thread::Builder::new()
            .name("scatter".into())
            .stack_size(stack)
            .spawn(move || run(&plugins, &inbox, &outbox, &waker))?;
        Ok(Some(Scatterer { work, made, batch: Vec::new(), jobs: SecondaryMap::new(), active: Vec::new() }))
    }

    /// A message is to be scattered when its job has room.
    pub fn enqueue(&mut self, job: JobKey, message: MessageKey) {
        self.queue(job, |scatters| scatters.waiting.push_back((message, false)));
    }

    fn queue(&mut self, job: JobKey, change: impl FnOnce(&mut Scatters)) {
        let Some(entry) = self.jobs.entry(job) else { return };
        let scatters = entry.or_default();
        change(scatters);
        if !std::mem::replace(&mut scatters.active, true) {
            self.active.push(job);
        }
    }

    /// Asks for parts of those messages whose jobs have room.
    fn pump(&mut self, ledger: &Ledger) {
        let active = std::mem::take(&mut self.active);
        let most = most_parts(ledger);
        for key in active {
            let (Some(scatters), Some(job)) = (self.jobs.get_mut(key), ledger.job(key)) else { continue };
            while let Some(&(message, begun)) = scatters.waiting.front() {
                let quota = if begun { NEXT } else { FIRST };
                let open = job.open_parts + scatters.asked;
                let room = open + quota <= most && job.open_bytes < ROOM_BYTES && !ledger.is_held(key);
                if !room && open > 0 {
                    break;
                }
                scatters.waiting.pop_front();
                let Some(original) = ledger.message(message) else { continue };
                let work = match &original.original {
                    Some(body) if !begun => {
                        let identity = Identity { number: original.number, part: 0 };
                        Work::Begin(key, message, Arc::clone(body), identity)
                    }
                    _ => Work::More(key, message),
                };
                scatters.asked += quota;
                self.batch.push(work);
            }
            scatters.active = !scatters.waiting.is_empty();
            if scatters.active {
                self.active.push(key);
            }
        }
        if !self.batch.is_empty() {
            // Without the thread, the node is ending.
            let next = Vec::with_capacity(self.batch.len());
            let _ = self.work.send(std::mem::replace(&mut self.batch, next));
        }
    }

    /// A message has ended.
    pub fn forget(&mut self, message: MessageKey) {
        self.batch.push(Work::Forget(message));
    }

    /// A job has ended.
    pub fn close(&mut self, job: JobKey) {
        self.jobs.remove(job);
    }
}

impl Router {
    /// Takes the parts that hooks have made, and asks for more where there is room.
    pub(crate) fn take_parts(&mut self, now: Instant) {
        while let Some(made) = self.scatterer.as_ref().and_then(|scatterer| scatterer.made.try_recv().ok()) {
            for made in made {
                match made {
                    Made::Whole { job, message, original, asked } => {
                        self.take_whole((job, message), &original, asked, now);
                    }
                    Made::Parts(made) => self.take_made(*made, now),
                }
            }
        }
        if let Some(scatterer) = &mut self.scatterer {
            scatterer.pump(&self.ledger);
        }
    }

    /// Takes a message that is the only part of itself.
    fn take_whole(
        &mut self,
        (job, message): (JobKey, MessageKey),
        original: &Message,
        asked: usize,
        now: Instant,
    ) {
        if let Some(scatterer) = &mut self.scatterer {
            scatterer.queue(job, |scatters| scatters.asked = scatters.asked.saturating_sub(asked));
        }
        if self.ledger.message(message).is_some() {
            self.add_part(job, message, original.clone(), now);
            let settled = self.ledger.scattered(message);
            self.settle(settled);
        }
    }

    fn take_made(&mut self, made: MadeParts, now: Instant) {
        let open = self.ledger.message(made.message).is_some();
        if let Some(scatterer) = &mut self.scatterer {
            scatterer.queue(made.job, |scatters| {
                scatters.asked = scatters.asked.saturating_sub(made.asked);
                if open && matches!(made.state, Ok(true)) {
                    scatters.waiting.push_front((made.message, true));
                }
            });
        }
        if !open {
            return;
        }
        for part in made.parts {
            self.add_part(made.job, made.message, part, now);
        }
        match made.state {
            Ok(true) => {}
            Ok(false) => {
                let settled = self.ledger.scattered(made.message);
                self.settle(settled);
            }
            Err(error) => {
                self.fail(made.message, HOOK_FAILED, &hook::failure("scatter", &error));
                let settled = self.ledger.scattered(made.message);
                self.settle(settled);
            }
        }
    }
}

/// One message whose parts are being made.
struct Open<'a> {
    parts: Parts<'a>,
    original: Arc<Message>,
    /// The cache key that it has for hooks.
    key: Text,
}

/// The hooks' side.
struct Hooks<'a> {
    plugins: &'a PluginSet,
    desk: Desk,
    /// Messages that have more parts than were asked for so far.
    open: HashMap<MessageKey, Open<'a>>,
}

fn run(plugins: &PluginSet, inbox: &Receiver<Vec<Work>>, outbox: &SyncSender<Vec<Made>>, waker: &Waker) {
    let mut hooks = Hooks { plugins, desk: Desk::default(), open: HashMap::new() };
    while let Ok(batch) = inbox.recv() {
        let mut made = Vec::with_capacity(batch.len());
        for work in batch {
            made.extend(hooks.carry_out(work));
        }
        if made.is_empty() {
            continue;
        }
        if outbox.send(made).is_err() {
            return;
        }
        // Without a poller to wake, the node is ending.
        let _ = waker.wake();
    }
}

impl<'a> Hooks<'a> {
    /// What was asked for is answered in any case, also when the message has ended meanwhile.
    #[inline]
    fn carry_out(&mut self, work: Work) -> Option<Made> {
        match work {
            Work::Begin(job, message, original, identity) => {
                let key = self.desk.key(&original, identity);
                let parts = self.plugins.scatter(self.desk.show(&original, &key));
                Some(self.make(job, message, Open { parts, original, key }, FIRST))
            }
            Work::More(job, message) => Some(match self.open.remove(&message) {
                Some(open) => self.make(job, message, open, NEXT),
                None => {
                    let nothing =
                        MadeParts { job, message, parts: Vec::new(), state: Ok(false), asked: NEXT };
                    Made::Parts(Box::new(nothing))
                }
            }),
            Work::Forget(message) => {
                self.open.remove(&message);
                None
            }
        }
    }

    /// Makes up to `asked` parts of a message, or as many as have bytes enough. Most have one, which is the message as it is.
    #[inline]
    fn make(&mut self, job: JobKey, message: MessageKey, mut open: Open<'a>, asked: usize) -> Made {
        let (mut parts, mut bytes) = (Vec::new(), 0);
        // The first part is the message as it is, and the only one so far.
        let mut whole = false;
        let state = loop {
            if parts.len() + usize::from(whole) >= asked || bytes >= ROOM_BYTES / 8 {
                break Ok(true);
            }
            let original = &*open.original;
            match open.parts.next() {
                Some(Ok(part)) => {
                    let part = self.desk.take_changed(part, original, &open.key);
                    bytes += part.as_ref().unwrap_or(original).payload.len();
                    if part.is_none() && parts.is_empty() && !whole {
                        whole = true;
                        continue;
                    }
                    parts.extend(std::mem::take(&mut whole).then(|| original.clone()));
                    parts.push(part.unwrap_or_else(|| original.clone()));
                }
                Some(Err(error)) => break Err(error),
                None if whole => {
                    self.desk.take_key_back(open.key);
                    return Made::Whole { job, message, original: open.original, asked };
                }
                None => break Ok(false),
            }
        };
        parts.extend(whole.then(|| (*open.original).clone()));
        if matches!(state, Ok(true)) {
            self.open.insert(message, open);
        }
        Made::Parts(Box::new(MadeParts { job, message, parts, state, asked }))
    }
}
