//! Memory of a node: idle, and for each message that waits, beyond its payload.

use super::Figure;
use crate::contender::own::{self, With};
use crate::peer::{Peer, open};
use anyhow::Result;
use bytes::Bytes;
use pylm_protocol::{IDLE_PATIENCE, Payload, Record, Role};
use pylm_transport::Context;

/// Jobs, and the messages of each, within its window.
const JOBS: u32 = 250;
const EACH: u64 = 4_000;
const SIZE: usize = 16;

pub fn measure() -> Result<Vec<Figure>> {
    let (node, db) = own::node(With::Patience)?;
    let idle = node.rss_bytes();
    let _client = wait(&Context::new()?, &db, (JOBS, EACH))?;
    let waiting = f64::from(JOBS) * EACH as f64;
    let each = (node.rss_bytes() - idle) as f64 / waiting - SIZE as f64;
    Ok(vec![
        Figure::at_most("idle node", idle as f64 / 1e6, "MB", 20.0),
        Figure::at_most("each of 1,000,000 waiting messages, beyond its payload", each, "B", 200.0),
    ])
}

/// A client with so many jobs, of so many messages each, that wait for a function. It asks for the patience of one that has nothing to do.
pub(super) fn wait(context: &Context, db: &str, (jobs, each): (u32, u64)) -> Result<Peer> {
    let mut client = Peer::greet(context, db, Role::Client, &[])?;
    let payload = Bytes::from_static(&[7; SIZE]);
    for job in 1..=jobs {
        open(&mut client, job, "server.nobody-offers-this")?;
        for number in 0..each {
            client.say(&Record::Submit { job, number, cache: "", payload: Payload(payload.clone()) });
            if (number + 1) % 1_000 == 0 {
                client.send()?;
            }
        }
        client.say(&Record::Heartbeat { patience: IDLE_PATIENCE.as_millis() as u64 });
        client.send()?;
    }
    // Those of each job were accepted before the next one was opened.
    client.hear(1, |record| {
        let is_last =
            matches!(record, Record::Accepted { job, submitted, .. } if (*job, *submitted) == (jobs, each));
        Ok(usize::from(is_last))
    })?;
    Ok(client)
}
