//! The command line of `pylm bench`.

use crate::arguments::{NodeArguments, SessionArguments, Stages, stages};
use clap::Args;
use pylm_units::{ByteSize, TimeSpan};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  How many small messages a function takes, and how long each takes then:
      pylm bench server.shout --size 100 --messages 1000000

  How long one message takes when nothing else is under way:
      pylm bench server.shout --window 1 --messages 1000

  Ten seconds of load by four clients, for a program to read:
      pylm bench server.shout --clients 4 --duration 10s --json

Each client is a connection and a job of its own, and keeps as many messages under way as its window allows. A latency is the \
time from a message's submission to its end, as the client sees it. Payloads are letters and digits. Messages really run: use a \
function that may be called so.")]
pub(crate) struct BenchArguments {
    /// The function to call, SERVER.FUNCTION; several, separated by commas, are stages
    #[arg(value_name = "SERVER.FUNCTION[,SERVER.FUNCTION...]", value_parser = stages)]
    pub(crate) function: Stages,
    /// The size of each payload
    #[arg(long, value_name = "SIZE", default_value = "100B")]
    pub(crate) size: ByteSize,
    /// How many messages to send, over all clients [default: 100000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "duration")]
    pub(crate) messages: Option<u64>,
    /// Send for so long instead: 500ms, 10s, 2m
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::positive)]
    pub(crate) duration: Option<TimeSpan>,
    /// How many clients send at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) clients: u16,
    /// How many messages of each client are under way at most
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) window: u64,
    /// How long each message may take before it fails: 500ms, 5s, 2m
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::positive)]
    pub(crate) timeout: Option<TimeSpan>,
    /// Write the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
    #[command(flatten)]
    pub(crate) session: SessionArguments,
}
