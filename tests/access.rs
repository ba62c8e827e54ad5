//! The encrypted door: who has a key and a grant comes in and does what the grant says; everybody else is told why, at once.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pylm_client::blocking::Client;
use pylm_client::{AccessFile, ClientOptions, Error};
use pylm_protocol::Record;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::Node;
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use pylm_tests::python::interpreter;
use pylm_tests::raw::{RawPeer, client_hello};
use pylm_tests::sealed::{Sealed, connect, pylm};
use pylm_transport::{Context, CurveKey, Options, Security, SocketKind};
use rustix::process::Signal;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);
/// Within which a peer that is not let in hears why, or one that is not welcome any more is gone.
const AT_ONCE: Duration = Duration::from_secs(1);
/// What makes a program of this machine start, beside that.
const START: Duration = Duration::from_secs(4);

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn worker(file: &Path, name: &str) -> Process {
    let plan = Process::plan(name, programs(Profile::Debug).program("pylm-worker"));
    plan.args(["--access", file.to_str().unwrap(), "--plugin", "testing", "--name", name]).start()
}

/// Asserts that something was refused at once, with these words.
#[track_caller]
fn assert_refused(begun: Instant, (code, said): (Option<i32>, String), part: &str) {
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(part) && said.trim().lines().count() == 1, "{part:?} is not in: {said}");
    assert!(begun.elapsed() < AT_ONCE + START, "it took {:?}: {said}", begun.elapsed());
}

#[test]
fn clients_hosts_and_followers_come_in_with_a_file_each() {
    let _limit = limit();
    let first = Sealed::start(&["--name", "first", "--pipelined"]);
    let mut host = worker(&first.file("host", "host", &[]), "host");
    host.wait_until_ready(PATIENCE);
    let follower = first.file("second", "follower", &[]);
    let from = format!("first={}", first.listen());
    let args = ["--name", "second", "--inline", "--plugin", "testing", "--from", &from];
    let second = Node::start(&[&args[..], &["--access", follower.to_str().unwrap()]].concat());
    second.process.wait_for_line("follows a node", PATIENCE);

    let file = first.file("alice", "client", &[]);
    let client = connect(&file).unwrap();
    assert_eq!(client.eval("first.echo second.echo", "over both").unwrap(), ["over both"]);
    client.cache().set("a key", "a value").unwrap();
    assert_eq!(client.cache().get("a key").unwrap().as_deref(), Some(&b"a value"[..]));
    let input = first.path("input");
    std::fs::write(&input, "one\ntwo\n").unwrap();
    let (file, input) = (file.to_str().unwrap(), input.to_str().unwrap());
    let (code, out, err) = pylm(&["job", "first.echo,second.echo", "--ordered", "--access", file, input]);
    assert_eq!((code, out.as_str()), (Some(0), "one\ntwo"), "{err}");
    let observer = first.file("watch", "observer", &[]);
    let (code, out, err) = pylm(&["status", "--access", observer.to_str().unwrap()]);
    assert!(code == Some(0) && out.contains("host host "), "{out}{err}");
    drop(client);
    host.signal(Signal::TERM);
    host.wait_for_success(PATIENCE);
    second.end(PATIENCE);
    first.node.end(PATIENCE);
}

#[test]
fn whoever_may_not_come_in_is_told_why_in_a_sentence() {
    let _limit = limit();
    let sealed = Sealed::start(&["--inline", "--plugin", "testing"]);
    let other = Sealed::start(&[]);
    let job = |file: &Path, args: &[&str]| {
        let begun = Instant::now();
        let input = sealed.path("input");
        std::fs::write(&input, "x\n").unwrap();
        let (file, input) = (file.to_str().unwrap(), input.to_str().unwrap());
        let (code, _, said) = pylm(&[&["job", "server.echo", "--access", file, input][..], args].concat());
        (begun, (code, said))
    };
    let refused = |(begun, outcome), part: &str| assert_refused(begun, outcome, part);
    // Every case is refused, and not everything: this one is let in.
    let good = sealed.file("good", "client", &[]);
    assert_eq!(job(&good, &[]).1.0, Some(0));

    let text = std::fs::read_to_string(&good).unwrap();
    let forged = |name: &str, from: &str, to: &str| {
        let path = sealed.path(name);
        std::fs::write(&path, text.replace(from, to)).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    };
    // The other node's key is not this one's, and this one's peers are not the other's.
    refused(
        job(&forged("moved.toml", &sealed.listen(), &other.listen()), &[]),
        "another key than the access file says",
    );
    let key = sealed.access(&["show"]);
    let key = key.lines().find_map(|line| line.strip_prefix("node-key  ")).unwrap().to_owned();
    let unknown = sealed.path("unknown.toml");
    let public = pylm(&[
        "access",
        "key",
        "--address",
        &sealed.listen(),
        "--node-key",
        &key,
        "-o",
        unknown.to_str().unwrap(),
    ])
    .1;
    refused(job(&unknown, &[]), &format!("--key {}", public.trim()));
    refused(job(&forged("plain.toml", &sealed.listen(), &sealed.node.db), &[]), "nothing is encrypted at");
    let open = forged("open.toml", "", "");
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o640)).unwrap();
    refused(job(&open, &[]), "chmod 600");

    // What was made elsewhere is granted by its public key alone.
    sealed.access(&["grant", "unknown", "--role", "client", "--key", public.trim()]);
    sealed.wait_until_known(&unknown);
    assert_eq!(job(&unknown, &[]).1.0, Some(0));

    refused(job(&sealed.file("host", "host", &[]), &[]), "is for the role host");
    refused(
        job(&sealed.file("late", "client", &["--expires", "2020-01-31"]), &[]),
        "has expired on 2020-01-31",
    );
    refused(
        job(&sealed.file("far", "client", &["--network", "10.9.8.0/24"]), &[]),
        "127.0.0.1 is in none of them",
    );
    let revoked = sealed.file("gone", "client", &[]);
    sealed.access(&["revoke", "gone"]);
    let begun = Instant::now();
    while connect(&revoked).is_ok() {
        assert!(begun.elapsed() < PATIENCE);
    }
    refused(job(&revoked, &[]), "was revoked on");

    let begun = Instant::now();
    let (code, _, said) = pylm(&["status", "--db", &sealed.listen()]);
    assert_refused(begun, (code, said), "needs a key");
    let begun = Instant::now();
    let mut host = worker(&good, "host");
    let code = host.wait(PATIENCE).code();
    assert_refused(
        begun,
        (code, host.stderr_lines().pop().unwrap()),
        "is for the role client, and running functions needs host",
    );
    sealed.node.end(PATIENCE);
    other.node.end(PATIENCE);
}

#[test]
fn a_grant_holds_for_functions_and_for_the_cache() {
    let _limit = limit();
    let sealed = Sealed::start(&["--inline", "--plugin", "testing"]);
    let limits = [
        "--function",
        "e*",
        "--cache-read",
        "shared/",
        "--cache-write",
        "shared/mine/",
        "--highest-priority",
        "2",
    ];
    let file = sealed.file("alice", "client", &limits);
    let client = connect(&file).unwrap();
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
    let refused = client.eval("server.panic", "x");
    assert!(
        matches!(&refused, Err(Error::Failed { code, text }) if code == "refused" && text.contains("\"panic\"")),
        "{refused:?}"
    );
    let cache = client.cache();
    assert!(matches!(cache.get("other"), Err(Error::CacheNotGranted(why)) if why.contains("\"other\"")));
    assert!(matches!(cache.set("shared/x", "y"), Err(Error::CacheNotGranted(_))));
    assert_eq!(cache.set("shared/mine/x", "y").unwrap(), "shared/mine/x");
    assert_eq!(cache.get("shared/mine/x").unwrap().as_deref(), Some(&b"y"[..]));
    for of_operators in ["status", "failed"] {
        assert!(matches!(cache.get(of_operators), Err(Error::CacheNotGranted(_))), "{of_operators}");
    }
    // The programs say so, too, and do not begin what cannot be done.
    let (path, input) = (file.to_str().unwrap(), sealed.path("input"));
    std::fs::write(&input, "x\n".repeat(100_000)).unwrap();
    for (args, part) in [
        (&["job", "server.panic", "--access", path, input.to_str().unwrap()][..], "\"panic\""),
        (&["cache", "get", "other", "--access", path], "\"other\""),
        (&["cache", "set", "shared/x", "y", "--access", path], "\"shared/x\""),
    ] {
        let begun = Instant::now();
        let (code, _, said) = pylm(args);
        assert_refused(begun, (code, said), part);
    }
    // What the grant says counts for whoever comes after it has changed.
    sealed.access(&["grant", "alice", "--function", "panic"]);
    let begun = Instant::now();
    while !client.eval("server.panic", "x").is_err_and(|error| error.to_string().contains("panicked")) {
        assert!(begun.elapsed() < AT_ONCE + START, "the grant is not read anew");
    }
    drop(client);
    let listed = sealed.access(&["list"]);
    assert!(listed.starts_with("alice  client    good"), "{listed}");
    sealed.node.end(PATIENCE);
}

#[test]
fn what_is_revoked_ends_at_once_and_its_messages_go_elsewhere() {
    let _limit = limit();
    let sealed = Sealed::start(&[]);
    let mut bad = worker(&sealed.file("bad", "host", &[]), "bad");
    bad.wait_until_ready(PATIENCE);
    let client = connect(&sealed.file("alice", "client", &[])).unwrap();
    let (sender, results) = client.job("server.sleep_for", pylm_client::JobOptions::new());
    for _ in 0..4 {
        sender.send("1000").unwrap();
    }
    sender.finish();
    thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    sealed.access(&["revoke", "bad"]);
    sealed.node.process.wait_for_line("a session is ended: its grant is not good any more", PATIENCE);
    assert!(begun.elapsed() < AT_ONCE + START, "{:?}", begun.elapsed());
    assert_eq!(bad.wait(PATIENCE).code(), Some(2));
    assert!(bad.stderr_lines().pop().unwrap().contains("was revoked on"));
    let mut good = worker(&sealed.file("good", "host", &[]), "good");
    good.wait_until_ready(PATIENCE);
    assert_eq!(
        results
            .filter(|output| matches!(output.as_ref().unwrap().event, pylm_client::Event::Done { .. }))
            .count(),
        4
    );
    drop(client);
    good.signal(Signal::TERM);
    good.wait_for_success(PATIENCE);
    sealed.node.end(PATIENCE);
}

/// Keeps what passes between a peer and the node.
fn tap(target: &str) -> (String, Arc<Mutex<Vec<u8>>>) {
    let (listener, heard) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(Mutex::new(Vec::new())));
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let (target, kept) = (target.trim_start_matches("tcp://").to_owned(), Arc::clone(&heard));
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(&target).unwrap();
            for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    let mut bytes = [0; 65_536];
                    while let Ok(len @ 1..) = from.read(&mut bytes) {
                        kept.lock().unwrap().extend_from_slice(&bytes[..len]);
                        if to.write_all(&bytes[..len]).is_err() {
                            break;
                        }
                    }
                });
            }
        }
    });
    (address, heard)
}

#[test]
fn nothing_of_what_is_said_is_found_on_the_wire() {
    let _limit = limit();
    const MARK: &str = "a-mark-that-is-nowhere-else";
    let sealed = Sealed::start(&["--inline", "--plugin", "testing"]);
    let talk = |client: Client| {
        let (sender, results) = client.job("server.echo", pylm_client::JobOptions::new());
        for number in 0..1_000 {
            sender.send(format!("{MARK} {number}")).unwrap();
        }
        sender.finish();
        assert_eq!(
            results
                .filter(|output| matches!(output.as_ref().unwrap().event, pylm_client::Event::Done { .. }))
                .count(),
            1_000
        );
        client.cache().set(&format!("{MARK}/key"), MARK).unwrap();
        client.close();
    };
    let is_found = |heard: &Mutex<Vec<u8>>| {
        let heard = heard.lock().unwrap();
        assert!(heard.len() > 30_000, "the tap has heard {} bytes", heard.len());
        heard.windows(MARK.len()).any(|window| window == MARK.as_bytes())
    };
    let (address, heard) = tap(&sealed.node.db);
    talk(Client::connect(ClientOptions::new(address).name(MARK).patience(PATIENCE)).unwrap());
    assert!(is_found(&heard), "the tap hears what is not encrypted");

    let (address, heard) = tap(&sealed.listen());
    let mut access = AccessFile::load(&sealed.file("alice", "client", &[])).unwrap();
    access.addresses = vec![address];
    talk(Client::connect(ClientOptions::with_access(access).name(MARK).patience(PATIENCE)).unwrap());
    assert!(!is_found(&heard));
    sealed.node.end(PATIENCE);
}

#[test]
fn a_peer_takes_over_nobody_elses_session() {
    let _limit = limit();
    let sealed = Sealed::start(&["--inline", "--plugin", "testing"]);
    let context = Context::new().unwrap();
    let security = |name: &str| {
        let access = AccessFile::load(&sealed.file(name, "client", &[])).unwrap();
        Security::client(*access.node_key.as_bytes(), *access.secret_key.as_bytes()).unwrap()
    };
    let (alice, mallory) = (security("alice"), security("mallory"));
    let peer = Uuid::new_v4();
    let present = RawPeer::connect_as(&context, &sealed.listen(), alice.clone(), None);
    present.say(&[client_hello(peer, 0)]);
    assert_eq!(present.hear_one_of(&["Welcome", "Reset"]), "Welcome");
    // The id of another peer, over a connection with another key, is another peer.
    let thief = RawPeer::connect_as(&context, &sealed.listen(), mallory.clone(), None);
    thief.say(&[client_hello(peer, 9)]);
    assert_eq!(thief.hear_one_of(&["Welcome", "Reset"]), "Welcome");
    present.say(&[Record::Get { call: 1, key: "name" }]);
    assert_eq!(present.hear_one_of(&["Answer", "Reset"]), "Answer");
    // With the same key, it is the same one.
    let again = RawPeer::connect_as(&context, &sealed.listen(), alice, None);
    again.say(&[client_hello(peer, 1)]);
    assert_eq!(again.hear_one_of(&["Welcome", "Reset"]), "Welcome");
    assert_eq!(present.hear_one_of(&["Answer", "Reset"]), "Reset");
    // A routing id of one's own is not taken.
    let named = RawPeer::connect_as(&context, &sealed.listen(), mallory, Some(b"chosen".to_vec()));
    named.say(&[client_hello(Uuid::new_v4(), 0)]);
    assert_eq!(named.hear_one_of(&["Welcome", "Reset"]), "Reset");
    sealed.node.end(PATIENCE);
}

#[test]
fn whatever_is_said_to_the_encrypted_door_in_another_way_is_nothing() {
    let _limit = limit();
    let sealed = Sealed::start(&["--inline", "--plugin", "testing", "--http", "127.0.0.1:0"]);
    let door = sealed.listen();
    let address = door.trim_start_matches("tcp://");
    let greeting = |minor: u8, mechanism: &[u8]| {
        let mut bytes = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03".to_vec();
        bytes.push(minor);
        bytes.extend_from_slice(mechanism);
        bytes.resize(64, 0);
        bytes
    };
    let curve = greeting(1, b"CURVE");
    let words: [Vec<u8>; 9] = [
        greeting(0, b"NULL"),
        greeting(1, b"PLAIN"),
        [&curve[..], b"\x04\xc8\x05HELLO\x01\0", &[0; 192]].concat(),
        [&curve[..], b"\x04\xff"].concat(),
        curve[..40].to_vec(),
        b"\x01\0".to_vec(),
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x01".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0; 300],
    ];
    let begun = Instant::now();
    for number in 0..1_000 {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(&words[number % words.len()]);
    }
    println!("1,000 handshakes that are none in {:.1?}", begun.elapsed());
    // A socket of ZeroMQ's without a key, and with a key of zeros.
    let context = Context::new().unwrap();
    for security in [
        Security::None,
        Security::CurveClient {
            server_key: CurveKey::from_bytes([0; 32]),
            keys: pylm_transport::CurveKeyPair::generate().unwrap(),
        },
    ] {
        let socket = context.socket(SocketKind::Dealer, &Options { security, ..Options::default() }).unwrap();
        let monitor = socket.monitor_ends().unwrap();
        socket.connect(&door).unwrap();
        assert!(monitor.wait_event(Some(PATIENCE)).unwrap().is_some());
    }
    let client = connect(&sealed.file("alice", "client", &[])).unwrap();
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
    drop(client);
    sealed.node.end(PATIENCE);
}

#[test]
fn pyzmq_with_a_granted_key_gets_an_answer_of_the_cache() {
    let _limit = limit();
    let sealed = Sealed::start(&[]);
    let own = sealed.node.client();
    own.cache().set("shared/greeting", "hello from the cache").unwrap();
    own.cache().set("other", "nothing for Python").unwrap();
    let script = sealed.path("ask.py");
    std::fs::write(
        &script,
        "import sys, zmq\nfrom pylm.parts.messages_pb2 import PalmMessage\n\
         address, node_key, keys = sys.argv[1], sys.argv[2].encode(), zmq.curve_keypair()\n\
         print(keys[0].decode(), flush=True)\nsys.stdin.readline()\n\
         socket = zmq.Context().socket(zmq.REQ)\n\
         socket.curve_serverkey, (socket.curve_publickey, socket.curve_secretkey) = node_key, keys\n\
         socket.RCVTIMEO = 30000\nsocket.connect(address)\n\
         for key in sys.argv[3:]:\n\
         \x20   message = PalmMessage(function='_.get', client='python', payload=key.encode(), pipeline='', stage=0)\n\
         \x20   socket.send(message.SerializeToString())\n    print(socket.recv().decode(), flush=True)\n",
    )
    .unwrap();
    let shown = sealed.access(&["show"]);
    let key: pylm_access::PublicKey =
        shown.lines().find_map(|line| line.strip_prefix("node-key  ")).unwrap().parse().unwrap();
    let z85 = CurveKey::from_bytes(*key.as_bytes()).to_z85();
    let python = Process::plan("python", interpreter()).arg(&script);
    let mut python = python.args([&*sealed.listen(), &*z85, "shared/greeting", "other"]).start();
    let public = python.find_line(PATIENCE, |line| line.len() == 40).unwrap();
    sealed.access(&["grant", "python", "--role", "client", "--key", &public, "--cache-read", "shared/"]);
    thread::sleep(Duration::from_secs(1));
    python.write_stdin(b"\n");
    python.wait_for_success(PATIENCE);
    assert_eq!(python.stdout_lines()[1..], ["hello from the cache".to_owned(), String::new()]);
    drop(own);
    sealed.node.end(PATIENCE);
}
