//! Peers that are gone before they are known, and connections that were given up: a node that stood still reads what a peer said on
//! one of those after what it says on the one that it has, and the old Hello is not taken for a new one.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::time::Duration;

use pylm_client::Bytes;
use pylm_protocol::palm::PalmMessage;
use pylm_protocol::{BatchReader, BatchWriter, DISCOVERY_KEY, MINOR, Record, Role};
use pylm_tests::deadline::deadline;
use pylm_tests::node::Node;
use pylm_tests::waiting::wait_until;
use pylm_transport::{Context, Frame, Frames, Options, Socket, SocketKind};
use serde_json::Value;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);

/// One of a peer's connections.
struct Connection(Socket);

impl Connection {
    /// Connects, and says Hello as the one that came after so many others.
    fn open(context: &Context, db: &str, peer: Uuid, connection: u64) -> Self {
        let socket = context.socket(SocketKind::Dealer, &Options::default()).unwrap();
        socket.connect(db).unwrap();
        let opened = Connection(socket);
        opened.say(&Record::Hello {
            minor: MINOR,
            role: Role::Client,
            peer,
            name: "twice",
            software: "test",
            max_message: 0,
            functions: Vec::new(),
            limit: 0,
            limit_bytes: 0,
            connection,
        });
        opened
    }

    fn say(&self, record: &Record<'_>) {
        let mut batch = BatchWriter::new();
        batch.push(record);
        let mut frames: Frames = vec![Frame::from_vec(batch.take().0)];
        assert!(self.0.wait_writable(Some(PATIENCE)).unwrap());
        self.0.send(&mut frames).unwrap();
    }

    /// Waits for a record of one of these kinds, and gives which it is.
    fn hear(&self, wanted: &[&str]) -> String {
        let mut frames = Frames::new();
        loop {
            assert!(self.0.wait_readable(Some(PATIENCE)).unwrap(), "none of {wanted:?} came");
            while self.0.recv(&mut frames).unwrap() {
                let batch: Bytes = frames.drain(..).next().unwrap().into_bytes();
                let mut reader = BatchReader::new(&batch, &[]).unwrap();
                while let Some(record) = reader.next_record().unwrap() {
                    if wanted.contains(&record.name()) {
                        return record.name().to_owned();
                    }
                }
            }
        }
    }
}

#[test]
fn an_old_hello_ends_no_new_session_and_a_new_one_ends_the_old() {
    // It also builds the programs.
    let _limit = deadline(Duration::from_secs(900));
    let node = Node::start(&[]);
    let (context, peer) = (Context::new().unwrap(), Uuid::new_v4());
    let present = Connection::open(&context, &node.db, peer, 2);
    assert_eq!(present.hear(&["Welcome", "Reset"]), "Welcome");
    let old = Connection::open(&context, &node.db, peer, 1);
    // It was read by the time that the node finds nothing of it in what follows.
    old.say(&Record::Heartbeat { patience: 0 });
    assert_eq!(old.hear(&["Welcome", "Reset"]), "Reset");
    present.say(&Record::Get { call: 7, key: "name" });
    assert_eq!(present.hear(&["Answer", "Reset"]), "Answer");
    let next = Connection::open(&context, &node.db, peer, 3);
    assert_eq!(next.hear(&["Welcome", "Reset"]), "Welcome");
    assert_eq!(present.hear(&["Answer", "Reset"]), "Reset");
}

#[test]
fn who_asks_and_goes_before_its_hello_leaves_nothing_behind() {
    let _limit = deadline(Duration::from_secs(900));
    let node = Node::start(&[]);
    let context = Context::new().unwrap();
    let question = PalmMessage {
        client: "gone",
        function: "_.get",
        payload: DISCOVERY_KEY.as_bytes(),
        ..PalmMessage::default()
    };
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", node.process.id())).unwrap().count();
    let before = descriptors();
    for _ in 0..100 {
        let options = Options { linger: PATIENCE, ..Options::default() };
        let socket = context.socket(SocketKind::Dealer, &options).unwrap();
        socket.connect(&node.db).unwrap();
        assert!(socket.wait_writable(Some(PATIENCE)).unwrap());
        socket.send(&mut vec![Frame::empty(), Frame::from_vec(question.encode())]).unwrap();
    }
    let peer = Connection::open(&context, &node.db, Uuid::new_v4(), 0);
    assert_eq!(peer.hear(&["Welcome", "Reset"]), "Welcome");
    let (code, status) = node.pylm(&["status", "--json"]);
    assert_eq!(code, Some(0), "{status}");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["garbage"], 0, "{status}");
    wait_until("the other connections are gone", || descriptors() <= before + 1);
    node.end(PATIENCE);
}
