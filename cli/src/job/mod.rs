//! Jobs from the command line: input, a stream of messages through a client, and output.

pub(crate) mod apart;
pub(crate) mod command;
mod errors;
mod folder;
pub(crate) mod input;
mod names;
pub(crate) mod output;
mod progress;
mod results;
mod split;
pub(crate) mod stream;

use crate::arguments::NodeArguments;
use crate::failure::Failure;
use pylm_client::ClientOptions;
use pylm_client::blocking::Client;

/// Connects to the node.
pub(crate) fn connect(node: &NodeArguments) -> Result<Client, Failure> {
    let options = ClientOptions::new(node.db.to_string())
        .name("pylm")
        .software(concat!("pylm ", env!("CARGO_PKG_VERSION")))
        .patience(node.wait.into());
    Ok(Client::connect(match &node.session {
        Some(session) => options.session(&**session),
        None => options,
    })?)
}
