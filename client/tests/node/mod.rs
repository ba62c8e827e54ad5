//! A node in a few lines, which answers every message itself: enough of the protocol to hold a client to it.

use bytes::Bytes;
use pylm_protocol::palm::PalmMessage;
use pylm_protocol::{BatchReader, BatchWriter, JobState, Payload, Place, Record};
use pylm_transport::{Context, Frame, Frames, Options, SendError, Socket, SocketKind};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How the node is to behave.
#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    /// The answer to the question for the protocol's version.
    pub(crate) version: &'static str,
    /// Results of each message; one is sent as a Reply.
    pub(crate) results: u64,
    /// Messages with this payload fail.
    pub(crate) fails: &'static [u8],
    pub(crate) window: u64,
    /// The first Hello is answered with this Reset.
    pub(crate) reset: Option<&'static str>,
    pub(crate) max_message: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour { version: "1.0", results: 1, fails: b"fail", window: 16_384, reset: None, max_message: 0 }
    }
}

/// What a test asks of the node meanwhile.
pub(crate) enum Command {
    /// Lose every connection; forget the jobs too, as after a restart.
    Lose { forget: bool },
    /// Change the window of every job.
    Window(u64),
    /// Answer nothing from now on, or everything.
    Hold(bool),
    /// Become silent with the connection open.
    Silent,
}

/// What the node has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) hellos: AtomicU64,
    pub(crate) opens: AtomicU64,
    pub(crate) submits: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) cancels: AtomicU64,
    pub(crate) closes: AtomicU64,
    pub(crate) goodbyes: AtomicU64,
    /// The most messages without an end, over all jobs.
    pub(crate) most_open: AtomicU64,
    /// Outputs sent.
    pub(crate) outputs: AtomicU64,
}

/// A running node; ends when it is dropped.
pub(crate) struct Node {
    pub(crate) address: String,
    pub(crate) seen: Arc<Seen>,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    pub(crate) fn start(behaviour: Behaviour) -> Node {
        let context = Context::new().unwrap();
        let socket = router(&context);
        let address = socket.bind("tcp://127.0.0.1:0").unwrap();
        let seen = Arc::new(Seen::default());
        let (commands, orders) = mpsc::channel();
        let state = State {
            behaviour,
            seen: Arc::clone(&seen),
            address: address.clone(),
            jobs: BTreeMap::new(),
            cache: BTreeMap::new(),
            is_held: false,
            is_silent: false,
            epochs: 0,
        };
        let thread = std::thread::spawn(move || state.run(&context, socket, &orders));
        Node { address, seen, commands: Some(commands), thread: Some(thread) }
    }

    pub(crate) fn tell(&self, command: Command) {
        self.commands.as_ref().unwrap().send(command).unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Err(panic) = self.thread.take().unwrap().join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn router(context: &Context) -> Socket {
    context.socket(SocketKind::Router, &Options { router_mandatory: true, ..Options::default() }).unwrap()
}

enum Output {
    Result(u64, u64, Bytes),
    Reply(u64, Bytes),
    Done(u64, u64),
    Failed(u64),
}

struct Job {
    identity: Uuid,
    epoch: Uuid,
    next: u64,
    /// Messages that wait to be answered.
    held: VecDeque<(u64, Bytes)>,
    /// Messages whose end was not sent.
    open: u64,
    outputs: VecDeque<Output>,
    /// Outputs before those in `outputs`.
    acknowledged: u64,
    sent: u64,
    window: u64,
    /// The peer's routing id, and its number for the job.
    peer: Option<(Bytes, u32)>,
}

struct State {
    behaviour: Behaviour,
    seen: Arc<Seen>,
    address: String,
    jobs: BTreeMap<Uuid, Job>,
    cache: BTreeMap<String, Bytes>,
    is_held: bool,
    is_silent: bool,
    epochs: u128,
}

impl State {
    fn run(mut self, context: &Context, mut socket: Socket, orders: &mpsc::Receiver<Command>) {
        let mut frames = Frames::new();
        let mut waiting: VecDeque<Frames> = VecDeque::new();
        loop {
            match orders.try_recv() {
                Ok(Command::Lose { forget }) => {
                    drop(socket);
                    waiting.clear();
                    self.lose(forget);
                    socket = router(context);
                    eventually("the address is free", || socket.bind(&self.address).is_ok());
                }
                Ok(Command::Window(window)) => waiting.extend(self.set_window(window)),
                Ok(Command::Hold(hold)) => self.is_held = hold,
                Ok(Command::Silent) => self.is_silent = true,
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
            socket.wait_readable(Some(Duration::from_millis(2))).unwrap();
            for _ in 0..32 {
                if !socket.recv(&mut frames).unwrap() {
                    break;
                }
                let frames: Vec<Bytes> = frames.drain(..).map(Frame::into_bytes).collect();
                waiting.extend(self.take(&frames));
            }
            if !self.is_silent {
                waiting.extend(self.flush());
            }
            while let Some(frames) = waiting.front_mut() {
                match socket.send(frames) {
                    Ok(()) | Err(SendError::NoPeer) => drop(waiting.pop_front()),
                    Err(SendError::Full) => break,
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }

    fn lose(&mut self, forget: bool) {
        self.is_silent = false;
        if forget {
            self.jobs.clear();
        }
        for job in self.jobs.values_mut() {
            job.peer = None;
            job.sent = job.acknowledged;
        }
    }

    fn set_window(&mut self, window: u64) -> Vec<Frames> {
        self.behaviour.window = window;
        let open = self.jobs.values().filter_map(|job| job.peer.clone());
        open.map(|(peer, job)| batch(&peer, &[Record::Window { job, window, window_bytes: 1 << 26 }]))
            .collect()
    }

    fn take(&mut self, frames: &[Bytes]) -> Vec<Frames> {
        let [peer, frame, attachments @ ..] = frames else { panic!("{frames:?}") };
        if frame.is_empty() {
            let question = PalmMessage::decode(&attachments[0]).unwrap();
            assert_eq!((question.function, question.payload), ("_.get", &b"native_protocol"[..]));
            let answer = Frame::copy_from(self.behaviour.version.as_bytes());
            return vec![vec![Frame::copy_from(peer), Frame::empty(), answer]];
        }
        let mut reader = BatchReader::new(frame, attachments).unwrap();
        let mut answers = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            answers.extend(self.record(peer, record));
        }
        let open = self.jobs.values().map(|job| job.open).sum::<u64>();
        self.seen.most_open.fetch_max(open, SeqCst);
        if self.is_silent { Vec::new() } else { answers }
    }

    fn record(&mut self, peer: &Bytes, record: Record<'_>) -> Option<Frames> {
        let count = |counter: &AtomicU64| {
            counter.fetch_add(1, SeqCst);
        };
        match record {
            Record::Hello { .. } => {
                count(&self.seen.hellos);
                if let Some(code) = self.behaviour.reset.take() {
                    return Some(batch(peer, &[Record::Reset { code, text: "as the test wants it" }]));
                }
                let (node, max_message) = (Uuid::from_u128(1), self.behaviour.max_message);
                let welcome = Record::Welcome {
                    minor: 0,
                    node,
                    name: "test",
                    heartbeat: 200,
                    silence: 1000,
                    max_message,
                };
                return Some(batch(peer, &[welcome]));
            }
            Record::Open { job, identity, window, epoch, received, .. } => {
                count(&self.seen.opens);
                return Some(self.open(peer, job, identity, window, epoch, received));
            }
            Record::Submit { job, number, payload, .. } => {
                count(&self.seen.submits);
                let (is_held, behaviour) = (self.is_held, self.behaviour.clone());
                if let Some(job) = self.job(job) {
                    assert!(number >= job.next, "{number} was submitted, {} was to come", job.next);
                    job.next = number + 1;
                    job.open += 1;
                    job.held.push_back((number, payload.0));
                    if !is_held {
                        job.work(&behaviour);
                    }
                }
            }
            Record::Received { job, outputs } => {
                self.seen.received.fetch_max(outputs, SeqCst);
                if let Some(job) = self.job(job) {
                    assert!(outputs <= job.sent && outputs > job.acknowledged);
                    job.outputs.drain(..(outputs - job.acknowledged) as usize);
                    job.acknowledged = outputs;
                }
            }
            Record::Cancel { job } => {
                count(&self.seen.cancels);
                return Some(batch(peer, &[Record::Cancelled { job }]));
            }
            Record::Close { job } => {
                count(&self.seen.closes);
                let identity = self.job(job).map(|job| job.identity);
                identity.map(|identity| self.jobs.remove(&identity));
            }
            Record::Goodbye {} => count(&self.seen.goodbyes),
            Record::Get { call, key } => {
                let value = self.cache.get(key).cloned();
                let status = u32::from(value.is_none());
                let payload = Payload(value.unwrap_or_default());
                return Some(batch(peer, &[Record::Answer { call, status, payload }]));
            }
            Record::Set { call, key, payload } => {
                let key = if key.is_empty() { "chosen" } else { key };
                self.cache.insert(key.into(), payload.0);
                let payload = Payload(Bytes::copy_from_slice(key.as_bytes()));
                return Some(batch(peer, &[Record::Answer { call, status: 0, payload }]));
            }
            Record::Delete { call, key } => {
                let status = if key == "read-only" { 2 } else { u32::from(self.cache.remove(key).is_none()) };
                let payload = Payload(Bytes::from_static(b"as the test wants it"));
                return Some(batch(peer, &[Record::Answer { call, status, payload }]));
            }
            _ => {}
        }
        None
    }

    fn job(&mut self, number: u32) -> Option<&mut Job> {
        self.jobs.values_mut().find(|job| job.peer.as_ref().is_some_and(|peer| peer.1 == number))
    }

    fn open(
        &mut self,
        peer: &Bytes,
        number: u32,
        identity: Uuid,
        window: u64,
        epoch: Uuid,
        received: u64,
    ) -> Frames {
        let state = if self.jobs.contains_key(&identity) { JobState::Known } else { JobState::New };
        self.epochs += 1;
        let fresh = Uuid::from_u128(self.epochs);
        let job = self.jobs.entry(identity).or_insert_with(|| Job {
            identity,
            epoch: fresh,
            next: 0,
            held: VecDeque::new(),
            open: 0,
            outputs: VecDeque::new(),
            acknowledged: 0,
            sent: 0,
            window,
            peer: None,
        });
        if epoch == job.epoch {
            job.outputs.drain(..(received - job.acknowledged) as usize);
            job.acknowledged = received;
        }
        job.sent = job.acknowledged;
        job.peer = Some((peer.clone(), number));
        let (epoch, next, window) = (job.epoch, job.next, self.behaviour.window);
        batch(peer, &[Record::Opened { job: number, state, epoch, next, window, window_bytes: 1 << 26 }])
    }

    fn flush(&mut self) -> Vec<Frames> {
        let mut batches = Vec::new();
        let behaviour = &self.behaviour;
        for job in self.jobs.values_mut() {
            if !self.is_held {
                job.work(behaviour);
            }
            let Some((peer, number)) = job.peer.clone() else { continue };
            let room = (job.acknowledged + job.window).saturating_sub(job.sent) as usize;
            let from = (job.sent - job.acknowledged) as usize;
            let mut writer = BatchWriter::new();
            for output in job.outputs.iter().skip(from).take(room) {
                writer.push(&output.record(number));
                job.sent += 1;
                job.open = job.open.saturating_sub(u64::from(!matches!(output, Output::Result(..))));
                self.seen.outputs.fetch_add(1, SeqCst);
                if writer.is_full() {
                    batches.push(frames(&peer, &mut writer));
                }
            }
            if !writer.is_empty() {
                batches.push(frames(&peer, &mut writer));
            }
        }
        batches
    }
}

impl Job {
    fn work(&mut self, behaviour: &Behaviour) {
        for (number, payload) in self.held.drain(..) {
            if payload == behaviour.fails {
                self.outputs.push_back(Output::Failed(number));
            } else if behaviour.results == 1 {
                self.outputs.push_back(Output::Reply(number, payload));
            } else {
                let results =
                    (0..behaviour.results).map(|place| Output::Result(number, place, payload.clone()));
                self.outputs.extend(results.chain([Output::Done(number, behaviour.results)]));
            }
        }
    }
}

impl Output {
    fn record(&self, job: u32) -> Record<'_> {
        match *self {
            Output::Result(number, place, ref payload) => Record::Result {
                job,
                number,
                flags: 0,
                place: Place::new(&[place]),
                payload: Payload(payload.clone()),
            },
            Output::Reply(number, ref payload) => {
                Record::Reply { job, number, payload: Payload(payload.clone()) }
            }
            Output::Done(number, results) => Record::Done { job, number, results },
            Output::Failed(number) => {
                Record::Failed { job, number, results: 0, code: "failed", text: "as the test wants it" }
            }
        }
    }
}

fn batch(peer: &[u8], records: &[Record<'_>]) -> Frames {
    let mut writer = BatchWriter::new();
    records.iter().for_each(|record| writer.push(record));
    frames(peer, &mut writer)
}

fn frames(peer: &[u8], writer: &mut BatchWriter) -> Frames {
    let (batch, attachments) = writer.take();
    let mut frames = vec![Frame::copy_from(peer), Frame::from_vec(batch)];
    frames.extend(attachments.into_iter().map(Frame::from_bytes));
    frames
}
