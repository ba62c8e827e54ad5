//! What no peer should send: bytes that are no ZMTP, frames that are no messages, records that are somebody else's.

use std::io::{Read, Write};
use std::time::Duration;

use pylm_client::Bytes;
use pylm_protocol::palm::PalmMessage;
use pylm_protocol::{BatchWriter, FunctionOffer, Payload, Place, Record, Role};
use pylm_transport::{Context, Frame, Frames, Options, Socket, SocketKind};
use uuid::Uuid;

use crate::address;
use crate::checked_job::mixed;

/// A source of numbers that look random, the same for the same seed.
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mixed(self.0) % end
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.octet()).collect()
    }

    /// A place in something of this length; the first one of nothing.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length.max(1) as u64)).unwrap_or(0)
    }

    pub(crate) fn octet(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }

    /// Cut off at a random place, or changed at one.
    fn damaged(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let place = self.place(bytes.len());
        match bytes.get_mut(place) {
            Some(octet) if self.below(2) == 0 => *octet = self.octet(),
            _ => bytes.truncate(place),
        }
        bytes
    }
}

/// Connect by TCP to `address`, send one kind of nonsense, and close.
///
/// # Panics
/// Where nobody listens there: the nonsense has ended it.
#[track_caller]
pub fn send_bytes(address: &str, random: &mut Random) {
    let mut stream = address::connect(address);
    let bytes = match random.below(8) {
        0 => random.bytes(4096),
        1 => [&SIGNATURE[..], &random.bytes(256)].concat(),
        2 => [greeting(), random.bytes(4096)].concat(),
        3 => [greeting(), ready(random), huge(random), random.bytes(4096)].concat(),
        4 => [greeting(), ready(random), endless(random)].concat(),
        5 => [greeting(), ready(random), random.bytes(4096)].concat(),
        6 => {
            let whole = [greeting(), ready(random)].concat();
            random.damaged(whole)
        }
        _ => Vec::new(),
    };
    // The node may close first, as it should; whether it reads on is its own affair.
    let _ = stream.write_all(&bytes);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
    let _ = stream.read(&mut [0; 256]);
}

const SIGNATURE: [u8; 10] = [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F];

/// ZMTP 3.0's, of the mechanism NULL.
fn greeting() -> Vec<u8> {
    let mut greeting = SIGNATURE.to_vec();
    greeting.extend([3, 0]);
    greeting.extend(b"NULL");
    greeting.resize(64, 0);
    greeting
}

fn ready(random: &mut Random) -> Vec<u8> {
    let kinds = ["DEALER", "REQ", "PUSH", "SUB", "XSUB", "PAIR", "NONSENSE"];
    let kind = kinds[usize::try_from(random.below(7)).unwrap_or(0)];
    let mut body = b"\x05READY\x0BSocket-Type\0\0\0".to_vec();
    body.push(kind.len() as u8);
    body.extend(kind.as_bytes());
    [&[4, body.len() as u8][..], &body].concat()
}

/// A frame's header that announces more than anybody has.
fn huge(random: &mut Random) -> Vec<u8> {
    let length = u64::MAX >> random.below(40);
    [&[2][..], &length.to_be_bytes()].concat()
}

/// Frames of a message whose last one never comes.
fn endless(random: &mut Random) -> Vec<u8> {
    (0..random.below(2000)).flat_map(|_| [1, 1, 0]).collect()
}

/// Sockets that speak ZMTP well, to say nonsense over them.
pub struct Nonsense {
    sockets: Vec<(SocketKind, String, Socket)>,
    context: Context,
}

impl Nonsense {
    /// Sockets connected to those of a node: a pylm client's, a pylm worker's, and a native peer's.
    ///
    /// # Errors
    /// Where the system has no sockets left.
    pub fn to(pull: &str, publish: &str, worker_pull: &str, db: &str) -> std::io::Result<Self> {
        let context = Context::new()?;
        let kinds = [
            (SocketKind::Push, pull),
            (SocketKind::Sub, publish),
            (SocketKind::Push, worker_pull),
            (SocketKind::Dealer, db),
        ];
        let sockets = kinds.into_iter().map(|(kind, address)| connected(&context, kind, address));
        Ok(Self { sockets: sockets.collect::<Result<_, _>>()?, context })
    }

    /// Say one thing on each socket.
    ///
    /// # Errors
    /// Where the system has no sockets left.
    pub fn say(&mut self, random: &mut Random) -> std::io::Result<()> {
        for (kind, address, socket) in &mut self.sockets {
            if *kind == SocketKind::Sub {
                // A flood of subscriptions is another matter: libzmq looks through all of them at the end of each.
                if random.below(10) > 0 {
                    continue;
                }
                socket.subscribe(&random.bytes(300))?;
            } else {
                let mut frames =
                    if *kind == SocketKind::Dealer { db_message(random) } else { palm_message(random) };
                // What finds no room is dropped: nobody misses it.
                let _ = socket.send(&mut frames);
                while *kind == SocketKind::Dealer && socket.recv(&mut frames)? {}
            }
            if random.below(20) == 0 {
                (*kind, *address, *socket) = connected(&self.context, *kind, address)?;
            }
        }
        Ok(())
    }
}

fn connected(
    context: &Context,
    kind: SocketKind,
    address: &str,
) -> std::io::Result<(SocketKind, String, Socket)> {
    let socket = context.socket(kind, &Options::default())?;
    socket.connect(address)?;
    Ok((kind, address.to_owned(), socket))
}

fn frames(parts: impl IntoIterator<Item = Vec<u8>>) -> Frames {
    parts.into_iter().map(Frame::from_vec).collect()
}

/// For a socket that takes single frames with a PalmMessage in each.
fn palm_message(random: &mut Random) -> Frames {
    let message = PalmMessage {
        pipeline: "nobody's",
        client: "nobody",
        stage: 0,
        function: "server.nothing",
        cache: "",
        payload: b"\x00 a payload that is long enough to be cut",
        tracking: None,
    };
    let count = 1 + random.below(3);
    match random.below(3) {
        0 => frames((0..count).map(|_| random.bytes(2000))),
        1 => frames((0..count).map(|_| random.damaged(message.encode()))),
        // A good one is too many beside another.
        _ => frames([message.encode(), message.encode()]),
    }
}

/// For the socket that serves the cache and native peers.
fn db_message(random: &mut Random) -> Frames {
    match random.below(6) {
        0 => frames((0..=random.below(6)).map(|_| random.bytes(2000)).collect::<Vec<_>>()),
        1 => frames([Vec::new(), random.bytes(300)]),
        2 => {
            let request = PalmMessage {
                function: "_.get",
                client: "nobody",
                payload: b"name",
                ..PalmMessage::default()
            };
            frames([Vec::new(), random.damaged(request.encode())])
        }
        3 => {
            let batch = batch(&conversation(random));
            let mut parts = vec![random.damaged(batch.0)];
            parts.extend(batch.1.iter().map(|attachment| attachment.to_vec()));
            frames(parts)
        }
        // Its attachments are missing.
        4 => frames([batch(&conversation(random)).0]),
        _ => {
            let batch = batch(&usurped(random));
            frames(std::iter::once(batch.0).chain(batch.1.iter().map(|attachment| attachment.to_vec())))
        }
    }
}

fn batch(records: &[Record<'_>]) -> (Vec<u8>, Vec<Bytes>) {
    let mut writer = BatchWriter::new();
    records.iter().for_each(|record| writer.push(record));
    writer.take()
}

fn hello(random: &mut Random) -> Record<'static> {
    let role = if random.below(2) == 0 { Role::Client } else { Role::Host };
    Record::Hello {
        minor: random.below(3),
        role,
        peer: Uuid::from_u64_pair(random.below(u64::MAX), random.below(u64::MAX)),
        name: "nonsense",
        software: "nonsense 0",
        max_message: random.below(1 << 30),
        functions: match role {
            Role::Client => Vec::new(),
            Role::Host => vec![FunctionOffer {
                name: "nonsense",
                atomic: random.below(2) == 0,
                topic: random.below(8) == 0,
            }],
        },
        limit: random.below(1 << 40),
        limit_bytes: random.below(1 << 40),
        connection: random.below(1 << 40),
    }
}

/// What a client might say.
fn conversation(random: &mut Random) -> Vec<Record<'static>> {
    let payload = Payload(Bytes::from(vec![7; usize::try_from(random.below(40_000)).unwrap_or(0)]));
    vec![
        hello(random),
        Record::Open {
            job: 1,
            identity: Uuid::from_u64_pair(random.below(u64::MAX), 1),
            flags: 0,
            pipeline: "",
            function: "server.nonsense",
            window: random.below(1000),
            window_bytes: random.below(1 << 20),
            epoch: Uuid::nil(),
            received: random.below(1 << 40),
            timeout: 0,
            priority: 0,
            retries: 0,
            deadline: 0,
        },
        Record::Submit { job: 1, number: 0, cache: "", payload },
        Record::Received { job: 1, outputs: random.below(u64::MAX) },
    ]
}

/// Records that nobody who says this Hello may send, or that are about nothing.
fn usurped(random: &mut Random) -> Vec<Record<'static>> {
    // Low places and generations: numbers that other hosts' leases have.
    let lease = random.below(64) << 32 | random.below(64);
    let lease = if random.below(2) == 0 { lease } else { lease.rotate_left(32) };
    let payload = Payload(Bytes::from_static(b"nobody asked for this"));
    let second = match random.below(11) {
        0 => Record::Taken { leases: random.below(u64::MAX) },
        1 => Record::LeaseReply { lease, payload },
        2 => Record::LeaseResult { lease, place: Place(vec![u64::MAX; 3]), payload, flags: lease },
        3 => Record::LeaseDone { lease, results: random.below(u64::MAX) },
        4 => Record::Submit { job: lease as u32 % 4, number: random.below(u64::MAX), cache: "", payload },
        5 => Record::Reply { job: 1, number: 0, payload },
        6 => Record::Released { lease },
        9 => Record::Ping { time: random.below(u64::MAX) },
        10 => Record::Pong { time: random.below(u64::MAX) },
        7 => Record::Limit { limit: u64::MAX, limit_bytes: u64::MAX, travelling: u64::MAX },
        _ => hello(random),
    };
    if random.below(3) == 0 { vec![second] } else { vec![hello(random), second] }
}
