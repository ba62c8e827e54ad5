//! Other systems, where their servers are installed: NATS, with and without JetStream, and gearmand.

use super::{Running, START, part, wait_until_ready};
use crate::workload::Workload;
use anyhow::{Context as _, Result};
use pylm_tests::address::free;
use pylm_tests::process::Process;
use std::env;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// How NATS keeps messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Not at all: core NATS.
    Nothing,
    /// In a stream in memory.
    Memory,
    /// In a stream in files, synced now and then, by NATS's default.
    File,
    /// In a stream in files, synced before each message is confirmed.
    Synced,
}

/// A program's path, among those of PATH and where Debian puts servers.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether there is a NATS server that can be told when to sync, as those from 2.10 on can.
pub fn nats_syncs() -> bool {
    let Some(output) =
        find("nats-server").and_then(|program| Command::new(program).arg("--version").output().ok())
    else {
        return false;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let mut version = said
        .rsplit('v')
        .next()
        .unwrap_or_default()
        .split('.')
        .map_while(|number| number.trim().parse::<u32>().ok());
    (version.next().unwrap_or(0), version.next().unwrap_or(0)) >= (2, 10)
}

/// A NATS server with its queue group.
pub fn nats(keeping: Keeping, workload: Workload, hosts: u32) -> Result<Running> {
    let program = find("nats-server").context("nats-server is not installed")?;
    let [address] = free::<1>();
    let address = address.trim_start_matches("tcp://").to_owned();
    let mut plan = Process::plan("nats-server", program);
    if keeping != Keeping::Nothing {
        let folder = env::temp_dir().join(format!("pylm-bench-nats-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder)?;
        let sync = if keeping == Keeping::Synced { ", sync_interval: always" } else { "" };
        let file = folder.join("nats.conf");
        let store = folder.join("store");
        std::fs::write(&file, format!("jetstream {{ store_dir: \"{}\"{sync} }}\n", store.display()))?;
        plan = plan.arg("-c").arg(file);
    }
    let port = address.rsplit_once(':').map_or("4222", |(_, port)| port).to_owned();
    let node = plan.args(["-a", "127.0.0.1", "-p", &port]).start();
    wait_for_server(&address)?;
    let stream = match keeping {
        Keeping::Nothing => None,
        Keeping::Memory => Some("memory"),
        Keeping::File | Keeping::Synced => Some("file"),
    };
    let mut options = workload.to_arguments();
    options.extend([format!("--topic={}", uuid::Uuid::new_v4()), format!("--push={address}")]);
    options.extend(stream.map(|stream| format!("--stream={stream}")));
    let mut worker_options = vec![format!("--server={address}")];
    worker_options.extend(stream.map(|_| "--streams".to_owned()));
    let workers = workers("nats-worker", &worker_options, hosts)?;
    let client = part("client", "nats-client", &options)?.start();
    Ok(Running { client, workers, node })
}

/// A gearmand with its workers.
pub fn gearmand(workload: Workload, hosts: u32) -> Result<Running> {
    let program = find("gearmand").context("gearmand is not installed")?;
    let [address] = free::<1>();
    let address = address.trim_start_matches("tcp://").to_owned();
    let port = address.rsplit_once(':').map_or("4730", |(_, port)| port).to_owned();
    let node = Process::plan("gearmand", program)
        .args(["--listen=127.0.0.1", &format!("--port={port}"), "--log-file=stderr"])
        .start();
    wait_for_server(&address)?;
    let workers = workers("gearman-worker", &[format!("--server={address}")], hosts)?;
    let mut options = workload.to_arguments();
    options.extend([format!("--topic={}", uuid::Uuid::new_v4()), format!("--push={address}")]);
    let client = part("client", "gearman-client", &options)?.start();
    Ok(Running { client, workers, node })
}

fn workers(which: &str, options: &[String], hosts: u32) -> Result<Vec<Process>> {
    let start = |number| {
        let worker = part(&format!("worker {number}"), which, options)?.start();
        wait_until_ready(&worker);
        Ok(worker)
    };
    (0..hosts).map(start).collect()
}

/// Waits until somebody listens there.
fn wait_for_server(address: &str) -> Result<()> {
    let end = Instant::now() + START;
    loop {
        match TcpStream::connect(address) {
            Ok(_) => return Ok(()),
            Err(_) if Instant::now() < end => thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error).with_context(|| format!("nobody listens at {address}")),
        }
    }
}
