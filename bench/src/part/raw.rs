//! Client and worker of bare frames.

use super::directory::Named as _;
use super::flight::Slot;
use super::link::{Link, payload, slot_of};
use super::{BURST, Client, Worker, roomy, say};
use anyhow::{Result, ensure};
use bytes::Bytes;
use pylm_transport::{Context, Frame, Frames, Options, Socket, SocketKind};
use std::time::Duration;

/// A PUSH and a SUB, and messages made beforehand.
pub struct Streams {
    push: Socket,
    results: Socket,
    frames: Frames,
    /// One message for each slot.
    pub messages: Vec<Bytes>,
}

impl Streams {
    pub fn connect(push: &str, publish: &str, topic: &str, window: usize) -> Result<Self> {
        let (context, marks) = (Context::new()?, roomy(window));
        let connect = |kind, address: &str| -> Result<Socket> {
            let socket = context.socket(kind, &marks)?;
            socket.connect(address)?;
            Ok(socket)
        };
        let results = connect(SocketKind::Sub, publish)?;
        results.subscribe(topic.as_bytes())?;
        let push = connect(SocketKind::Push, push)?;
        Ok(Streams { push, results, frames: Frames::new(), messages: Vec::new() })
    }

    #[inline]
    pub fn send(&mut self, slot: Slot) -> Result<()> {
        let frame = Frame::from_bytes(self.messages[slot].clone());
        self.push.send_one(frame).map_err(|(error, _)| error.into())
    }

    /// The message of a result that is here, without its topic.
    #[inline]
    pub fn receive(&mut self) -> Result<Option<&Frame>> {
        if !self.results.recv(&mut self.frames)? {
            return Ok(None);
        }
        ensure!(self.frames.len() == 2, "a result of {} frames came instead of one of 2", self.frames.len());
        Ok(self.frames.last())
    }

    pub fn wait(&self, limit: Duration) -> Result<()> {
        self.results.wait_readable(Some(limit))?;
        Ok(())
    }
}

/// The ceiling's client.
pub struct RawLink {
    streams: Streams,
    size: usize,
}

impl RawLink {
    pub fn new(options: &Client) -> Result<Self> {
        let push = options.push.as_deref().named("--push")?;
        let publish = options.subscribe.as_deref().named("--subscribe")?;
        let streams = Streams::connect(push, publish, &options.topic, options.workload.window)?;
        Ok(RawLink { streams, size: 0 })
    }
}

impl Link for RawLink {
    fn prepare(&mut self, slots: usize, size: usize) -> Result<()> {
        self.size = size;
        self.streams.messages = (0..slots).map(|slot| payload(slot, size)).collect();
        Ok(())
    }

    #[inline]
    fn send(&mut self, slot: Slot) -> Result<()> {
        self.streams.send(slot)
    }

    #[inline]
    fn receive(&mut self) -> Result<Option<Slot>> {
        let size = self.size;
        self.streams.receive()?.map(|frame| slot_of(frame, size)).transpose()
    }

    fn wait(&mut self, limit: Duration) -> Result<()> {
        self.streams.wait(limit)
    }
}

/// The ceiling's worker.
pub fn work(options: &Worker) -> Result<()> {
    let pull = options.pull.as_deref().named("--pull")?;
    let push = options.push.as_deref().named("--push")?;
    echo(&Context::new()?, pull, push, |_| Ok(()))
}

/// Gives back what comes from `pull` to `push`, after a look at it, for ever.
pub fn echo(context: &Context, pull: &str, push: &str, look: impl Fn(&Frame) -> Result<()>) -> Result<()> {
    // A worker never holds more than what is under way, and waits for room if it must.
    let marks =
        Options { receive_high_water_mark: 100_000, send_high_water_mark: 100_000, ..Options::default() };
    let (source, sink) =
        (context.socket(SocketKind::Pull, &marks)?, context.socket(SocketKind::Push, &marks)?);
    sink.connect(push)?;
    source.connect(pull)?;
    say("worker ready")?;
    let mut frames = Frames::new();
    loop {
        let mut moved = false;
        for _ in 0..BURST {
            if !source.recv(&mut frames)? {
                break;
            }
            moved = true;
            for frame in &frames {
                look(frame)?;
            }
            sink.send(&mut frames)?;
        }
        if !moved {
            source.wait_readable(None)?;
        }
    }
}
