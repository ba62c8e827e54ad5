//! What a node is told before it starts.

use super::doors::PylmDoor;
use super::sealed::ListenConfig;
use pylm_plugin_host::PluginSet;
use pylm_protocol::{Address, Host};
use pylm_transport::Security;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Where messages come from, if not from clients.
#[derive(Debug, Clone)]
pub struct From {
    /// What is followed: the name of an earlier node, or a topic that its route hooks give.
    pub topic: String,
    /// The address of that node's cache service.
    pub address: Address,
    /// What this node comes in with there, if it has a key.
    pub security: Security,
}

/// The settings of a node; the flags of `pylmd` say the same.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its name.
    pub name: String,
    /// The host that peers are told in place of a wildcard.
    pub advertise: Option<Host>,
    /// The encrypted door, if it has one.
    pub listen: Option<ListenConfig>,
    /// Where the sockets for pylm's peers are.
    pub pylm: PylmDoor,
    /// pylm clients push messages here.
    pub pull: Address,
    /// pylm clients subscribe here.
    pub pub_: Address,
    /// pylm workers push results here.
    pub worker_pull: Address,
    /// pylm workers pull messages here.
    pub worker_push: Address,
    /// The cache service, and native peers.
    pub db: Address,
    /// Ports for sockets of their own for pylm peers.
    pub peer_ports: PeerPorts,
    /// The earlier nodes that it follows.
    pub from: Vec<From>,
    /// Results go to the nodes that follow, under this node's name.
    pub pipelined: bool,
    /// It runs functions itself, so that calls have to name it.
    pub inline: bool,
    /// The largest payload taken, in bytes.
    pub max_message: u64,
    /// The bound of the cache, in bytes.
    pub cache_bytes: usize,
    /// How often a message may lose its host while it is tried alone.
    pub max_attempts: u32,
    /// How long a message waits for somebody to offer its function.
    pub function_wait: Duration,
    /// How long a job whose client is lost is kept for it.
    pub client_grace: Duration,
    /// Bytes of messages that took down every host, which are kept for `pylm failed`.
    pub failed_bytes: u64,
    /// The folder of its journal.
    pub journal: Option<PathBuf>,
    /// How long a job is kept, with a journal, whose client is lost and has not had everything.
    pub keep: Duration,
    /// For how long work at hosts may give neither result nor end before the node counts as stuck.
    pub stuck_after: Duration,
    /// The functions that pylm workers have; `None`: all that no native host offers.
    pub pylm_functions: Option<Vec<String>>,
    /// What a pylm worker's `0` is.
    pub zero_is_error: bool,
    /// Functions of which pylm workers give exactly one result for each message.
    pub pylm_single: Vec<String>,
    /// Functions of pylm workers, with the longest that a message of theirs takes.
    pub pylm_pace: Vec<(String, Duration)>,
    /// How many pylm workers may be lost that are at a message.
    pub pylm_attempts: u32,
    /// How long a pylm worker may give nothing for a message, where nothing tells that it has passed it over.
    pub pylm_silence: Duration,
    /// How long a message goes on at a pylm worker after its last result, at least, where its client is told of its end and nothing
    /// proves it.
    pub pylm_quiet: Duration,
    /// For how long its routing thread asks for news before it sleeps.
    pub spin: Duration,
    /// The stack of each thread that runs hooks, in bytes.
    pub stack: usize,
    /// Its hooks.
    pub plugins: PluginSet,
}

/// Where the sockets for pylm peers are bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerPorts {
    /// At ports that the system chooses: as many as this. They change with a restart.
    Any(u16),
    /// At these ports, as far as they are free.
    Range(RangeInclusive<u16>),
}
