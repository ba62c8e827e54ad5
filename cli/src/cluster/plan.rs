//! From a cluster to the programs that make it up: what each is told, and which end before which.

use super::model::{Cluster, Node, Origin, Source};
use super::offer::Offer;
use super::ports::SOCKETS;
use super::table::{Table, Value};
use pylm_units::TimeSpan;
use std::ffi::OsString;
use std::time::Duration;

/// How long a worker host may take to finish when its node has ended; `pylmd` gives its own as long.
const HOST_GRACE: Duration = Duration::from_secs(5);

/// How long a node may take to drain that is not told; as `pylmd` has it.
const DRAIN_LIMIT: TimeSpan = TimeSpan::from_secs(30);

/// How long a node may take to end when its time to drain is over.
const NODE_GRACE: Duration = Duration::from_secs(10);

/// Worker hosts that one table can be.
pub(crate) const MOST_HOSTS: u64 = 1_000;

/// Keys of nodes and worker hosts that are not handed on as they stand.
const RESOLVED: [&str; 8] = ["name", "from", "plugin", "plugin-dir", "set", "host", "log", "workers"];

/// A program of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// What the log calls it.
    pub(crate) name: String,
    /// `pylmd` or `pylm-worker`.
    pub(crate) program: &'static str,
    pub(crate) args: Vec<OsString>,
    /// The programs that are to end before this one is told to.
    pub(crate) after: Vec<usize>,
    /// How long it may take to end.
    pub(crate) grace: Duration,
}

impl Program {
    pub(crate) fn is_node(&self) -> bool {
        self.program == "pylmd"
    }
}

/// The programs of a cluster: its nodes in the order of the file, then its worker hosts.
pub(crate) fn plan(cluster: &Cluster) -> Vec<Program> {
    let nodes = cluster.nodes.iter().map(|node| node_program(cluster, node));
    let mut programs: Vec<Program> = nodes.collect();
    for worker in &cluster.workers {
        let count = worker.table.number("count").unwrap_or(1).min(MOST_HOSTS);
        for number in 1..=count {
            let numbered = |name: &str| if count > 1 { format!("{name}-{number}") } else { name.to_owned() };
            let mut args =
                vec![flag("name", numbered(worker.table.text("name").unwrap_or(&worker.table.name)))];
            args.extend(worker.node.map(|node| flag("db", cluster.nodes[node].addresses.db().to_string())));
            args.extend(settings(cluster, &worker.table, &worker.offer));
            programs.push(Program {
                name: numbered(&worker.table.name),
                program: "pylm-worker",
                args,
                after: worker.node.into_iter().collect(),
                grace: HOST_GRACE,
            });
        }
    }
    programs
}

fn node_program(cluster: &Cluster, node: &Node) -> Program {
    let mut args = vec![flag("name", &*node.name)];
    args.extend(node.table.text("host").or(cluster.top.text("host")).map(|host| flag("host", host)));
    args.extend(
        SOCKETS.iter().zip(&node.addresses.0).map(|(socket, address)| flag(socket, address.to_string())),
    );
    let mut after = Vec::new();
    for Source { topic, origin, .. } in &node.sources {
        let address = match origin {
            Origin::Node(earlier) => {
                after.push(*earlier);
                cluster.nodes[*earlier].addresses.db()
            }
            Origin::Elsewhere(address) => address.clone(),
        };
        args.push(flag("from", format!("{topic}={address}")));
    }
    args.extend(node.table.number("workers").map(|workers| flag("workers", workers.to_string())));
    args.extend(settings(cluster, &node.table, &node.offer));
    let limit = node.table.text("drain-limit").and_then(|limit| limit.parse().ok()).unwrap_or(DRAIN_LIMIT);
    Program {
        name: node.table.name.clone(),
        program: "pylmd",
        args,
        after,
        grace: limit.duration().saturating_add(NODE_GRACE),
    }
}

/// The flags that a node and worker hosts have alike, and those that are handed on as they stand.
fn settings(cluster: &Cluster, table: &Table, offer: &Offer) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    for file in &offer.files {
        let mut plugin = OsString::from("--plugin=");
        plugin.push(file);
        args.push(plugin);
    }
    args.extend(table.list("set").iter().map(|setting| flag("set", &*setting.text)));
    args.extend(table.text("log").or(cluster.top.text("log")).map(|filter| flag("log", filter)));
    let is_plain = |name: &&str| !RESOLVED.contains(name) && !SOCKETS.contains(name);
    for setting in table.settings.iter().filter(|setting| setting.key.is_flag && is_plain(&setting.key.name))
    {
        let name = setting.key.name;
        match &setting.value {
            Value::Switch(true) => args.push(format!("--{name}").into()),
            Value::Switch(false) => {}
            Value::Number(number) => args.push(flag(name, number.to_string())),
            Value::Text(text) => args.push(flag(name, &**text)),
            Value::List(items) => args.extend(items.iter().map(|item| flag(name, &*item.text))),
        }
    }
    args
}

fn flag(name: &str, value: impl AsRef<str>) -> OsString {
    format!("--{name}={}", value.as_ref()).into()
}
