//! The time until a node serves, and until a host that is started gives its first result.

use super::{Figure, connect};
use crate::contender::own::{self, With};
use crate::statistics::median;
use anyhow::{Context as _, Result};
use pylm_client::JobOptions;
use std::time::Instant;

const TIMES: usize = 7;

pub fn measure() -> Result<Vec<Figure>> {
    let (mut nodes, mut hosts) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let begun = Instant::now();
        let (_node, db) = own::node(With::Patience)?;
        nodes.push(begun.elapsed().as_secs_f64() * 1e3);
        let client = connect(&db)?;
        let (sender, mut results) = client.job("server.echo", JobOptions::new());
        sender.send(vec![7; 16])?;
        let begun = Instant::now();
        let _host = own::start_host(&db, 0, 1, &[]);
        results.next().context("no result")??;
        hosts.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let middle = |times: &[f64]| median(times).unwrap_or(f64::NAN);
    Ok(vec![
        Figure::at_most("start of a node until it serves", middle(&nodes), "ms", 50.0),
        Figure::at_most("start of a host until its first result", middle(&hosts), "ms", 100.0),
    ])
}
