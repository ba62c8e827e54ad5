//! Client and worker that speak pylm's wire, as cheap as they can be: what is measured is the node between them.

use super::directory::{Named as _, ask};
use super::flight::Slot;
use super::link::{Link, payload, slot_of};
use super::raw::{Streams, echo};
use super::{CALL, Client, Worker};
use anyhow::{Context as _, Result};
use pylm_protocol::palm::PalmMessage;
use pylm_transport::{Context, Frame};
use std::time::Duration;
use uuid::Uuid;

/// A client of a node, or of a forwarder that is given PalmMessages.
pub struct PalmLink {
    streams: Streams,
    client: String,
    size: usize,
}

impl PalmLink {
    pub fn new(options: &Client) -> Result<Self> {
        let (push, publish) = match &options.db {
            Some(db) => {
                let context = Context::new()?;
                let ask = |key| ask(&context, db, &options.topic, key);
                (ask("pull_address")?, ask("pub_address")?)
            }
            None => (options.push.clone().named("--push")?, options.subscribe.clone().named("--subscribe")?),
        };
        let streams = Streams::connect(&push, &publish, &options.topic, options.workload.window)?;
        Ok(PalmLink { streams, client: options.topic.clone(), size: 0 })
    }
}

impl Link for PalmLink {
    fn prepare(&mut self, slots: usize, size: usize) -> Result<()> {
        self.size = size;
        let pipeline = Uuid::new_v4().to_string();
        let encode = |slot| {
            let payload = payload(slot, size);
            let message = PalmMessage {
                pipeline: &pipeline,
                client: &self.client,
                function: CALL,
                payload: &payload,
                ..PalmMessage::default()
            };
            message.encode().into()
        };
        self.streams.messages = (0..slots).map(encode).collect();
        Ok(())
    }

    #[inline]
    fn send(&mut self, slot: Slot) -> Result<()> {
        self.streams.send(slot)
    }

    #[inline]
    fn receive(&mut self) -> Result<Option<Slot>> {
        let size = self.size;
        let Some(frame) = self.streams.receive()? else { return Ok(None) };
        let message = PalmMessage::decode(frame)?;
        slot_of(message.payload, size).map(Some)
    }

    fn wait(&mut self, limit: Duration) -> Result<()> {
        self.streams.wait(limit)
    }
}

/// A worker of a node, or of a forwarder. The answer of an echo is the message as it came, with the fields that only the
/// node knows, so that it need not be written anew.
pub fn work(options: &Worker) -> Result<()> {
    let context = Context::new()?;
    let (pull, push) = match &options.db {
        Some(db) => {
            let id = Uuid::new_v4().to_string();
            let ask = |key| ask(&context, db, &id, key);
            (ask("worker_push_address")?, ask("worker_pull_address")?)
        }
        None => (options.pull.clone().named("--pull")?, options.push.clone().named("--push")?),
    };
    echo(&context, &pull, &push, look)
}

fn look(frame: &Frame) -> Result<()> {
    PalmMessage::decode(frame)?.call().context("a message came that calls nothing")?;
    Ok(())
}
