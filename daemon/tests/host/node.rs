//! A node of a few lines: one ROUTER, with which a test says and hears what it likes.

use bytes::Bytes;
use pylm_protocol::palm::PalmMessage;
use pylm_protocol::{BatchReader, BatchWriter, DISCOVERY_KEY, Payload, Record};
use pylm_transport::{Context, Frame, Frames, Options, Socket, SocketKind};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The indices of the fixture's functions in Hello, which lists them by name.
pub mod function {
    pub const COUNT: u32 = 0;
    pub const ECHO: u32 = 1;
    pub const FAILS: u32 = 2;
    pub const PANICS: u32 = 3;
    pub const REMEMBER: u32 = 4;
    pub const SLOW: u32 = 5;
    pub const WAIT_CANCELLED: u32 = 6;
}

/// What a host said in its Hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    pub peer: Uuid,
    pub name: String,
    pub functions: Vec<String>,
    pub limit: u64,
}

/// The node.
pub struct Node {
    socket: Socket,
    _context: Context,
    pub address: String,
    id: Uuid,
    /// The connection that said Hello last.
    host: Bytes,
    unread: Vec<(Bytes, Vec<Bytes>)>,
}

impl Node {
    pub fn bind() -> Self {
        Self::bind_at("tcp://127.0.0.1:*", Uuid::new_v4())
    }

    /// Unbinds, and gives a node at the same address: the same run of it, or another.
    pub fn again(self, same_run: bool) -> Self {
        let (address, id) = (self.address.clone(), self.id);
        drop(self);
        Self::bind_at(&address, if same_run { id } else { Uuid::new_v4() })
    }

    fn bind_at(address: &str, id: Uuid) -> Self {
        let context = Context::new().unwrap();
        let options = Options { router_mandatory: true, ..Options::default() };
        let socket = context.socket(SocketKind::Router, &options).unwrap();
        let end = Instant::now() + LIMIT;
        let address = loop {
            match socket.bind(address) {
                Ok(address) => break address,
                // The system may take a moment to give the port back.
                Err(error) => assert!(Instant::now() < end, "{address}: {error}"),
            }
        };
        Node { socket, _context: context, address, id, host: Bytes::new(), unread: Vec::new() }
    }

    /// Waits for a Hello, answers it, and gives what it says.
    pub fn welcome(&mut self) -> Hello {
        let hello = self.hello();
        self.greet();
        hello
    }

    /// Says Welcome to who said Hello last.
    pub fn greet(&mut self) {
        let id = self.id;
        self.say(&[Record::Welcome {
            minor: 0,
            node: id,
            name: "node",
            heartbeat: 1000,
            silence: 5000,
            max_message: 0,
        }]);
    }

    pub fn hello(&mut self) -> Hello {
        self.hear("Hello", |record| match record {
            Record::Hello { peer, name, functions, limit, .. } => Some(Hello {
                peer: *peer,
                name: (*name).to_owned(),
                functions: functions.iter().map(|function| function.name.to_owned()).collect(),
                limit: *limit,
            }),
            _ => None,
        })
    }

    /// The first thing that the host says and `pick` picks; what it passes over is gone.
    #[track_caller]
    pub fn hear<T>(&mut self, what: &str, mut pick: impl FnMut(&Record<'_>) -> Option<T>) -> T {
        let end = Instant::now() + LIMIT;
        loop {
            while let Some((batch, attachments)) = self.unread.pop() {
                let mut reader = BatchReader::new(&batch, &attachments).unwrap();
                let mut read = 2;
                while let Some(record) = reader.next_record().unwrap() {
                    read += record_length(&batch[read..]);
                    if let Some(picked) = pick(&record) {
                        if read < batch.len() {
                            let rest = [&batch[..2], &batch[read..]].concat();
                            self.unread.push((Bytes::from(rest), attachments));
                        }
                        return picked;
                    }
                }
            }
            assert!(Instant::now() < end, "the host does not say {what}");
            self.receive();
        }
    }

    /// Ends of leases, until there are so many.
    #[track_caller]
    pub fn ends(&mut self, count: usize) -> Vec<(u64, String)> {
        (0..count).map(|_| self.hear("the end of a lease", end)).collect()
    }

    pub fn say(&mut self, records: &[Record<'_>]) {
        let mut writer = BatchWriter::new();
        records.iter().for_each(|record| writer.push(record));
        let (batch, attachments) = writer.take();
        let mut frames: Frames = vec![Frame::copy_from(&self.host), Frame::from_vec(batch)];
        frames.extend(attachments.into_iter().map(Frame::from_bytes));
        self.socket.send(&mut frames).unwrap();
    }

    /// Describes a context of the same number for each of the fixture's functions.
    pub fn describe(&mut self, function: u32, results: u64) {
        self.say(&[Record::Context {
            context: function,
            function,
            job: Uuid::from_u128(7),
            pipeline: "pipeline",
            client: "client",
            functions: "node.function",
            stage: 0,
            hops: 0,
            results,
            results_bytes: 1 << 20,
            flags: 0,
        }]);
    }

    pub fn assign(&mut self, function: u32, lease: u64, payload: impl Into<Bytes>) {
        self.say(&[assignment(function, lease, payload)]);
    }

    fn receive(&mut self) {
        let mut frames = Frames::new();
        if !self.socket.wait_readable(Some(Duration::from_millis(100))).unwrap() {
            return;
        }
        assert!(self.socket.recv(&mut frames).unwrap());
        let mut frames: Vec<Bytes> = frames.drain(..).map(Frame::into_bytes).collect();
        let sender = frames.remove(0);
        if let [delimiter, request] = frames.as_slice()
            && delimiter.is_empty()
        {
            let request = PalmMessage::decode(request).unwrap();
            assert_eq!((request.function, request.payload), ("_.get", DISCOVERY_KEY.as_bytes()));
            let mut answer = vec![Frame::copy_from(&sender), Frame::empty(), Frame::copy_from(b"1.0")];
            return self.socket.send(&mut answer).unwrap();
        }
        let batch = frames.remove(0);
        let first = BatchReader::new(&batch, &frames).unwrap().next_record();
        if let Ok(Some(Record::Hello { .. })) = first {
            self.host = sender;
        }
        self.unread.push((batch, frames));
    }
}

/// The length of a record with its own length, which counts what is behind it.
fn record_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    for (index, octet) in bytes.iter().enumerate() {
        length |= usize::from(octet & 0x7f) << (7 * index);
        if *octet < 0x80 {
            return length + index + 1;
        }
    }
    panic!("a record without a length")
}

pub fn assignment(function: u32, lease: u64, payload: impl Into<Bytes>) -> Record<'static> {
    Record::Assign {
        lease,
        context: function,
        number: lease,
        part: 0,
        attempt: 1,
        timeout: 0,
        cache: "",
        payload: Payload(payload.into()),
    }
}

/// A lease that a record ends, and how: `=`, a reply's payload; `released`; `done` and a number; or a code and a text.
pub fn end(record: &Record<'_>) -> Option<(u64, String)> {
    match record {
        Record::LeaseReply { lease, payload } => {
            Some((*lease, format!("={}", String::from_utf8_lossy(&payload.0))))
        }
        Record::LeaseDone { lease, results } => Some((*lease, format!("done {results}"))),
        Record::LeaseFailed { lease, code, text, .. } => Some((*lease, format!("{code}: {text}"))),
        Record::Released { lease } => Some((*lease, "released".to_owned())),
        _ => None,
    }
}
