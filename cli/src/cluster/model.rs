//! A cluster as its file describes it: nodes, worker hosts, and who follows whom.

use super::finding::{Findings, Place};
use super::keys::{NODE, TOP, WORKER};
use super::offer::{Look, Offer};
use super::ports;
use super::table::{Item, Reader, Table, in_order};
use pylm_protocol::{Address, nearest};
use std::path::PathBuf;
use toml::de::{DeTable, DeValue};

/// Everything that the file says, as far as it makes sense.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    /// The keys before any table.
    pub(crate) top: Table,
    /// In the order of the file.
    pub(crate) nodes: Vec<Node>,
    /// In the order of the file.
    pub(crate) workers: Vec<Worker>,
}

/// A table `[node.NAME]`.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) table: Table,
    /// What messages and other nodes call it.
    pub(crate) name: String,
    /// What `from` says.
    pub(crate) sources: Vec<Source>,
    /// The addresses of its sockets.
    pub(crate) addresses: ports::Addresses,
    /// What its plugins have.
    pub(crate) offer: Offer,
}

/// A table `[worker.NAME]`.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) table: Table,
    /// The place of its node among the nodes; `None` where it serves HTTP, or nobody.
    pub(crate) node: Option<usize>,
    /// What its plugins have.
    pub(crate) offer: Offer,
}

/// One entry of `from`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) topic: String,
    pub(crate) origin: Origin,
    pub(crate) place: Place,
}

/// Where messages come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The node with this place among the nodes.
    Node(usize),
    /// A node that is not in this file, by the address of its db socket.
    Elsewhere(Address),
}

impl Cluster {
    /// Reads the file's text. `folder` is where it lies, and `look` how plugins are found and inspected.
    pub(crate) fn read(
        text: &str,
        folder: &std::path::Path,
        look: &Look<'_>,
        findings: &mut Findings,
    ) -> Self {
        let file = match DeTable::parse(text) {
            Ok(file) => file,
            Err(error) => {
                let place = Reader::new(text, findings).place(&error.span().unwrap_or(0..0), "");
                let why = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
                findings.error("not-toml", place, format!("this is not TOML ({why})"), "correct this line");
                return Cluster::default();
            }
        };
        let mut reader = Reader::new(text, findings);
        let place = Place { line: 1, key: String::new() };
        let top = reader.table("", place, file.get_ref(), TOP, &["node", "worker"]);
        let nodes = tables(&mut reader, file.get_ref(), "node");
        let workers = tables(&mut reader, file.get_ref(), "worker");
        if nodes.is_empty() && !findings.has_errors() {
            let cause = "there is no node in this file";
            findings.error("no-node", top.place.clone(), cause, "begin one with [node.NAME]");
        }

        let addresses = ports::assign(&top, &nodes, findings);
        let folders = |table: &Table| -> Vec<PathBuf> {
            let listed = table.list("plugin-dir").iter().chain(top.list("plugin-dir"));
            listed.map(|dir| folder.join(&dir.text)).collect()
        };
        let mut offer = |table: &Table| Offer::of(table, folder, &folders(table), look, findings);
        let (node_offers, worker_offers): (Vec<_>, Vec<_>) =
            (nodes.iter().map(&mut offer).collect(), workers.iter().map(&mut offer).collect());
        let mut nodes: Vec<Node> = nodes
            .into_iter()
            .zip(addresses.into_iter().zip(node_offers))
            .map(|(table, (addresses, offer))| {
                let name = table.text("name").unwrap_or(&table.name).to_owned();
                Node { table, name, sources: Vec::new(), addresses, offer }
            })
            .collect();
        for at in 0..nodes.len() {
            let entries = nodes[at].table.list("from");
            let sources = entries.iter().filter_map(|entry| source(entry, &nodes, findings)).collect();
            nodes[at].sources = sources;
        }
        let of_node = |table: &Table, findings: &mut Findings| {
            find(&nodes, table.text("node")?, table.place_of("node"), findings)
        };
        let workers = workers.into_iter().zip(worker_offers);
        let workers = workers.map(|(table, offer)| Worker { node: of_node(&table, findings), table, offer });
        let workers = workers.collect();
        Cluster { top, nodes, workers }
    }

    /// The worker hosts of a node that have tables of their own.
    pub(crate) fn workers_of(&self, node: usize) -> impl Iterator<Item = &Worker> {
        self.workers.iter().filter(move |worker| worker.node == Some(node))
    }

    /// The nodes that follow a node, with the topic under which they do.
    pub(crate) fn followers(&self, node: usize) -> impl Iterator<Item = (usize, &Source)> {
        self.nodes.iter().enumerate().flat_map(move |(follower, entry)| {
            let sources = entry.sources.iter().filter(move |source| source.origin == Origin::Node(node));
            sources.map(move |source| (follower, source))
        })
    }
}

/// The tables below `kind`, in the order of the file.
fn tables(reader: &mut Reader<'_>, file: &DeTable<'_>, kind: &str) -> Vec<Table> {
    let keys = if kind == "node" { NODE } else { WORKER };
    let Some((_, value)) = file.iter().find(|(name, _)| name.get_ref() == kind) else { return Vec::new() };
    let mut read = Vec::new();
    let no_table = |reader: &mut Reader<'_>, span: std::ops::Range<usize>, path: &str| {
        let place = reader.place(&span, path);
        let remedy = format!("write [{kind}.NAME], and the keys below it");
        reader.findings.error("wrong-value", place, "this is no table with a name", remedy);
    };
    let DeValue::Table(named) = value.get_ref() else {
        no_table(reader, value.span(), kind);
        return read;
    };
    for (name, value) in in_order(named) {
        let path = format!("{kind}.{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(table) => {
                let place = reader.place(&name.span(), &*path);
                let mut table = reader.table(&path, place, table, keys, &[]);
                table.name = name.get_ref().to_string();
                read.push(table);
            }
            _ => no_table(reader, name.span(), &path),
        }
    }
    read
}

/// Reads `NODE`, `TOPIC@NODE` or `TOPIC=ADDRESS`.
fn source(entry: &Item, nodes: &[Node], findings: &mut Findings) -> Option<Source> {
    let place = entry.place.clone();
    if let Some((topic, address)) = entry.text.split_once('=') {
        return match Address::of_peer(address) {
            Ok(address) => {
                Some(Source { topic: topic.to_owned(), origin: Origin::Elsewhere(address), place })
            }
            Err(error) => {
                findings.error(
                    "wrong-value",
                    place,
                    error.cause(),
                    format!("write it as in {topic}={}", error.example()),
                );
                None
            }
        };
    }
    let (topic, node) = match entry.text.rsplit_once('@') {
        Some((topic, node)) => (Some(topic), node),
        None => (None, &*entry.text),
    };
    let at = find(nodes, node, place.clone(), findings)?;
    let topic = topic.unwrap_or(&nodes[at].name).to_owned();
    Some(Source { topic, origin: Origin::Node(at), place })
}

/// The place of a node among the nodes, by the name of its table.
fn find(nodes: &[Node], name: &str, place: Place, findings: &mut Findings) -> Option<usize> {
    let found = nodes.iter().position(|node| node.table.name == name);
    if found.is_none() {
        let remedy = match nearest(name, nodes.iter().map(|node| &*node.table.name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("describe it with [node.{name}], or write the one that is meant"),
        };
        findings.error("no-such-node", place, format!("there is no node `{name}` in this file"), remedy);
    }
    found
}
