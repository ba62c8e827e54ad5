//! A native client of the chaos suite: submits messages for a while, and tells whether each has ended as it should.
//!
//! It is a process of its own, so that it can be killed and frozen. Arguments are `KEY=VALUE`; the report is a line of JSON on
//! standard output. Exit code 1: something was not as it should be.

mod arguments;
mod check;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use arguments::Arguments;
use check::{Check, Left};
use pylm_client::blocking::{Client, JobSender};
use pylm_client::{ClientOptions, Error, JobOptions};
use pylm_tests::chaos::{Message, Report};

/// The node may be away when a client starts.
const PATIENCE: Duration = Duration::from_secs(60);
/// Wrong things that are told.
const TOLD: usize = 20;

fn main() -> ExitCode {
    let report = run(std::env::args().skip(1))
        .unwrap_or_else(|wrong| Report { wrong: vec![wrong], ..Report::default() });
    let line = serde_json::to_string(&report).unwrap_or_default();
    let told = writeln!(std::io::stdout(), "{line}");
    ExitCode::from(u8::from(told.is_err() || !report.wrong.is_empty()))
}

fn run(arguments: impl Iterator<Item = String>) -> Result<Report, String> {
    let arguments = Arguments::read(arguments)?;
    let options =
        ClientOptions::new(&*arguments.db).name(format!("client {}", arguments.owner)).patience(PATIENCE);
    let client = Client::connect(options).map_err(|error| error.to_string())?;
    if let Some(left) = &arguments.attach {
        return attach(&arguments, &client, left);
    }
    let job = JobOptions::new()
        .ordered(arguments.ordered)
        .timeout(arguments.timeout)
        .window(arguments.window, 64 << 20);
    let (sender, results) =
        client.job(&arguments.function, job.pipeline(format!("chaos-{}", arguments.owner)));
    let mut check = Check::new(&arguments, sender.identity())?;
    let to_send = arguments.clone();
    let sending = thread::spawn(move || send(&to_send, sender));
    let mut told = Instant::now();
    for output in results {
        match output {
            Ok(output) => check.see(output),
            Err(error) => check.wrong(format!("the job has ended: {error}")),
        }
        if told.elapsed() > Duration::from_secs(1) {
            told = Instant::now();
            // Where nobody reads, nobody is told.
            let _ = writeln!(std::io::stderr(), "{} messages have ended", check.ended());
        }
    }
    let sent = sending.join().unwrap_or(Err(Error::Stopped));
    let mut report = match sent {
        Ok(submitted) => check.report(submitted),
        Err(error) => {
            check.wrong(format!("not all was sent: {error}"));
            check.report(0)
        }
    };
    report.wrong.truncate(TOLD);
    Ok(report)
}

/// Takes what a client that was killed had still to get.
fn attach(arguments: &Arguments, client: &Client, left: &Path) -> Result<Report, String> {
    let Some(left) = Left::read(left)? else { return Ok(Report::default()) };
    let mut check = Check::new(arguments, left.job)?;
    for output in client.attach(left.job, JobOptions::new()) {
        match output {
            Ok(output) => check.see(output),
            // It had everything, or was killed before the node had anything.
            Err(Error::NoSuchJob) => break,
            Err(error) => check.wrong(format!("the job has ended: {error}")),
        }
    }
    let gaps = check.gaps(&left.ended);
    if !gaps.is_empty() {
        check.wrong(format!("nobody has seen an end of {gaps:?}"));
    }
    Ok(check.report(0))
}

/// Submits messages at their pace until the time is over; their number.
fn send(arguments: &Arguments, sender: JobSender) -> Result<u64, Error> {
    let started = Instant::now();
    let mut number = 0;
    while started.elapsed() < arguments.lasts {
        let due = arguments.pace.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        // What was missed while the process was frozen, or the window full, is made up for.
        thread::sleep(due.saturating_sub(started.elapsed()));
        sender.send(Message::of(arguments.owner, number, arguments.poison).payload)?;
        number += 1;
    }
    sender.finish();
    Ok(number)
}
