//! A proxy between native peers and a node that changes some of what they say to each other: what arrives is almost right.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pylm_protocol::MAJOR;
use pylm_transport::{Context, Frame, Frames, Options, Socket, SocketKind};

use crate::address::ANY_PORT;
use crate::garbage::Random;

/// How long the proxy sleeps while nothing comes.
const PAUSE: Duration = Duration::from_millis(1);
/// How many connections to the node are kept: peers that connect anew leave theirs behind.
const CONNECTIONS: usize = 32;

/// A running proxy in front of a node's `db` socket.
pub struct Mangler {
    /// Where peers connect to instead.
    pub address: String,
    mangled: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mangler {
    /// A proxy in front of `db` that changes one of `every` native messages, either way.
    ///
    /// # Panics
    /// Where the system has no sockets left.
    #[must_use]
    #[track_caller]
    pub fn before(db: &str, seed: u64, every: u64) -> Self {
        let (mangled, over) = <(Arc<AtomicU64>, Arc<AtomicBool>)>::default();
        let context = Context::new().unwrap_or_else(|error| panic!("no sockets: {error}"));
        let (near, address) =
            listen(&context).unwrap_or_else(|error| panic!("no free port on 127.0.0.1: {error}"));
        let mut relay = Relay {
            near,
            far: Vec::new(),
            context,
            db: db.to_owned(),
            every,
            random: Random::new(seed),
            earlier: Vec::new(),
            mangled: Arc::clone(&mangled),
        };
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                relay.turn().unwrap_or_else(|error| panic!("the proxy has failed: {error}"));
            }
        });
        Self { address, mangled, over, thread: Some(thread) }
    }

    /// How many messages were changed so far.
    #[must_use]
    pub fn mangled(&self) -> u64 {
        self.mangled.load(Ordering::Relaxed)
    }
}

impl Drop for Mangler {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let failed = self.thread.take().is_some_and(|thread| thread.join().is_err());
        assert!(!failed || thread::panicking(), "the proxy has failed");
    }
}

fn listen(context: &Context) -> std::io::Result<(Socket, String)> {
    let socket = context.socket(SocketKind::Router, &Options::default())?;
    let address = socket.bind(ANY_PORT)?;
    Ok((socket, address))
}

struct Relay {
    near: Socket,
    /// For each peer, by the id that the near socket gave it, a connection to the node.
    far: Vec<(Vec<u8>, Socket)>,
    context: Context,
    db: String,
    every: u64,
    random: Random,
    /// A batch of some time ago, maybe somebody else's.
    earlier: Vec<u8>,
    mangled: Arc<AtomicU64>,
}

impl Relay {
    fn turn(&mut self) -> std::io::Result<()> {
        let mut frames = Frames::new();
        while self.near.recv(&mut frames)? {
            let id = frames.remove(0).to_vec();
            for mut message in self.mangle(frames.drain(..).map(|frame| frame.to_vec()).collect()) {
                // What finds no room is dropped: one more way to change what is said.
                let _ = self.connection(&id)?.send(&mut message);
            }
        }
        for place in 0..self.far.len() {
            while self.far[place].1.recv(&mut frames)? {
                for mut message in self.mangle(frames.drain(..).map(|frame| frame.to_vec()).collect()) {
                    message.insert(0, Frame::from_vec(self.far[place].0.clone()));
                    let _ = self.near.send(&mut message);
                }
            }
        }
        self.near.wait_readable(Some(PAUSE)).map(drop)
    }

    fn connection(&mut self, id: &[u8]) -> std::io::Result<&mut Socket> {
        let known = self.far.iter().position(|(other, _)| other == id);
        let place = match known {
            Some(place) => place,
            None => {
                let socket = self.context.socket(SocketKind::Dealer, &Options::default())?;
                socket.connect(&self.db)?;
                if self.far.len() == CONNECTIONS {
                    self.far.remove(0);
                }
                self.far.push((id.to_vec(), socket));
                self.far.len() - 1
            }
        };
        Ok(&mut self.far[place].1)
    }

    /// What becomes of a message: itself, or something like it, once, twice or not at all.
    fn mangle(&mut self, mut message: Vec<Vec<u8>>) -> Vec<Frames> {
        // Without discovery there would be no conversation.
        let is_native = message.first().is_some_and(|batch| batch.starts_with(&[b'P', MAJOR]));
        if !is_native || self.random.below(self.every) > 0 {
            if is_native && self.random.below(8) == 0 {
                self.earlier.clone_from(&message[0]);
            }
            return vec![frames(message)];
        }
        self.mangled.fetch_add(1, Ordering::Relaxed);
        let batch = &mut message[0];
        let place = self.random.place(batch.len());
        match self.random.below(10) {
            0 => return Vec::new(),
            1 => return vec![frames(message.clone()), frames(message)],
            2 => batch.truncate(place),
            // The length of a record, a count, a payload's place: as large as can be.
            3 => drop(batch.splice(place..place, [0xFF; 9].into_iter().chain([1]))),
            4 => drop(batch.splice(place.., self.earlier.iter().skip(2).copied())),
            5 => batch.extend(self.earlier.iter().skip(2).copied()),
            6 => message.truncate(1),
            7 => message.extend([vec![place as u8; place], Vec::new()]),
            _ => {
                for _ in 0..=self.random.below(3) {
                    let place = self.random.place(batch.len());
                    batch[place] = self.random.octet();
                }
            }
        }
        vec![frames(message)]
    }
}

fn frames(parts: Vec<Vec<u8>>) -> Frames {
    parts.into_iter().map(Frame::from_vec).collect()
}
