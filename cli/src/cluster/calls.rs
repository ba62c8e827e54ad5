//! Checks the calls that a file says will be made: each stage reaches a node that has its function.

use super::check::is_open;
use super::finding::Findings;
use super::keys::nearest;
use super::model::{Cluster, Node};
use super::table::Item;

/// Checks the key `calls`.
pub(crate) fn check(cluster: &Cluster, findings: &mut Findings) {
    for call in cluster.top.list("calls") {
        let stages = call.text.split([' ', ',']).filter(|stage| !stage.is_empty());
        let mut before = None;
        for stage in stages {
            match check_stage(cluster, call, stage, before, findings) {
                Some(at) => before = Some(at),
                // What follows from a stage that goes nowhere is not worth a word.
                None => break,
            }
        }
    }
}

/// Checks one stage, and gives its node.
fn check_stage(
    cluster: &Cluster,
    call: &Item,
    stage: &str,
    before: Option<usize>,
    findings: &mut Findings,
) -> Option<usize> {
    let place = call.place.clone();
    let Some((server, function)) =
        stage.split_once('.').filter(|parts| !parts.0.is_empty() && !parts.1.is_empty())
    else {
        let cause = format!("`{stage}` is no function of a node");
        findings.error(
            "wrong-value",
            place,
            cause,
            "write NODE.FUNCTION for each stage, with spaces between them",
        );
        return None;
    };
    let Some(at) = cluster.nodes.iter().position(|node| node.name == server) else {
        let remedy = match nearest(server, cluster.nodes.iter().map(|node| &*node.name)) {
            Some(near) => format!("did you mean `{near}.{function}`?"),
            None => "write the name of a node before the dot".to_owned(),
        };
        findings.error("no-such-node", place, format!("`{stage}`: no node is called `{server}`"), remedy);
        return None;
    };
    let node = &cluster.nodes[at];
    match before {
        None if !node.table.list("from").is_empty() => {
            let cause = format!("`{stage}`: messages come to `{server}` from another node, not from clients");
            findings.error("wrong-order", place, cause, "begin the call with the first node of the way");
            return None;
        }
        Some(before) if !cluster.followers(before).any(|(follower, _)| follower == at) => {
            let earlier = &cluster.nodes[before];
            let cause = format!("`{stage}`: `{server}` does not follow `{}`", earlier.name);
            let remedy = format!(
                "add `{}` to `from` of [node.{}], or correct the call",
                earlier.table.name, node.table.name
            );
            findings.error("wrong-order", place, cause, remedy);
            return None;
        }
        _ => {}
    }
    if let Some(functions) = functions(cluster, at, node)
        && !functions.contains(&function)
    {
        let cause = format!("`{stage}`: no plugin that runs for `{server}` exports `{function}`");
        let remedy = match nearest(function, functions.iter().copied()) {
            Some(near) => format!("did you mean `{server}.{near}`?"),
            None => "list a plugin that does; `pylm plugin inspect` shows what one has".to_owned(),
        };
        findings.error("no-such-function", place, cause, remedy);
    }
    Some(at)
}

/// The functions that run for a node; `None` where the file cannot tell.
fn functions<'a>(cluster: &'a Cluster, at: usize, node: &'a Node) -> Option<Vec<&'a str>> {
    let runs_own = node.table.is("inline") || node.table.number("workers").unwrap_or(0) > 0;
    let own = runs_own.then_some(&node.offer);
    let offers: Vec<_> = own.into_iter().chain(cluster.workers_of(at).map(|worker| &worker.offer)).collect();
    if offers.iter().any(|offer| !offer.is_complete)
        || (offers.is_empty() || node.table.get("pylm-functions").is_some()) && is_open(node)
    {
        return None;
    }
    Some(offers.iter().flat_map(|offer| offer.functions.iter().map(String::as_str)).collect())
}
