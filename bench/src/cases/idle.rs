//! Many that do nothing: what the node's heartbeats with them cost.

use super::Figure;
use crate::contender::own::{self, With};
use crate::cpu;
use crate::peer::Peer;
use anyhow::Result;
use pylm_protocol::{Record, Role};
use pylm_transport::{Context, raise_file_limit};
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: usize = 1_000;
const HOSTS: u32 = 10;
const SLOTS: u32 = 100;
const TIME: Duration = Duration::from_secs(10);
/// Between the signs of life of each client, as the protocol asks for.
const HEARTBEAT: Duration = Duration::from_secs(1);

pub fn measure() -> Result<Vec<Figure>> {
    raise_file_limit()?;
    let (node, db) = own::node(With::Nothing)?;
    let _hosts: Vec<_> = (0..HOSTS).map(|number| own::host(&db, number, SLOTS, &[])).collect();
    let context = Context::new()?;
    let mut clients: Vec<Peer> =
        (0..CLIENTS).map(|_| Peer::greet(&context, &db, Role::Client, &[])).collect::<Result<_>>()?;
    let mut used = 0.0;
    let begun = Instant::now();
    // The first second is for what the connections have left to do.
    let mut measured = begun;
    while begun.elapsed() < TIME + HEARTBEAT {
        let next = Instant::now() + HEARTBEAT;
        for client in &mut clients {
            client.say(&Record::Heartbeat { patience: 0 });
            client.send()?;
            client.drain()?;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
        if used == 0.0 {
            used = cpu::of_group(node.id())?;
            measured = Instant::now();
        }
    }
    let share = (cpu::of_group(node.id())? - used) / measured.elapsed().as_secs_f64();
    Ok(vec![Figure::at_most(
        "node with 1,000 idle slots and 1,000 idle clients",
        share * 100.0,
        "% of a core",
        1.0,
    )])
}
