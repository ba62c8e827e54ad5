//! The session against a model of a node: whatever is lost, repeated, held or shrunk, each result and each end comes once.

use super::backlog::Message;
use super::calls::CacheCall;
use super::job::{Delivery, Job, JobTerms};
use super::session::{Introduction, Outgoing, Session};
use super::window::Window;
use bytes::Bytes;
use proptest::prelude::*;
use pylm_protocol::record::HELD_UNTIL_END;
use pylm_protocol::{
    BatchReader, BatchWriter, IDLE_HEARTBEAT, IDLE_PATIENCE, JobState, Payload, Place, Record, codes,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use uuid::Uuid;

const JOB: u32 = 5;
const OUTPUTS: Window = Window { messages: 6, bytes: 40 };

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Submit {
        sizes: Vec<usize>,
    },
    /// The client's batches reach the node.
    Send,
    /// One of the node's batches reaches the client.
    Receive,
    /// The node works: on the nth message that it has, it sends one output.
    Work {
        choice: usize,
    },
    /// The application takes all that was delivered until now.
    Take,
    Window {
        messages: u64,
        bytes: u64,
    },
    /// The connection is lost; the node knows the job afterwards, or is new, or knows it under another epoch.
    Lose {
        node: AfterLoss,
    },
}

#[derive(Debug, Clone, Copy)]
enum AfterLoss {
    Knows,
    CountsAnew,
    IsNew,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => prop::collection::vec(0usize..12, 1..6).prop_map(|sizes| Step::Submit { sizes }),
        6 => Just(Step::Send),
        6 => Just(Step::Receive),
        12 => any::<usize>().prop_map(|choice| Step::Work { choice }),
        4 => Just(Step::Take),
        1 => (0u64..9, 0u64..60).prop_map(|(messages, bytes)| Step::Window { messages, bytes }),
        1 => prop_oneof![Just(AfterLoss::Knows), Just(AfterLoss::CountsAnew), Just(AfterLoss::IsNew)]
            .prop_map(|node| Step::Lose { node }),
    ];
    prop::collection::vec(step, 1..200)
}

/// What each message yields is its number's business: the same in every run.
fn results_of(number: u64) -> u64 {
    number % 4
}

/// Messages whose results are held until the end.
fn is_held(number: u64) -> bool {
    number % 8 == 7
}

/// Messages that get a Reply instead of a Result and a Done.
fn is_reply(number: u64) -> bool {
    number % 8 == 1
}

/// Results that are held may stand elsewhere in another run, as only those of one run count.
fn place(number: u64, index: u64, run: u64) -> Place {
    Place::new(&[index % 2, index / 2, if is_held(number) { run } else { 0 }])
}

fn payload(number: u64, index: u64) -> Bytes {
    Bytes::from(format!("{number}.{index}"))
}

/// A message at the node.
#[derive(Debug, Default)]
struct AtNode {
    /// Results that were put among the outputs.
    sent: u64,
    ended: bool,
    /// Which run of the message this is.
    run: u64,
}

/// An output that waits for its acknowledgement, as what makes it.
#[derive(Debug, Clone, Copy)]
enum Queued {
    Result { number: u64, index: u64, run: u64 },
    Reply { number: u64 },
    Done { number: u64 },
    Failed { number: u64 },
}

impl Queued {
    /// The message that it ends.
    fn ended(self) -> Option<u64> {
        match self {
            Queued::Result { .. } => None,
            Queued::Reply { number } | Queued::Done { number } | Queued::Failed { number } => Some(number),
        }
    }
}

#[derive(Debug)]
struct Node {
    epoch: Uuid,
    messages: BTreeMap<u64, AtNode>,
    next: u64,
    outputs: Vec<Queued>,
    acknowledged: usize,
    sent: usize,
    is_known: bool,
    is_open: bool,
    window: Window,
    closed: bool,
    to_client: VecDeque<Bytes>,
    restarts: u128,
}

impl Node {
    fn new() -> Self {
        Node {
            epoch: Uuid::from_u128(100),
            messages: BTreeMap::new(),
            next: 0,
            outputs: Vec::new(),
            acknowledged: 0,
            sent: 0,
            is_known: false,
            is_open: false,
            window: Window { messages: 8, bytes: 50 },
            closed: false,
            to_client: VecDeque::new(),
            restarts: 0,
        }
    }

    fn say(&mut self, record: &Record<'_>) {
        let mut writer = BatchWriter::new();
        writer.push(record);
        self.to_client.push_back(Bytes::from(writer.take().0));
    }

    fn take(&mut self, record: &Record<'_>) {
        match *record {
            Record::Hello { .. } => self.say(&Record::Welcome {
                minor: 0,
                node: Uuid::nil(),
                name: "model",
                heartbeat: 1000,
                silence: 5000,
                max_message: 0,
            }),
            Record::Open { epoch, received, .. } => self.open(epoch, received),
            Record::Submit { number, .. } => {
                assert!(self.is_known && number >= self.next, "{number} was submitted twice in a row");
                self.next = number + 1;
                let run = self.restarts as u64;
                self.messages.insert(number, AtNode { run, ..AtNode::default() });
            }
            Record::Finish { count, .. } => assert!(count >= self.next),
            Record::Received { outputs, .. } => {
                let outputs = outputs as usize;
                assert!(outputs > self.acknowledged && outputs <= self.sent, "{outputs} were not sent");
                self.acknowledged = outputs;
            }
            Record::Close { .. } => self.closed = true,
            Record::Heartbeat { .. } => {}
            ref other => panic!("{} was not expected", other.name()),
        }
    }

    fn open(&mut self, epoch: Uuid, received: u64) {
        let state = if self.is_known { JobState::Known } else { JobState::New };
        if epoch == self.epoch {
            assert!(received as usize >= self.acknowledged && received as usize <= self.outputs.len());
            self.acknowledged = received as usize;
        } else {
            // Counted anew: messages whose end was not acknowledged are run anew.
            let taken: BTreeSet<u64> =
                self.outputs[..self.acknowledged].iter().filter_map(|output| output.ended()).collect();
            self.outputs.clear();
            self.messages.retain(|number, _| !taken.contains(number));
            let run = self.restarts as u64;
            self.messages.values_mut().for_each(|message| *message = AtNode { run, ..AtNode::default() });
            self.acknowledged = 0;
        }
        self.sent = self.acknowledged;
        self.is_known = true;
        self.is_open = true;
        let (epoch, next) = (self.epoch, self.next);
        let Window { messages: window, bytes: window_bytes } = self.window;
        self.say(&Record::Opened { job: JOB, state, epoch, next, window, window_bytes });
    }

    /// Puts the next output of one of the messages behind the others.
    fn work(&mut self, choice: usize) {
        let open: Vec<u64> =
            self.messages.iter().filter(|(_, message)| !message.ended).map(|(&number, _)| number).collect();
        let Some(&number) = open.get(choice % open.len().max(1)) else { return };
        let Some(message) = self.messages.get_mut(&number) else { return };
        let output = if is_reply(number) {
            message.ended = true;
            Queued::Reply { number }
        } else if message.sent < results_of(number) {
            message.sent += 1;
            Queued::Result { number, index: message.sent - 1, run: message.run }
        } else {
            message.ended = true;
            if number % 5 == 0 { Queued::Failed { number } } else { Queued::Done { number } }
        };
        self.outputs.push(output);
    }

    /// Sends as many outputs as the client has room for.
    fn flush(&mut self) {
        while self.is_open
            && self.sent < self.outputs.len()
            && self.sent - self.acknowledged < OUTPUTS.messages as usize
        {
            let output = self.outputs[self.sent];
            self.sent += 1;
            match output {
                Queued::Result { number, index, run } => self.say(&Record::Result {
                    job: JOB,
                    number,
                    flags: if is_held(number) { HELD_UNTIL_END } else { 0 },
                    place: place(number, index, run),
                    payload: Payload(payload(number, index)),
                }),
                Queued::Reply { number } => {
                    self.say(&Record::Reply { job: JOB, number, payload: Payload(payload(number, 0)) });
                }
                Queued::Done { number } => {
                    self.say(&Record::Done { job: JOB, number, results: results_of(number) });
                }
                Queued::Failed { number } => self.say(&Record::Failed {
                    job: JOB,
                    number,
                    results: results_of(number),
                    code: codes::FAILED,
                    text: "as planned",
                }),
            }
        }
    }

    fn lose(&mut self, after: AfterLoss) {
        self.to_client.clear();
        self.is_open = false;
        self.sent = self.acknowledged;
        self.restarts += 1;
        match after {
            AfterLoss::Knows => {}
            AfterLoss::CountsAnew => self.epoch = Uuid::from_u128(100 + self.restarts),
            AfterLoss::IsNew => {
                *self = Node {
                    epoch: Uuid::from_u128(100 + self.restarts),
                    window: self.window,
                    restarts: self.restarts,
                    ..Node::new()
                };
            }
        }
    }
}

/// The application's and the client's side, with what it has seen.
struct Harness {
    session: Session<()>,
    node: Node,
    now: Instant,
    submitted: Vec<Message>,
    results: BTreeMap<u64, BTreeSet<Place>>,
    ended: BTreeSet<u64>,
    delivered: usize,
    /// Submitted over this connection and not ended, as an outsider counts.
    under_way: BTreeMap<u64, u64>,
    window: Window,
}

impl Harness {
    fn new() -> Self {
        let now = Instant::now();
        let introduction = Introduction {
            peer: Uuid::from_u128(1),
            name: "client".into(),
            software: "test".into(),
            max_message: 0,
            address: "model".into(),
        };
        let mut session = Session::new(introduction, now);
        let terms = JobTerms {
            identity: Uuid::from_u128(2),
            attach: false,
            pipeline: "p".into(),
            function: "server.f".into(),
            timeout: 0,
            deadline: None,
            priority: 0,
            retries: 0,
            outputs: OUTPUTS,
        };
        session.add_job(JOB, Job::new(JOB, terms));
        let mut harness = Harness {
            session,
            node: Node::new(),
            now,
            submitted: Vec::new(),
            results: BTreeMap::new(),
            ended: BTreeSet::new(),
            delivered: 0,
            under_way: BTreeMap::new(),
            window: Window::EARLY,
        };
        harness.connect();
        harness
    }

    fn connect(&mut self) {
        self.session.connecting(self.now);
        self.session.connected(true, self.now);
        self.window = Window::EARLY;
        self.under_way.clear();
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Submit { sizes } => {
                let first = self.submitted.len();
                self.submitted.extend(
                    sizes.iter().map(|&size| Message { payload: Bytes::from(vec![b'x'; size]), cache: None }),
                );
                let messages = self.submitted[first..].to_vec();
                if let Some(job) = self.session.job(JOB) {
                    job.submit(messages.into_iter());
                }
            }
            Step::Send => self.send(),
            Step::Receive => self.receive(),
            Step::Work { choice } => self.node.work(choice),
            Step::Take => {
                if let Some(job) = self.session.job(JOB) {
                    let (epoch, outputs) = job.came();
                    job.taken(epoch, outputs);
                }
            }
            Step::Window { messages, bytes } => {
                self.node.window = Window { messages, bytes };
                if self.node.is_open {
                    self.node.say(&Record::Window { job: JOB, window: messages, window_bytes: bytes });
                }
            }
            Step::Lose { node } => {
                self.session.disconnected();
                self.node.lose(node);
                self.connect();
            }
        }
        self.node.flush();
    }

    fn send(&mut self) {
        while let Some(outgoing) = self.session.transmit(self.now) {
            match outgoing {
                Outgoing::Question(_) => {
                    self.session.receive(&[Bytes::new(), Bytes::from_static(b"1.0")], self.now).unwrap();
                }
                Outgoing::Batch(frame, attachments) => self.read(&Bytes::from(frame), &attachments),
            }
        }
        self.look();
    }

    fn read(&mut self, frame: &Bytes, attachments: &[Bytes]) {
        let mut reader = BatchReader::new(frame, attachments).unwrap();
        while let Some(record) = reader.next_record().unwrap() {
            if let Record::Submit { number, payload, .. } = &record {
                let bytes: u64 = self.under_way.values().sum();
                let size = payload.0.len() as u64;
                let fits =
                    (self.under_way.len() as u64) < self.window.messages && bytes + size <= self.window.bytes;
                assert!(self.under_way.is_empty() || fits, "{number} is beyond the window");
                self.under_way.insert(*number, size);
            }
            self.node.take(&record);
        }
    }

    fn receive(&mut self) {
        let Some(batch) = self.node.to_client.pop_front() else { return };
        let copy = batch.clone();
        let mut reader = BatchReader::new(&copy, &[]).unwrap();
        while let Some(record) = reader.next_record().unwrap() {
            match record {
                Record::Window { window, window_bytes, .. } => {
                    self.window = Window { messages: window, bytes: window_bytes };
                }
                Record::Opened { state, next, window, window_bytes, .. } => {
                    self.window = Window { messages: window, bytes: window_bytes };
                    if state == JobState::Known {
                        let open = (0..next).filter(|number| !self.ended.contains(number));
                        self.under_way = open
                            .map(|number| (number, self.submitted[number as usize].payload.len() as u64))
                            .collect();
                    }
                }
                _ => {}
            }
        }
        self.session.receive(&[batch], self.now).unwrap();
        self.look();
    }

    /// Looks at what the job delivers.
    fn look(&mut self) {
        let Some(job) = self.session.job(JOB) else { return };
        let (deliveries, _) = job.take_deliveries();
        self.delivered += deliveries.len();
        for delivery in deliveries {
            match delivery {
                Delivery::Result { number, place, payload } => self.result(number, place, &payload),
                Delivery::Reply { number, payload } => {
                    self.result(number, Place::default(), &payload);
                    self.end(number, 1);
                }
                Delivery::Done { number, results } => self.end(number, results),
                Delivery::Failed { number, code, message, .. } => {
                    assert_eq!(*code, *codes::FAILED);
                    assert_eq!(message, self.submitted[number as usize]);
                    self.end(number, results_of(number));
                }
            }
        }
    }

    fn result(&mut self, number: u64, place: Place, payload: &Bytes) {
        assert!(!self.ended.contains(&number), "a result of {number} came after its end");
        let index = place.0.first().copied().unwrap_or(0) + 2 * place.0.get(1).copied().unwrap_or(0);
        assert_eq!(payload, &self::payload(number, index));
        assert!(self.results.entry(number).or_default().insert(place), "a result of {number} came twice");
    }

    fn end(&mut self, number: u64, results: u64) {
        assert!(self.ended.insert(number), "{number} ended twice");
        assert_eq!(self.results.get(&number).map_or(0, BTreeSet::len) as u64, results);
        self.under_way.remove(&number);
    }

    /// Does what is left, on a connection that holds.
    fn complete(&mut self) {
        self.session.job(JOB).unwrap().finish();
        self.step(Step::Window { messages: 8, bytes: 50 });
        for round in 0..100_000 {
            for step in [Step::Send, Step::Receive, Step::Work { choice: round }, Step::Take] {
                self.step(step);
            }
            if self.session.job(JOB).is_none_or(|job| job.is_closed()) {
                break;
            }
        }
        assert_eq!(self.ended.len(), self.submitted.len(), "not all have ended");
        assert!(self.node.closed || !self.node.is_open, "the node was left with the job");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_result_and_every_end_comes_once_whatever_happens(steps in steps()) {
        let mut harness = Harness::new();
        steps.into_iter().for_each(|step| harness.step(step));
        harness.complete();
    }
}

#[test]
fn without_acknowledgement_nothing_comes_beyond_the_output_window() {
    let mut harness = Harness::new();
    harness.step(Step::Submit { sizes: vec![1; 40] });
    for choice in 0..1000 {
        [Step::Send, Step::Receive, Step::Work { choice }].into_iter().for_each(|step| harness.step(step));
    }
    // The counts of a Reply and of a Result are one each, and so are those of what is held for its end.
    assert!(harness.node.sent as u64 == OUTPUTS.messages && harness.node.acknowledged == 0);
    assert!(harness.delivered <= OUTPUTS.messages as usize);
    harness.complete();
}

#[test]
fn a_cancelled_job_ends_every_message_once() {
    let mut harness = Harness::new();
    harness.step(Step::Submit { sizes: vec![1; 5] });
    harness.step(Step::Send);
    harness.session.job(JOB).unwrap().cancel();
    let mut records = Vec::new();
    while let Some(Outgoing::Batch(frame, _)) = harness.session.transmit(harness.now) {
        let frame = Bytes::from(frame);
        let mut reader = BatchReader::new(&frame, &[]).unwrap();
        while let Some(record) = reader.next_record().unwrap() {
            records.push(record.name());
        }
    }
    assert_eq!(records, ["Cancel"]);
    harness.node.say(&Record::Cancelled { job: JOB });
    let batch = harness.node.to_client.pop_back().unwrap();
    harness.session.receive(&[batch], harness.now).unwrap();
    let job = harness.session.job(JOB).unwrap();
    assert!(job.is_over());
    let (deliveries, _) = job.take_deliveries();
    let numbers: Vec<u64> = deliveries
        .iter()
        .map(|delivery| match delivery {
            Delivery::Failed { number, code, .. } if **code == *codes::CANCELLED => *number,
            other => panic!("{other:?} was not expected"),
        })
        .collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
}

#[test]
fn silence_counts_as_loss_unless_the_node_asked_for_patience() {
    let mut harness = Harness::new();
    harness.send();
    harness.receive();
    assert!(harness.session.is_up());
    let later = |seconds| harness.now + Duration::from_secs(seconds);
    let (four, six, nine) = (later(4), later(6), later(9));
    assert!(harness.session.check(four, || None).is_ok());
    assert!(harness.session.check(six, || None).is_err());
    harness.receive();
    harness.node.say(&Record::Heartbeat { patience: 8000 });
    harness.receive();
    assert!(harness.session.check(six, || None).is_ok());
    assert!(harness.session.check(nine, || None).is_err());
}

#[test]
fn a_heartbeat_is_sent_when_nothing_else_was_for_a_while() {
    let mut harness = Harness::new();
    harness.send();
    harness.receive();
    harness.receive();
    harness.send();
    assert!(harness.session.transmit(harness.now).is_none());
    let due = harness.session.deadline().unwrap();
    assert_eq!(due, harness.now + Duration::from_secs(1));
    assert!(harness.session.transmit(due).is_some());
    assert!(harness.session.transmit(due).is_none());
}

/// The heartbeat that a session without anything to do says at its deadline, and what patience it asks for.
fn heartbeat(session: &mut Session<()>, due: Instant) -> u64 {
    let Some(Outgoing::Batch(frame, attachments)) = session.transmit(due) else { panic!("nothing was said") };
    let frame = Bytes::from(frame);
    let mut reader = BatchReader::new(&frame, &attachments).unwrap();
    match reader.next_record().unwrap() {
        Some(Record::Heartbeat { patience }) => patience,
        other => panic!("{other:?} is no heartbeat"),
    }
}

#[test]
fn a_client_without_jobs_says_less_and_hears_of_a_lost_node_as_soon_as_it_wants_something() {
    let mut harness = Harness::new();
    harness.send();
    harness.receive();
    harness.receive();
    harness.send();
    assert_eq!(heartbeat(&mut harness.session, harness.now + Duration::from_secs(1)), 0, "its job is open");
    harness.session.remove_job(JOB);
    let rests = harness.now + Duration::from_secs(2);
    assert_eq!(heartbeat(&mut harness.session, rests), IDLE_PATIENCE.as_millis() as u64);
    assert!(harness.session.transmit(rests + IDLE_HEARTBEAT / 2).is_none());
    let patience = IDLE_PATIENCE.as_millis() as u64;
    harness.now = rests;
    harness.node.say(&Record::Heartbeat { patience });
    harness.receive();
    let later = rests + Duration::from_secs(8);
    assert!(harness.session.check(later, || None).is_ok());
    harness.session.call(CacheCall::Get { key: "key".into() }, ());
    assert!(harness.session.transmit(later).is_some());
    assert!(harness.session.check(later + Duration::from_secs(4), || None).is_ok());
    assert!(harness.session.check(later + Duration::from_secs(6), || None).is_err(), "it wants an answer");
}
