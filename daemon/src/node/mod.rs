//! A node: one thread that routes, and the threads of its hooks.
//!
//! A message travels one way through it, and the files show that way:
//! `ingress` → `scatter` → `dispatch` → (worker) → `gather` → `route` → `egress`.

pub mod bounds;
mod cache;
mod clock;
mod config;
mod dispatch;
mod doors;
mod egress;
mod failed;
mod flags;
mod follow;
mod gather;
mod halves;
mod hook;
mod hosts;
mod ingress;
mod jobs;
mod keeper;
mod ledger;
#[doc(hidden)]
pub mod measured;
mod message;
mod native;
mod permit;
mod program;
pub mod pylm;
mod reading;
mod reserved;
mod route;
mod router;
mod running;
mod scatter;
pub(crate) mod sealed;
mod snapshot;
mod sockets;
mod strangers;
mod unread;

/// The flags of `pylmd`.
pub(crate) fn command() -> clap::Command {
    <flags::Flags as clap::CommandFactory>::command()
}

pub use config::{From, NodeConfig, PeerPorts};
pub(crate) use ledger::{BUCKETS, Counts, Latencies};
pub use program::main;
pub(crate) use router::Router;
pub(crate) use running::Onlooker;
pub use running::{Addresses, Command, Node, StartError};
pub(crate) use snapshot::Snapshot;
pub use sockets::BindError;
