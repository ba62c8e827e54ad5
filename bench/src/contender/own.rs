//! Our node, between peers that speak pylm's wire or the native protocol.

use super::{Running, START, part, wait_until_ready};
use crate::programs;
use crate::workload::Workload;
use anyhow::Result;
use pylm_tests::address::ANY_PORT;
use pylm_tests::process::Process;
use std::ffi::OsString;
use uuid::Uuid;

/// What a node has beside the way of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// Nothing.
    Nothing,
    /// Scatter and gather hooks that pass on what they get.
    Hooks,
    /// A journal, in its own working folder.
    Journal,
    /// Time for functions that nobody offers.
    Patience,
    /// A moment of asking for news before it sleeps, which its hosts have too.
    Spin,
}

/// Microseconds of that moment: longer than a message takes one way.
const SPIN: [&str; 2] = ["--spin", "300"];

impl With {
    fn arguments(self) -> Vec<OsString> {
        match self {
            With::Nothing => vec![],
            With::Hooks => vec!["--plugin".into(), programs::release().plugin("bench-pass").into()],
            With::Journal => vec!["--journal".into(), "journal".into()],
            With::Patience => vec!["--function-wait".into(), "600".into()],
            With::Spin => SPIN.map(OsString::from).to_vec(),
        }
    }
}

/// A node that is ready, and the address that its peers are given.
pub fn node(with: With) -> Result<(Process, String)> {
    node_with("pylmd", with.arguments())
}

/// One that is called so in what is written, with these arguments beside its addresses.
pub fn node_with(name: &str, arguments: Vec<OsString>) -> Result<(Process, String)> {
    let flags = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"];
    let addresses = flags.map(|flag| [flag, ANY_PORT]).concat();
    let node = Process::plan(name, programs::release().program("pylmd")).args(addresses);
    let mut node = node.args(arguments).start();
    let ready = node.wait_until_ready(START);
    Ok((node, ready.field("db")))
}

/// Peers in Rust that speak pylm's wire.
pub fn wire(workload: Workload, hosts: u32) -> Result<Running> {
    let (node, db) = node(With::Nothing)?;
    let workers = (0..hosts)
        .map(|number| {
            let worker = part(&format!("worker {number}"), "palm-worker", &[format!("--db={db}")])?.start();
            wait_until_ready(&worker);
            Ok(worker)
        })
        .collect::<Result<_>>()?;
    let client = client("palm-client", &db, workload)?;
    Ok(Running { client, workers, node })
}

/// Our client library, and worker hosts that run a plugin.
pub fn native(workload: Workload, hosts: u32, with: With) -> Result<Running> {
    native_at(workload, hosts, with).map(|(running, _)| running)
}

/// The same, with the address of the node.
pub fn native_at(workload: Workload, hosts: u32, with: With) -> Result<(Running, String)> {
    let (node, db) = node(with)?;
    let arguments: &[&str] = if with == With::Spin { &SPIN } else { &[] };
    let workers = (0..hosts).map(|number| host(&db, number, 1, arguments)).collect();
    let client = client("native-client", &db, workload)?;
    Ok((Running { client, workers, node }, db))
}

/// A worker host that is ready, with the plugin that echoes.
pub fn host(db: &str, number: u32, slots: u32, arguments: &[&str]) -> Process {
    let host = start_host(db, number, slots, arguments);
    host.wait_for_line(" ready ", START);
    host
}

/// A worker host that is being started.
pub fn start_host(db: &str, number: u32, slots: u32, arguments: &[&str]) -> Process {
    let (program, plugin) =
        (programs::release().program("pylm-worker"), programs::release().plugin("bench-echo"));
    let name = format!("worker-{number}");
    let plan = Process::plan(&name, program).args(["--db", db, "--name", &name]).args(arguments);
    plan.args(["--slots", &slots.to_string()]).arg("--plugin").arg(plugin).start()
}

fn client(which: &str, db: &str, workload: Workload) -> Result<Process> {
    let mut options = workload.to_arguments();
    options.extend([format!("--topic={}", Uuid::new_v4()), format!("--db={db}")]);
    Ok(part("client", which, &options)?.start())
}
