//! A stream of large messages: what memory the node takes for it.

use super::{Figure, connect};
use crate::contender::own::{self, With};
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use pylm_client::{Event, JobOptions};
use std::time::Instant;

/// Bytes of one message.
const SIZE: usize = 8 << 20;

/// The node's bounds of bytes, for a job's messages, hosts and outputs, with what is on its way through ZeroMQ.
const BOUND: f64 = 512.0;

pub fn measure(bytes: u64) -> Result<Vec<Figure>> {
    let count = (bytes / SIZE as u64).max(1);
    let (node, db) = own::node(With::Nothing)?;
    let _hosts = [0, 1].map(|number| own::host(&db, number, 1, &[]));
    let client = connect(&db)?;
    let (sender, mut results) = client.job("server.echo", JobOptions::new());
    let message = Bytes::from(vec![7; SIZE]);
    let (begun, mut highest) = (Instant::now(), 0);
    std::thread::scope(|scope| -> Result<()> {
        let sending =
            scope.spawn(move || (0..count).try_for_each(|_| sender.send(message.clone()).map(drop)));
        let mut done = 0;
        while done < count {
            match results.next().context("the job has ended early")??.event {
                Event::Result { payload, .. } if payload.len() != SIZE => {
                    bail!("a result of {} bytes", payload.len())
                }
                Event::Result { .. } => {}
                Event::Failed { code, text, .. } => bail!("a message failed: {code}: {text}"),
                Event::Done { .. } => {
                    done += 1;
                    highest = highest.max(node.rss_bytes());
                }
            }
        }
        sending.join().map_err(|_| anyhow::anyhow!("the sender failed"))??;
        Ok(())
    })?;
    let rate = bytes as f64 / 1e6 / begun.elapsed().as_secs_f64();
    Ok(vec![
        Figure::told(&format!("{} GiB in messages of 8 MiB", bytes >> 30), rate, "MB/s"),
        Figure::at_most("the node's memory meanwhile, at its highest", highest as f64 / 1e6, "MB", BOUND),
    ])
}
