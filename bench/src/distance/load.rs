//! A client with default settings that sends as much as it may, and counts what comes back.

use super::{Found, Plan};
use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use pylm_client::blocking::{Client, JobResults};
use pylm_client::{ClientOptions, Event, JobOptions};
use pylm_tests::far::Link;
use std::thread;
use std::time::{Duration, Instant};

/// Before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// Round trips in which credit and windows have found their size.
const ROUND_TRIPS: u32 = 20;

/// Messages that come back a second over this link, of a job that calls `function` at the node at `db`.
pub fn run(plan: Plan, db: &str, function: &str, link: &Link) -> Result<Found> {
    let client = Client::connect(ClientOptions::new(db).name("bench").patience(Duration::from_secs(30)))?;
    let (sender, mut results) = client.job(function, JobOptions::new());
    let message = Bytes::from(vec![0x5a; plan.size.0]);
    thread::scope(|scope| {
        // It ends when the job is cancelled.
        let sending = scope.spawn(move || while sender.send(message.clone()).is_ok() {});
        let found = count(plan, &mut results, link);
        results.cancel();
        sending.join().map_err(|_| anyhow!("the sender failed"))?;
        found
    })
}

fn count(plan: Plan, results: &mut JobResults, link: &Link) -> Result<Found> {
    pump(results, Instant::now())?;
    pump(results, Instant::now() + WARM_UP + plan.distance.round_trip * ROUND_TRIPS)?;
    let (begun, before) = (Instant::now(), link.carried());
    let mut done = pump(results, begun + plan.time / 2)?;
    if !plan.stall.is_zero() {
        link.stall(plan.stall);
    }
    done += pump(results, begun + plan.time)?;
    let carried = link.carried();
    let fuller = (carried[0] - before[0]).max(carried[1] - before[1]);
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    Ok(Found { rate, bytes: fuller as f64 / done as f64 })
}

/// Takes results until then, and one at least; how many there were.
fn pump(results: &mut JobResults, end: Instant) -> Result<u64> {
    let mut done = 0;
    loop {
        match results.next().context("the job has ended")??.event {
            Event::Failed { code, text, .. } => bail!("a message failed: {code}: {text}"),
            Event::Done { .. } => done += 1,
            Event::Result { .. } => {}
        }
        if done > 0 && Instant::now() >= end {
            return Ok(done);
        }
    }
}
