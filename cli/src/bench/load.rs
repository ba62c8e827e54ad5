//! The load: clients with two threads each, one of which sends and the other takes what comes back.

use super::arguments::BenchArguments;
use super::flight::Flight;
use crate::failure::Failure;
use bytes::Bytes;
use hdrhistogram::Histogram;
use pylm_client::blocking::{Client, JobResults, JobSender};
use pylm_client::{Event, JobOptions};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const MESSAGES: u64 = 100_000;
/// The longest latency that is told apart, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;
/// Outputs that are taken before their messages count as ended.
const BATCH: usize = 256;
/// Kinds of errors that are told apart.
const KINDS: usize = 20;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) function: String,
    pub(super) size: usize,
    pub(super) clients: usize,
    pub(super) window: u64,
    /// How many messages, where that is the limit.
    pub(super) messages: Option<u64>,
    /// For how long, where that is.
    pub(super) duration: Option<Duration>,
    timeout: Option<Duration>,
}

/// What has come of it.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Nanoseconds from submission to the end of each message.
    pub(super) latencies: Histogram<u64>,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) results: u64,
    pub(super) result_bytes: u64,
    /// Codes and texts of errors, and how many there were of each.
    pub(super) errors: BTreeMap<(String, String), u64>,
    /// From the first submission to the last end.
    pub(super) elapsed: Duration,
}

impl Load {
    pub(super) fn new(arguments: &BenchArguments) -> Self {
        let messages = arguments.duration.is_none().then(|| arguments.messages.unwrap_or(MESSAGES));
        Load {
            function: arguments.function.0.clone(),
            size: arguments.size.in_memory(),
            clients: usize::from(arguments.clients),
            window: arguments.window,
            messages,
            duration: arguments.duration.map(Into::into),
            timeout: arguments.timeout.map(Into::into),
        }
    }

    /// How many messages one of the clients sends at most.
    fn share(&self, client: usize) -> u64 {
        let clients = self.clients as u64;
        self.messages
            .map_or(u64::MAX, |messages| messages / clients + u64::from((client as u64) < messages % clients))
    }

    /// A payload: letters and digits, which differ from client to client.
    fn payload(&self, client: usize) -> Bytes {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let letter = |place: usize| LETTERS[(place * 7 + place / 36 + client) % LETTERS.len()];
        (0..self.size).map(letter).collect()
    }
}

impl Outcome {
    fn new() -> Result<Self, Failure> {
        let latencies = Histogram::new_with_bounds(1, LONGEST, 3)
            .map_err(|error| Failure::Running(format!("cannot make a histogram: {error}")))?;
        Ok(Outcome {
            latencies,
            done: 0,
            failed: 0,
            results: 0,
            result_bytes: 0,
            errors: BTreeMap::new(),
            elapsed: Duration::ZERO,
        })
    }

    fn add(&mut self, other: Outcome) {
        // Both have the same bounds.
        let _ = self.latencies.add(other.latencies);
        self.done += other.done;
        self.failed += other.failed;
        self.results += other.results;
        self.result_bytes += other.result_bytes;
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

/// A load that is on its way.
pub(super) struct Running {
    clients: Vec<Client>,
    ended: Arc<AtomicU64>,
    started: Instant,
    outcomes: UnboundedReceiver<Result<Outcome, Failure>>,
    left: usize,
    sum: Option<Outcome>,
}

impl Running {
    /// Starts all clients.
    pub(super) fn start(load: &Load, clients: Vec<Client>) -> Result<Self, Failure> {
        let ended = Arc::new(AtomicU64::new(0));
        let (told, outcomes) = unbounded_channel();
        let started = Instant::now();
        for (place, client) in clients.iter().enumerate() {
            let options = JobOptions::new().window(load.window, u64::MAX).timeout(load.timeout);
            let (sender, results) = client.job(&load.function, options);
            let flight = Arc::new(Flight::new(load.window));
            let sending = Sending {
                payload: load.payload(place),
                count: load.share(place),
                until: load.duration.map(|time| started + time),
                flight: Arc::clone(&flight),
                told: told.clone(),
            };
            spawn(move || sending.send(sender))?;
            let (ended, told) = (Arc::clone(&ended), told.clone());
            spawn(move || {
                let outcome = take(results, &flight, &ended, started);
                flight.close();
                // Nobody is there any more who would hear it, where the program is ending.
                let _ = told.send(outcome);
            })?;
        }
        Ok(Running { left: clients.len(), clients, ended, started, outcomes, sum: Some(Outcome::new()?) })
    }

    /// How many messages have ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for the end of all clients; may be given up and called again.
    pub(super) async fn finished(&mut self) -> Result<Outcome, Failure> {
        while self.left > 0 {
            let outcome = self.outcomes.recv().await;
            let outcome = outcome.unwrap_or_else(|| Err(Failure::Running("a client has panicked".into())))?;
            if let Some(sum) = &mut self.sum {
                sum.add(outcome);
            }
            self.left -= 1;
        }
        self.sum.take().map_or_else(Outcome::new, Ok)
    }

    /// Ends all clients, and cancels what is under way.
    pub(super) fn close(self) {
        self.clients.into_iter().for_each(Client::close);
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    thread::Builder::new().spawn(run).map_err(Failure::running("cannot start a thread"))?;
    Ok(())
}

/// The half of a client that sends.
struct Sending {
    payload: Bytes,
    count: u64,
    until: Option<Instant>,
    flight: Arc<Flight>,
    told: UnboundedSender<Result<Outcome, Failure>>,
}

impl Sending {
    fn send(self, sender: JobSender) {
        let is_time = || self.until.is_none_or(|until| Instant::now() < until);
        // Messages of a job are numbered from 0.
        for number in 0..self.count {
            if !is_time() || !self.flight.begin(number) {
                break;
            }
            if let Err(error) = sender.send(self.payload.clone()) {
                let _ = self.told.send(Err(error.into()));
                return;
            }
        }
        sender.finish();
    }
}

/// Takes everything that comes back to a client.
fn take(
    mut results: JobResults,
    flight: &Flight,
    ended: &AtomicU64,
    started: Instant,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::new()?;
    let mut numbers = Vec::with_capacity(BATCH);
    while let Some(first) = results.next().transpose()? {
        let mut next = Some(first);
        while let Some(output) = next {
            match output.event {
                Event::Result { payload, .. } => {
                    outcome.results += 1;
                    outcome.result_bytes += payload.len() as u64;
                }
                Event::Done { .. } => {
                    outcome.done += 1;
                    numbers.push(output.number);
                }
                Event::Failed { code, text, .. } => {
                    outcome.failed += 1;
                    numbers.push(output.number);
                    let error = (code.into(), text.into());
                    if outcome.errors.len() < KINDS || outcome.errors.contains_key(&error) {
                        *outcome.errors.entry(error).or_default() += 1;
                    }
                }
            }
            next = if numbers.len() < BATCH { results.try_next()? } else { None };
        }
        let now = Instant::now();
        ended.fetch_add(numbers.len() as u64, Ordering::Relaxed);
        flight.end(numbers.drain(..), |since| {
            outcome.latencies.saturating_record((now - since).as_nanos() as u64);
        });
        outcome.elapsed = now - started;
    }
    Ok(outcome)
}
