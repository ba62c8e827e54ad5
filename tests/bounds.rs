//! Bounds that a bad peer tries to pass: what it makes the node keep or do stays bounded, and nobody else waits.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pylm_client::{ClientOptions, JobOptions, blocking::Client};
use pylm_protocol::palm::PalmMessage;
use pylm_protocol::{FunctionOffer, Payload, Record};
use pylm_tests::address::ANY_PORT;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::http::request;
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use pylm_tests::raw::RawPeer;
use pylm_tests::ready::Ready;
use pylm_tests::waiting::wait_until;
use pylm_tests::zmtp::{greet, is_cut};
use pylm_transport::{Context, Frame, Options, SocketKind};
use serde_json::Value;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);
/// By how much the memory of a node may grow through what one peer does.
const GROWTH: u64 = 150 << 20;
/// Calls that a session may have unanswered.
const CALLS: u64 = 1_024;

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn open(job: u32, identity: Uuid) -> Record<'static> {
    open_with(job, identity, "server.echo", 1 << 20)
}

/// A job of this function, of which so many results, and bytes of them, may come unasked.
fn open_with(job: u32, identity: Uuid, function: &str, window: u64) -> Record<'_> {
    Record::Open {
        job,
        identity,
        flags: 0,
        pipeline: "",
        function,
        window,
        window_bytes: window,
        epoch: Uuid::nil(),
        received: 0,
        timeout: 0,
        priority: 0,
        retries: 0,
        deadline: 0,
    }
}

/// A raw client of a node.
fn raw(context: &Context, node: &Node) -> RawPeer {
    RawPeer::client(context, &node.db, Uuid::new_v4(), 0)
}

/// So many connections that say nothing. Those that are refused at once are not among them.
fn silent(address: &str, count: usize) -> Vec<TcpStream> {
    pylm_transport::raise_file_limit().unwrap();
    let address = address.trim_start_matches("tcp://").trim_start_matches("http://");
    (0..count).filter_map(|_| TcpStream::connect(address).ok()).collect()
}

#[test]
fn answers_that_nobody_reads_end_the_session_and_take_little_memory() {
    let _limit = limit();
    let node = Node::start(&[]);
    let client = node.client();
    client.cache().set("key", vec![b'x'; 3_500]).unwrap();
    let before = node.process.rss_bytes();
    let context = Context::new().unwrap();
    let greedy = raw(&context, &node);
    for first in (0..200_000).step_by(1_000) {
        let gets: Vec<_> = (first..first + 1_000).map(|call| Record::Get { call, key: "key" }).collect();
        greedy.say(&gets);
    }
    let begun = Instant::now();
    assert_eq!(client.cache().get("key").unwrap().unwrap().len(), 3_500);
    assert!(begun.elapsed() < Duration::from_secs(5), "others wait for {:?}", begun.elapsed());
    let text = greedy.hear(|record| match record {
        Record::Reset { text, .. } => Some((*text).to_owned()),
        _ => None,
    });
    assert!(text.contains("unanswered"), "{text}");
    let held = node.process.rss_bytes();
    assert!(held < before + GROWTH, "the node grew from {before} to {held} bytes");
}

#[test]
fn as_many_calls_as_are_allowed_are_all_answered_when_they_are_read() {
    let _limit = limit();
    let node = Node::start(&[]);
    let context = Context::new().unwrap();
    let patient = raw(&context, &node);
    // More bytes than may wait unread, of values that are gone from the cache meanwhile.
    let value = vec![b'x'; 1 << 20];
    let before = node.process.rss_bytes();
    let mut call = 0;
    for _ in 0..CALLS / 4 {
        let payload = Payload(value.clone().into());
        patient.say(&[Record::Set { call, key: "key", payload }, Record::Get { call: call + 1, key: "key" }]);
        call += 2;
    }
    let grown = node.process.rss_bytes().saturating_sub(before);
    assert!(grown < 3 * GROWTH, "the node has grown by {grown} bytes");
    let mut answered = vec![false; call as usize];
    patient.hear(|record| {
        if let Record::Answer { call, .. } = record {
            assert!(!std::mem::replace(&mut answered[*call as usize], true), "{call} is answered twice");
        }
        assert_ne!(record.name(), "Reset");
        answered.iter().all(|answered| *answered).then_some(())
    });
}

#[test]
fn one_snapshot_serves_all_who_ask_within_a_moment() {
    let _limit = limit();
    let node = Node::start(&["--inline", "--plugin", "testing"]);
    let context = Context::new().unwrap();
    let (owner, curious) = (raw(&context, &node), raw(&context, &node));
    for first in (0..4_000).step_by(100) {
        let opens: Vec<_> = (first..first + 100).map(|job| open(job, Uuid::new_v4())).collect();
        owner.say(&opens);
    }
    wait_until("the jobs are open", || node.pylm(&["status", "--json"]).1.contains("\"jobs\":3000"));
    let client = node.client();
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
    for round in 0..5 {
        let gets: Vec<_> =
            (0..100).map(|call| Record::Get { call: 100 * round + call, key: "status" }).collect();
        curious.say(&gets);
        let begun = Instant::now();
        assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
        assert!(begun.elapsed() < Duration::from_secs(5), "others wait for {:?}", begun.elapsed());
        let last = 100 * round + 99;
        curious.hear(|record| matches!(record, Record::Answer { call, .. } if *call == last).then_some(()));
    }
}

#[test]
fn replies_that_a_pylm_peer_does_not_read_take_little_memory() {
    let _limit = limit();
    let node = Node::start(&[]);
    let client = node.client();
    client.cache().set("key", vec![b'x'; 100_000]).unwrap();
    let before = node.process.rss_bytes();
    let context = Context::new().unwrap();
    let greedy = RawPeer::connect(&context, &node.db);
    let get = PalmMessage { client: "greedy", function: "_.get", payload: b"key", ..PalmMessage::default() };
    let set = vec![b'y'; 100_000];
    let set = PalmMessage {
        client: "greedy",
        function: "_.set",
        cache: "key",
        payload: &set,
        ..PalmMessage::default()
    };
    // Each reply is a value that is not in the cache any more.
    for _ in 0..5_000 {
        for request in [&set, &get] {
            greedy.send(vec![Frame::empty(), Frame::from_vec(request.encode())]);
        }
    }
    wait_until("the node has read it all", || node.pylm(&["status", "--json"]).1.contains("\"garbage\""));
    assert_eq!(client.cache().get("key").unwrap().unwrap().len(), 100_000);
    let held = node.process.rss_bytes();
    assert!(held < before + GROWTH, "the node grew from {before} to {held} bytes");
    let another = RawPeer::connect(&context, &node.db);
    another.send(vec![Frame::empty(), Frame::from_vec(get.encode())]);
    wait_until("another one is served", || node.pylm(&["cache", "get", "key"]).0 == Some(0));
}

#[test]
fn a_job_is_opened_once_in_a_session_and_each_under_a_number_of_its_own() {
    let _limit = limit();
    let node = Node::start(&[]);
    let context = Context::new().unwrap();
    let (identity, other) = (Uuid::new_v4(), Uuid::new_v4());
    for (first, second) in [(open(1, identity), open(2, identity)), (open(1, other), open(1, Uuid::new_v4()))]
    {
        let peer = raw(&context, &node);
        peer.say(&[first]);
        assert_eq!(peer.hear_one_of(&["Opened", "Reset"]), "Opened");
        peer.say(&[second]);
        assert_eq!(peer.hear_one_of(&["Opened", "Reset"]), "Reset");
    }
}

#[test]
fn a_client_that_heeds_no_window_is_reset() {
    let _limit = limit();
    // All of it stays under way.
    let node = Node::start(&["--function-wait", "600"]);
    let context = Context::new().unwrap();
    // Twice the window is what a client may be mistaken by, in messages or in bytes.
    for (size, allowed) in [(1, 8_192), (1 << 20, 128)] {
        let before = node.process.rss_bytes();
        let peer = raw(&context, &node);
        peer.say(&[open(1, Uuid::new_v4())]);
        let payload = vec![b'x'; size];
        for number in 0..2 * allowed {
            peer.say(&[Record::Submit {
                job: 1,
                number,
                cache: "",
                payload: Payload(payload.clone().into()),
            }]);
        }
        let text = peer.hear(|record| match record {
            Record::Reset { text, .. } => Some((*text).to_owned()),
            _ => None,
        });
        assert!(text.contains("of one job are under way"), "{text}");
        let held = node.process.rss_bytes();
        assert!(held < before + 2 * GROWTH, "the node grew from {before} to {held} bytes");
    }
}

#[test]
fn a_host_offers_no_more_functions_than_it_may() {
    let _limit = limit();
    let node = Node::start(&[]);
    let context = Context::new().unwrap();
    let peer = RawPeer::connect(&context, &node.db);
    let names: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
    peer.say(&[Record::Hello {
        minor: pylm_protocol::MINOR,
        role: pylm_protocol::Role::Host,
        peer: Uuid::new_v4(),
        name: "everything",
        software: "test",
        max_message: 0,
        functions: names.iter().map(|name| FunctionOffer::function(name)).collect(),
        limit: 1,
        limit_bytes: 1,
        connection: 0,
    }]);
    assert_eq!(peer.hear_one_of(&["Welcome", "Reset"]), "Reset");
}

#[test]
fn a_session_opens_no_more_jobs_than_it_may() {
    let _limit = limit();
    let node = Node::start(&[]);
    let context = Context::new().unwrap();
    let peer = raw(&context, &node);
    for first in (0..5_000).step_by(1_000) {
        let opens: Vec<_> = (first..first + 1_000).map(|job| open(job, Uuid::new_v4())).collect();
        peer.say(&opens);
    }
    assert_eq!(peer.hear_one_of(&["Reset"]), "Reset");
}

#[test]
fn a_client_that_allows_any_number_of_results_and_reads_none_takes_bounded_memory() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &["--slots", "2"]);
    let client = node.client();
    let before = node.process.rss_bytes();
    let context = Context::new().unwrap();
    let greedy = raw(&context, &node);
    greedy.say(&[open_with(1, Uuid::new_v4(), "server.zeros", u64::MAX)]);
    let payload = || Payload("1000000".into());
    let submits: Vec<_> =
        (0..2_000).map(|number| Record::Submit { job: 1, number, cache: "", payload: payload() }).collect();
    greedy.say(&submits);
    // It is over when nothing more of the job is given to the host.
    let held = || node.pylm(&["status", "--json"]).1.contains("\"held\":true");
    wait_until("the job is held back", held);
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
    let grown = node.process.rss_bytes().saturating_sub(before);
    assert!(grown < 600 << 20, "the node has grown by {grown} bytes");
    let text = node.pylm(&["status", "--json"]).1;
    assert!(text.contains("\"failed\":0"), "{text}");
}

#[test]
fn messages_whose_time_is_over_take_no_memory_behind_a_host_that_is_stuck() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &["--slots", "1"]);
    let client = node.client();
    let (stuck, _results) = client.job("server.sleep_for", JobOptions::new());
    for _ in 0..1_000 {
        stuck.send("600000").unwrap();
    }
    let before = node.process.rss_bytes();
    let options = JobOptions::new().timeout(Some(Duration::from_millis(300)));
    let (sender, results) = client.job("server.echo", options);
    let sending = std::thread::spawn(move || {
        for _ in 0..20_000 {
            sender.send(vec![b'x'; 20_000]).unwrap();
        }
        sender.finish();
    });
    assert_eq!(results.filter(|output| output.as_ref().unwrap().is_end()).count(), 20_000);
    sending.join().unwrap();
    let held = node.process.rss_bytes();
    assert!(held < before + 2 * GROWTH, "the node grew from {before} to {held} bytes");
}

#[test]
fn health_is_answered_whoever_else_is_connected() {
    let _limit = limit();
    let node = Node::start(&["--http", "127.0.0.1:0"]);
    let _crowd = silent(&node.ready.field("http"), 500);
    // Whoever comes at the same moment waits until all of them have been let in.
    assert_eq!(node.page("/health").status, 200);
    let begun = Instant::now();
    assert_eq!(node.page("/health").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
}

#[test]
fn a_host_that_serves_over_http_answers_whoever_else_is_connected() {
    let _limit = limit();
    let program = programs(Profile::Debug).program("pylm-worker");
    let host =
        Process::plan("pylm-worker", program).args(["--http", "127.0.0.1:0", "--plugin", "testing"]).start();
    let ready = Ready::parse(&host.wait_for_line(" ready ", PATIENCE)).unwrap();
    let address = ready.field("http");
    let _crowd = silent(&address, 1_500);
    let address = address.trim_start_matches("http://");
    assert_eq!(request(address, "GET", "/", "", None).status, 405);
}

#[test]
fn who_says_no_greeting_is_gone_after_a_few_seconds() {
    let _limit = limit();
    let node = Node::start(&["--gateway", "127.0.0.1:0"]);
    for address in [&node.db, &node.pull, &node.publish, &node.ready.field("gateway")] {
        let mut connection = silent(address, 1).pop().unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut greeting = Vec::new();
        // To its end, which an error says as well.
        if let Err(error) = connection.read_to_end(&mut greeting) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{address}: {error}");
        }
    }
}

/// Numbers of a status.
fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_pylm_client_that_takes_no_results_is_not_read_any_more_and_none_is_made() {
    let _limit = limit();
    let context = Context::new().unwrap();
    // So many messages, and bytes, are more than may wait for it and be under way; and what may wait, with what hosts had when that was
    // reached.
    for (count, size, [most, most_bytes]) in
        [(20_000, 10, [4_096 + 4_096, u64::MAX]), (200, 1_000_000, [u64::MAX, (16 + 64) << 20])]
    {
        let node = Node::start(&["--inline", "--plugin", "testing"]);
        let options = Options { send_high_water_mark: 20_000, ..Options::default() };
        let push = context.socket(SocketKind::Push, &options).unwrap();
        push.connect(&node.pull).unwrap();
        let payload = vec![b'x'; size];
        let message = PalmMessage {
            client: "deaf",
            pipeline: "1",
            function: "server.echo",
            payload: &payload,
            ..PalmMessage::default()
        };
        let message = message.encode();
        // What the node does not read waits here.
        (0..count).for_each(|_| push.send(&mut vec![Frame::copy_from(&message)]).unwrap());
        let mut moves = u64::MAX;
        wait_until("its job is held back, and nothing moves", || {
            let status = node.status();
            let now = number(&status["moves"]);
            status["jobs"][0]["held"] == true && std::mem::replace(&mut moves, now) == now
        });
        let status = node.status();
        let outputs = number(&status["jobs"][0]["outputs"]);
        assert!(outputs <= most && outputs * size as u64 <= most_bytes, "{outputs} results wait");
        assert!(number(&status["counts"]["accepted"]) < count, "all of them were read");
        assert_eq!(node.client().eval("server.echo", "x").unwrap(), ["x"]);
    }
}

#[test]
fn a_subscription_that_is_too_long_ends_its_connection() {
    let _limit = limit();
    let node = Node::start(&[]);
    let [mut fits, mut too_long] = [255_u16, 256].map(|topic| {
        let mut stream = greet(&node.publish, "SUB");
        let body = [&[1][..], &vec![b'x'; topic.into()]].concat();
        stream.write_all(&[&[2][..], &(body.len() as u64).to_be_bytes(), &body].concat()).unwrap();
        stream
    });
    wait_until("the connection is cut", || is_cut(&mut too_long));
    assert!(!is_cut(&mut fits), "a topic of 255 bytes is allowed");
}

#[test]
fn a_node_takes_no_more_of_an_earlier_one_than_it_may() {
    let _limit = limit();
    for (count, size, [most, most_bytes]) in
        [(4_000, 10, [1_024, u64::MAX]), (120, 1_000_000, [120, (64 << 20) + 1_000_000])]
    {
        let first = Node::start(&["--name", "first", "--pipelined", "--inline", "--plugin", "testing"]);
        let from = format!("first={}", first.db);
        // What nobody does there stays there.
        let second = Node::start(&["--name", "second", "--from", &from, "--function-wait", "600"]);
        second.process.wait_for_line("follows a node", PATIENCE);
        let client = first.client();
        let jobs: Vec<_> =
            (0..2).map(|_| client.job("first.echo second.missing", JobOptions::new())).collect();
        for ((sender, _), _) in jobs.iter().cycle().zip(0..count) {
            sender.send(vec![b'x'; size]).unwrap();
        }
        let mut last = Value::Null;
        wait_until("all are at the follower, or wait", || {
            let mut status = first.status();
            let waiting = number(&status["waiting"]);
            let hosts = status["hosts"].take();
            let follower = hosts.as_array().unwrap().iter().find(|host| host["kind"] == "follower");
            last = follower.cloned().unwrap_or_default();
            last["leases"].as_u64().is_some_and(|leases| leases > 0 && leases + waiting == count)
        });
        assert!(number(&last["leases"]) <= most && number(&last["bytes"]) <= most_bytes, "{last}");
        assert!(number(&last["leases"]) < count, "{last}");
    }
}

/// A host of these functions.
fn offer(functions: &[String]) -> Record<'_> {
    Record::Hello {
        minor: pylm_protocol::MINOR,
        role: pylm_protocol::Role::Host,
        peer: Uuid::new_v4(),
        name: "host",
        software: "test",
        max_message: 0,
        functions: functions.iter().map(|name| FunctionOffer::function(name)).collect(),
        limit: 1,
        limit_bytes: 1,
        connection: 0,
    }
}

#[test]
fn a_snapshot_lists_a_thousand_of_each_and_says_how_many_more_there_are() {
    const MORE: usize = 1_100;
    let _limit = limit();
    pylm_transport::raise_file_limit().unwrap();
    // What nobody offers is waited for.
    let node = Node::start(&["--function-wait", "600"]);
    let contexts = [Context::new().unwrap(), Context::new().unwrap()];
    let names: Vec<String> = (0..MORE).map(|number| format!("function{number}")).collect();
    // None of them is to be lost meanwhile.
    let patient = Record::Heartbeat { patience: 3_600_000 };
    let _hosts: Vec<_> = (0..MORE)
        .map(|number| {
            let peer = RawPeer::connect(&contexts[number % 2], &node.db);
            peer.say(&[offer(if number == 0 { &names } else { &[] }), patient.clone()]);
            peer
        })
        .collect();
    let calls: Vec<String> = names.iter().map(|name| format!("server.un{name}")).collect();
    let client = raw(&contexts[0], &node);
    client.say(&[patient]);
    for (job, call) in (0..).zip(&calls) {
        let payload = Payload("x".into());
        client.say(&[
            open_with(job, Uuid::new_v4(), call, 1),
            Record::Submit { job, number: 0, cache: "", payload },
        ]);
    }
    let more = (MORE - 1_000) as u64;
    wait_until("all of them are there", || {
        let left_off = node.status()["left_off"].take();
        ["jobs", "hosts", "unoffered"].iter().all(|listed| left_off[listed] == more)
    });
    let status = node.status();
    for listed in ["jobs", "hosts", "unoffered"] {
        assert_eq!(status[listed].as_array().unwrap().len(), 1_000, "{listed}");
    }
    let hosts = status["hosts"].as_array().unwrap();
    let functions = hosts.iter().find(|host| host["functions_left_off"] == more);
    assert_eq!(functions.unwrap()["functions"].as_array().unwrap().len(), 1_000);
}

/// Seconds of processor time that a process has used.
fn processor_time(process: &Process) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

/// A node that may open so many files.
fn node_with(descriptors: u32, args: &[&str]) -> Process {
    let addresses = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"];
    Process::plan("pylmd", "sh")
        .args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")])
        .arg(programs(Profile::Debug).program("pylmd"))
        .args(addresses.map(|flag| [flag, ANY_PORT]).concat())
        .args(args)
        .start()
}

#[test]
fn a_crowd_beyond_what_a_node_may_open_is_refused_and_told_and_burns_nothing() {
    let _limit = limit();
    let node = node_with(300, &["--inline", "--plugin", "testing", "--http", "127.0.0.1:0"]);
    let ready = Ready::parse(&node.wait_for_line(" ready ", PATIENCE)).unwrap();
    let before = processor_time(&node);
    let crowd = silent(&ready.field("db"), 600);
    node.wait_for_line("connections are refused", PATIENCE);
    // Those who are silent go, and others come in, while the crowd still stands there.
    let client = Client::connect(ClientOptions::new(ready.field("db")).patience(PATIENCE)).unwrap();
    assert_eq!(client.eval("server.echo", "x").unwrap(), ["x"]);
    let used = processor_time(&node) - before;
    assert!(used < 2.0, "it has used {used} s");
    let metrics = request(&ready.field("http"), "GET", "/metrics", "", None).text();
    let refused = metrics.lines().find_map(|line| line.strip_prefix("pylmd_connections_refused_total "));
    assert!(refused.unwrap().parse::<f64>().unwrap() > 0.0, "{metrics}");
    drop(crowd);
}

#[test]
fn too_few_descriptors_are_a_sentence() {
    let _limit = limit();
    // Which descriptor is the one that is missing depends on what is inherited.
    for descriptors in (8..36).chain([48]) {
        let mut node = node_with(descriptors, &[]);
        assert_eq!(node.wait(PATIENCE).code(), Some(1), "with {descriptors} descriptors");
        let told = node.stderr_lines().pop().unwrap_or_default();
        assert!(told.starts_with("pylmd: ") && told.contains("ulimit -n"), "with {descriptors}: {told}");
    }
}
