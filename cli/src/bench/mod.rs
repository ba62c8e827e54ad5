//! `pylm bench`: how fast a function of a cluster is, under load from here.

mod arguments;
mod flight;
mod load;
mod report;

pub(crate) use arguments::BenchArguments;

use crate::failure::{Failure, written};
use crate::interrupt::Interrupts;
use crate::job::{connect_in, stream};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use load::{Load, Running};
use report::Report;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

const REFRESH: Duration = Duration::from_millis(100);

/// Does what the arguments say.
pub(crate) fn bench(arguments: &BenchArguments) -> Result<ExitCode, Failure> {
    let load = Load::new(arguments);
    let clients = (0..load.clients)
        .map(|_| connect_in(&arguments.session, &arguments.node))
        .collect::<Result<Vec<_>, _>>()?;
    if load.size as u64 > clients.first().map_or(u64::MAX, |client| client.max_message()) {
        return Err(Failure::Usage(
            "the node takes no messages of that --size; see its --max-message".into(),
        ));
    }
    let report = stream::runtime()?.block_on(async {
        let mut interrupts = Interrupts::new()?;
        let mut running = Running::start(&load, clients)?;
        let bar = io::stderr().is_terminal().then(|| bar(&load));
        let mut ticks = interval(REFRESH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let outcome = loop {
            tokio::select! {
                outcome = running.finished() => break outcome,
                signal = interrupts.next() => break Err(Failure::Interrupted(signal)),
                _ = ticks.tick() => if let Some(bar) = &bar { show(bar, &load, &running) },
            }
        };
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        running.close();
        Ok::<_, Failure>(Report::new(&load, &arguments.node.db, outcome?))
    })?;
    written(if arguments.json {
        writeln!(io::stdout(), "{}", report.json())
    } else {
        write!(io::stdout(), "{report}")
    })?;
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn bar(load: &Load) -> ProgressBar {
    let template = "{bar:24} {percent:>3}%  {msg}";
    // The template is a constant, so that the fallback is never seen.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let length = load.messages.unwrap_or(load.duration.map_or(0, |time| time.as_millis() as u64));
    ProgressBar::new(length).with_style(style)
}

fn show(bar: &ProgressBar, load: &Load, running: &Running) {
    let (ended, elapsed) = (running.ended(), running.elapsed());
    bar.set_position(if load.messages.is_some() { ended } else { elapsed.as_millis() as u64 });
    let rate = ended as f64 / elapsed.as_secs_f64().max(0.001);
    bar.set_message(format!("{} ended, {}/s", HumanCount(ended), HumanCount(rate as u64)));
}
