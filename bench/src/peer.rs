//! A native peer that says one thing at a time: what a node does for it can be foreseen.

use anyhow::{Result, ensure};
use bytes::Bytes;
use pylm_protocol::{BatchReader, BatchWriter, FunctionOffer, Record, Role};
use pylm_transport::{Context, Frame, Frames, Options, Socket, SocketKind};
use std::time::Duration;
use uuid::Uuid;

/// How long the other side may take for anything; it runs many times slower than usual.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection to a node.
pub struct Peer {
    socket: Socket,
    frames: Frames,
    batch: BatchWriter,
}

impl Peer {
    /// Connects, says Hello, and waits for Welcome.
    pub fn greet(context: &Context, db: &str, role: Role, functions: &[&str]) -> Result<Self> {
        Self::greet_within(context, db, role, functions, 4_096)
    }

    /// The same of a host that takes so many messages at once.
    pub fn greet_as_host(context: &Context, db: &str, functions: &[&str], limit: u64) -> Result<Self> {
        Self::greet_within(context, db, Role::Host, functions, limit)
    }

    fn greet_within(context: &Context, db: &str, role: Role, functions: &[&str], limit: u64) -> Result<Self> {
        let socket = context.socket(SocketKind::Dealer, &Options::default())?;
        socket.connect(db)?;
        let mut peer = Peer { socket, frames: Frames::new(), batch: BatchWriter::new() };
        peer.say(&Record::Hello {
            minor: pylm_protocol::MINOR,
            role,
            peer: Uuid::new_v4(),
            name: "lockstep",
            software: "pylm-bench",
            max_message: 0,
            functions: functions.iter().map(|name| FunctionOffer::function(name)).collect(),
            limit,
            limit_bytes: 64 << 20,
            connection: 0,
        });
        peer.send()?;
        peer.hear(1, |record| Ok(usize::from(matches!(record, Record::Welcome { .. }))))?;
        Ok(peer)
    }

    /// Adds a record to what is sent next.
    pub fn say(&mut self, record: &Record<'_>) {
        self.batch.push(record);
    }

    /// Sends what was said, as one message.
    pub fn send(&mut self) -> Result<()> {
        let (batch, attachments) = self.batch.take();
        self.frames.clear();
        self.frames.push(Frame::from_vec(batch));
        self.frames.extend(attachments.into_iter().map(Frame::from_bytes));
        ensure!(self.socket.wait_writable(Some(PATIENCE))?, "the node takes nothing");
        self.socket.send(&mut self.frames)?;
        Ok(())
    }

    /// Reads and forgets what is here.
    pub fn drain(&mut self) -> Result<()> {
        while self.socket.recv(&mut self.frames)? {}
        Ok(())
    }

    /// Reads until `wanted` of what it is after have come; `count` tells how many a record is worth.
    pub fn hear(&mut self, wanted: usize, mut count: impl FnMut(&Record<'_>) -> Result<usize>) -> Result<()> {
        let mut heard = 0;
        while heard < wanted {
            ensure!(self.socket.wait_readable(Some(PATIENCE))?, "the node has said {heard} of {wanted}");
            while self.socket.recv(&mut self.frames)? {
                let mut frames = self.frames.drain(..).map(Frame::into_bytes);
                let batch = frames.next().unwrap_or_default();
                let attachments: Vec<Bytes> = frames.collect();
                let mut reader = BatchReader::new(&batch, &attachments)?;
                while let Some(record) = reader.next_record()? {
                    heard += count(&record)?;
                }
            }
        }
        Ok(())
    }
}

/// Opens a job of a client, and waits until it is open.
pub fn open(client: &mut Peer, job: u32, function: &str) -> Result<()> {
    client.say(&Record::Open {
        job,
        identity: Uuid::new_v4(),
        flags: 0,
        pipeline: "",
        function,
        window: 32_768,
        window_bytes: 64 << 20,
        epoch: Uuid::nil(),
        received: 0,
        timeout: 0,
        priority: 0,
        retries: 0,
        deadline: 0,
    });
    client.send()?;
    client.hear(1, |record| Ok(usize::from(matches!(record, Record::Opened { .. }))))
}
