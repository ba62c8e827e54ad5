//! Everything in one go: throughput, times of single messages, and the cases, with every bar.

use crate::arguments::Arguments;
use crate::cases::{self, Case, Cases, Figure};
use crate::contender::Contender::{Ceiling, CeilingPalm, Native, NativeSpin, Wire};
use crate::report::{self, Judged};
use crate::rounds::{self, Run};
use crate::workload::Size;
use crate::{interrupt, report::with_range};
use anyhow::{Context as _, Result};
use clap::{Args, Parser as _, ValueEnum as _};
use serde::Serialize;
use std::fs;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

/// How everything is measured.
#[derive(Debug, Args)]
pub struct Full {
    /// How often each contender has its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long each measurement takes, after a warm-up of one second
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How large the stream of large messages is, in GiB
    #[arg(long, default_value_t = 8, value_name = "GIB")]
    stream: u64,
    /// Write everything that was measured to this file
    #[arg(long, value_name = "FILE", default_value = "bench.json")]
    json: PathBuf,
    /// Draw the rates into this file, as SVG
    #[arg(long, value_name = "FILE", default_value = "bench.svg")]
    chart: PathBuf,
}

#[derive(Serialize)]
struct All {
    throughput: Run,
    latency: Run,
    cases: Vec<Figure>,
    bars: Vec<Judged>,
}

/// Measures, prints tables, and writes the files.
pub fn measure(options: &Full) -> Result<ExitCode> {
    interrupt::end_children_with_us()?;
    let common = Arguments {
        rounds: options.rounds,
        seconds: options.seconds,
        ..Arguments::parse_from(["pylm-bench"])
    };
    let throughput = Arguments { against: report::references(), only_for_bars: true, ..common };
    let throughput = rounds::run(&throughput)?;
    let alone = Arguments {
        rounds: options.rounds,
        seconds: options.seconds,
        latency: true,
        sizes: vec![Size(16)],
        only: vec![Ceiling, CeilingPalm, Wire, Native, NativeSpin],
        ..Arguments::parse_from(["pylm-bench"])
    };
    let latency = rounds::run(&alone)?;
    let (figures, failures) =
        cases::run(&Cases { cases: Case::value_variants().to_vec(), stream: options.stream })?;
    let mut bars = report::judge(&throughput.summaries);
    bars.extend(report::judge_times(&latency.summaries));
    report::print(&throughput, false)?;
    report::print(&latency, false)?;
    print(&bars)?;
    cases::print(&figures)?;
    let chart = report::svg(&throughput.summaries, &throughput.machine.to_string());
    fs::write(&options.chart, chart).with_context(|| format!("cannot write {}", options.chart.display()))?;
    let failed = failures + throughput.failures.len() + latency.failures.len();
    let text = serde_json::to_string_pretty(&All { throughput, latency, cases: figures, bars })?;
    fs::write(&options.json, text + "\n")
        .with_context(|| format!("cannot write {}", options.json.display()))?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(bars: &[Judged]) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "\n| ratio | measured | bar | |\n| --- | ---: | ---: | --- |")?;
    for judged in bars {
        let sign = if judged.at_most { "≤" } else { "≥" };
        let value = with_range(judged.value, judged.lowest, judged.highest);
        let verdict = match judged.passes() {
            Some(true) => "pass",
            Some(false) => "miss",
            None => "in doubt",
        };
        writeln!(out, "| {} | {value} | {sign} {} | {verdict} |", judged.what, judged.bar)?;
    }
    Ok(())
}
