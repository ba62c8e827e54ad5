//! The gateway's flags.

use super::{Gateway, GatewayConfig, GatewayError};
use clap::Args;
use pylm_protocol::HttpAddress;
use pylm_units::TimeSpan;

/// The flags of `pylmd` that are about its gateway.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP gateway")]
pub struct GatewayFlags {
    /// Offer functions over HTTP at this address, as /FUNCTION and /SERVER.FUNCTION; port 0 lets the system choose
    #[arg(long, value_name = "HOST:PORT")]
    gateway: Option<HttpAddress>,
    /// How long a call over HTTP may take; a caller may ask for less with the header Pylm-Timeout; 0: no limit
    #[arg(long, value_name = "TIME", default_value = "1m")]
    gateway_timeout: TimeSpan,
    /// How many calls over HTTP may be under way at once; further ones are answered with 429
    #[arg(long, value_name = "N", default_value_t = 8_192, value_parser = clap::value_parser!(u32).range(1..))]
    gateway_requests: u32,
}

impl GatewayFlags {
    /// Starts the gateway of the node of this name, whose db socket is there, where one is wanted.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start(&self, node: &str, db: &str, max_message: u64) -> Result<Option<Gateway>, GatewayError> {
        let Some(address) = &self.gateway else { return Ok(None) };
        let timeout = (self.gateway_timeout > TimeSpan::ZERO).then(|| self.gateway_timeout.into());
        Gateway::start(GatewayConfig {
            address: address.clone(),
            node: node.to_owned(),
            db: db.to_owned(),
            max_message,
            timeout,
            requests: self.gateway_requests as usize,
        })
        .map(Some)
    }
}
