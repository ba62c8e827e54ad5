//! `pylm run`: a job on a private node.

use crate::arguments::{NodeArguments, RunArguments};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::job::connect;
use crate::job::input::Sources;
use crate::job::stream::{self, Ending};
use crate::node::PrivateNode;
use pylm_protocol::Address;
use pylm_units::TimeSpan;
use std::process::ExitCode;
use tokio::task::spawn_blocking;

/// How long a node that says it is ready may take to greet.
const WAIT: TimeSpan = TimeSpan::from_secs(10);

/// Does the job, and ends the node however the job ends.
pub(crate) fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let sources = Sources::new(&arguments.stream.files)?;
    let runtime = stream::runtime()?;
    let outcome = runtime.block_on(async {
        let mut interrupts = Interrupts::new()?;
        let mut node = tokio::select! {
            node = PrivateNode::start(arguments) => node?,
            signal = interrupts.next() => return Err(Failure::Interrupted(signal)),
        };
        let db = Address::of_peer(&node.db).map_err(|error| Failure::Running(error.to_string()))?;
        let node_arguments = NodeArguments { db, session: None, wait: WAIT };
        let connected = tokio::select! {
            connected = spawn_blocking(move || connect(&node_arguments)) => connected.unwrap_or_else(|panic| Err(Failure::Running(panic.to_string()))),
            end = node.early_end() => Err(end),
            signal = interrupts.next() => Err(Failure::Interrupted(signal)),
        };
        let outcome = match connected {
            Ok(client) => {
                stream::stream(client, &arguments.function, &arguments.stream, sources, node.early_end()).await
            }
            Err(failure) => Err(failure),
        };
        node.stop().await;
        outcome.map(Ending::code)
    });
    // An attempt to connect that was interrupted need not be waited for.
    runtime.shutdown_background();
    outcome
}
