//! Many that do nothing: what the node's heartbeats with them cost. Clients keep to the rhythm of our client library.

use super::Figure;
use crate::contender::own::{self, With};
use crate::cpu;
use crate::peer::Peer;
use anyhow::Result;
use pylm_protocol::{IDLE_HEARTBEAT, IDLE_PATIENCE, Record, Role};
use pylm_transport::{Context, raise_file_limit};
use std::thread;
use std::time::Instant;

const CLIENTS: usize = 1_000;
const HOSTS: u32 = 10;
const SLOTS: u32 = 100;

pub fn measure() -> Result<Vec<Figure>> {
    raise_file_limit()?;
    let (node, db) = own::node(With::Nothing)?;
    let _hosts: Vec<_> = (0..HOSTS).map(|number| own::host(&db, number, SLOTS, &[])).collect();
    let context = Context::new()?;
    let mut clients: Vec<Peer> =
        (0..CLIENTS).map(|_| Peer::greet(&context, &db, Role::Client, &[])).collect::<Result<_>>()?;
    // The first turn is for what the connections have left to do.
    turn(&mut clients)?;
    let (used, measured) = (cpu::of_group(node.id())?, Instant::now());
    turn(&mut clients)?;
    let share = (cpu::of_group(node.id())? - used) / measured.elapsed().as_secs_f64();
    Ok(vec![Figure::at_most(
        "node with 1,000 idle slots and 1,000 idle clients",
        share * 100.0,
        "% of a core",
        1.0,
    )])
}

/// Each client says that it has nothing to say, spread over the time as clients are that have nothing to do with each other.
fn turn(clients: &mut [Peer]) -> Result<()> {
    let begun = Instant::now();
    let share = IDLE_HEARTBEAT / clients.len() as u32;
    for (client, number) in clients.iter_mut().zip(1..) {
        client.say(&Record::Heartbeat { patience: IDLE_PATIENCE.as_millis() as u64 });
        client.send()?;
        client.drain()?;
        thread::sleep((begun + share * number).saturating_duration_since(Instant::now()));
    }
    Ok(())
}
