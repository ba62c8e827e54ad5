//! The parts of contenders that this program plays itself, each in a process of its own.
//!
//! A part writes one line, `NAME ready …`, when it can take messages, and ends when its standard input does. Sockets are the
//! transport's, with its defaults, as in the node.

mod directory;
mod flight;
mod forwarder;
mod gearman;
mod http_echo;
mod link;
mod load;
mod native;
mod nats;
mod palm;
mod raw;

pub use directory::ask;
pub use load::{MEASURED, MEASURING, Report, SETTLED};

use crate::workload::Workload;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use pylm_transport::{Options, tune_allocator};
use std::io::{Read, Write, stdin, stdout};
use std::process::exit;

/// The call that every message asks for.
pub const CALL: &str = "server.echo";

/// Messages taken from one socket before the next one has its turn.
const BURST: usize = 128;

/// Which part to play.
#[derive(Debug, Subcommand)]
pub enum Part {
    /// A master that only forwards frames.
    Forwarder(Forwarder),
    /// A worker that gives back each frame.
    RawWorker(Worker),
    /// A client of frames.
    RawClient(Client),
    /// A worker that speaks pylm's wire.
    PalmWorker(Worker),
    /// A client that speaks pylm's wire.
    PalmClient(Client),
    /// A client that speaks the native protocol, through the client library.
    NativeClient(Client),
    /// A worker of a NATS server.
    NatsWorker(NatsWorker),
    /// A client of a NATS server.
    NatsClient(Client),
    /// A worker of a gearmand.
    GearmanWorker(GearmanWorker),
    /// A client of a gearmand.
    GearmanClient(Client),
    /// An HTTP server that gives back each body.
    HttpEcho,
}

/// What a forwarder is told.
#[derive(Debug, Args)]
pub struct Forwarder {
    /// Under which results are published
    #[arg(long)]
    topic: String,
    /// Copy each frame on its way to a worker, as a node that adds to it must
    #[arg(long)]
    copying: bool,
    /// Messages under way
    #[arg(long)]
    window: usize,
}

/// What a worker is told: addresses, or where to ask for them.
#[derive(Debug, Args)]
pub struct Worker {
    #[arg(long)]
    pull: Option<String>,
    #[arg(long)]
    push: Option<String>,
    #[arg(long)]
    db: Option<String>,
}

/// What a NATS worker is told.
#[derive(Debug, Args)]
pub struct NatsWorker {
    #[arg(long)]
    server: String,
    /// Messages come from a stream, and are acknowledged
    #[arg(long)]
    streams: bool,
}

/// What a gearman worker is told.
#[derive(Debug, Args)]
pub struct GearmanWorker {
    #[arg(long)]
    server: String,
}

/// What a client is told: addresses, or where to ask for them, and what to do.
#[derive(Debug, Args)]
pub struct Client {
    #[arg(long)]
    push: Option<String>,
    #[arg(long)]
    subscribe: Option<String>,
    #[arg(long)]
    db: Option<String>,
    /// The client's id, the topic of its results
    #[arg(long)]
    topic: String,
    /// How a NATS stream is to keep messages
    #[arg(long)]
    stream: Option<String>,
    #[command(flatten)]
    workload: Workload,
}

/// Plays a part, to the end of standard input.
pub fn run(part: Part) -> Result<()> {
    end_with_stdin()?;
    tune_allocator();
    match part {
        Part::Forwarder(options) => forwarder::run(&options),
        Part::RawWorker(options) => raw::work(&options),
        Part::RawClient(options) => load::run(&mut raw::RawLink::new(&options)?, options.workload),
        Part::PalmWorker(options) => palm::work(&options),
        Part::PalmClient(options) => load::run(&mut palm::PalmLink::new(&options)?, options.workload),
        Part::NatsWorker(options) => nats::work(&options),
        Part::NatsClient(options) => load::run(&mut nats::NatsLink::new(&options)?, options.workload),
        Part::GearmanWorker(options) => gearman::work(&options.server),
        Part::GearmanClient(options) => {
            load::run(&mut gearman::GearmanLink::new(&options)?, options.workload)
        }
        Part::HttpEcho => http_echo::run(),
        Part::NativeClient(options) => load::run(&mut native::NativeLink::new(&options)?, options.workload),
    }
}

/// Ends this process when whoever started it does.
fn end_with_stdin() -> Result<()> {
    std::thread::Builder::new()
        .name("stdin".into())
        .spawn(|| {
            let mut rest = [0; 64];
            while stdin().read(&mut rest).is_ok_and(|read| read > 0) {}
            exit(0);
        })
        .context("cannot start a thread")?;
    Ok(())
}

/// Writes a line that the measuring process waits for.
fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write to standard output")
}

/// The product's own options, with room for all that is under way, so that a PUB never drops any of it: until
/// half of a mark was read, libzmq does not tell the sending side of it.
fn roomy(window: usize) -> Options {
    let marks = u32::try_from(window.saturating_mul(4)).unwrap_or(u32::MAX).max(1_000);
    Options { send_high_water_mark: marks, receive_high_water_mark: marks, ..Options::default() }
}
