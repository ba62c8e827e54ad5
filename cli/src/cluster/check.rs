//! What cannot work, seen before anything is started.

use super::calls;
use super::finding::{Findings, Place};
use super::model::{Cluster, Node, Origin, Source, Worker};
use super::plan::MOST_HOSTS;
use super::ports;
use pylm_plugin_host::HookKind;
use pylm_protocol::Name;

/// Checks everything that does not show while the file is read.
pub(crate) fn check(cluster: &Cluster, findings: &mut Findings) {
    names(cluster, findings);
    let nodes: Vec<_> = cluster.nodes.iter().map(|node| (&node.table, &node.addresses)).collect();
    let workers: Vec<_> = cluster.workers.iter().map(|worker| &worker.table).collect();
    ports::check(&nodes, &workers, findings);
    for (at, node) in cluster.nodes.iter().enumerate() {
        sources(cluster, node, findings);
        functions_of_node(cluster, at, node, findings);
        reachable(cluster, at, node, findings);
        if node.table.is("pipelined") && cluster.followers(at).next().is_none() {
            let cause = "its results go to followers, and no node in this file follows it";
            let remedy = format!("add `from = [\"{}\"]` to one, or leave `pipelined` out", node.table.name);
            findings.warning("nobody-follows", node.table.place_of("pipelined"), cause, remedy);
        }
    }
    cluster.workers.iter().for_each(|worker| functions_of_worker(worker, findings));
    entry(cluster, findings);
    cycles(cluster, findings);
    calls::check(cluster, findings);
}

fn names(cluster: &Cluster, findings: &mut Findings) {
    for (at, node) in cluster.nodes.iter().enumerate() {
        let place = || node.table.place_of("name");
        // Nodes that follow may have one name: who gets a message is for topics to say.
        let is_first = |node: &Node| node.table.list("from").is_empty();
        let mut others = cluster.nodes[..at].iter().filter(|other| other.name == node.name);
        if let Some(other) = others.find(|other| is_first(other) && is_first(node)) {
            let cause = format!(
                "`{}` is the name of {} too, and clients call both",
                node.name, other.table.place.key
            );
            findings.error("same-name", place(), cause, "give each node that clients call a name of its own");
        }
        if let Err(error) = Name::callable(&node.name) {
            let cause = format!("no call can have the name `{}` before its dot", node.name);
            findings.error("wrong-value", place(), cause, error.to_string());
        }
    }
    for worker in &cluster.workers {
        if cluster.nodes.iter().any(|node| node.table.name == worker.table.name) {
            let cause =
                format!("a node is called `{}` too, so that their logs look alike", worker.table.name);
            findings.error("same-name", worker.table.place.clone(), cause, "rename one of the two tables");
        }
    }
}

/// Whether what a node follows is published.
fn sources(cluster: &Cluster, node: &Node, findings: &mut Findings) {
    for source in &node.sources {
        let Origin::Node(earlier) = source.origin else { continue };
        let earlier = &cluster.nodes[earlier];
        let (name, topic) = (&earlier.table.name, &source.topic);
        if chooses(earlier)
            || earlier.table.has_gaps
            || (earlier.table.is("pipelined") && *topic == earlier.name)
        {
            continue;
        }
        let (cause, remedy) = if earlier.table.is("pipelined") {
            let cause = format!("`{name}` publishes under `{}` only, not under `{topic}`", earlier.name);
            (cause, format!("write `{name}` alone, or give that node a plugin with a route hook"))
        } else {
            let cause = format!("nobody publishes `{topic}`: the results of `{name}` go to clients");
            (cause, format!("add `pipelined = true` to [node.{name}]"))
        };
        findings.error("nobody-publishes", source.place.clone(), cause, remedy);
    }
}

/// Whether the topics of a node are its plugins' choice, so that nothing can be said of them here.
fn chooses(node: &Node) -> bool {
    !node.offer.is_complete || node.offer.has_hook(HookKind::Route)
}

/// Whether somebody runs functions for a node.
fn functions_of_node(cluster: &Cluster, at: usize, node: &Node, findings: &mut Findings) {
    let table = &node.table;
    let workers = table.number("workers");
    let (inline, local) = (table.is("inline"), workers.unwrap_or(0) > 0);
    // A host whose node is misspelled has been found already, and may be meant for this one.
    let has_lost =
        cluster.workers.iter().any(|worker| worker.node.is_none() && worker.table.get("node").is_some());
    let has_hosts = cluster.workers_of(at).next().is_some();
    if inline && (local || has_hosts) {
        let cause = "functions run in the node itself, so that its worker hosts have nothing to do";
        let remedy = "leave either `inline` or the worker hosts out";
        findings.warning("inline-and-workers", table.place_of("inline"), cause, remedy);
    }
    if (inline || local) && node.offer.is_complete && node.offer.functions.is_empty() {
        let place = table.place_of(if inline { "inline" } else { "workers" });
        let cause = "none of its plugins exports a function that could run there";
        findings.error("no-functions", place, cause, "list one that does under `plugin`");
    }
    if !inline && !local && !has_hosts && !has_lost && !table.has_gaps && !is_open(node) {
        let remedy = format!(
            "add `inline = true`, `workers = N`, or a [worker.NAME] with `node = \"{}\"`; `workers = 0` says that hosts \
             come from elsewhere",
            table.name
        );
        findings.error("no-functions", table.place.clone(), "nobody runs functions for this node", remedy);
    }
}

/// Whether functions may run where this file cannot see them.
pub(crate) fn is_open(node: &Node) -> bool {
    let table = &node.table;
    table.number("workers") == Some(0)
        || ["pylm-functions", "http-worker"].iter().any(|key| table.get(key).is_some())
}

fn functions_of_worker(worker: &Worker, findings: &mut Findings) {
    let table = &worker.table;
    if table.has_gaps {
        return;
    }
    if table.number("count").is_some_and(|count| count > MOST_HOSTS) {
        let cause = format!("one table is {MOST_HOSTS} worker hosts at most");
        let remedy = "write a smaller count, or several tables; one host has a slot for each core";
        findings.error("wrong-value", table.place_of("count"), cause, remedy);
    }
    if table.get("node").is_none() && table.get("http").is_none() {
        let remedy = "say which one with `node = \"NAME\"`";
        findings.error("no-node", table.place.clone(), "these worker hosts serve no node", remedy);
    }
    if table.list("plugin").is_empty() {
        let remedy = "list one under `plugin`";
        findings.error("no-functions", table.place.clone(), "these worker hosts have no plugin", remedy);
    } else if worker.offer.is_complete && worker.offer.functions.is_empty() {
        let cause = "none of its plugins exports a function";
        findings.error("no-functions", table.place_of("plugin"), cause, "list one that does");
    }
}

/// Whether those that connect to a node know where it is.
fn reachable(cluster: &Cluster, at: usize, node: &Node, findings: &mut Findings) {
    let is_sought = cluster.followers(at).next().is_some() || cluster.workers_of(at).next().is_some();
    if is_sought && node.addresses.0[4].port() == Some(0) {
        let cause = "the system chooses this port, so that nobody in this file knows it";
        findings.error("wrong-value", node.table.place_of("db"), cause, "write a port, or leave `db` out");
    }
}

/// Whether there is a node that messages come into.
fn entry(cluster: &Cluster, findings: &mut Findings) {
    let is_elsewhere = |source: &Source| matches!(source.origin, Origin::Elsewhere(_));
    let is_entry = |node: &Node| {
        // An entry of `from` that makes no sense has been found already.
        let has_unknown = node.sources.len() < node.table.list("from").len();
        node.sources.is_empty() || has_unknown || node.sources.iter().any(is_elsewhere)
    };
    if let Some(first) = cluster.nodes.first().filter(|_| !cluster.nodes.iter().any(is_entry)) {
        let cause = "no node takes messages from clients: each follows another one";
        findings.error("no-entry", first.table.place_of("from"), cause, "leave `from` out of the first one");
    }
}

/// Finds ways on which messages go round, with nobody who could let them out.
fn cycles(cluster: &Cluster, findings: &mut Findings) {
    let mut seen = vec![false; cluster.nodes.len()];
    for start in 0..cluster.nodes.len() {
        let mut way = Vec::new();
        if let Some(round) = walk(cluster, start, &mut way, &mut seen) {
            let names: Vec<&str> = round.iter().map(|at| &*cluster.nodes[*at].table.name).collect();
            let cause = format!("messages go round for ever: {} → {}", names.join(" → "), names[0]);
            let remedy = "take one of them out of `from`, or let a route hook say when a message leaves";
            let place: Place = cluster.nodes[round[0]].table.place_of("from");
            findings.error("cycle", place, cause, remedy);
        }
    }
}

/// Goes on to followers, as long as no route hook decides; gives the nodes of a round, if the way has one.
fn walk(cluster: &Cluster, at: usize, way: &mut Vec<usize>, seen: &mut [bool]) -> Option<Vec<usize>> {
    if chooses(&cluster.nodes[at]) {
        return None;
    }
    if let Some(begin) = way.iter().position(|passed| *passed == at) {
        return Some(way[begin..].to_vec());
    }
    if std::mem::replace(&mut seen[at], true) {
        return None;
    }
    way.push(at);
    let round = cluster.followers(at).find_map(|(follower, _)| walk(cluster, follower, way, seen));
    way.pop();
    round
}
