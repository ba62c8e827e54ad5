//! The HTTP gateway beside a bare echo of axum, under many connections from wrk.

mod report;

use crate::contender::part;
use crate::machine::Machine;
use crate::{interrupt, programs};
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use pylm_tests::address::ANY_PORT;
use pylm_tests::process::Process;
use pylm_tests::ready::Ready;
use report::Report;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// How long a program may take until it is ready.
const START: Duration = Duration::from_secs(30);

/// How the gateway is measured.
#[derive(Debug, Args)]
pub struct Gateway {
    /// Connections that are open, each with one request under way
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// How often each has its turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long each measurement takes
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Worker hosts behind the gateway
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    hosts: u32,
    /// The program wrk; Debian has a package of that name
    #[arg(long, default_value = "wrk")]
    wrk: String,
}

/// Measures, and prints a table; a request that went wrong fails it.
pub fn measure(options: &Gateway) -> Result<ExitCode> {
    interrupt::end_children_with_us()?;
    pylm_transport::raise_file_limit().context("cannot raise the limit of open files")?;
    let machine = Machine::look();
    let (echo, echo_address) = echo()?;
    let (node, node_address) = node(options.hosts)?;
    let mut reports = Vec::new();
    // A first run wakes everything up.
    for round in 0..=options.rounds {
        for (name, address) in [("axum", &echo_address), ("gateway", &node_address)] {
            let report = run(options, address, if round == 0 { 1 } else { options.seconds })?;
            if round > 0 {
                eprintln!("round {round}, {name}: {report}");
                reports.push((name, report));
            }
        }
    }
    drop((echo, node));
    report::print(&machine, options.connections, &reports)?;
    let is_clean = reports.iter().all(|(_, report)| report.errors == 0);
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A server that only echoes, and where it listens.
fn echo() -> Result<(Process, String)> {
    let echo = part("http-echo", "http-echo", &[])?.start();
    let ready = Ready::parse(&echo.wait_for_line(" ready ", START)).context("not a ready line")?;
    Ok((echo, ready.field("address")))
}

/// A node with worker hosts that echo, and where its gateway listens.
fn node(hosts: u32) -> Result<(Process, String)> {
    let flags = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"];
    let mut node = Process::plan("pylmd", programs::release().program("pylmd"))
        .args(flags.map(|flag| [flag, ANY_PORT]).concat())
        .args(["--gateway", "127.0.0.1:0", "--workers", &hosts.to_string(), "--plugin"])
        .args([programs::release().plugin("bench-echo")])
        .start();
    let ready = node.wait_until_ready(START);
    for _ in 0..hosts {
        node.wait_for_line("a worker host is here", START);
    }
    Ok((node, ready.field("gateway")))
}

/// One run of wrk against a server's echo.
fn run(options: &Gateway, address: &str, seconds: u32) -> Result<Report> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway/post.lua");
    let output = Command::new(&options.wrk)
        .args(["--threads", "2", "--connections", &options.connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--timeout", "10s", "--latency", "--script"])
        .arg(script)
        .arg(format!("http://{address}/echo"))
        .output()
        .with_context(|| format!("cannot run {}; install wrk, or give --wrk", options.wrk))?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    Report::parse(&said).with_context(|| format!("wrk said something else than expected:\n{said}"))
}
