//! Measures the same stream of messages through raw libzmq, through the node, and through Python pylm, in one run.

mod arguments;
mod cases;
mod contender;
mod cpu;
mod distance;
mod disturbance;
mod full;
mod gateway;
mod instructions;
mod interrupt;
mod machine;
mod measurement;
mod part;
mod peer;
mod programs;
mod report;
mod rounds;
mod statistics;
mod workload;

use anyhow::{Context as _, Result};
use arguments::{Arguments, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Part(part)) => part::run(part).map(|()| ExitCode::SUCCESS),
        Some(Command::Cases(options)) => cases::measure(&options),
        Some(Command::Distance(options)) => distance::measure(&options),
        Some(Command::Full(options)) => full::measure(&options),
        Some(Command::Gateway(options)) => gateway::measure(&options),
        Some(Command::Instructions(options)) => instructions::measure(&options),
        Some(Command::Drive(options)) => instructions::drive(&options).map(|()| ExitCode::SUCCESS),
        None => measure(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("pylm-bench: {error:#}");
        ExitCode::FAILURE
    })
}

fn measure(arguments: &Arguments) -> Result<ExitCode> {
    interrupt::end_children_with_us()?;
    let run = rounds::run(arguments)?;
    report::print(&run, arguments.force)?;
    if let Some(path) = &arguments.json {
        report::write_json(&run, path)?;
    }
    if let Some(path) = &arguments.chart {
        let chart = report::svg(&run.summaries, &run.machine.to_string());
        std::fs::write(path, chart).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if run.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
