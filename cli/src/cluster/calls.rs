//! Checks the calls that a file says will be made: each stage reaches a node that has its function.

use super::check::is_open;
use super::finding::Findings;
use super::model::{Cluster, Node};
use super::table::Item;
use pylm_protocol::nearest;

/// Checks the key `calls`.
pub(crate) fn check(cluster: &Cluster, findings: &mut Findings) {
    for call in cluster.top.list("calls") {
        let mut before = Vec::new();
        for stage in call.text.split([' ', ',']).filter(|stage| !stage.is_empty()) {
            let reached = Stage { cluster, call, stage }.check(&before, findings);
            // What follows from a stage that goes nowhere is not worth a word.
            let Some(nodes) = reached else { break };
            before = nodes;
        }
    }
}

/// One stage of a call.
struct Stage<'a> {
    cluster: &'a Cluster,
    call: &'a Item,
    stage: &'a str,
}

impl Stage<'_> {
    /// Checks it, and gives the nodes that it reaches from those `before`: several where they have one name.
    fn check(&self, before: &[usize], findings: &mut Findings) -> Option<Vec<usize>> {
        let Some((server, function)) =
            self.stage.split_once('.').filter(|parts| !parts.0.is_empty() && !parts.1.is_empty())
        else {
            let cause = format!("`{}` is no function of a node", self.stage);
            let remedy = "write NODE.FUNCTION for each stage, with spaces between them";
            findings.error("wrong-value", self.call.place.clone(), cause, remedy);
            return None;
        };
        let nodes = &self.cluster.nodes;
        let named: Vec<usize> = (0..nodes.len()).filter(|at| nodes[*at].name == server).collect();
        let reached: Vec<usize> = named.iter().copied().filter(|at| self.is_reached(*at, before)).collect();
        if reached.is_empty() {
            self.goes_nowhere(server, function, named.first().copied(), before, findings);
            return None;
        }
        reached.iter().for_each(|at| self.has_function(*at, function, findings));
        Some(reached)
    }

    /// Whether messages come to a node from one of those `before`, or from clients where this is the first stage.
    fn is_reached(&self, at: usize, before: &[usize]) -> bool {
        match before {
            [] => self.cluster.nodes[at].table.list("from").is_empty(),
            _ => before
                .iter()
                .any(|earlier| self.cluster.followers(*earlier).any(|(follower, _)| follower == at)),
        }
    }

    fn goes_nowhere(
        &self,
        server: &str,
        function: &str,
        named: Option<usize>,
        before: &[usize],
        findings: &mut Findings,
    ) {
        let (stage, nodes) = (self.stage, &self.cluster.nodes);
        let (code, cause, remedy) = match (named, before) {
            (None, _) => {
                let remedy = match nearest(server, nodes.iter().map(|node| &*node.name)) {
                    Some(near) => format!("did you mean `{near}.{function}`?"),
                    None => "write the name of a node before the dot".to_owned(),
                };
                ("no-such-node", format!("`{stage}`: no node is called `{server}`"), remedy)
            }
            (Some(_), []) => {
                let cause =
                    format!("`{stage}`: messages come to `{server}` from another node, not from clients");
                ("wrong-order", cause, "begin the call with the first node of the way".to_owned())
            }
            (Some(at), [earlier, ..]) => {
                let earlier = &nodes[*earlier];
                let cause = format!("`{stage}`: `{server}` does not follow `{}`", earlier.name);
                let remedy = format!(
                    "add `{}` to `from` of [node.{}], or correct the call",
                    earlier.table.name, nodes[at].table.name
                );
                ("wrong-order", cause, remedy)
            }
        };
        findings.error(code, self.call.place.clone(), cause, remedy);
    }

    fn has_function(&self, at: usize, function: &str, findings: &mut Findings) {
        let node = &self.cluster.nodes[at];
        let Some(functions) = functions(self.cluster, at, node) else { return };
        if functions.contains(&function) {
            return;
        }
        let (stage, table) = (self.stage, &node.table.name);
        let cause = format!("`{stage}`: no plugin that runs for `{table}` exports `{function}`");
        let remedy = match nearest(function, functions.iter().copied()) {
            Some(near) => format!("did you mean `{}.{near}`?", node.name),
            None => "list a plugin that does; `pylm plugin inspect` shows what one has".to_owned(),
        };
        findings.error("no-such-function", self.call.place.clone(), cause, remedy);
    }
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
