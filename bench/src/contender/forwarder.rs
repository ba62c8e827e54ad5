//! The ceiling: a forwarder between load generators of our own.

use super::{Running, START, part, wait_until_ready};
use crate::workload::Workload;
use anyhow::{Context as _, Result};
use pylm_tests::address::wait_for_peers;
use pylm_tests::ready::Ready;
use uuid::Uuid;

/// What passes through the forwarder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// The bare payload.
    Payloads,
    /// The same, copied on its way to the workers.
    Copied,
    /// PalmMessages.
    Palm,
}

pub fn start(frames: Frames, workload: Workload, hosts: u32) -> Result<Running> {
    let (worker_part, client_part) = match frames {
        Frames::Payloads | Frames::Copied => ("raw-worker", "raw-client"),
        Frames::Palm => ("palm-worker", "palm-client"),
    };
    let topic = Uuid::new_v4();
    let mut options = vec![format!("--topic={topic}"), format!("--window={}", workload.window)];
    options.extend((frames == Frames::Copied).then(|| "--copying".to_owned()));
    let node = part("forwarder", "forwarder", &options)?.start();
    let ready = Ready::parse(&node.wait_for_line(" ready ", START)).context("not a ready line")?;

    let addresses =
        [format!("--pull={}", ready.field("worker_push")), format!("--push={}", ready.field("worker_pull"))];
    let workers = (0..hosts)
        .map(|number| {
            let worker = part(&format!("worker {number}"), worker_part, &addresses)?.start();
            wait_until_ready(&worker);
            Ok(worker)
        })
        .collect::<Result<Vec<_>>>()?;
    for address in ["worker_push", "worker_pull"] {
        wait_for_peers(&ready.field(address), hosts as usize, START);
    }

    let mut options = workload.to_arguments();
    options.extend([
        format!("--topic={topic}"),
        format!("--push={}", ready.field("pull")),
        format!("--subscribe={}", ready.field("pub")),
    ]);
    let client = part("client", client_part, &options)?.start();
    Ok(Running { client, workers, node })
}
