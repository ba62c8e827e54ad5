//! Unmodified Python peers, under a Python Master or under our node.

use super::{Running, START, own};
use crate::workload::Workload;
use anyhow::Result;
use pylm_tests::address::wait_for_peers;
use pylm_tests::process::Process;
use pylm_tests::{pylm, python};

/// Our script around pylm's client, which prints what the clients in Rust do.
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/load.py");

/// A Python Master.
pub fn master(workload: Workload, hosts: u32) -> Result<Running> {
    let master = pylm::master(&[]);
    let workers = workers(&master.db, hosts);
    wait_for_peers(&master.worker_push, hosts as usize, START);
    wait_for_peers(&master.worker_pull, hosts as usize, START);
    Ok(Running { client: client(&master.db, workload), workers, node: master.process })
}

/// Our node.
pub fn peers_of_ours(workload: Workload, hosts: u32) -> Result<Running> {
    let (node, db) = own::node(own::With::Nothing)?;
    let workers = workers(&db, hosts);
    Ok(Running { client: client(&db, workload), workers, node })
}

fn workers(db: &str, hosts: u32) -> Vec<Process> {
    (0..hosts).map(|number| pylm::worker(&format!("worker-{number}"), db, &[])).collect()
}

fn client(db: &str, workload: Workload) -> Process {
    Process::plan("client", python::interpreter())
        .args([CLIENT, "--db", db])
        .args(workload.to_arguments())
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PEER_ENDS_WITH_STDIN", "1")
        .env("PYTHONPATH", python::script(""))
        .start()
}
