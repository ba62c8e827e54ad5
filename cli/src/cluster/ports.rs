//! The addresses of nodes: those that the file gives, and blocks of ports for the rest.
//!
//! Blocks follow from the file alone, in its order, so that a node that is started again finds its old ports, and so do
//! those that connect to it.

use super::finding::{Findings, Place};
use super::table::Table;
use pylm_protocol::{Address, AddressError, Host, HttpAddress};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The sockets of a node, in the order of their ports.
pub(crate) const SOCKETS: [&str; 5] = ["pull", "pub", "worker-pull", "worker-push", "db"];

/// Keys of further addresses on which a program listens.
const OTHERS: [&str; 2] = ["http", "gateway"];

/// The first port of the first block: those of pylm's examples.
const FIRST: u64 = 5555;

/// The addresses of a node's sockets, in the order of [`SOCKETS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses(pub(crate) [Address; 5]);

impl Addresses {
    /// Where the node's cache service, and all native traffic, is reached from this machine.
    pub(crate) fn db(&self) -> Address {
        self.0[4].local()
    }
}

/// Gives every node its addresses.
pub(crate) fn assign(top: &Table, nodes: &[Table], findings: &mut Findings) -> Vec<Addresses> {
    let given: Vec<u64> = nodes.iter().flat_map(bound).filter_map(|(_, address)| port(&address)).collect();
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
        let host = host(top, node, findings);
        assigned.push(Addresses(std::array::from_fn(|place| {
            // Blocks that do not fit are found below.
            let port = u16::try_from(block + place as u64).unwrap_or(0);
            read(node, SOCKETS[place], findings).unwrap_or_else(|| Address::tcp(&host, port))
        })));
    }
    if top.number("ports") == Some(0) || next > 65_536 {
        let cause = "the blocks of five ports for each node do not lie between 1 and 65535";
        findings.error("wrong-value", top.place_of("ports"), cause, "choose another first port");
    }
    assigned
}

/// The host of a node's sockets: that of `pylm`, where it opens them to others, or else of `host`.
fn host(top: &Table, node: &Table, findings: &mut Findings) -> Host {
    let named = if node.text("host").is_some() { node } else { top };
    let is_open = node.text("pylm").is_some_and(|door| !matches!(door, "off" | "loopback"));
    let host: Option<Host> =
        if is_open { read(node, "pylm", findings) } else { read(named, "host", findings) };
    let host = host.unwrap_or_else(Host::loopback);
    if !is_open && host.is_address() && !host.is_loopback() {
        let cause = format!("{host} is open to other machines, and nothing there is encrypted");
        let remedy = format!(
            "give a host of loopback, or write `pylm = '{}'` in the node's table to open it all the same",
            host.as_str()
        );
        findings.error("open-host", named.place_of("host"), cause, remedy);
    }
    host
}

/// A host or an address that a table gives itself, if it is one.
fn read<T: FromStr<Err = AddressError>>(table: &Table, key: &str, findings: &mut Findings) -> Option<T> {
    let outcome = table.text(key)?.parse();
    outcome
        .map_err(|error: AddressError| {
            let remedy = format!("write it as in {}", error.example());
            findings.error("wrong-value", table.place_of(key), error.cause(), remedy);
        })
        .ok()
}

/// An address on which a program of the cluster listens.
struct Bound {
    program: Place,
    place: Place,
    address: Address,
    /// As it is written.
    text: String,
}

/// Finds programs that would listen at the same place.
pub(crate) fn check(nodes: &[(&Table, &Addresses)], workers: &[&Table], findings: &mut Findings) {
    let mut all: Vec<Bound> = Vec::new();
    for (table, addresses) in nodes {
        for (socket, address) in SOCKETS.iter().zip(&addresses.0) {
            let key = format!("{}.{socket}", table.place.key);
            let place = Place { key, ..table.place_of(socket) };
            let (address, text) = (address.clone(), address.to_string());
            all.push(Bound { program: table.place.clone(), place, address, text });
        }
    }
    let tables = nodes.iter().map(|(table, _)| *table).chain(workers.iter().copied());
    for (table, key) in tables.flat_map(|table| OTHERS.map(|key| (table, key))) {
        if let Some(HttpAddress { host, port }) = read(table, key, findings) {
            let (program, place) = (table.place.clone(), table.place_of(key));
            let text = table.text(key).unwrap_or_default().to_owned();
            all.push(Bound { program, place, address: Address::Tcp { host, port }, text });
        }
    }
    for (at, bound) in all.iter().enumerate() {
        if let Some(other) = all[..at].iter().find(|other| clash(&other.address, &bound.address)) {
            let cause = format!("{} is taken by {}", bound.text, other.place.key);
            findings.error("same-port", bound.place.clone(), cause, "give one of the two another port");
        }
    }
    for (table, addresses) in nodes {
        let Some(peers) = peer_ports(table, &addresses.0[4]) else { continue };
        let taken = all.iter().filter(|bound| bound.program != table.place);
        for bound in taken.filter(|bound| port(&bound.address).is_some_and(|port| peers.contains(&port))) {
            let (first, last) = (peers.start(), peers.end());
            let cause =
                format!("{} lies in the peer ports of {}, {first}-{last}", bound.text, table.place.key);
            findings.error(
                "same-port",
                bound.place.clone(),
                cause,
                "choose another port, or other `peer-ports`",
            );
        }
    }
}

/// The addresses that a table gives itself, as far as they are some.
fn bound(table: &Table) -> impl Iterator<Item = (&'static str, Address)> {
    SOCKETS.into_iter().chain(OTHERS).filter_map(|key| {
        let text = table.text(key)?;
        let http = || text.parse().ok().map(|HttpAddress { host, port }| Address::Tcp { host, port });
        Some((key, text.parse().ok().or_else(http)?))
    })
}

/// The ports that a node keeps for pylm peers: those of the file, or else, as `pylmd` does, those that follow from its db.
fn peer_ports(table: &Table, db: &Address) -> Option<RangeInclusive<u64>> {
    if let Some(given) = table.text("peer-ports") {
        let (first, last) = given.split_once('-')?;
        return Some(first.parse().ok()?..=last.parse().ok()?);
    }
    let first = 20_000 + 64 * (port(db).filter(|port| *port != 0)? % 180);
    Some(first..=first + 63)
}

fn port(address: &Address) -> Option<u64> {
    address.port().map(u64::from)
}

/// Whether two programs cannot both listen there.
fn clash(one: &Address, other: &Address) -> bool {
    let (Some(host), Some(other_host)) = (one.host(), other.host()) else { return one == other };
    let name = |host: &Host| if host.as_str() == "localhost" { Host::loopback() } else { host.clone() };
    one.port() == other.port()
        && one.port() != Some(0)
        && (name(host) == name(other_host) || host.is_wildcard() || other_host.is_wildcard())
}
