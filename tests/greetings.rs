//! Peers that are gone before they are known, and connections that were given up: a node that stood still reads what a peer said on
//! one of those after what it says on the one that it has, and the old Hello is not taken for a new one.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::time::Duration;

use pylm_protocol::palm::PalmMessage;
use pylm_protocol::{DISCOVERY_KEY, Record};
use pylm_tests::deadline::deadline;
use pylm_tests::node::Node;
use pylm_tests::raw::RawPeer;
use pylm_tests::waiting::wait_until;
use pylm_transport::{Context, Frame, Options, SocketKind};
use serde_json::Value;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn an_old_hello_ends_no_new_session_and_a_new_one_ends_the_old() {
    // It also builds the programs.
    let _limit = deadline(Duration::from_secs(900));
    let node = Node::start(&[]);
    let (context, peer) = (Context::new().unwrap(), Uuid::new_v4());
    let present = RawPeer::client(&context, &node.db, peer, 2);
    assert_eq!(present.hear_one_of(&["Welcome", "Reset"]), "Welcome");
    let old = RawPeer::client(&context, &node.db, peer, 1);
    // It was read by the time that the node finds nothing of it in what follows.
    old.say(&[Record::Heartbeat { patience: 0 }]);
    assert_eq!(old.hear_one_of(&["Welcome", "Reset"]), "Reset");
    present.say(&[Record::Get { call: 7, key: "name" }]);
    assert_eq!(present.hear_one_of(&["Answer", "Reset"]), "Answer");
    let next = RawPeer::client(&context, &node.db, peer, 3);
    assert_eq!(next.hear_one_of(&["Welcome", "Reset"]), "Welcome");
    assert_eq!(present.hear_one_of(&["Answer", "Reset"]), "Reset");
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
    let peer = RawPeer::client(&context, &node.db, Uuid::new_v4(), 0);
    assert_eq!(peer.hear_one_of(&["Welcome", "Reset"]), "Welcome");
    let (code, status) = node.pylm(&["status", "--json"]);
    assert_eq!(code, Some(0), "{status}");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["garbage"], 0, "{status}");
    wait_until("the other connections are gone", || descriptors() <= before + 1);
    node.end(PATIENCE);
}
