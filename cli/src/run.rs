//! `pylm run`: a job on a private node.

use crate::arguments::{NodeArguments, PrivateArguments};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::job::connect;
use crate::job::stream::{self, Ending, Prepared};
use crate::node::PrivateNode;
use pylm_plugin_host::{Descriptor, HookKind, Origin, Search, inspect};
use pylm_protocol::{Address, nearest};
use pylm_units::TimeSpan;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::task::spawn_blocking;

/// How long a node that says it is ready may take to greet.
const WAIT: TimeSpan = TimeSpan::from_secs(10);

/// Does the job with these plugins, and ends the node however the job ends.
pub(crate) fn run(plugins: &[PathBuf], arguments: &PrivateArguments) -> Result<ExitCode, Failure> {
    look_for_function(plugins, arguments)?;
    let prepared = Prepared::new(&arguments.stream)?;
    let runtime = stream::runtime()?;
    let outcome = runtime.block_on(async {
        let mut interrupts = Interrupts::new()?;
        let mut node = tokio::select! {
            node = PrivateNode::start(plugins, arguments) => node?,
            signal = interrupts.next() => return Err(Failure::Interrupted(signal)),
        };
        let db = Address::of_peer(&node.db).map_err(|error| Failure::Running(error.to_string()))?;
        let node_arguments = NodeArguments { db, access: None, wait: WAIT };
        let connected = tokio::select! {
            connected = spawn_blocking(move || connect(&node_arguments)) => connected.unwrap_or_else(|panic| Err(Failure::Running(panic.to_string()))),
            end = node.early_end() => Err(end),
            signal = interrupts.next() => Err(Failure::Interrupted(signal)),
        };
        let outcome = match connected {
            Ok(client) => {
                stream::stream(client, &arguments.function, &arguments.stream, prepared, node.early_end()).await
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

/// Looks whether the plugins have the function of the first stage, which runs here. What their files do not tell, the node will:
/// which of them cannot be read, and which other functions a scatter hook calls.
fn look_for_function(plugins: &[PathBuf], arguments: &PrivateArguments) -> Result<(), Failure> {
    let search = Search::from_environment(arguments.plugin_dir.clone());
    let look = |name: &PathBuf| inspect(&search.find(name.as_os_str(), Origin::CommandLine).ok()?).ok();
    let plugins: Option<Vec<Descriptor>> = plugins.iter().map(look).collect();
    let Some(plugins) = plugins else { return Ok(()) };
    let first = arguments.function.0.split(' ').next().unwrap_or_default();
    let (_, function) = first.split_once('.').unwrap_or(("", first));
    let functions = || plugins.iter().flat_map(|plugin| &plugin.functions).map(|function| &*function.name);
    let scatters = plugins.iter().flat_map(|plugin| &plugin.hooks).any(|hook| hook.kind == HookKind::Scatter);
    if scatters || functions().any(|known| known == function) {
        return Ok(());
    }
    let remedy = match nearest(function, functions()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`pylm plugin inspect` shows which they have".to_owned(),
    };
    Err(Failure::Usage(format!("the plugins have no function `{function}`; {remedy}")))
}
