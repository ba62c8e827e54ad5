//! The command line.

use crate::cases::Cases;
use crate::contender::Contender;
use crate::distance::Distances;
use crate::full::Full;
use crate::gateway::Gateway;
use crate::instructions::{Drive, Instructions};
use crate::part::Part;
use crate::workload::Size;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Measures the same stream of messages through raw libzmq, through the node, and through Python pylm, in one run.
///
/// Every contender has one client, one node and the same number of workers, each a process of its own, connected over TCP
/// on the loopback interface; an echo is the work. They take turns, in each of several rounds.
#[derive(Debug, Parser)]
#[command(name = "pylm-bench", version, max_term_width = 100, subcommand_negates_reqs = true)]
pub struct Arguments {
    /// The sizes of payloads, of at least 8 bytes
    #[arg(long, value_delimiter = ',', default_value = "16,100,1KiB,10KiB,64KiB,1MiB", value_name = "SIZES")]
    pub sizes: Vec<Size>,
    /// How often each contender has its turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// How long each measurement takes, after a warm-up of one second
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub seconds: f64,
    /// Only these contenders; ratios need those of --against among them
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Contender::DEFAULT)]
    pub only: Vec<Contender>,
    /// What the others are compared with
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Contender::CEILINGS)]
    pub against: Vec<Contender>,
    /// How many workers, or worker hosts
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub hosts: u32,
    /// How many messages are under way at most
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,
    /// How many bytes of payload are under way at most, beside one message
    #[arg(long, value_name = "SIZE", default_value = "16MiB")]
    pub window_bytes: Size,
    /// Measure the time that one message takes at a time, instead of how many pass
    #[arg(long)]
    pub latency: bool,
    /// Write everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw the rates into this file, as SVG
    #[arg(long, value_name = "FILE")]
    pub chart: Option<PathBuf>,
    /// Print ratios of disturbed measurements too
    #[arg(long)]
    pub force: bool,
    /// Leave out what no bar is about.
    #[arg(skip)]
    pub only_for_bars: bool,
    /// Measure with a debug build of this program too, to test it
    #[arg(long, hide = true)]
    pub any_build: bool,
    #[command(subcommand)]
    #[allow(missing_docs, reason = "each says what it is")]
    pub command: Option<Command>,
}

impl Arguments {
    /// The contenders that are asked for, and can be measured here.
    pub fn present(&self) -> impl Iterator<Item = Contender> {
        self.only.iter().copied().filter(|contender| contender.is_present())
    }
}

/// What else is measured, and what this program is started again for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One part of a contender, in a process of its own
    #[command(hide = true, subcommand)]
    Part(Part),
    /// Measure single figures of our node, each beside what is asked of it
    Cases(Cases),
    /// Measure what gets through to a peer that is far away, of what is possible
    Distance(Distances),
    /// Measure everything in one go, with every bar: throughput, times of single messages, and all cases
    Full(Full),
    /// Measure the HTTP gateway beside a bare echo of axum, with wrk
    Gateway(Gateway),
    /// Count instructions for each message, under callgrind, and compare them with what was written down
    Instructions(Instructions),
    /// One stage, so many times
    #[command(hide = true)]
    Drive(Drive),
}

fn seconds(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(seconds) if (0.05..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("it is a number of seconds from 0.05 to 3600"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_sound() {
        Arguments::command().debug_assert();
    }
}
