//! Stages that are calls of functions: driven so many times in a process of their own.

use super::callgrind;
use crate::programs;
use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use pylm_plugin_host::{Call, NoServices, Outcome, load};
use pylm_protocol::palm::{PalmMessage, Tracking};
use pylm_protocol::{BatchReader, BatchWriter};
use pylmd::node::measured::Books;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Messages that are handled together, as in a turn of a busy node.
const TURN: u64 = 256;

/// How long one drive may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// A Submit of 16 B is written into a batch
    BatchEncode,
    /// ... and read from one
    BatchDecode,
    /// A PalmMessage of 16 B is written, with the node's fields
    PalmEncode,
    /// ... and read
    PalmDecode,
    /// A message is accepted, leased, answered and done, in the ledger alone
    Ledger,
    /// A plugin's function gets 16 B, and its result is taken
    Hop,
}

/// Instructions of a process that drives a stage for so many messages; the counts are left in `folder`.
pub fn run(stage: Stage, messages: u64, folder: &Path) -> Result<u64> {
    let value = stage.to_possible_value().context("a stage without a name")?;
    let mut drive = callgrind::plan("stage", std::env::current_exe()?, folder)
        .args(["drive", value.get_name(), &messages.to_string()])
        .arg(programs::release().plugin("bench-echo"))
        .start();
    let status = drive.wait(PATIENCE);
    ensure!(status.success(), "it ended with {status}");
    callgrind::count(folder, |functions| functions.contains("pylm_bench::main\n"))
}

/// What is told to the process that drives a stage.
#[derive(Debug, clap::Args)]
pub struct Drive {
    #[arg(value_enum)]
    stage: Stage,
    messages: u64,
    plugin: PathBuf,
}

/// Drives a stage.
pub fn drive(options: &Drive) -> Result<()> {
    let turns = options.messages / TURN;
    let payload = Bytes::from_static(&[0x5a; 16]);
    match options.stage {
        Stage::BatchEncode => {
            let mut batch = BatchWriter::new();
            for turn in 0..turns {
                submit(&mut batch, turn, &payload);
                black_box(batch.take());
            }
        }
        Stage::BatchDecode => {
            let mut batch = BatchWriter::new();
            submit(&mut batch, 0, &payload);
            let frame = Bytes::from(batch.take().0);
            for _ in 0..turns {
                let mut reader = BatchReader::new(black_box(&frame), &[])?;
                while let Some((.., payload)) = reader.next_submit() {
                    black_box(frame.slice(payload));
                }
                ensure!(reader.next_record()?.is_none(), "not all of them are read as Submits");
            }
        }
        Stage::PalmEncode => {
            let mut out = Vec::new();
            for number in 0..options.messages {
                out.clear();
                palm(number).encode_into(black_box(&mut out));
            }
        }
        Stage::PalmDecode => {
            let frame = palm(1).encode();
            for _ in 0..options.messages {
                black_box(PalmMessage::decode(black_box(&frame))?);
            }
        }
        Stage::Ledger => {
            let mut books = Books::default();
            for _ in 0..turns {
                ensure!(books.turn(TURN, &payload) == TURN, "not every message was done");
            }
        }
        Stage::Hop => hop(options, &payload)?,
    }
    Ok(())
}

fn submit(batch: &mut BatchWriter, turn: u64, payload: &Bytes) {
    for number in turn * TURN..(turn + 1) * TURN {
        batch.submit(black_box(1), black_box(number), "", black_box(payload));
    }
}

fn palm(number: u64) -> PalmMessage<'static> {
    PalmMessage {
        pipeline: "9f3b2d8e-7a41-4c57-9a53-0d3c1f4b6e21",
        client: "1c0f4a1b-5d0e-4f54-8b9a-70f6c2c3e9d4",
        function: "server.echo",
        cache: "9f3b2d8e-7a41-4c57-9a53-0d3c1f4b6e21/0/0",
        payload: &[0x5a; 16],
        tracking: Some(Tracking { lease: number, node: 7 }),
        ..PalmMessage::default()
    }
}

fn hop(options: &Drive, payload: &[u8]) -> Result<()> {
    let plugin = load(&options.plugin, &[])?;
    let set = pylm_plugin_host::PluginSet::new(vec![plugin])?;
    let echo = set.function("echo").context("the plugin has no echo")?;
    let cancelled = AtomicBool::new(false);
    let call = Call::new(&NoServices, &cancelled).client("client").number(1);
    for _ in 0..options.messages {
        let Ok(Outcome::One(answer)) = echo.call(&call, black_box(payload)) else {
            bail!("echo gave no result")
        };
        black_box(answer);
    }
    Ok(())
}
