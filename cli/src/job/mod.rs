//! Jobs from the command line: input, a stream of messages through a client, and output.

pub(crate) mod apart;
pub(crate) mod command;
mod errors;
mod folder;
pub(crate) mod input;
mod names;
pub(crate) mod output;
mod progress;
pub(crate) mod results;
mod split;
pub(crate) mod stream;

use crate::arguments::{NodeArguments, SessionArguments};
use crate::failure::Failure;
use pylm_access::AccessFile;
use pylm_client::ClientOptions;
use pylm_client::blocking::Client;

/// Connects to the node.
pub(crate) fn connect(node: &NodeArguments) -> Result<Client, Failure> {
    Ok(Client::connect(options(node)?)?)
}

/// Connects to the node, as a part of a session.
pub(crate) fn connect_in(session: &SessionArguments, node: &NodeArguments) -> Result<Client, Failure> {
    Ok(Client::connect(match &session.session {
        Some(session) => options(node)?.session(&**session),
        None => options(node)?,
    })?)
}

fn options(node: &NodeArguments) -> Result<ClientOptions, Failure> {
    let options = match &node.access {
        Some(file) => AccessFile::load(file).map(ClientOptions::with_access),
        None => ClientOptions::found(node.db.to_string()),
    };
    let options = options.map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(options.name("pylm").software(concat!("pylm ", env!("CARGO_PKG_VERSION"))).patience(node.wait.into()))
}
