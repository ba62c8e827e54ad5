//! The contenders: what can stand between a client and its workers.

mod forwarder;
pub mod own;
mod peers;
mod python;

use crate::workload::Workload;
use anyhow::{Context as _, Result};
use clap::ValueEnum;
use peers::Keeping;
use pylm_tests::process::{Plan, Process};
use serde::{Deserialize, Serialize};
use std::env::current_exe;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// Raw libzmq in pylm's shape, built and set up as ours: a master that only forwards frames of the bare payload
    Ceiling,
    /// The same, where the master copies each frame once
    CeilingCopying,
    /// The same as ceiling, with PalmMessages as frames
    CeilingPalm,
    /// Our node, with client and workers in Rust that speak pylm's wire
    Wire,
    /// Our node, with our client library and two worker hosts that run a plugin
    Native,
    /// The same, with scatter and gather hooks that pass on what they get
    NativeHooks,
    /// The same as native, with a journal
    NativeJournal,
    /// The same as native, where node and hosts ask for news for a moment before they sleep
    NativeSpin,
    /// Our node, with an unmodified Python client and workers
    PythonPeers,
    /// Python pylm as it is installed: Master, workers and client
    Python,
    /// NATS without JetStream: a queue group, nothing kept
    Nats,
    /// JetStream with a stream in memory, and explicit acknowledgements
    JetstreamMemory,
    /// The same, in files that are synced by NATS's default, every two minutes
    JetstreamFile,
    /// The same, in files that are synced for each message
    JetstreamSynced,
    /// gearmand, without a queue on disk
    Gearmand,
}

impl Contender {
    /// Those that are measured when nothing else is said.
    pub const DEFAULT: [Contender; 14] = [
        Contender::Ceiling,
        Contender::CeilingCopying,
        Contender::CeilingPalm,
        Contender::Wire,
        Contender::Native,
        Contender::NativeHooks,
        Contender::NativeJournal,
        Contender::PythonPeers,
        Contender::Python,
        Contender::Nats,
        Contender::JetstreamMemory,
        Contender::JetstreamFile,
        Contender::JetstreamSynced,
        Contender::Gearmand,
    ];

    /// What the others are compared with when nothing else is said: frames of the bare payload, and frames as pylm's wire
    /// has them, which are some 90 bytes longer.
    pub const CEILINGS: [Contender; 2] = [Contender::Ceiling, Contender::CeilingPalm];

    /// Builds and installs what it needs, so that nothing is built while others are measured.
    pub fn prepare(self) {
        if self.is_ours() {
            crate::programs::release();
        }
        if self.is_python() {
            pylm_tests::python::interpreter();
        }
    }

    /// Starts all of its processes.
    ///
    /// # Panics
    /// Where one does not get ready, after a line that says so; `pylm-tests` tells what each wrote.
    pub fn start(self, workload: Workload, hosts: u32) -> Result<Running> {
        match self {
            Contender::Ceiling => forwarder::start(forwarder::Frames::Payloads, workload, hosts),
            Contender::CeilingCopying => forwarder::start(forwarder::Frames::Copied, workload, hosts),
            Contender::CeilingPalm => forwarder::start(forwarder::Frames::Palm, workload, hosts),
            Contender::Wire => own::wire(workload, hosts),
            Contender::Native => own::native(workload, hosts, own::With::Nothing),
            Contender::NativeHooks => own::native(workload, hosts, own::With::Hooks),
            Contender::NativeJournal => own::native(workload, hosts, own::With::Journal),
            Contender::NativeSpin => own::native(workload, hosts, own::With::Spin),
            Contender::PythonPeers => python::peers_of_ours(workload, hosts),
            Contender::Python => python::master(workload, hosts),
            Contender::Nats => peers::nats(Keeping::Nothing, workload, hosts),
            Contender::JetstreamMemory => peers::nats(Keeping::Memory, workload, hosts),
            Contender::JetstreamFile => peers::nats(Keeping::File, workload, hosts),
            Contender::JetstreamSynced => peers::nats(Keeping::Synced, workload, hosts),
            Contender::Gearmand => peers::gearmand(workload, hosts),
        }
    }

    /// A Python client's window is narrower: past 1,000 waiting results a pylm Master drops them in silence.
    pub fn window(self, window: u32) -> u32 {
        if self.is_python() { window.min(500) } else { window }
    }

    /// Whether it can be measured here: other systems only where they are installed.
    pub fn is_present(self) -> bool {
        match self {
            Contender::Nats | Contender::JetstreamMemory | Contender::JetstreamFile => {
                peers::find("nats-server").is_some()
            }
            Contender::JetstreamSynced => peers::nats_syncs(),
            Contender::Gearmand => peers::find("gearmand").is_some(),
            _ => true,
        }
    }

    /// Whether it has a node of ours.
    fn is_ours(self) -> bool {
        use Contender::{Native, NativeHooks, NativeJournal, NativeSpin, PythonPeers, Wire};
        matches!(self, Wire | Native | NativeHooks | NativeJournal | NativeSpin | PythonPeers)
    }

    fn is_python(self) -> bool {
        matches!(self, Contender::PythonPeers | Contender::Python)
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// A contender at work. Dropped, all of its processes end.
pub struct Running {
    /// The client, started last; it begins by itself.
    pub client: Process,
    /// The workers, or worker hosts.
    pub workers: Vec<Process>,
    /// What stands between them.
    pub node: Process,
}

/// A plan to run this program again, in one of its parts.
pub fn part(name: &str, part: &str, arguments: &[String]) -> Result<Plan> {
    // The program that runs, even where its file was built anew meanwhile.
    let this = PathBuf::from("/proc/self/exe");
    let this =
        if this.exists() { this } else { current_exe().context("cannot find this program's own file")? };
    Ok(Process::plan(name, this).args(["part", part]).args(arguments))
}

/// A worker is ready once it has written so.
pub fn wait_until_ready(worker: &Process) {
    worker.wait_for_line("ready", START);
}

/// How long one process may take to start.
pub const START: Duration = Duration::from_secs(30);
