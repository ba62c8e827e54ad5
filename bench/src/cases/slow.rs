//! One of two hosts is ten times slower than the other.

use super::{Figure, connect};
use crate::contender::own::{self, With};
use anyhow::{Result, bail};
use pylm_client::{Event, JobOptions};
use std::time::Instant;

const MESSAGES: usize = 1_000;

/// 1,000 messages at 1 ms and at 10 ms, if both hosts end at the same moment.
const IDEAL: f64 = 1_000.0 / (1_000.0 + 100.0);

pub fn measure() -> Result<Vec<Figure>> {
    let (_node, db) = own::node(With::Nothing)?;
    let _hosts = [(0, "bench-echo.wait=1"), (1, "bench-echo.wait=10")]
        .map(|(number, setting)| own::host(&db, number, 1, &["--set", setting]));
    let client = connect(&db)?;
    let begun = Instant::now();
    let (sender, results) = client.job("server.wait", JobOptions::new());
    for _ in 0..MESSAGES {
        sender.send(vec![7; 16])?;
    }
    sender.finish();
    for output in results {
        if let Event::Failed { code, text, .. } = output?.event {
            bail!("a message failed: {code}: {text}");
        }
    }
    let took = begun.elapsed().as_secs_f64();
    Ok(vec![
        Figure::told("1,000 messages at hosts of 1 ms and 10 ms", took, "s"),
        Figure::at_most("the same, to the ideal", took / IDEAL, "times", 1.1),
    ])
}
