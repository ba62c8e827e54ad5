//! A node's state in words.

use super::snapshot::Snapshot;
use std::fmt::Write;

/// All of it, for people.
pub(super) fn words(node: &Snapshot) -> String {
    let counts = &node.counts;
    let mut text = format!(
        "{} (pylmd {}) has run for {:.0} s{}\n{} accepted = {} done + {} failed + {} cancelled + {} under way\n\
         {} parts at hosts, {} waiting; {} outputs for clients to take; {} messages of garbage\n",
        node.name,
        node.version,
        node.uptime,
        if node.draining { ", and is draining" } else { "" },
        counts.accepted,
        counts.done,
        counts.failed,
        counts.cancelled,
        counts.under_way,
        node.leases,
        node.waiting,
        node.outputs,
        node.garbage,
    );
    if node.kept_failed > 0 {
        let _ = writeln!(
            text,
            "{} messages that took down every host are kept: see `pylm failed list`",
            node.kept_failed
        );
    }
    if let Some(trouble) = &node.trouble {
        let _ = writeln!(text, "not well: {trouble}");
    }
    if node.hosts.is_empty() {
        text += "no hosts\n";
    }
    for host in &node.hosts {
        let functions = host.functions.as_ref().map_or("any function".into(), |names| names.join(", "));
        let away = if host.away { ", away" } else { "" };
        let _ = writeln!(
            text,
            "host {} ({}{away}): {} messages out, {} at most; {functions}",
            host.name, host.kind, host.leases, host.limit
        );
    }
    for function in &node.unoffered {
        let (kind, nobody) = if function.topic { ("topic", "follows") } else { ("function", "offers") };
        let _ =
            writeln!(text, "{kind} {}: {} parts wait, nobody {nobody} it", function.name, function.waiting);
    }
    text
}
