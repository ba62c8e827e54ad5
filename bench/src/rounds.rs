//! The schedule: in each round, for each size, every contender has its turn, so that a drift of the machine meets all.

use crate::arguments::Arguments;
use crate::contender::Contender;
use crate::disturbance::MOST_ELSEWHERE;
use crate::machine::Machine;
use crate::measurement::{Measurement, Plan};
use crate::report::{Summary, needs, summarize};
use crate::workload::{Size, Workload};
use anyhow::{Result, ensure};
use serde::Serialize;

/// All that was measured, and what follows from it.
#[derive(Debug, Serialize)]
pub struct Run {
    /// On what.
    pub machine: Machine,
    /// In how many rounds.
    pub rounds: u32,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// Workers of each contender.
    pub hosts: u32,
    /// Whether messages went one at a time.
    pub latency: bool,
    /// What the others are compared with.
    pub against: Vec<Contender>,
    /// A row for each size and contender.
    pub summaries: Vec<Summary>,
    /// In the order in which they were made.
    pub measurements: Vec<Measurement>,
    /// Those that could not be made.
    pub failures: Vec<Failure>,
}

/// A measurement that could not be made.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Counted from 1.
    pub round: u32,
    /// Whose turn it was.
    pub contender: Contender,
    /// Bytes of each payload.
    pub size: Size,
    /// What happened.
    pub why: String,
}

/// Measures everything that was asked for, and tells of it on standard error as it goes.
pub fn run(arguments: &Arguments) -> Result<Run> {
    ensure!(
        !cfg!(debug_assertions) || arguments.any_build,
        "a debug build measures nothing of worth; run with cargo run --release"
    );
    arguments.present().for_each(Contender::prepare);
    for absent in arguments.only.iter().filter(|contender| !contender.is_present()) {
        eprintln!("{absent} is not installed, and left out");
    }
    let machine = Machine::look();
    eprintln!("{machine}");
    let (mut measurements, mut failures) = (Vec::new(), Vec::new());
    for plan in plans(arguments) {
        match plan.measure() {
            Ok(measurement) => {
                tell(&measurement);
                measurements.push(measurement);
            }
            Err(error) => {
                let why = format!("{error:#}");
                eprintln!("round {} {:>9} {}: failed: {why}", plan.round, plan.size, plan.contender);
                failures.push(Failure { round: plan.round, contender: plan.contender, size: plan.size, why });
            }
        }
    }
    let summaries = summarize(&measurements, &arguments.against, arguments.rounds);
    Ok(Run {
        machine,
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        hosts: arguments.hosts,
        latency: arguments.latency,
        against: arguments.against.clone(),
        summaries,
        measurements,
        failures,
    })
}

fn plans(arguments: &Arguments) -> impl Iterator<Item = Plan> {
    let turns = arguments.sizes.iter().flat_map(|size| arguments.present().map(move |who| (*size, who)));
    let needed = |&(size, who): &(Size, Contender)| !arguments.only_for_bars || needs(who, size.0);
    let turns: Vec<_> = turns.filter(needed).collect();
    (1..=arguments.rounds).flat_map(move |round| {
        turns.clone().into_iter().map(move |(size, contender)| {
            let window = contender.window(arguments.window);
            let workload = if arguments.latency {
                Workload::one_at_a_time(size, arguments.seconds)
            } else {
                Workload::bounded(size, window, arguments.window_bytes, arguments.seconds)
            };
            Plan { round, contender, size, workload, hosts: arguments.hosts }
        })
    })
}

fn tell(measurement: &Measurement) {
    let Measurement { round, contender, size, rate, cpu, elsewhere, report, .. } = measurement;
    let times = match (report.p50, report.p99) {
        (Some(p50), Some(p99)) => format!(", p50 {p50:.0} µs, p99 {p99:.0} µs"),
        _ => String::new(),
    };
    let disturbed = if *elsewhere > MOST_ELSEWHERE {
        format!(", disturbed: {:.0} % used elsewhere", elsewhere * 100.0)
    } else {
        String::new()
    };
    eprintln!(
        "round {round} {:>7} {contender:<16} {rate:>9.0}/s{times}, cpu µs: node {:.2}, workers {:.2}, client {:.2}{disturbed}",
        size.to_string(),
        cpu.node,
        cpu.workers,
        cpu.client,
    );
}
