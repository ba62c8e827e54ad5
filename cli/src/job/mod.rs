//! Jobs from the command line: input, a stream of messages through a client, and output.

pub(crate) mod command;
mod errors;
pub(crate) mod input;
mod output;
mod progress;
mod split;
pub(crate) mod stream;

use crate::failure::Failure;
use pylm_client::ClientOptions;
use pylm_client::blocking::Client;
use std::time::Duration;

/// Connects to the node.
pub(crate) fn connect(db: &str, wait: Duration) -> Result<Client, Failure> {
    let options = ClientOptions::new(db)
        .name("pylm")
        .software(concat!("pylm ", env!("CARGO_PKG_VERSION")))
        .patience(wait);
    Ok(Client::connect(options)?)
}
