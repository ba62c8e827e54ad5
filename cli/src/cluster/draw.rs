//! Draws the flow of messages: who follows whom, what runs where, and what comes from and goes to clients.

use super::model::{Cluster, Node, Origin};
use super::offer::Offer;
use clap::ValueEnum;
use pylm_plugin_host::{HookInfo, HookKind};
use std::fmt::Write as _;

/// The language of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// For Markdown, as code hosts and mermaid.live show it
    Mermaid,
    /// For Graphviz
    Dot,
}

/// Functions or hooks that are named in a box; the rest is counted.
const NAMED: usize = 5;

/// What is drawn, before it is put into a language.
struct Drawing {
    boxes: Vec<Box>,
    arrows: Vec<Arrow>,
}

/// A box, with lines of text.
struct Box {
    id: String,
    lines: Vec<String>,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    /// A node.
    Square,
    /// Worker hosts.
    Slanted,
    /// What is not in the file.
    Round,
}

struct Arrow {
    from: String,
    to: String,
    label: String,
    /// Messages go there, and their results come back.
    is_both_ways: bool,
}

/// The drawing of a cluster.
pub(crate) fn draw(cluster: &Cluster, language: Language) -> String {
    let drawing = Drawing::of(cluster);
    match language {
        Language::Mermaid => drawing.mermaid(),
        Language::Dot => drawing.dot(),
    }
}

impl Drawing {
    fn of(cluster: &Cluster) -> Drawing {
        let mut drawing = Drawing { boxes: Vec::new(), arrows: Vec::new() };
        let id = |at: usize| format!("n{}", at + 1);
        for (at, node) in cluster.nodes.iter().enumerate() {
            let is_first = node.table.list("from").is_empty();
            if is_first {
                drawing.round("clients");
            }
            drawing.add(id(at), node_lines(node), Shape::Square);
            if is_first {
                drawing.arrow("clients", id(at), "", false);
            }
            for source in &node.sources {
                match &source.origin {
                    Origin::Node(earlier) => drawing.arrow(id(*earlier), id(at), &source.topic, false),
                    Origin::Elsewhere(address) => {
                        let elsewhere = drawing.elsewhere(&address.to_string());
                        drawing.arrow(elsewhere, id(at), &source.topic, false);
                    }
                }
            }
            if !node.table.is("pipelined") && cluster.followers(at).next().is_none() {
                drawing.round("results");
                drawing.arrow(id(at), "results", "", false);
            }
        }
        for (number, worker) in cluster.workers.iter().enumerate() {
            let id_of_worker = format!("w{}", number + 1);
            let count = worker.table.number("count").unwrap_or(1);
            let mut lines = vec![worker.table.name.clone()];
            lines.push(with_functions(&many(count, "worker host"), &worker.offer));
            drawing.add(id_of_worker.clone(), lines, Shape::Slanted);
            if let Some(node) = worker.node {
                drawing.arrow(id(node), id_of_worker, "", true);
            }
        }
        drawing
    }

    fn add(&mut self, id: impl Into<String>, lines: Vec<String>, shape: Shape) {
        self.boxes.push(Box { id: id.into(), lines, shape });
    }

    /// What is outside, once.
    fn round(&mut self, id: &str) {
        if !self.boxes.iter().any(|drawn| drawn.id == id) {
            self.add(id, vec![id.to_owned()], Shape::Round);
        }
    }

    /// A node that is not in the file, once; gives its id.
    fn elsewhere(&mut self, address: &str) -> String {
        let drawn = || self.boxes.iter().filter(|drawn| drawn.id.starts_with('e'));
        if let Some(known) = drawn().find(|drawn| drawn.lines[0] == address) {
            return known.id.clone();
        }
        let id = format!("e{}", drawn().count() + 1);
        self.add(id.clone(), vec![address.to_owned()], Shape::Round);
        id
    }

    fn arrow(&mut self, from: impl Into<String>, to: impl Into<String>, label: &str, is_both_ways: bool) {
        self.arrows.push(Arrow { from: from.into(), to: to.into(), label: label.to_owned(), is_both_ways });
    }

    fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        let escape = |text: &str| {
            text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
        };
        for drawn in &self.boxes {
            let (open, close) = match drawn.shape {
                Shape::Square => ("[", "]"),
                Shape::Slanted => ("[/", "/]"),
                Shape::Round => ("([", "])"),
            };
            let lines: Vec<String> = drawn.lines.iter().map(|line| escape(line)).collect();
            let _ = writeln!(text, "    {}{open}\"{}\"{close}", drawn.id, lines.join("<br/>"));
        }
        for Arrow { from, to, label, is_both_ways } in &self.arrows {
            let line = if *is_both_ways { "<-->" } else { "-->" };
            let label = if label.is_empty() { String::new() } else { format!("|\"{}\"|", escape(label)) };
            let _ = writeln!(text, "    {from} {line}{label} {to}");
        }
        text
    }

    fn dot(&self) -> String {
        let mut text = String::from("digraph cluster {\n    rankdir=LR;\n    node [shape=box];\n");
        let quoted = |text: &str| {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
        };
        for drawn in &self.boxes {
            let shape = match drawn.shape {
                Shape::Square => "",
                Shape::Slanted => ", shape=parallelogram",
                Shape::Round => ", shape=oval",
            };
            let _ = writeln!(text, "    {} [label={}{shape}];", drawn.id, quoted(&drawn.lines.join("\n")));
        }
        for Arrow { from, to, label, is_both_ways } in &self.arrows {
            let both = is_both_ways.then(|| "dir=both".to_owned());
            let label = (!label.is_empty()).then(|| format!("label={}", quoted(label)));
            let attributes: Vec<String> = both.into_iter().chain(label).collect();
            let attributes =
                if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
            let _ = writeln!(text, "    {from} -> {to}{attributes};");
        }
        text.push_str("}\n");
        text
    }
}

/// A node's name, what its table is called where that is something else, its hooks, and how functions run there.
fn node_lines(node: &Node) -> Vec<String> {
    let mut lines = vec![node.name.clone()];
    if node.name != node.table.name {
        lines[0] = format!("{} ({})", node.name, node.table.name);
    }
    if !node.offer.hooks.is_empty() {
        let hook = |hook: &HookInfo| format!("{} {}", word(hook.kind), hook.name);
        lines.push(some(&node.offer.hooks.iter().map(hook).collect::<Vec<_>>()));
    }
    let workers = node.table.number("workers").unwrap_or(0);
    if node.table.is("inline") {
        lines.push(with_functions("inline", &node.offer));
    } else if workers > 0 {
        lines.push(with_functions(&many(workers, "worker host"), &node.offer));
    }
    lines
}

fn word(hook: HookKind) -> &'static str {
    match hook {
        HookKind::Scatter => "scatter",
        HookKind::Gather => "gather",
        HookKind::Join => "join",
        HookKind::Route => "route",
    }
}

fn with_functions(who: &str, offer: &Offer) -> String {
    if offer.functions.is_empty() { who.to_owned() } else { format!("{who}: {}", some(&offer.functions)) }
}

/// The first of some names, and how many there are more.
fn some(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    if names.len() > NAMED { format!("{shown} and {} more", names.len() - NAMED) } else { shown }
}

fn many(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
