//! The control plane's flags.

use super::{ControlError, start};
use crate::node::Onlooker;
use clap::Args;
use pylm_protocol::HttpAddress;
use pylm_units::TimeSpan;
use std::net::SocketAddr;
use std::time::Duration;

/// The flags of `pylmd` that are about watching it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Health")]
pub struct ControlFlags {
    /// Serve /health, /ready, /metrics, /status and a dashboard over HTTP at this address; port 0 lets the system choose
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<HttpAddress>,
    /// For how long messages at hosts may give neither result nor end before the node counts as stuck
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = TimeSpan::positive)]
    stuck_after: TimeSpan,
}

impl ControlFlags {
    /// Serves the control plane of a node, where one is wanted; returns where.
    ///
    /// # Errors
    /// When the address cannot be bound, or the system has no thread to give.
    pub(crate) fn start(&self, onlooker: Onlooker) -> Result<Option<SocketAddr>, ControlError> {
        self.http.as_ref().map(|address| start(address, onlooker)).transpose()
    }

    /// For how long work at hosts may stand still.
    pub(crate) fn stuck_after(&self) -> Duration {
        self.stuck_after.into()
    }
}
