//! The ceiling's node: moves frames from clients to workers and back, in pylm's shape, and looks at none of them.

use super::{BURST, Forwarder, roomy, say};
use anyhow::Result;
use pylm_transport::{Context, Frame, Frames, Poller, SendError, Socket, SocketKind};

const ANY_PORT: &str = "tcp://127.0.0.1:0";

pub fn run(options: &Forwarder) -> Result<()> {
    let context = Context::new()?;
    let marks = roomy(options.window);
    let bind = |kind| -> Result<(Socket, String)> {
        let socket = context.socket(kind, &marks)?;
        let address = socket.bind(ANY_PORT)?;
        Ok((socket, address))
    };
    let (clients, pull) = bind(SocketKind::Pull)?;
    let (results, publish) = bind(SocketKind::Pub)?;
    let (workers, worker_pull) = bind(SocketKind::Pull)?;
    let (work, worker_push) = bind(SocketKind::Push)?;
    say(&format!(
        "forwarder ready pull={pull} pub={publish} worker_pull={worker_pull} worker_push={worker_push}"
    ))?;

    let mut poller = Poller::new()?;
    poller.add(clients.fd(), 0)?;
    poller.add(workers.fd(), 1)?;
    let mut ready = Vec::new();
    let mut frames = Frames::new();
    let mut topic = Frame::copy_from(options.topic.as_bytes());
    loop {
        let mut moved = false;
        for _ in 0..BURST {
            if !clients.recv(&mut frames)? {
                break;
            }
            moved = true;
            if options.copying {
                for frame in &mut frames {
                    *frame = Frame::copy_from(frame);
                }
            }
            send(&work, &mut frames)?;
        }
        for _ in 0..BURST {
            if !workers.recv(&mut frames)? {
                break;
            }
            moved = true;
            frames.insert(0, topic.share());
            results.send(&mut frames)?;
        }
        if !moved {
            ready.clear();
            poller.wait(None, &mut ready)?;
        }
    }
}

/// Sends, waiting for room: as long as no worker is connected there is none.
fn send(socket: &Socket, frames: &mut Frames) -> Result<()> {
    loop {
        match socket.send(frames) {
            Ok(()) => return Ok(()),
            Err(SendError::Full) => socket.wait_writable(None)?,
            Err(error) => return Err(error.into()),
        };
    }
}
