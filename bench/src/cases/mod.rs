//! Single figures of our node, each with what is asked of it.

mod flat;
mod flood;
mod idle;
mod jobs;
mod large;
mod memory;
mod slow;
mod start;
mod storm;

use crate::disturbance::MOST_ELSEWHERE;
use crate::report::figure;
use crate::{cpu, interrupt, programs};
use anyhow::{Context as _, Result, anyhow};
use clap::{Args, ValueEnum};
use pylm_client::blocking::Client;
use pylm_client::{ClientOptions, Event, JobOptions};
use serde::Serialize;
use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// A case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// One message at a time, while another client floods the node
    Flood,
    /// One message at a time, while others are cancelled and run out of time
    CancelStorm,
    /// 1,000 messages of 1 ms or 10 ms, by the host
    SlowHost,
    /// Connect, one message, result, leave
    SmallJobs,
    /// 1,000 slots and 1,000 clients that do nothing
    Idle,
    /// Memory: idle, and for each message that waits
    Memory,
    /// The time until a node serves, and until a host gives its first result
    Start,
    /// Whether a message costs the same with many hosts, clients and waiting messages
    Flat,
    /// A stream of messages of 8 MiB
    Large,
}

/// What the cases are told.
#[derive(Debug, Clone, Args)]
pub struct Cases {
    /// Only these
    #[arg(value_enum, value_name = "CASE", default_values_t = Case::value_variants().to_vec())]
    pub cases: Vec<Case>,
    /// How large the stream of large messages is, in GiB
    #[arg(long, default_value_t = 8, value_name = "GIB")]
    pub stream: u64,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What it is of.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What is asked of it, if anything is.
    pub bar: Option<f64>,
    /// The bar is the most that it may be; otherwise the least.
    pub at_most: bool,
    /// Others used the cores.
    pub disturbed: bool,
}

impl Figure {
    /// A figure that is to be no more than `bar`.
    fn at_most(what: &str, value: f64, unit: &'static str, bar: f64) -> Self {
        Figure { what: what.into(), value, unit, bar: Some(bar), at_most: true, disturbed: false }
    }

    /// One that is to be no less.
    fn at_least(what: &str, value: f64, unit: &'static str, bar: f64) -> Self {
        Figure { at_most: false, ..Figure::at_most(what, value, unit, bar) }
    }

    /// One for information.
    fn told(what: &str, value: f64, unit: &'static str) -> Self {
        Figure { bar: None, ..Figure::at_most(what, value, unit, 0.0) }
    }

    /// Whether it is as asked; `None` where nothing is, or where it was disturbed.
    pub fn passes(&self) -> Option<bool> {
        let bar = self.bar.filter(|_| !self.disturbed)?;
        Some(if self.at_most { self.value <= bar } else { self.value >= bar })
    }
}

/// Measures, and prints a table.
pub fn measure(options: &Cases) -> Result<ExitCode> {
    interrupt::end_children_with_us()?;
    let (figures, failures) = run(options)?;
    print(&figures)?;
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures each case, and tells of it on standard error; how many of them could not be measured.
pub fn run(options: &Cases) -> Result<(Vec<Figure>, usize)> {
    programs::release();
    let (mut figures, mut failures) = (Vec::new(), 0);
    for &case in &options.cases {
        let before = elsewhere()?;
        let stream = options.stream;
        // The processes' keeper panics where one does not do what it should: that is this case's failure, and no other's.
        let outcome = thread::spawn(move || one(case, stream))
            .join()
            .unwrap_or_else(|_| Err(anyhow!("a process failed")));
        let disturbed = before.max(elsewhere()?) > MOST_ELSEWHERE;
        match outcome {
            Ok(found) => {
                for found in found.into_iter().map(|found| Figure { disturbed, ..found }) {
                    eprintln!("{case:?}: {}: {} {}", found.what, figure(found.value), found.unit);
                    figures.push(found);
                }
            }
            Err(error) => {
                failures += 1;
                eprintln!("{case:?}: failed: {error:#}");
            }
        }
    }
    Ok((figures, failures))
}

fn one(case: Case, stream: u64) -> Result<Vec<Figure>> {
    match case {
        Case::Flood => flood::measure(),
        Case::CancelStorm => storm::measure(),
        Case::SlowHost => slow::measure(),
        Case::SmallJobs => jobs::measure(),
        Case::Idle => idle::measure(),
        Case::Memory => memory::measure(),
        Case::Start => start::measure(),
        Case::Flat => flat::measure(),
        Case::Large => large::measure(stream << 30),
    }
}

/// The share of all cores that is used while this program does nothing.
fn elsewhere() -> Result<f64> {
    const LOOK: Duration = Duration::from_millis(500);
    let (begun, before) = (Instant::now(), cpu::of_machine()?);
    thread::sleep(LOOK);
    let used = cpu::of_machine()? - before;
    Ok(crate::disturbance::elsewhere(used, 0.0, begun.elapsed().as_secs_f64()))
}

/// Prints figures as a table in Markdown.
pub fn print(figures: &[Figure]) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "\n| case | measured | bar | |\n| --- | ---: | ---: | --- |")?;
    for found in figures {
        let Figure { what, value, unit, bar, at_most, .. } = found;
        let sign = if *at_most { "≤" } else { "≥" };
        let bar = bar.map_or_else(String::new, |bar| format!("{sign} {}", figure(bar)));
        let verdict = match found.passes() {
            Some(true) => "pass",
            Some(false) => "miss",
            None if found.disturbed => "disturbed",
            None => "",
        };
        writeln!(out, "| {what} | {} {unit} | {bar} | {verdict} |", figure(*value))?;
    }
    Ok(())
}

/// A client of the node at `db`.
fn connect(db: &str) -> Result<Client> {
    Client::connect(ClientOptions::new(db).name("bench")).context("no client")
}

/// Sends messages one at a time for so long; how long each took, in microseconds, sorted.
fn one_at_a_time(db: &str, time: Duration) -> Result<Vec<f64>> {
    let client = connect(db)?;
    let (sender, mut results) = client.job("server.echo", JobOptions::new());
    let (mut times, begun) = (Vec::new(), Instant::now());
    while begun.elapsed() < time {
        let sent = Instant::now();
        sender.send(vec![7; 16])?;
        loop {
            let output = results.next().context("the job has ended")??;
            match output.event {
                Event::Failed { code, text, .. } => return Err(anyhow!("a message failed: {code}: {text}")),
                Event::Done { .. } => break,
                Event::Result { .. } => {}
            }
        }
        times.push(sent.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// The value that a share of the sorted ones does not exceed.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}
