//! Memory of a node: idle, and for each message that waits, beyond its payload.

use super::Figure;
use crate::contender::own::{self, With};
use crate::peer::{Peer, open};
use anyhow::Result;
use bytes::Bytes;
use pylm_protocol::{Payload, Record, Role};
use pylm_transport::Context;

/// Jobs, and the messages of each, within its window.
const JOBS: u32 = 250;
const EACH: u64 = 4_000;
const SIZE: usize = 16;

pub fn measure() -> Result<Vec<Figure>> {
    let (node, db) = own::node(With::Patience)?;
    let idle = node.rss_bytes();
    let context = Context::new()?;
    let mut client = Peer::greet(&context, &db, Role::Client, &[])?;
    let payload = Bytes::from_static(&[7; SIZE]);
    for job in 1..=JOBS {
        open(&mut client, job, "server.nobody-offers-this")?;
        for first in (0..EACH).step_by(1_000) {
            for number in first..first + 1_000 {
                client.say(&Record::Submit { job, number, cache: "", payload: Payload(payload.clone()) });
            }
            client.send()?;
        }
        // All of a job are accepted before the next one begins.
        client.hear(1, |record| {
            Ok(usize::from(matches!(record, Record::Accepted { submitted, .. } if *submitted == EACH)))
        })?;
    }
    let waiting = f64::from(JOBS) * EACH as f64;
    let each = (node.rss_bytes() - idle) as f64 / waiting - SIZE as f64;
    Ok(vec![
        Figure::at_most("idle node", idle as f64 / 1e6, "MB", 20.0),
        Figure::at_most("each of 1,000,000 waiting messages, beyond its payload", each, "B", 200.0),
    ])
}
