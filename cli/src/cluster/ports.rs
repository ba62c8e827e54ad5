//! The addresses of nodes: those that the file gives, and blocks of ports for the rest.
//!
//! Blocks follow from the file alone, in its order, so that a node that is started again finds its old ports, and so do
//! those that connect to it.

use super::finding::{Findings, Place};
use super::table::Table;
use std::ops::RangeInclusive;

/// The sockets of a node, in the order of their ports.
pub(crate) const SOCKETS: [&str; 5] = ["pull", "pub", "worker-pull", "worker-push", "db"];

/// Keys of further addresses on which a program listens.
const OTHERS: [&str; 2] = ["http", "gateway"];

/// The first port of the first block: those of pylm's examples.
const FIRST: u64 = 5555;

/// The addresses of a node's sockets, in the order of [`SOCKETS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Addresses(pub(crate) [String; 5]);

impl Addresses {
    /// Where the node's cache service, and all native traffic, is reached from this machine.
    pub(crate) fn db(&self) -> String {
        let address = &self.0[4];
        let wildcard =
            ["0.0.0.0", "*"].iter().find_map(|host| address.strip_prefix(&format!("tcp://{host}:")));
        match (wildcard, address.strip_prefix("tcp://[::]:")) {
            (Some(port), _) => format!("tcp://127.0.0.1:{port}"),
            (None, Some(port)) => format!("tcp://[::1]:{port}"),
            (None, None) => address.clone(),
        }
    }
}

/// Gives every node its addresses.
pub(crate) fn assign(top: &Table, nodes: &[Table], findings: &mut Findings) -> Vec<Addresses> {
    let given: Vec<u64> = nodes.iter().flat_map(bound).filter_map(|(_, address)| port(address)).collect();
    let mut next = top.number("ports").unwrap_or(FIRST).min(65_536);
    let mut assigned = Vec::new();
    for node in nodes {
        let mut block = next;
        if SOCKETS.iter().any(|socket| node.text(socket).is_none()) {
            while given.iter().any(|port| (block..block + 5).contains(port)) {
                block += 1;
            }
            next = block + 5;
        }
        let host = node.text("host").or(top.text("host")).unwrap_or("127.0.0.1");
        assigned.push(Addresses(std::array::from_fn(|place| {
            let automatic = || format!("tcp://{host}:{}", block + place as u64);
            node.text(SOCKETS[place]).map_or_else(automatic, str::to_owned)
        })));
    }
    if top.number("ports") == Some(0) || next > 65_536 {
        let cause = "the blocks of five ports for each node do not lie between 1 and 65535";
        findings.error("wrong-value", top.place_of("ports"), cause, "choose another first port");
    }
    assigned
}

/// An address on which a program of the cluster listens.
struct Bound {
    program: Place,
    place: Place,
    address: String,
}

/// Finds programs that would listen at the same place.
pub(crate) fn check(nodes: &[(&Table, &Addresses)], workers: &[&Table], findings: &mut Findings) {
    let mut all: Vec<Bound> = Vec::new();
    for (table, addresses) in nodes {
        for (socket, address) in SOCKETS.iter().zip(&addresses.0) {
            let key = format!("{}.{socket}", table.place.key);
            let place = Place { key, ..table.place_of(socket) };
            all.push(Bound { program: table.place.clone(), place, address: address.clone() });
        }
    }
    let tables = nodes.iter().map(|(table, _)| *table).chain(workers.iter().copied());
    for (table, key) in tables.flat_map(|table| OTHERS.map(|key| (table, key))) {
        if let Some(address) = table.text(key) {
            let (program, place) = (table.place.clone(), table.place_of(key));
            all.push(Bound { program, place, address: address.to_owned() });
        }
    }
    for (at, bound) in all.iter().enumerate() {
        if let Some(other) = all[..at].iter().find(|other| clash(&other.address, &bound.address)) {
            let cause = format!("{} is taken by {}", bound.address, other.place.key);
            findings.error("same-port", bound.place.clone(), cause, "give one of the two another port");
        }
    }
    for (table, addresses) in nodes {
        let Some(peers) = peer_ports(table, &addresses.0[4]) else { continue };
        let taken = all.iter().filter(|bound| bound.program != table.place);
        for bound in taken.filter(|bound| port(&bound.address).is_some_and(|port| peers.contains(&port))) {
            let (first, last) = (peers.start(), peers.end());
            let cause =
                format!("{} lies in the peer ports of {}, {first}-{last}", bound.address, table.place.key);
            findings.error(
                "same-port",
                bound.place.clone(),
                cause,
                "choose another port, or other `peer-ports`",
            );
        }
    }
}

/// The addresses that a table gives itself.
fn bound(table: &Table) -> impl Iterator<Item = (&'static str, &str)> {
    SOCKETS.into_iter().chain(OTHERS).filter_map(|key| Some((key, table.text(key)?)))
}

/// The ports that a node keeps for pylm peers: those of the file, or else, as `pylmd` does, those that follow from its db.
fn peer_ports(table: &Table, db: &str) -> Option<RangeInclusive<u64>> {
    if let Some(given) = table.text("peer-ports") {
        let (first, last) = given.split_once('-')?;
        return Some(first.parse().ok()?..=last.parse().ok()?);
    }
    let first = 20_000 + 64 * (port(db).filter(|port| *port != 0)? % 180);
    Some(first..=first + 63)
}

fn port(address: &str) -> Option<u64> {
    address.rsplit_once(':')?.1.parse().ok()
}

/// Whether two programs cannot both listen there.
fn clash(one: &str, other: &str) -> bool {
    let split = |address: &str| {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        let host = host.rsplit_once("//").map_or(host, |parts| parts.1);
        (if host == "localhost" { "127.0.0.1" } else { host }.to_owned(), port.to_owned())
    };
    let ((one_host, one_port), (other_host, other_port)) = (split(one), split(other));
    let is_wildcard = |host: &str| matches!(host, "0.0.0.0" | "*" | "[::]" | "");
    if one.starts_with("ipc:") || other.starts_with("ipc:") {
        return one == other;
    }
    one_port == other_port
        && one_port != "0"
        && (one_host == other_host || is_wildcard(&one_host) || is_wildcard(&other_host))
}
