//! What a journal is to give back, in the simplest way: all records are kept, and the state is computed from the first on.

#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]

pub mod opened;

pub use opened::Opened;

use bytes::Bytes;
use proptest::prelude::*;
use pylm_journal::{JobHeader, KeptOutput, Output, Record, Recovered, UnfinishedMessage};
use pylm_protocol::Place;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelJob {
    pub header: JobHeader,
    pub messages: BTreeMap<u64, UnfinishedMessage>,
    pub outputs: BTreeMap<u64, KeptOutput>,
    pub finished: Option<u64>,
    pub cancelled: bool,
    below: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    pub jobs: BTreeMap<Uuid, ModelJob>,
    pub cache: BTreeMap<Box<str>, Bytes>,
}

impl Model {
    pub fn of(records: &[Record]) -> Model {
        let mut model = Model::default();
        records.iter().for_each(|record| model.apply(record));
        model
    }

    pub fn apply(&mut self, record: &Record) {
        match record.clone() {
            Record::Started { .. } => {}
            Record::JobOpened(header) => {
                let job = self.jobs.entry(header.identity).or_default();
                job.header = *header;
            }
            Record::Closed { job } => drop(self.jobs.remove(&job)),
            Record::CacheSet { key, value } => drop(self.cache.insert(key, value)),
            Record::CacheDelete { key } => drop(self.cache.remove(&key)),
            other => {
                let Some(job) = other.job().and_then(|job| self.jobs.get_mut(&job)) else { return };
                job.apply(other);
            }
        }
    }

    /// What a recovered state is, as far as it is determined; the rest of it is checked here.
    pub fn recovered(recovered: &Recovered) -> Model {
        let jobs = recovered.jobs.iter().map(|(&identity, job)| {
            assert_eq!(job.header.identity, identity);
            let numbers = job.messages.keys().copied().chain(job.outputs.values().map(|kept| kept.number));
            assert!(numbers.max().is_none_or(|highest| highest < job.next_number));
            assert!(job.outputs.keys().next_back().is_none_or(|&highest| highest < job.next_serial));
            let same = ModelJob {
                header: job.header.clone(),
                messages: job.messages.clone(),
                outputs: job.outputs.clone(),
                finished: job.finished,
                cancelled: job.cancelled,
                below: 0,
            };
            (identity, same)
        });
        let cache = recovered.cache.iter().map(|(key, value)| (key.clone(), value.clone()));
        Model { jobs: jobs.collect(), cache: cache.collect() }
    }

    /// What a run of the node finds that begins here: messages without an end run again, and make their results anew.
    pub fn restarted(mut self) -> Model {
        for job in self.jobs.values_mut() {
            let messages = &job.messages;
            job.outputs.retain(|_, kept| !messages.contains_key(&kept.number));
        }
        self
    }

    /// The same without what a journal does not give back.
    pub fn visible(mut self) -> Model {
        self.jobs.values_mut().for_each(|job| job.below = 0);
        self
    }
}

impl ModelJob {
    fn apply(&mut self, record: Record) {
        match record {
            Record::Accepted { number, cache, payload, .. } => {
                self.messages.insert(number, UnfinishedMessage { cache, payload });
            }
            Record::Output { serial, number, output, .. } => {
                if output.is_end() {
                    self.messages.remove(&number);
                }
                self.outputs.insert(serial, KeptOutput { number, output });
            }
            Record::Acknowledged { below, .. } => {
                self.below = self.below.max(below);
                let ended: BTreeSet<u64> = self
                    .outputs
                    .range(..self.below)
                    .filter(|kept| kept.1.output.is_end())
                    .map(|kept| kept.1.number)
                    .collect();
                let below = self.below;
                self.outputs.retain(|&serial, kept| {
                    let held = matches!(kept.output, Output::Result { held: true, .. });
                    serial >= below || held && !ended.contains(&kept.number)
                });
            }
            Record::Finished { count, .. } => self.finished = Some(count),
            Record::Cancelled { .. } => {
                self.messages.clear();
                self.outputs.clear();
                self.cancelled = true;
            }
            other => panic!("not of a job: {other:?}"),
        }
    }
}

/// One step of a random run; what it is about is chosen among what is there.
#[derive(Debug, Clone)]
pub enum Step {
    Open {
        job: u8,
    },
    Accept {
        job: u8,
        size: u16,
    },
    Result {
        job: u8,
        message: u8,
        held: bool,
        size: u16,
    },
    End {
        job: u8,
        message: u8,
        how: u8,
        size: u16,
    },
    Acknowledge {
        job: u8,
        share: u8,
    },
    Finish {
        job: u8,
    },
    Cancel {
        job: u8,
    },
    Close {
        job: u8,
    },
    Set {
        key: u8,
        size: u16,
    },
    Delete {
        key: u8,
    },
    /// Waits until all is durable.
    Wait,
    /// The node crashes, and starts again.
    Crash,
    /// It ends in good order, and starts again.
    Restart,
}

/// Random steps: most of them bring messages in and out.
pub fn step() -> impl Strategy<Value = Step> {
    let job = || 0..3u8;
    let size = || prop_oneof![8 => 0..200u16, 1 => 0..3000u16, 1 => 16_000..40_000u16];
    prop_oneof![
        3 => job().prop_map(|job| Step::Open { job }),
        20 => (job(), size()).prop_map(|(job, size)| Step::Accept { job, size }),
        8 => (job(), any::<u8>(), any::<bool>(), size())
            .prop_map(|(job, message, held, size)| Step::Result { job, message, held, size }),
        16 => (job(), any::<u8>(), 0..3u8, size()).prop_map(|(job, message, how, size)| Step::End { job, message, how, size }),
        8 => (job(), any::<u8>()).prop_map(|(job, share)| Step::Acknowledge { job, share }),
        1 => job().prop_map(|job| Step::Finish { job }),
        1 => job().prop_map(|job| Step::Cancel { job }),
        1 => job().prop_map(|job| Step::Close { job }),
        4 => (0..5u8, size()).prop_map(|(key, size)| Step::Set { key, size }),
        2 => (0..5u8).prop_map(|key| Step::Delete { key }),
        5 => Just(Step::Wait),
        2 => Just(Step::Crash),
        1 => Just(Step::Restart),
    ]
}

/// Random steps of one job whose messages have many results, run several times, and end seldom.
pub fn step_of_many_results() -> impl Strategy<Value = Step> {
    let message = || (any::<u8>(), 0..2000u16);
    prop_oneof![
        1 => Just(Step::Open { job: 0 }),
        4 => (0..2000u16).prop_map(|size| Step::Accept { job: 0, size }),
        20 => (message(), any::<bool>())
            .prop_map(|((message, size), held)| Step::Result { job: 0, message, held, size }),
        3 => (message(), 1..3u8).prop_map(|((message, size), how)| Step::End { job: 0, message, how, size }),
        6 => any::<u8>().prop_map(|share| Step::Acknowledge { job: 0, share }),
        2 => Just(Step::Wait),
        2 => Just(Step::Crash),
        2 => Just(Step::Restart),
    ]
}

/// What a node would know of its jobs.
#[derive(Debug, Default)]
pub struct Node {
    next_numbers: BTreeMap<Uuid, u64>,
    next_serials: BTreeMap<Uuid, u64>,
    results: BTreeMap<(Uuid, u64), u64>,
    written: u64,
}

impl Node {
    /// The record that a step makes of a state, if any.
    pub fn record(&mut self, step: &Step, model: &Model) -> Option<Record> {
        let open =
            |job: u8| Some(identity(job)).filter(|job| model.jobs.get(job).is_some_and(|job| !job.cancelled));
        self.written += 1;
        Some(match *step {
            Step::Open { job } => {
                let header = JobHeader {
                    identity: identity(job),
                    client: "c7e1".into(),
                    pipeline: format!("pipeline {job}").into(),
                    function: "server.shout".into(),
                    stage: -1,
                    window: self.written,
                    timeout: u64::MAX,
                    ..JobHeader::default()
                };
                Record::JobOpened(Box::new(header))
            }
            Step::Accept { job, size } => {
                let job = open(job)?;
                let number = self.next_numbers.entry(job).or_default();
                *number += 1;
                self.results.insert((job, *number), 0);
                let cache = if size % 3 == 0 { format!("key {number}") } else { String::new() };
                Record::Accepted {
                    job,
                    number: *number,
                    cache: cache.into(),
                    payload: data(size, self.written),
                }
            }
            Step::Result { job, message, held, size } => {
                let job = open(job)?;
                let number = choose(&model.jobs[&job].messages, message)?;
                let results = self.results.entry((job, number)).or_default();
                let place = Place::new(&[*results, u64::from(size)]);
                *results += 1;
                let output = Output::Result { place, held, payload: data(size, self.written) };
                Record::Output { job, serial: self.serial(job), number, output }
            }
            Step::End { job, message, how, size } => {
                let job = open(job)?;
                let number = choose(&model.jobs[&job].messages, message)?;
                let results = self.results.get(&(job, number)).copied().unwrap_or_default();
                let output = match how {
                    0 if results == 0 => Output::Reply { payload: data(size, self.written) },
                    1 => Output::Failed { results, code: "failed".into(), text: "no such luck".into() },
                    _ => Output::Done { results },
                };
                Record::Output { job, serial: self.serial(job), number, output }
            }
            Step::Acknowledge { job, share } => {
                let job = open(job)?;
                let serial = self.next_serials.get(&job).copied().unwrap_or_default();
                let first = model.jobs[&job].below;
                let below = first + (serial.saturating_sub(first)) * u64::from(share) / 255;
                Record::Acknowledged { job, below }
            }
            Step::Finish { job } => {
                let job = open(job)?;
                Record::Finished { job, count: self.written }
            }
            Step::Cancel { job } => Record::Cancelled { job: open(job)? },
            Step::Close { job } => {
                let job = identity(job);
                model.jobs.contains_key(&job).then_some(Record::Closed { job })?
            }
            Step::Set { key, size } => {
                Record::CacheSet { key: format!("key {key}").into(), value: data(size, self.written) }
            }
            Step::Delete { key } => Record::CacheDelete { key: format!("key {key}").into() },
            Step::Wait | Step::Crash | Step::Restart => return None,
        })
    }

    fn serial(&mut self, job: Uuid) -> u64 {
        let serial = self.next_serials.entry(job).or_default();
        *serial += 1;
        *serial - 1
    }

    /// The node has started again.
    pub fn restart(&mut self, recovered: &Recovered) {
        self.results.clear();
        for (&identity, job) in &recovered.jobs {
            self.next_numbers.insert(identity, job.next_number);
            self.next_serials.insert(identity, job.next_serial);
        }
    }
}

pub fn identity(job: u8) -> Uuid {
    Uuid::from_u128(0x1000 + u128::from(job))
}

/// Bytes that tell which record they are of.
fn data(size: u16, written: u64) -> Bytes {
    written.to_be_bytes().into_iter().cycle().take(usize::from(size)).collect()
}

fn choose(messages: &BTreeMap<u64, UnfinishedMessage>, choice: u8) -> Option<u64> {
    let place = usize::from(choice) * messages.len() / 256;
    messages.keys().nth(place).copied()
}
