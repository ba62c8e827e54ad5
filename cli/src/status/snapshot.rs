//! A node's snapshot, as it is read from the cache key `status`. What a node does not tell is empty.

use crate::failure::Failure;
use pylm_client::blocking::Client;
use serde::Deserialize;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    pub(super) under_way: u64,
}

impl Counts {
    pub(super) fn ended(&self) -> u64 {
        self.done + self.failed + self.cancelled
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Snapshot {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) run: String,
    pub(super) work: Work,
    pub(super) uptime: f64,
    pub(super) draining: bool,
    pub(super) trouble: Option<String>,
    pub(super) counts: Counts,
    pub(super) waiting: u64,
    pub(super) leases: u64,
    pub(super) outputs: u64,
    pub(super) garbage: u64,
    pub(super) kept_failed: u64,
    pub(super) jobs: Vec<Job>,
    pub(super) hosts: Vec<Host>,
    pub(super) unoffered: Vec<Unoffered>,
    pub(super) left_off: LeftOff,
}

/// What was done since the node started.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Work {
    pub(super) attempts: u64,
    pub(super) deaths: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    pub(super) identity: String,
    pub(super) client: String,
    pub(super) function: String,
    pub(super) counts: Counts,
    pub(super) still: Option<f64>,
    pub(super) worked_on: bool,
    pub(super) stuck: bool,
    pub(super) why: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) away: bool,
    pub(super) limit: u64,
    pub(super) leases: u64,
    pub(super) quiet: Option<f64>,
    pub(super) functions: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Unoffered {
    pub(super) name: String,
    pub(super) topic: bool,
    pub(super) waiting: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LeftOff {
    pub(super) jobs: u64,
}

/// Asks the node.
pub(super) fn json(client: &Client) -> Result<String, Failure> {
    let value = client.cache().get("status")?;
    let value = value.ok_or_else(|| {
        Failure::Running("the node does not tell its status; it is older than this program".into())
    })?;
    Ok(String::from_utf8_lossy(&value).into_owned())
}

/// Reads what the node said.
pub(super) fn parsed(json: &str) -> Result<Snapshot, Failure> {
    serde_json::from_str(json).map_err(|error| {
        Failure::Running(format!("what the node tells of its status is not understood: {error}"))
    })
}
