//! Nodes that follow each other: what is promised for one holds for all of them, whichever process dies.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use pylm_client::{Event, JobOptions};
use pylm_protocol::palm::PalmMessage;
use pylm_tests::checked_job::{CheckedJob, mixed};
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::programs::Profile;
use pylm_tests::waiting::wait_until;
use pylm_transport::{Context, Frames, Options, SocketKind};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(40);
const RELEASE: Profile = Profile::Release;

fn limit() -> Deadline {
    // The first test also builds the programs, in release.
    deadline(Duration::from_secs(900))
}

/// One place of a pipeline: its node, which may be started again, and its worker hosts.
struct Station {
    node: Node,
    args: Vec<String>,
    hosts: Vec<WorkerHost>,
}

impl Station {
    /// A node called `name` with this many worker hosts; with none, it runs functions itself.
    fn start(name: &str, from: Option<&Station>, pipelined: bool, hosts: usize) -> Self {
        let mut args = vec!["--name".to_owned(), name.to_owned()];
        if let Some(from) = from {
            args.extend(["--from".to_owned(), format!("{}={}", from.args[1], from.node.db)]);
        }
        args.extend(pipelined.then(|| "--pipelined".to_owned()));
        if hosts == 0 {
            args.extend(["--inline", "--plugin", "testing"].map(str::to_owned));
        }
        let node = Node::start_as(RELEASE, &refs(&args));
        if from.is_some() {
            node.process.wait_for_line("follows a node", PATIENCE);
        }
        let hosts = (0..hosts).map(|index| host(&node.db, &format!("{name}-{index}"))).collect();
        Station { node, args, hosts }
    }

    /// How many processes it has.
    fn processes(&self) -> usize {
        1 + self.hosts.len()
    }

    /// Kills its node, or one of its hosts, and starts it again.
    fn kill(&mut self, process: usize) {
        match process.checked_sub(1) {
            None => {
                self.node.process.kill();
                self.node = self.node.start_again(RELEASE, &refs(&self.args));
            }
            Some(place) => {
                self.hosts[place].process.kill();
                let name = format!("{}-{place}", self.args[1]);
                self.hosts[place] = host(&self.node.db, &name);
            }
        }
    }
}

fn refs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

fn host(db: &str, name: &str) -> WorkerHost {
    WorkerHost::start_as(RELEASE, db, &["testing"], name, &[])
}

/// A master, a pipeline that runs functions itself, a hub, and another pipeline at the end.
fn four() -> [Station; 4] {
    let first = Station::start("first", None, true, 2);
    let second = Station::start("second", Some(&first), true, 0);
    let third = Station::start("third", Some(&second), true, 1);
    let fourth = Station::start("fourth", Some(&third), false, 0);
    [first, second, third, fourth]
}

const CALL: &str = "first.echo second.echo third.echo fourth.echo";

#[test]
fn four_nodes_answer_every_message_once_whichever_process_is_killed() {
    let _limit = limit();
    let mut seed = 0x5eed;
    let mut stations = four();
    let job = CheckedJob { function: CALL.to_owned(), large: 10, empty: 10, ..CheckedJob::new(1, 100_000) };
    let job = job.start(&stations[0].node.db);
    for results in (2_000..100_000).step_by(2_000) {
        job.wait_for(results, PATIENCE);
        seed = mixed(seed);
        let all: usize = stations.iter().map(Station::processes).sum();
        let mut doomed = usize::try_from(seed % all as u64).unwrap();
        for station in &mut stations {
            if doomed < station.processes() {
                println!("after {results}: process {doomed} of {}", station.args[1]);
                station.kill(doomed);
                break;
            }
            doomed -= station.processes();
        }
    }
    job.assert_every_answer_once(PATIENCE);
    for station in stations {
        let account = station.node.end(END);
        assert_eq!(account.failed, 0);
    }
}

#[test]
fn the_nodes_of_a_pipeline_count_alike() {
    let _limit = limit();
    let stations = four();
    let job = CheckedJob { function: CALL.to_owned(), ..CheckedJob::new(1, 10_000) };
    job.start(&stations[0].node.db).assert_every_answer_once(PATIENCE);
    for station in stations {
        let account = station.node.end(END);
        assert_eq!((account.accepted, account.done), (10_000, 10_000));
    }
}

#[test]
fn results_that_are_held_until_the_last_go_on_too() {
    let _limit = limit();
    let first = Station::start("first", None, true, 1);
    let second = Station::start("second", Some(&first), false, 0);
    for call in ["first.atomic_echo second.echo", "first.echo second.atomic_echo"] {
        let job = CheckedJob { function: call.to_owned(), ..CheckedJob::new(1, 2_000) };
        job.start(&first.node.db).assert_every_answer_once(PATIENCE);
    }
    assert_eq!((second.node.end(END).done, first.node.end(END).done), (4_000, 4_000));
}

#[test]
fn all_followers_of_a_topic_get_all() {
    let _limit = limit();
    let first = Station::start("first", None, true, 1);
    // Two nodes of one name, as in pylm's tee.
    let branches = [(); 2].map(|()| Station::start("second", Some(&first), false, 0));
    let client = first.node.client();
    let (sender, results) = client.job("first.echo second.echo", JobOptions::new());
    for number in 0..1_000 {
        sender.send(number.to_string()).unwrap();
    }
    sender.finish();
    let mut seen = vec![0; 1_000];
    for output in results {
        let output = output.unwrap();
        match output.event {
            Event::Result { payload, .. } => {
                assert_eq!(payload, output.number.to_string());
                seen[usize::try_from(output.number).unwrap()] += 1;
            }
            Event::Done { results } => assert_eq!(results, 2),
            other => panic!("{other:?}"),
        }
    }
    assert!(seen.iter().all(|&results| results == 2));
    for station in branches.into_iter().chain([first]) {
        assert_eq!(station.node.end(END).done, 1_000);
    }
}

#[test]
fn a_slow_reader_holds_back_the_whole_pipeline_and_loses_nothing() {
    let _limit = limit();
    let stations = four();
    let pause = Some((1_000, Duration::from_secs(3)));
    let job = CheckedJob { function: CALL.to_owned(), pause, ..CheckedJob::new(1, 60_000) };
    let job = job.start(&stations[0].node.db);
    job.wait_until(PATIENCE, |progress| progress.pausing);
    let other = CheckedJob { function: CALL.to_owned(), ..CheckedJob::new(2, 1_000) };
    other.start(&stations[0].node.db).assert_every_answer_once(PATIENCE);
    assert!(job.progress().pausing, "the other job has waited for the slow reader");
    job.assert_every_answer_once(PATIENCE);
}

#[test]
fn errors_travel_back_with_code_and_text() {
    let _limit = limit();
    let [first, ..] = &four();
    let failing = |call: &str| {
        let client = first.node.client();
        let (sender, mut results) = client.job(call, JobOptions::new());
        sender.send("what went wrong").unwrap();
        sender.finish();
        match results.next().unwrap().unwrap().event {
            Event::Failed { code, text, .. } => (code, text),
            other => panic!("{other:?}"),
        }
    };
    let (code, text) = failing("first.echo second.echo third.fail fourth.echo");
    assert_eq!((&*code, &*text), ("failed", "what went wrong"));
    assert_eq!(&*failing("first.echo second.panic third.echo fourth.echo").0, "panicked");
    assert_eq!(&*failing("first.echo third.echo").0, "wrong-server");
    assert_eq!(&*failing("first.echo second.echo").0, "no-function");
}

#[test]
fn what_nobody_follows_is_an_error_after_a_wait_and_who_comes_in_time_gets_it() {
    let _limit = limit();
    let first = Station::start("first", None, true, 1);
    let client = first.node.client();
    let (sender, mut results) = client.job("first.echo second.echo", JobOptions::new());
    sender.send("early").unwrap();
    let second = Station::start("second", Some(&first), false, 0);
    assert!(matches!(results.next().unwrap().unwrap().event, Event::Result { .. }));
    assert!(matches!(results.next().unwrap().unwrap().event, Event::Done { .. }));
    second.node.end(END);
    sender.send("late").unwrap();
    match results.next().unwrap().unwrap().event {
        Event::Failed { code, text, .. } => {
            assert_eq!(&*code, "unfollowed");
            assert!(text.contains("--from first="), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_follows_in_pylms_way_and_reads_late_gets_every_result_once() {
    const COUNT: usize = 40_000;
    let _limit = limit();
    let first = Station::start("first", None, true, 1);
    let context = Context::new().unwrap();
    let options = Options { receive_high_water_mark: 10, ..Options::default() };
    let follower = context.socket(SocketKind::Sub, &options).unwrap();
    follower.subscribe(b"first").unwrap();
    follower.connect(&first.node.publish).unwrap();
    let client = first.node.client();
    let (sender, results) = client.job("first.echo second.echo", JobOptions::new());
    let sending = thread::spawn(move || {
        for number in 0..COUNT {
            sender.send(vec![number as u8; 1_000]).unwrap();
        }
        sender.finish();
    });
    let ended = thread::spawn(move || results.filter(|output| output.is_ok()).count());
    let mut before = Value::Null;
    wait_until("nothing moves any more", || {
        let now = first.node.status()["moves"].take();
        now.as_u64() > Some(0) && std::mem::replace(&mut before, now.clone()) == now
    });
    assert!(!ended.is_finished(), "what nobody has read counts as sent");
    let hosts = first.node.status()["hosts"].take();
    let follower_has = hosts.as_array().unwrap().iter().find(|host| host["kind"] == "subscribers").unwrap();
    assert_eq!(follower_has["leases"], 256, "the others wait in their lane");
    let (mut frames, mut seen) = (Frames::new(), BTreeSet::new());
    while seen.len() < COUNT {
        assert!(follower.wait_readable(Some(PATIENCE)).unwrap(), "{} results, and no more", seen.len());
        while follower.recv(&mut frames).unwrap() {
            let palm = PalmMessage::decode(&frames[1]).unwrap();
            assert_eq!((&*frames[0], palm.stage), (&b"first"[..], 1));
            assert!(seen.insert(palm.cache.to_owned()), "{} came twice", palm.cache);
        }
    }
    sending.join().unwrap();
    assert_eq!(ended.join().unwrap(), COUNT);
    assert_eq!(first.node.end(END).done, COUNT as u64);
}

#[test]
fn nodes_that_follow_each_other_in_a_circle_are_found_out() {
    let _limit = limit();
    // The first is told of the second's address before that is there.
    let second = Station::start("second", None, true, 1);
    let first = Station::start("first", Some(&second), true, 1);
    let mut second = second;
    second.args.extend(["--from".to_owned(), format!("first={}", first.node.db)]);
    second.kill(0);
    let client = first.node.client();
    let (sender, mut results) = client.job("any.echo", JobOptions::new());
    sender.send("round and round").unwrap();
    match results.next().unwrap().unwrap().event {
        Event::Failed { code, .. } => assert_eq!(&*code, "loop"),
        other => panic!("{other:?}"),
    }
}
