//! The control plane's flags.

use super::{ControlError, start};
use crate::node::Onlooker;
use clap::Args;
use std::net::SocketAddr;
use std::time::Duration;

/// The flags of `pylmd` that are about watching it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Health")]
pub struct ControlFlags {
    /// Serve /health, /ready, /metrics, /status and a dashboard over HTTP at this address; port 0 lets the system choose
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    /// For how long messages at hosts may give neither result nor end before the node counts as stuck, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..))]
    stuck_after: u64,
}

impl ControlFlags {
    /// Serves the control plane of a node, where one is wanted; returns where.
    ///
    /// # Errors
    /// When the address cannot be bound, or the system has no thread to give.
    pub(crate) fn start(&self, onlooker: Onlooker) -> Result<Option<SocketAddr>, ControlError> {
        self.http.as_deref().map(|address| start(address, onlooker)).transpose()
    }

    /// For how long work at hosts may stand still.
    pub(crate) fn stuck_after(&self) -> Duration {
        Duration::from_secs(self.stuck_after)
    }
}
