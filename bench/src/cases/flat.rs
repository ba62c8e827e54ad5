//! Whether a message costs the node the same however many hosts, clients and waiting messages there are.
//!
//! Two nodes are measured in turn, one with few and one with many of something. Both get the same load, in steps: the next
//! client sends [`WIDTH`] messages in one frame, a host ends as many in one frame, and their client hears of it in one frame.
//! As every step is over before the next one begins, nothing is read or sent together at one node that comes alone at the
//! other: what the ratio of their CPU times shows is the work for each message. The hosts are busy, as they are where there are many:
//! all but one of 64 have a frame each, or one has all of these, and a step ends the oldest one.

use super::{Figure, memory};
use crate::contender::own::{self, With};
use crate::cpu;
use crate::part::CALL;
use crate::peer::{Peer, open};
use crate::statistics::median;
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use pylm_protocol::{IDLE_PATIENCE, Payload, Record, Role};
use pylm_tests::process::Process;
use pylm_transport::{Context, raise_file_limit};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Messages of one step.
const WIDTH: usize = 256;
/// How often the two nodes are measured, in turn.
const LAPS: usize = 5;
/// For how long each time.
const LAP: Duration = Duration::from_secs(1);
const MOST: f64 = 1.2;

/// What there is at a node.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    hosts: usize,
    clients: usize,
    /// Jobs whose function nobody offers, and the messages of each.
    waiting: (u32, u64),
    /// Frames that hosts have at once.
    at_work: usize,
}

const FEW: Crowd = Crowd { hosts: 1, clients: 1, waiting: (1, 10), at_work: 1 };
/// Clients enough for what the hosts have at once, within the windows of their jobs.
const BUSY: Crowd = Crowd { clients: 8, at_work: 64, ..FEW };

pub fn measure() -> Result<Vec<Figure>> {
    raise_file_limit()?;
    let of = [
        ("one busy host", BUSY, "64 busy hosts", Crowd { hosts: 64, ..BUSY }),
        ("one client", FEW, "500 clients in turn", Crowd { clients: 500, ..FEW }),
        ("10 others waiting", FEW, "1,000,000 others waiting", Crowd { waiting: (250, 4_000), ..FEW }),
    ];
    let mut figures = Vec::new();
    for (few_words, few, many_words, many) in of {
        let mut nodes = [Driven::start(few)?, Driven::start(many)?];
        let (mut costs, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..LAPS {
            let [few, many] = &mut nodes;
            let (few, many) = (few.lap()?, many.lap()?);
            costs.push(few);
            ratios.push(many / few);
        }
        figures.push(Figure::told(
            &format!("node CPU for a message, {few_words}"),
            median(&costs).context("no lap")?,
            "µs",
        ));
        figures.push(Figure::at_most(
            &format!("the same, {many_words}"),
            median(&ratios).context("no lap")?,
            "times",
            MOST,
        ));
    }
    Ok(figures)
}

/// A node, and everybody around it.
struct Driven {
    hosts: Vec<Peer>,
    clients: Vec<Peer>,
    /// Messages that each client has sent.
    sent: Vec<u64>,
    /// Those of them that have ended.
    ended: Vec<u64>,
    at_work: VecDeque<Frame>,
    steps: usize,
    payload: Bytes,
    /// Has what waits, and says nothing more.
    _waiting: Peer,
    node: Process,
}

/// What a host has of one step.
struct Frame {
    host: usize,
    client: usize,
    leases: Vec<u64>,
}

impl Driven {
    fn start(crowd: Crowd) -> Result<Self> {
        let (node, db) = own::node(With::Patience)?;
        let context = Context::new()?;
        let waiting = memory::wait(&context, &db, crowd.waiting)?;
        let clients = (0..crowd.clients).map(|_| {
            let mut client = Peer::greet(&context, &db, Role::Client, &[])?;
            open(&mut client, 1, CALL)?;
            be_patient(&mut client)?;
            Ok(client)
        });
        let mut driven = Driven {
            hosts: Vec::new(),
            clients: clients.collect::<Result<_>>()?,
            sent: vec![0; crowd.clients],
            ended: vec![0; crowd.clients],
            at_work: VecDeque::new(),
            steps: 0,
            payload: Bytes::from_static(&[7; 16]),
            _waiting: waiting,
            node,
        };
        let limit = WIDTH * crowd.at_work / crowd.hosts;
        for step in 0..crowd.at_work {
            // Each takes all that there is room for, before the next one comes.
            if step < crowd.hosts {
                driven.hosts.push(Peer::greet_as_host(&context, &db, &["echo"], limit as u64)?);
            }
            // The last one has room for the first step to be measured.
            if step + 1 < crowd.at_work {
                driven.begin(driven.hosts.len() - 1)?;
            }
        }
        Ok(driven)
    }

    /// CPU of the node for each message, in microseconds.
    fn lap(&mut self) -> Result<f64> {
        // First everybody has a turn, as the nodes have heartbeats for whom they have told nothing during the other one's lap.
        for _ in 0..self.clients.len().max(self.at_work.len()) {
            self.step()?;
        }
        let (used, steps, begun) = (cpu::of_group(self.node.id())?, self.steps, Instant::now());
        while begun.elapsed() < LAP {
            self.step()?;
        }
        let messages = (self.steps - steps) * WIDTH;
        Ok((cpu::of_group(self.node.id())? - used) * 1e6 / messages as f64)
    }

    /// Begins a frame, and ends the oldest.
    fn step(&mut self) -> Result<()> {
        // The host that was ended last is the only one with room.
        let free = self.steps % self.hosts.len();
        self.begin(free)?;
        let Frame { host, client, leases } = self.at_work.pop_front().context("nothing is at work")?;
        let host = &mut self.hosts[host];
        for lease in leases {
            host.say(&Record::LeaseReply { lease, payload: Payload(self.payload.clone()) });
        }
        be_patient(host)?;
        self.ended[client] += WIDTH as u64;
        self.clients[client].hear(WIDTH, |record| match record {
            Record::Reply { .. } | Record::Done { .. } => Ok(1),
            Record::Failed { text, .. } => bail!("a message failed: {text}"),
            _ => Ok(0),
        })
    }

    /// The next client sends a frame, which the free host gets.
    fn begin(&mut self, free: usize) -> Result<()> {
        let number = self.steps % self.clients.len();
        self.steps += 1;
        let (client, first) = (&mut self.clients[number], self.sent[number]);
        self.sent[number] += WIDTH as u64;
        client.say(&Record::Received { job: 1, outputs: self.ended[number] });
        for number in first..first + WIDTH as u64 {
            client.say(&Record::Submit { job: 1, number, cache: "", payload: Payload(self.payload.clone()) });
        }
        be_patient(client)?;
        let mut leases = Vec::with_capacity(WIDTH);
        self.hosts[free].hear(WIDTH, |record| match record {
            Record::Assign { lease, .. } => {
                leases.push(*lease);
                Ok(1)
            }
            _ => Ok(0),
        })?;
        self.at_work.push_back(Frame { host: free, client: number, leases });
        Ok(())
    }
}

/// Sends what was said, and that nothing may follow for a while: the other node's lap is longer than a silence.
fn be_patient(peer: &mut Peer) -> Result<()> {
    peer.say(&Record::Heartbeat { patience: IDLE_PATIENCE.as_millis() as u64 });
    peer.send()
}
