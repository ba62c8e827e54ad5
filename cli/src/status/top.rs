//! `pylm top`: how a node is, on a terminal, looked at again and again until Ctrl-C.

use super::fitted;
use super::snapshot::{Snapshot, json, parsed};
use crate::arguments::TopArguments;
use crate::failure::{Failure, written};
use crate::interrupt::Interrupts;
use crate::job::{connect, stream};
use pylm_client::Status;
use pylm_client::blocking::Client;
use pylm_protocol::visible;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{interval, timeout};

/// The other screen, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";
/// For how long ends are counted to tell how many there are a second.
const LATELY: Duration = Duration::from_secs(5);
/// How long a look may take before the screen shows that there is none.
const PATIENCE: Duration = Duration::from_secs(1);
/// The screen where the terminal does not tell.
const SIZE: (u16, u16) = (80, 24);

/// Does what the arguments say, until a signal.
pub(crate) fn top(arguments: &TopArguments) -> Result<ExitCode, Failure> {
    if !io::stdout().is_terminal() {
        return Err(Failure::Usage("standard output is no terminal; use `pylm status` instead".into()));
    }
    let client = Arc::new(connect(&arguments.node)?);
    let looks = Looks::start(&client)?;
    written(paint(ENTER))?;
    let outcome = stream::runtime()?.block_on(show(&client, looks, arguments.every.into()));
    written(paint(LEAVE))?;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Looks at the node on a thread of their own, as one waits for as long as the node is away.
struct Looks {
    ask: mpsc::Sender<()>,
    seen: Receiver<Result<Snapshot, Failure>>,
    is_asked: bool,
}

impl Looks {
    fn start(client: &Arc<Client>) -> Result<Self, Failure> {
        let (ask, asked) = mpsc::channel();
        let (tell, seen) = channel(1);
        let client = Arc::clone(client);
        let look = move || {
            while asked.recv().is_ok() {
                let look = json(&client).and_then(|json| parsed(&json));
                if tell.blocking_send(look).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("looks".into());
        thread.spawn(look).map_err(Failure::running("cannot start a thread"))?;
        Ok(Looks { ask, seen, is_asked: false })
    }

    /// What there is to see; `None` when the node has not answered within that time, and is still asked.
    async fn look(&mut self, patience: Duration) -> Result<Option<Snapshot>, Failure> {
        let ended = || Failure::Running("the node cannot be looked at any more".into());
        if !std::mem::replace(&mut self.is_asked, true) {
            self.ask.send(()).map_err(|_| ended())?;
        }
        let Ok(look) = timeout(patience, self.seen.recv()).await else { return Ok(None) };
        self.is_asked = false;
        look.ok_or_else(ended)?.map(Some)
    }
}

async fn show(client: &Client, mut looks: Looks, every: Duration) -> Result<(), Failure> {
    let mut interrupts = Interrupts::new()?;
    let mut ticks = interval(every);
    let mut past = Past::default();
    loop {
        tokio::select! {
            signal = interrupts.next() => return match signal {
                // Ctrl-C is how it is meant to end.
                2 => Ok(()),
                signal => Err(Failure::Interrupted(signal)),
            },
            _ = ticks.tick() => {}
        }
        if let Some(node) = looks.look(every.min(PATIENCE)).await? {
            past.add(node);
        }
        let is_lost = client.status() != Status::Connected;
        let (columns, rows) = rustix::termios::tcgetwinsize(io::stdout())
            .map_or(SIZE, |size| (size.ws_col.max(20), size.ws_row.max(5)));
        written(paint(&screen(&past, is_lost, columns.into(), rows.into())))?;
    }
}

fn paint(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Snapshots of the last seconds, the oldest first.
#[derive(Default)]
struct Past(Vec<(Instant, Snapshot)>);

impl Past {
    fn add(&mut self, node: Snapshot) {
        let now = Instant::now();
        let is_other = self.0.last().is_some_and(|(_, last)| last.run != node.run);
        self.0.retain(|(at, _)| !is_other && now.duration_since(*at) <= LATELY);
        self.0.push((now, node));
    }

    /// How many messages have ended a second, of late: in all, and by the job's identity.
    fn rates(&self) -> (f64, HashMap<&str, f64>) {
        let [(since, first), .., (now, last)] = self.0.as_slice() else { return Default::default() };
        let seconds = now.duration_since(*since).as_secs_f64().max(0.001);
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let before: HashMap<_, _> =
            first.jobs.iter().map(|job| (&*job.identity, job.counts.ended())).collect();
        let of_job = |job: &super::snapshot::Job| {
            before.get(&*job.identity).map_or(0.0, |before| rate(job.counts.ended(), *before))
        };
        let jobs = last.jobs.iter().map(|job| (&*job.identity, of_job(job))).collect();
        (rate(last.counts.ended(), first.counts.ended()), jobs)
    }
}

/// What is painted: each line cut to the screen, and what is behind it cleared.
fn screen(past: &Past, is_lost: bool, columns: usize, rows: usize) -> String {
    let mut text = String::from("\x1b[H");
    let lines = lines(past, is_lost);
    for (place, (style, line)) in lines.iter().take(rows - 1).enumerate() {
        let line = fitted(&visible(line).to_string(), columns);
        let end = if place + 1 == lines.len().min(rows - 1) { "" } else { "\r\n" };
        let _ = write!(text, "{style}{line}{PLAIN}\x1b[K{end}");
    }
    text + "\x1b[J"
}

fn lines(past: &Past, is_lost: bool) -> Vec<(&'static str, String)> {
    let Some((_, node)) = past.0.last() else { return vec![("", "looking at the node …".into())] };
    let (rate, job_rates) = past.rates();
    let counts = &node.counts;
    let mut lines = Vec::new();
    let mut line = |style: &'static str, text: String| lines.push((style, text));
    let state = if node.draining { ", draining" } else { "" };
    line(BOLD, format!("{} (pylmd {}), up for {:.0} s{state}", node.name, node.version, node.uptime));
    match &node.trouble {
        _ if is_lost => line(RED, "no connection; this is what was seen last".into()),
        Some(trouble) => line(RED, format!("not well: {trouble}")),
        None => line("", "well".into()),
    }
    line(
        "",
        format!(
            "{} accepted = {} done + {} failed + {} cancelled + {} under way; {rate:.0} ended/s",
            counts.accepted, counts.done, counts.failed, counts.cancelled, counts.under_way
        ),
    );
    line(
        "",
        format!(
            "parts: {} waiting, {} at hosts; {} attempts, {} deaths; {} outputs to take; {} garbage",
            node.waiting, node.leases, node.work.attempts, node.work.deaths, node.outputs, node.garbage
        ),
    );
    line("", String::new());
    line(
        BOLD,
        format!(
            "{:8} {:20} {:>9} {:>9} {:>7} {:>9} {:>8}  WHY",
            "JOB", "FUNCTION", "ACCEPTED", "DONE", "FAILED", "UNDER WAY", "ENDED/S"
        ),
    );
    for job in &node.jobs {
        let (counts, rate) = (&job.counts, job_rates.get(&*job.identity).copied().unwrap_or_default());
        line(
            if job.stuck { RED } else { "" },
            format!(
                "{:8.8} {:20} {:>9} {:>9} {:>7} {:>9} {rate:>8.0}  {}",
                job.identity,
                fitted(&job.function, 20),
                counts.accepted,
                counts.done,
                counts.failed,
                counts.under_way,
                job.why
            ),
        );
    }
    line("", String::new());
    line(BOLD, format!("{:24} {:11} {:>13} {:>8}  FUNCTIONS", "HOST", "KIND", "OUT, AT MOST", "QUIET"));
    for host in &node.hosts {
        let functions = host.functions.as_ref().map_or("any".into(), |names| names.join(" "));
        let busy = format!("{} of {}", host.leases, host.limit);
        let quiet = host.quiet.filter(|quiet| *quiet >= 1.0).map(|quiet| format!("{quiet:.0} s"));
        let kind = if host.away { "away" } else { &*host.kind };
        line(
            if host.away { RED } else { "" },
            format!(
                "{:24} {kind:11} {busy:>13} {:>8}  {functions}",
                fitted(&host.name, 24),
                quiet.unwrap_or_default()
            ),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::snapshot::{Counts, Job};

    #[test]
    fn a_screen_holds_no_more_than_fits() {
        let job = Job { identity: "5f3a".repeat(8), why: "x".repeat(300), stuck: true, ..Job::default() };
        let counts = Counts { accepted: 3, done: 2, under_way: 1, ..Counts::default() };
        let mut past = Past::default();
        past.add(Snapshot { counts, jobs: vec![job; 50], ..Snapshot::default() });
        let screen = screen(&past, false, 60, 20);
        assert!(screen.contains("3 accepted = 2 done"), "{screen}");
        assert_eq!(screen.matches("\r\n").count(), 18);
        assert!(!screen.contains(&"x".repeat(60)), "{screen}");
    }

    #[test]
    fn rates_are_of_one_run_of_the_node() {
        let node = |run: &str, done| {
            let counts = Counts { done, ..Counts::default() };
            Snapshot { run: run.into(), counts, ..Snapshot::default() }
        };
        let mut past = Past::default();
        past.add(node("first", 1_000));
        past.add(node("second", 5));
        assert_eq!(past.0.len(), 1);
        past.add(node("second", 15));
        assert!(past.rates().0 > 0.0);
    }
}
