//! The metrics, in Prometheus' text format.
//!
//! How many series there are is bounded: a hundred jobs and a hundred names of hosts have some of their own, and the rest of each
//! share one.

mod families;

use crate::node::{Counts, Snapshot};
use families::{Families, Labels};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Jobs, and names of hosts, that have series of their own.
const SHOWN: usize = 100;
/// What the rest of them is called.
const REST: &str = "…";

/// All metrics of a node.
pub(super) fn text(node: Arc<Snapshot>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Figures(node)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Figures(Arc<Snapshot>);

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (node, families) = (&*self.0, &mut Families(encoder));
        whole_node(node, families)?;
        jobs(node, families)?;
        hosts(node, families)?;
        queues(node, families)?;
        work(node, families)?;
        journal(node, families)
    }
}

fn ended(counts: &Counts) -> [(&'static str, u64); 3] {
    [("done", counts.done), ("failed", counts.failed), ("cancelled", counts.cancelled)]
}

fn whole_node(node: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let labels: Labels<'_> = vec![("name", &node.name), ("version", node.version), ("run", &node.run)];
    families.gauges("pylmd_info", "The node; its value is always 1", [(labels, 1.0)])?;
    families.gauge("pylmd_uptime_seconds", "Seconds since the node started", node.uptime)?;
    families.gauge("pylmd_draining", "1 while the node takes nothing new, to end", flag(node.draining))?;
    let help = "1 while what the node has is worked on, as /health says";
    families.gauge("pylmd_healthy", help, flag(node.trouble.is_none()))?;
    families.gauge("pylmd_stuck_jobs", "Jobs that stand still though they should not", node.stuck as f64)?;
    let help = "Messages of clients that were accepted; the sum of those that ended and those under way";
    families.counter("pylmd_messages_accepted", help, node.counts.accepted)?;
    let series = ended(&node.counts).map(|(outcome, count)| (vec![("outcome", outcome)], count));
    families.counters("pylmd_messages_ended", "Messages of clients that ended", series)?;
    let help = "Messages of clients that were accepted and have not ended";
    families.gauge("pylmd_messages_under_way", help, node.counts.under_way as f64)?;
    families.gauge("pylmd_parts_waiting", "Parts that wait for a host", node.waiting as f64)?;
    let help = "Parts that wait for a function that nobody offers, or a topic that nobody follows";
    let unoffered = node.unoffered.iter().map(|unoffered| unoffered.waiting).sum::<usize>();
    families.gauge("pylmd_parts_unoffered", help, unoffered as f64)?;
    let help = "Connections that were refused, as the process may have no more files open";
    families.counter("pylmd_connections_refused", help, node.refused)?;
    let help = "Connections over loopback that were cut, as their user may not come in";
    families.counter("pylmd_connections_cut", help, node.cut)?;
    families.counter("pylmd_garbage", "Messages that made no sense", node.garbage)
}

/// Open jobs, those that stand still and those that are busy first; the rest of them as one, so that the sums come out.
fn jobs(node: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    families.gauge("pylmd_jobs", "Open jobs", (node.jobs.len() + node.left_off.jobs) as f64)?;
    let mut rest = Counts::default();
    for counts in node.jobs.iter().skip(SHOWN).map(|job| &job.counts) {
        rest.accepted += counts.accepted;
        rest.done += counts.done;
        rest.failed += counts.failed;
        rest.cancelled += counts.cancelled;
        rest.under_way += counts.under_way;
    }
    let shown = node.jobs.iter().take(SHOWN);
    let mut rows: Vec<(Labels<'_>, &Counts)> = shown
        .map(|job| (vec![("job", job.identity.as_str()), ("function", job.function.as_str())], &job.counts))
        .collect();
    if node.jobs.len() > SHOWN {
        rows.push((vec![("job", REST), ("function", REST)], &rest));
    }
    let series = rows.iter().map(|(labels, counts)| (labels.clone(), counts.accepted));
    families.counters("pylmd_job_messages_accepted", "Messages of an open job that were accepted", series)?;
    let series = rows.iter().flat_map(|(labels, counts)| {
        ended(counts).map(|(outcome, count)| ([&labels[..], &[("outcome", outcome)]].concat(), count))
    });
    families.counters("pylmd_job_messages_ended", "Messages of an open job that ended", series)?;
    let series = rows.iter().map(|(labels, counts)| (labels.clone(), counts.under_way as f64));
    let help = "Messages of an open job that were accepted and have not ended";
    families.gauges("pylmd_job_messages_under_way", help, series)?;
    let still = node.jobs.iter().take(SHOWN).zip(&rows);
    let series = still.filter_map(|(job, (labels, _))| Some((labels.clone(), job.still?)));
    families.gauges("pylmd_job_still_seconds", "Seconds since an open job with work has moved", series)
}

/// Hosts by their kind and name: those of the same name together, as a name need not be the only one of its kind.
fn hosts(node: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let mut rows = BTreeMap::new();
    for host in &node.hosts {
        let named = (host.kind, host.name.as_str());
        let is_shown = rows.len() < SHOWN || rows.contains_key(&named);
        let [count, leases, limit, bytes, limit_bytes]: &mut [f64; 5] =
            rows.entry(if is_shown { named } else { (host.kind, REST) }).or_default();
        *count += flag(!host.away);
        *leases += host.leases as f64;
        *limit += host.limit as f64;
        *bytes += host.bytes as f64;
        *limit_bytes += host.limit_bytes as f64;
    }
    let gauges = [
        ("pylmd_hosts", "Hosts that are there"),
        ("pylmd_host_leases", "Messages that are out at a host"),
        ("pylmd_host_leases_limit", "Messages that a host takes at once"),
        ("pylmd_host_bytes", "Bytes of payload that are out at a host"),
        ("pylmd_host_bytes_limit", "Bytes of payload that a host takes at once"),
    ];
    for (place, (name, help)) in gauges.into_iter().enumerate() {
        let series = rows.iter().map(|(&(kind, host), figures)| {
            (vec![("host", host), ("kind", kind.word())], figures[place].max(least(name)))
        });
        families.gauges(name, help, series)?;
    }
    Ok(())
}

fn queues(node: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let gauges = [
        ("pylmd_queue_messages", "Messages, parts or results that wait in a queue"),
        ("pylmd_queue_messages_limit", "How many may, over all open jobs and hosts"),
        ("pylmd_queue_bytes", "Bytes that wait in a queue"),
        ("pylmd_queue_bytes_limit", "How many may, over all open jobs and hosts"),
    ];
    for (place, (name, help)) in gauges.into_iter().enumerate() {
        let series = node.queues.iter().filter_map(|queue| {
            let figures = [queue.messages, queue.messages_bound, queue.bytes, queue.bytes_bound];
            Some((vec![("queue", queue.name)], (figures[place]? as f64).max(least(name))))
        });
        families.gauges(name, help, series)?;
    }
    Ok(())
}

/// The least that a gauge can be: a limit is what others are divided by, and every bound admits one.
fn least(name: &str) -> f64 {
    flag(name.ends_with("_limit"))
}

fn work(node: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let work = &node.work;
    families.counter(
        "pylmd_attempts",
        "Leases given: each part's first one and any further",
        work.attempts,
    )?;
    families.counter("pylmd_deaths", "Leases whose host was lost while it had them", work.deaths)?;
    families.counter("pylmd_released", "Leases given back that were not begun", work.released)?;
    families.counter("pylmd_hosts_lost", "Hosts that were lost with leases", work.hosts_lost)?;
    let help = "From the acceptance of a message to its end";
    families.histogram("pylmd_message_seconds", help, &work.messages)?;
    families.histogram("pylmd_lease_seconds", "From a lease to its end", &work.leases)
}

fn journal(node: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let Some(journal) = &node.journal else { return Ok(()) };
    families.counter("pylmd_journal_records", "Records that are on disk", journal.durable)?;
    let help = "1 while the journal takes nothing, as when the disk is full";
    families.gauge("pylmd_journal_troubled", help, flag(journal.trouble.is_some()))?;
    let help = "Bytes that wait to be on disk";
    families.gauge("pylmd_journal_queued_bytes", help, journal.queued_bytes as f64)?;
    families.gauge("pylmd_journal_disk_bytes", "Bytes of the journal's files", journal.disk_bytes as f64)?;
    let help = "Bytes of them that are still needed";
    families.gauge("pylmd_journal_alive_bytes", help, journal.alive_bytes as f64)
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}
