//! A native peer that is none of ours: it says what it wants, and reads when it wants to.

use std::time::Duration;

use pylm_client::Bytes;
use pylm_protocol::{BatchReader, BatchWriter, MINOR, Record, Role};
use pylm_transport::{Context, Frame, Frames, Options, Security, Socket, SocketKind};
use uuid::Uuid;

/// How long the node may take to read or to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a node's `db` socket.
pub struct RawPeer {
    socket: Socket,
}

impl RawPeer {
    /// Connects, and says nothing. What is not read waits in the kernel, as far as that takes it, and then at the node.
    ///
    /// # Panics
    /// Where the system has no sockets left.
    #[must_use]
    #[track_caller]
    pub fn connect(context: &Context, db: &str) -> Self {
        Self::connect_as(context, db, Security::None, None)
    }

    /// As [`RawPeer::connect`], with keys, and a routing id of its own.
    ///
    /// # Panics
    /// As [`RawPeer::connect`].
    #[must_use]
    #[track_caller]
    pub fn connect_as(context: &Context, db: &str, security: Security, routing_id: Option<Vec<u8>>) -> Self {
        let options = Options { receive_high_water_mark: 1, security, routing_id, ..Options::default() };
        let socket = context.socket(SocketKind::Dealer, &options);
        let socket = socket.unwrap_or_else(|error| panic!("no socket: {error}"));
        socket.connect(db).unwrap_or_else(|error| panic!("no connection to {db}: {error}"));
        Self { socket }
    }

    /// Connects, and says Hello as a client that has connected so often before.
    ///
    /// # Panics
    /// As [`RawPeer::connect`].
    #[must_use]
    #[track_caller]
    pub fn client(context: &Context, db: &str, peer: Uuid, connection: u64) -> Self {
        let opened = Self::connect(context, db);
        opened.say(&[client_hello(peer, connection)]);
        opened
    }

    /// Says some records in one batch.
    ///
    /// # Panics
    /// Where the node does not read.
    #[track_caller]
    pub fn say(&self, records: &[Record<'_>]) {
        let mut batch = BatchWriter::new();
        records.iter().for_each(|record| batch.push(record));
        let (frame, attachments) = batch.take();
        let attachments = attachments.into_iter().map(Frame::from_bytes);
        self.send(std::iter::once(Frame::from_vec(frame)).chain(attachments).collect());
    }

    /// Sends frames as they are.
    ///
    /// # Panics
    /// Where the node does not read.
    #[track_caller]
    pub fn send(&self, mut frames: Frames) {
        let writable = self.socket.wait_writable(Some(PATIENCE));
        assert!(writable.is_ok_and(|writable| writable), "the node does not read");
        self.socket.send(&mut frames).unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// Reads until `wanted` gives something for a record.
    ///
    /// # Panics
    /// Where none such comes.
    #[track_caller]
    pub fn hear<T>(&self, mut wanted: impl FnMut(&Record<'_>) -> Option<T>) -> T {
        let mut frames = Frames::new();
        loop {
            let readable = self.socket.wait_readable(Some(PATIENCE));
            assert!(readable.is_ok_and(|readable| readable), "what was waited for did not come");
            while self.socket.recv(&mut frames).is_ok_and(|came| came) {
                let mut frames = frames.drain(..).map(Frame::into_bytes);
                let batch = frames.next().unwrap_or_default();
                let attachments: Vec<Bytes> = frames.collect();
                let found = BatchReader::new(&batch, &attachments).and_then(|mut reader| {
                    while let Some(record) = reader.next_record()? {
                        if let Some(found) = wanted(&record) {
                            return Ok(Some(found));
                        }
                    }
                    Ok(None)
                });
                match found {
                    Ok(Some(found)) => return found,
                    Ok(None) => {}
                    Err(error) => panic!("the node said what is no batch: {error}"),
                }
            }
        }
    }

    /// Reads until a record of one of these kinds comes, and gives which it is.
    ///
    /// # Panics
    /// As [`RawPeer::hear`].
    #[track_caller]
    pub fn hear_one_of(&self, wanted: &[&'static str]) -> &'static str {
        self.hear(|record| wanted.iter().copied().find(|name| *name == record.name()))
    }
}

/// What a client says first.
#[must_use]
pub fn client_hello(peer: Uuid, connection: u64) -> Record<'static> {
    Record::Hello {
        minor: MINOR,
        role: Role::Client,
        peer,
        name: "raw",
        software: "test",
        max_message: 0,
        functions: Vec::new(),
        limit: 0,
        limit_bytes: 0,
        connection,
    }
}
