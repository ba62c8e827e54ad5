//! One measurement: a contender's processes started, watched while its client measures, and ended.

use crate::contender::{Contender, Running};
use crate::cpu;
use crate::disturbance;
use crate::part::{MEASURED, MEASURING, Report, SETTLED};
use crate::workload::{Size, Workload};
use anyhow::{Context as _, Result, anyhow, bail};
use pylm_tests::process::Process;
use serde::Serialize;
use std::thread;
use std::time::{Duration, Instant};

/// What a client may take beyond the measured time: start, warm-up, and the last results.
const PATIENCE: Duration = Duration::from_secs(45);

/// What is to be measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Counted from 1.
    pub round: u32,
    /// Who.
    pub contender: Contender,
    /// Bytes of each payload.
    pub size: Size,
    /// What its client does.
    pub workload: Workload,
    /// How many workers it has.
    pub hosts: u32,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// Counted from 1.
    pub round: u32,
    /// Whose turn it was.
    pub contender: Contender,
    /// Bytes of each payload.
    pub size: Size,
    /// Messages under way.
    pub window: usize,
    /// What the client found.
    #[serde(flatten)]
    pub report: Report,
    /// Messages that came back in a second.
    pub rate: f64,
    /// Microseconds of CPU for each message.
    pub cpu: Cpu,
    /// The share of all cores that programs used which have nothing to do with the measurement.
    pub elsewhere: f64,
}

/// Microseconds of CPU for each message, by who used them.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cpu {
    /// The node.
    pub node: f64,
    /// All workers together.
    pub workers: f64,
    /// The client.
    pub client: f64,
}

impl Cpu {
    /// All of them.
    pub fn total(&self) -> f64 {
        self.node + self.workers + self.client
    }
}

impl Plan {
    /// Measures, on a thread of its own: the processes' keeper panics where one does not do what it should, which is this
    /// measurement's failure and not the run's.
    pub fn measure(self) -> Result<Measurement> {
        let work = thread::Builder::new().name(self.contender.to_string());
        let outcome = work.spawn(move || self.measure_here()).context("cannot start a thread")?.join();
        outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(anyhow!("{}", text.unwrap_or("one of its processes failed")))
        })
    }

    fn measure_here(self) -> Result<Measurement> {
        let workload = self.workload;
        let running = self.contender.start(workload, self.hosts)?;
        let client = &running.client;
        let patience = PATIENCE + Duration::from_secs_f64(workload.seconds);
        let expect = |start: &str| {
            let line = client.find_line(patience, |line| line.starts_with(start));
            line.with_context(|| format!("the client did not get to {start:?}; {}", last_words(&running)))
        };
        expect(MEASURING)?;
        let before = Sample::take(&running)?;
        let measured = expect(MEASURED)?;
        let after = Sample::take(&running)?;
        let report: Report = serde_json::from_str(measured.trim_start_matches(MEASURED))?;
        expect(SETTLED)?;
        if report.messages == 0 {
            bail!("no message came back in {} s", report.seconds);
        }
        Ok(self.conclude(report, &before, &after))
    }

    fn conclude(&self, report: Report, before: &Sample, after: &Sample) -> Measurement {
        let elapsed = after.at.duration_since(before.at).as_secs_f64();
        let rate = report.messages as f64 / report.seconds;
        // The samples are taken a moment after the client's own, so that only their rates fit together.
        let per_message = |used: f64| used / elapsed / rate * 1e6;
        Measurement {
            round: self.round,
            contender: self.contender,
            size: self.size,
            window: self.workload.window,
            report,
            rate,
            cpu: Cpu {
                node: per_message(after.node - before.node),
                workers: per_message(after.workers - before.workers),
                client: per_message(after.client - before.client),
            },
            elsewhere: disturbance::elsewhere(
                after.machine - before.machine,
                after.ours() - before.ours(),
                elapsed,
            ),
        }
    }
}

/// CPU seconds used so far.
struct Sample {
    at: Instant,
    machine: f64,
    node: f64,
    workers: f64,
    client: f64,
    /// This process.
    watcher: f64,
}

impl Sample {
    fn take(running: &Running) -> Result<Self> {
        let of = |process: &Process| cpu::of_group(process.id());
        let workers = running.workers.iter().map(of).sum::<Result<f64>>()?;
        Ok(Sample {
            at: Instant::now(),
            machine: cpu::of_machine()?,
            node: of(&running.node)?,
            workers,
            client: of(&running.client)?,
            watcher: cpu::of_group(rustix::process::getpgrp().as_raw_nonzero().get())?,
        })
    }

    fn ours(&self) -> f64 {
        self.node + self.workers + self.client + self.watcher
    }
}

/// The last line that each process wrote on standard error.
fn last_words(running: &Running) -> String {
    let parts = [("client", &running.client), ("node", &running.node)];
    let parts = parts.into_iter().chain(running.workers.iter().map(|worker| ("worker", worker)));
    let words =
        parts.filter_map(|(name, process)| Some(format!("{name}: {}", process.stderr_lines().pop()?)));
    let words: Vec<String> = words.collect();
    if words.is_empty() { "nobody wrote why".into() } else { words.join("; ") }
}
