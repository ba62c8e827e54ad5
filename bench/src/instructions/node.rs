//! A node under callgrind, between peers in lockstep: so many messages are sent, worked on and given back, then the next ones.

use super::callgrind;
use crate::part::{CALL, ask};
use crate::peer::{Peer, open};
use crate::programs;
use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use pylm_protocol::palm::PalmMessage;
use pylm_protocol::{Payload, Record, Role};
use pylm_tests::address::ANY_PORT;
use pylm_tests::process::Process;
use pylm_transport::{Context, Frame, Frames, Options, Poller, Socket, SocketKind};
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// How long the node may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How messages pass.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Who speaks to the node.
    pub wire: Wire,
    /// Messages of one step.
    pub width: usize,
    /// Bytes of each payload.
    pub size: usize,
    /// A plugin whose hooks they pass, by its package's name.
    pub hooks: Option<&'static str>,
    /// The node keeps a journal.
    pub journal: bool,
}

/// Who speaks to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Native peers.
    Native,
    /// Peers that speak pylm's wire.
    Pylm,
}

/// Instructions that the node has executed from its start to its end, with so many steps in between: those of the routing thread,
/// and those of ZeroMQ's. The counts are left in `folder`.
pub fn run(steps: Steps, count: usize, folder: &Path) -> Result<(u64, u64)> {
    let journal = tempfile::tempdir()?;
    let flags = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"];
    let mut plan = callgrind::plan("node", programs::release().program("pylmd"), folder)
        .args(flags.map(|flag| [flag, ANY_PORT]).concat());
    if let Some(hooks) = steps.hooks {
        plan = plan.arg("--plugin").arg(programs::release().plugin(hooks));
    }
    if steps.journal {
        plan = plan.arg("--journal").arg(journal.path());
    }
    let mut node = plan.start();
    let ready = node.wait_until_ready(PATIENCE);
    match steps.wire {
        Wire::Native => native(&ready.field("db"), steps, count)?,
        Wire::Pylm => pylm(&ready.field("db"), steps, count)?,
    }
    end(&mut node)?;
    count_threads(folder)
}

fn end(node: &mut Process) -> Result<()> {
    node.signal(Signal::TERM);
    let status = node.wait(PATIENCE);
    ensure!(status.success(), "the node ended with {status}");
    Ok(())
}

fn count_threads(folder: &Path) -> Result<(u64, u64)> {
    let router = callgrind::count(folder, |functions| functions.contains("router::Router::route\n"))?;
    let io = callgrind::count(folder, |functions| {
        functions.contains("zmq::epoll_t::loop()\n") && !functions.contains("router::Router::")
    })?;
    Ok((router, io))
}

fn native(db: &str, steps: Steps, count: usize) -> Result<()> {
    let context = Context::new()?;
    let mut host = Peer::greet(&context, db, Role::Host, &["echo"])?;
    let mut client = Peer::greet(&context, db, Role::Client, &[])?;
    open(&mut client, 1, CALL)?;
    let payload = Bytes::from(vec![0x5a; steps.size]);
    let mut leases = Vec::new();
    for step in 0..count {
        let first = (step * steps.width) as u64;
        if step > 0 {
            client.say(&Record::Received { job: 1, outputs: first });
        }
        for number in first..first + steps.width as u64 {
            client.say(&Record::Submit { job: 1, number, cache: "", payload: Payload(payload.clone()) });
        }
        client.send()?;
        host.hear(steps.width, |record| match record {
            Record::Assign { lease, .. } => {
                leases.push(*lease);
                Ok(1)
            }
            _ => Ok(0),
        })?;
        for lease in leases.drain(..) {
            host.say(&Record::LeaseReply { lease, payload: Payload(payload.clone()) });
        }
        host.send()?;
        client.hear(steps.width, |record| match record {
            Record::Reply { .. } | Record::Done { .. } => Ok(1),
            Record::Failed { text, .. } => bail!("a message failed: {text}"),
            _ => Ok(0),
        })?;
    }
    Ok(())
}

fn pylm(db: &str, steps: Steps, count: usize) -> Result<()> {
    let context = Context::new()?;
    let (worker, client) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let connect = |kind, peer: &str, key: &str| -> Result<Socket> {
        let socket = context.socket(kind, &Options::default())?;
        socket.connect(&ask(&context, db, peer, key)?)?;
        Ok(socket)
    };
    let source = connect(SocketKind::Pull, &worker, "worker_push_address")?;
    let sink = connect(SocketKind::Push, &worker, "worker_pull_address")?;
    let push = connect(SocketKind::Push, &client, "pull_address")?;
    let results = connect(SocketKind::Sub, &client, "pub_address")?;
    results.subscribe(client.as_bytes())?;
    let mut poller = Poller::new()?;
    poller.add(source.fd(), 0)?;
    poller.add(results.fd(), 1)?;
    let payload = vec![0x5a; steps.size];
    let message = PalmMessage {
        pipeline: "lockstep",
        client: &client,
        function: CALL,
        payload: &payload,
        ..PalmMessage::default()
    };
    let message = Bytes::from(message.encode());
    let (mut frames, mut ready) = (Frames::new(), Vec::new());
    for _ in 0..count {
        for _ in 0..steps.width {
            push.wait_writable(Some(PATIENCE))?;
            push.send_one(Frame::from_bytes(message.clone())).map_err(|(error, _)| error)?;
        }
        let mut back = 0;
        while back < steps.width {
            while source.recv(&mut frames)? {
                sink.send(&mut frames)?;
            }
            while results.recv(&mut frames)? {
                back += 1;
            }
            if back < steps.width && !source.events()?.readable && !results.events()?.readable {
                ready.clear();
                poller.wait(Some(PATIENCE), &mut ready)?;
                ensure!(!ready.is_empty(), "{back} of {} results came back", steps.width);
            }
        }
    }
    Ok(())
}
