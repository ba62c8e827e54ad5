//! A client that speaks the native protocol, through the client library as an application would.

use super::directory::Named as _;
use super::flight::Slot;
use super::link::{Link, payload, slot_of};
use super::{CALL, Client};
use anyhow::{Result, bail};
use bytes::Bytes;
use pylm_client::blocking::{self, JobResults, JobSender};
use pylm_client::{ClientOptions, Event, JobOptions, Output};
use std::time::Duration;

/// One job of one client.
pub struct NativeLink {
    _client: blocking::Client,
    sender: JobSender,
    results: JobResults,
    /// What a wait was ended by.
    waiting: Option<Output>,
    messages: Vec<Bytes>,
    size: usize,
}

impl NativeLink {
    pub fn new(options: &Client) -> Result<Self> {
        let db = options.db.as_deref().named("--db")?;
        let client = blocking::Client::connect(ClientOptions::new(db).name("bench"))?;
        // Wider than the load's own window, so that sending never waits.
        let room = options.workload.window as u64 + 1_000;
        let bytes = room.saturating_mul(options.workload.size as u64).max(64 << 20);
        let (sender, results) = client.job(CALL, JobOptions::new().window(room, bytes));
        Ok(NativeLink { _client: client, sender, results, waiting: None, messages: Vec::new(), size: 0 })
    }
}

impl Link for NativeLink {
    fn prepare(&mut self, slots: usize, size: usize) -> Result<()> {
        self.size = size;
        self.messages = (0..slots).map(|slot| payload(slot, size)).collect();
        Ok(())
    }

    #[inline]
    fn send(&mut self, slot: Slot) -> Result<()> {
        self.sender.send(self.messages[slot].clone())?;
        Ok(())
    }

    #[inline]
    fn receive(&mut self) -> Result<Option<Slot>> {
        loop {
            let output = match self.waiting.take() {
                Some(output) => output,
                None => match self.results.try_next()? {
                    Some(output) => output,
                    None => return Ok(None),
                },
            };
            match output.event {
                Event::Result { payload, .. } => return slot_of(&payload, self.size).map(Some),
                Event::Done { .. } => {}
                Event::Failed { code, text, .. } => bail!("a message failed: {code}: {text}"),
            }
        }
    }

    /// Without the limit: the library's blocking results have none, and the measuring process has its own.
    fn wait(&mut self, _limit: Duration) -> Result<()> {
        self.waiting = self.results.next().transpose()?;
        Ok(())
    }
}
