//! Many small jobs: connect, one message, its result, leave.

use super::{Figure, connect};
use crate::contender::own::{self, With};
use anyhow::{Context as _, Result, anyhow};
use pylm_client::JobOptions;
use std::thread;
use std::time::{Duration, Instant};

/// Clients at a time.
const AT_A_TIME: usize = 4;
const TIME: Duration = Duration::from_secs(3);

pub fn measure() -> Result<Vec<Figure>> {
    let (_node, db) = own::node(With::Nothing)?;
    let _hosts = [0, 1].map(|number| own::host(&db, number, 1, &[]));
    let begun = Instant::now();
    let work = || -> Result<u64> {
        let mut jobs = 0;
        while begun.elapsed() < TIME {
            let client = connect(&db)?;
            let (sender, mut results) = client.job("server.echo", JobOptions::new());
            sender.send(vec![7; 16])?;
            sender.finish();
            results.next().context("no result")??;
            client.close();
            jobs += 1;
        }
        Ok(jobs)
    };
    let jobs = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        let each = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a client failed"))?);
        each.sum::<Result<u64>>()
    })?;
    Ok(vec![Figure::at_least("small jobs", jobs as f64 / begun.elapsed().as_secs_f64(), "jobs/s", 2_000.0)])
}
