//! Names, keys and texts that peers bring have bounds: who sends longer ones hears of it, and nobody else does.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::time::Duration;

use pylm_client::blocking::Client;
use pylm_client::{ClientOptions, Error, JobOptions};
use pylm_protocol::strings::{CALL, KEY, NAME, TEXT};
use pylm_protocol::{BatchReader, BatchWriter, FunctionOffer, MINOR, Record, Role};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use pylm_transport::{Context, Frame, Frames, Options, SocketKind};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

#[test]
fn the_text_of_an_error_is_cut_however_long_it_is() {
    let _limit = limit();
    let node = Node::start(&["--max-message", "1000000"]);
    let host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let client = node.client();
    // Each byte is none of UTF-8, and becomes three: that is more than the node takes in one frame.
    for (function, code) in [("s.fail", "failed"), ("s.panic", "panicked")] {
        match client.eval(function, vec![0xff; 1_000_000]) {
            Err(Error::Failed { code: failed, text }) => {
                assert_eq!(failed, code);
                assert!(text.len() <= TEXT.most && text.len() > TEXT.most / 2, "{} bytes", text.len());
                assert!(text.ends_with("(cut)"));
            }
            other => panic!("{function}: {other:?}"),
        }
    }
    assert_eq!(client.eval("s.echo", "well").unwrap(), ["well"]);
    let lost = host.process.stderr_lines().into_iter().find(|line| line.contains("the connection is lost"));
    assert_eq!(lost, None);
}

/// What the node answers to the first record of a peer, and the text of it.
fn answered(db: &str, records: &[Record<'_>]) -> String {
    let context = Context::new().unwrap();
    let socket = context.socket(SocketKind::Dealer, &Options::default()).unwrap();
    socket.connect(db).unwrap();
    let mut batch = BatchWriter::new();
    records.iter().for_each(|record| batch.push(record));
    let mut frames: Frames = vec![Frame::from_vec(batch.take().0)];
    assert!(socket.wait_writable(Some(PATIENCE)).unwrap());
    socket.send(&mut frames).unwrap();
    let mut text = String::new();
    while !text.contains("Reset") {
        assert!(socket.wait_readable(Some(PATIENCE)).unwrap(), "no answer but {text}");
        while socket.recv(&mut frames).unwrap() {
            let batch = frames.drain(..).next().unwrap().into_bytes();
            let mut reader = BatchReader::new(&batch, &[]).unwrap();
            while let Some(record) = reader.next_record().unwrap() {
                text.push_str(&format!("{record:?}"));
            }
        }
    }
    text
}

fn hello<'a>(name: &'a str, function: &'a str) -> Record<'a> {
    Record::Hello {
        minor: MINOR,
        role: if function.is_empty() { Role::Client } else { Role::Host },
        peer: Uuid::new_v4(),
        name,
        software: "test",
        max_message: 0,
        functions: if function.is_empty() { Vec::new() } else { vec![FunctionOffer::function(function)] },
        limit: 1,
        limit_bytes: 1,
        connection: 0,
    }
}

#[test]
fn a_peer_whose_strings_are_too_long_is_told_so_and_nobody_else_notices() {
    let _limit = limit();
    let node = Node::start(&[]);
    let long = "x".repeat(50_000_000);
    let key = "k".repeat(KEY.most + 1);
    let open = |pipeline, function| Record::Open {
        job: 1,
        identity: Uuid::new_v4(),
        flags: 0,
        pipeline,
        function,
        window: 1,
        window_bytes: 1,
        epoch: Uuid::nil(),
        received: 0,
        timeout: 0,
        priority: 5,
        retries: 0,
        deadline: 0,
    };
    let payload = pylm_protocol::Payload::default();
    let violations = [
        vec![hello(&long, "")],
        vec![hello("host", &long)],
        vec![hello("client", ""), open(&long, "s.f")],
        vec![hello("client", ""), open("p", &long)],
        vec![hello("client", ""), Record::Get { call: 1, key: &key }],
        vec![
            hello("client", ""),
            open("p", "s.f"),
            Record::Submit { job: 1, number: 0, cache: &key, payload },
        ],
    ];
    for records in &violations {
        let text = answered(&node.db, records);
        assert!(text.contains("violation") && text.contains("at most"), "{text}");
    }
    let logged: usize = node.process.stderr_lines().iter().map(String::len).sum();
    assert!(logged < 100_000, "{logged} bytes of log");
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    assert_eq!(node.client().eval("s.echo", "well").unwrap(), ["well"]);
}

fn is_too_long<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    assert!(matches!(&outcome, Err(Error::TooLong(_))), "{outcome:?}");
}

#[test]
fn what_is_too_long_is_refused_where_it_is_given() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let client = node.client();
    let (name, key) = ("n".repeat(NAME.most + 1), "k".repeat(KEY.most + 1));
    is_too_long(Client::connect(ClientOptions::new(&*node.db).name(&*name)));
    is_too_long(client.eval(&format!("s.{}", "f".repeat(CALL.most)), "x"));
    is_too_long(client.cache().get(&key));
    is_too_long(client.cache().set(&key, "x"));
    is_too_long(client.cache().delete(&key));
    let (sender, _results) = client.job("s.echo", JobOptions::new());
    is_too_long(sender.send_with("x", &key));
    assert!(sender.send_with("x", &key[1..]).is_ok());
    // A function that asks the cache.
    let (sender, mut results) = client.job("s.get", JobOptions::new());
    sender.send(key.clone()).unwrap();
    sender.finish();
    let output = results.next().unwrap().unwrap();
    assert!(format!("{:?}", output.event).contains("at most 4096"), "{:?}", output.event);

    let worker = programs(Profile::Debug).program("pylm-worker");
    let plugin = programs(Profile::Debug).plugin("testing");
    let args = ["--db", &node.db, "--name", &name, "--plugin", &plugin.display().to_string()];
    let mut host = Process::plan("pylm-worker", worker).args(args).start();
    assert_eq!(host.wait(PATIENCE).code(), Some(2));
    assert!(host.stderr_lines().concat().contains("1025 bytes"));
}
