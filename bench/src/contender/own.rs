//! Our node, between peers that speak pylm's wire or the native protocol.

use super::{Running, START, part, wait_until_ready};
use crate::programs;
use crate::workload::Workload;
use anyhow::{Context as _, Result};
use pylm_tests::address::ANY_PORT;
use pylm_tests::process::Process;
use pylm_tests::ready::Ready;
use uuid::Uuid;

/// A node that is ready, and the address that its peers are given.
pub fn node() -> Result<(Process, String)> {
    let flags = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"];
    let addresses = flags.map(|flag| [flag, ANY_PORT]).concat();
    let node = Process::plan("pylmd", programs::release().program("pylmd")).args(addresses).start();
    let ready = Ready::parse(&node.wait_for_line(" ready ", START)).context("not a ready line")?;
    Ok((node, ready.field("db")))
}

/// Peers in Rust that speak pylm's wire.
pub fn wire(workload: Workload, hosts: u32) -> Result<Running> {
    let (node, db) = node()?;
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
pub fn native(workload: Workload, hosts: u32) -> Result<Running> {
    let (node, db) = node()?;
    let (program, plugin) =
        (programs::release().program("pylm-worker"), programs::release().plugin("bench-echo"));
    let workers: Vec<Process> = (0..hosts)
        .map(|number| {
            let name = format!("worker-{number}");
            let plan = Process::plan(&name, program).args(["--db", &db, "--name", &name, "--slots", "1"]);
            plan.args(["--plugin".as_ref(), plugin.as_os_str()]).start()
        })
        .collect();
    for worker in &workers {
        worker.wait_for_line(" ready ", START);
    }
    let client = client("native-client", &db, workload)?;
    Ok(Running { client, workers, node })
}

fn client(which: &str, db: &str, workload: Workload) -> Result<Process> {
    let mut options = workload.to_arguments();
    options.extend([format!("--topic={}", Uuid::new_v4()), format!("--db={db}")]);
    Ok(part("client", which, &options)?.start())
}
