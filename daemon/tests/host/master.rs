//! A Master of pylm's, in a few lines: its cache service, and the two sockets of its workers.

use super::node::LIMIT;
use pylm_protocol::palm::PalmMessage;
use pylm_transport::{Context, Frame, Frames, Options, Socket, SocketKind};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const ANY_PORT: &str = "tcp://127.0.0.1:*";

pub struct Master {
    db: Socket,
    push: Socket,
    pull: Socket,
    _context: Context,
    pub address: String,
    pub cache: HashMap<String, Vec<u8>>,
    /// What the cache was asked, as `function key`.
    pub asked: Vec<String>,
}

impl Master {
    pub fn bind() -> Self {
        Self::bind_at(ANY_PORT)
    }

    /// A Master whose cache service is at this address, as soon as nobody else has it.
    pub fn bind_at(db: &str) -> Self {
        let context = Context::new().unwrap();
        let bind = |kind, address: &str| {
            let socket = context.socket(kind, &Options { linger: LIMIT, ..Options::default() }).unwrap();
            let end = Instant::now() + LIMIT;
            let address = loop {
                match socket.bind(address) {
                    Ok(address) => break address,
                    Err(error) => assert!(Instant::now() < end, "{address}: {error}"),
                }
            };
            (socket, address)
        };
        let (db, address) = bind(SocketKind::Rep, db);
        let (push, push_address) = bind(SocketKind::Push, ANY_PORT);
        let (pull, pull_address) = bind(SocketKind::Pull, ANY_PORT);
        let cache = [
            ("name", "server"),
            ("worker_push_address", &push_address),
            ("worker_pull_address", &pull_address),
        ];
        let cache = cache.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).into();
        Master { db, push, pull, _context: context, address, cache, asked: Vec::new() }
    }

    /// Sends a message to a worker, answering the cache until one is there.
    pub fn send(&mut self, message: &[u8]) {
        let mut frames: Frames = vec![Frame::copy_from(message)];
        let end = Instant::now() + LIMIT;
        while self.push.send(&mut frames).is_err() {
            assert!(Instant::now() < end, "no worker connects");
            self.serve();
        }
    }

    /// The next answer of a worker, serving the cache until it comes.
    pub fn answer(&mut self) -> Vec<u8> {
        let mut frames = Frames::new();
        let end = Instant::now() + LIMIT;
        while !self.pull.recv(&mut frames).unwrap() {
            assert!(Instant::now() < end, "no worker answers");
            self.serve();
        }
        assert_eq!(frames.len(), 1);
        frames[0].to_vec()
    }

    /// Answers a request to the cache, if one comes soon, as pylm does.
    pub fn serve(&mut self) {
        let mut frames = Frames::new();
        self.db.wait_readable(Some(Duration::from_millis(1))).unwrap();
        if !self.db.recv(&mut frames).unwrap() {
            return;
        }
        // pylm's service answers requests only; what a native peer says to it is none.
        let Ok(request) = PalmMessage::decode(&frames[0]) else { return };
        let call = request.function.split_once('.').unwrap().1;
        let payload = || String::from_utf8(request.payload.to_vec()).unwrap();
        let key = if call == "set" { request.cache.to_owned() } else { payload() };
        self.asked.push(format!("{call} {key}"));
        let reply = match call {
            "set" => {
                self.cache.insert(key.clone(), request.payload.to_vec());
                key.into_bytes()
            }
            "get" => self.cache.get(&key).cloned().unwrap_or_default(),
            "delete" => {
                assert!(
                    self.cache.remove(&key).is_some(),
                    "deleting a missing key is the end of pylm's cache"
                );
                key.into_bytes()
            }
            other => panic!("pylm knows no {other}"),
        };
        self.db.send_one(Frame::from_vec(reply)).unwrap();
    }
}
