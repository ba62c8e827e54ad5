//! Valid conversations, changed on their way: a client and a host behind a proxy that mangles them end nobody, neither the
//! node nor themselves, and no other client notices.

use std::time::{Duration, Instant};

use pylm_client::ClientOptions;
use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::deadline;
use pylm_tests::garbage::{Random, send_bytes};
use pylm_tests::mangling::Mangler;
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::{Profile, programs};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
/// How long, in seconds, where the ten of every run are not enough.
const SECONDS: &str = "PYLM_TESTS_MANGLED_SECONDS";
/// Another seed than that of every run.
const SEED: &str = "PYLM_TESTS_MANGLED_SEED";
/// One native message of so many is changed.
const EVERY: u64 = 6;
/// How many are changed in any case.
const LEAST: u64 = 200;
/// How long a client may try before the next one does.
const TRIAL: Duration = Duration::from_secs(1);

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A client that sends lines until it ends, or its time is over.
fn try_a_job(db: &str) -> Process {
    let program = programs(Profile::Debug).program("pylm");
    let plan = Process::plan("pylm job", program).args(["job", "--db", db, "server.count", "--quiet"]);
    let mut client = plan.start();
    client.write_stdin("one two three\n".repeat(300).as_bytes());
    client.close_stdin();
    let end = Instant::now() + TRIAL;
    while client.try_wait().is_none() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    client.kill();
    client
}

#[track_caller]
fn assert_no_panic(process: &Process) {
    let panicked = |line: &str| line.contains("panicked at");
    let line = process.stderr_lines().into_iter().chain(process.stdout_lines()).find(|line| panicked(line));
    assert_eq!(line, None, "a program has panicked");
}

#[test]
fn mangled_conversations_end_no_program_and_touch_no_other_client() {
    // The first test also builds the programs.
    let time = Duration::from_secs(number(SECONDS, 10));
    let _limit = deadline(Duration::from_secs(900) + time);
    let seed = number(SEED, 1);
    let node = Node::start(&[
        "--client-grace",
        "1",
        "--function-wait",
        "1",
        "--drain-limit",
        "5",
        "--gateway",
        "127.0.0.1:0",
    ]);
    let (gateway, mut random) = (node.ready.field("gateway"), Random::new(seed));
    let _host = WorkerHost::start(&node.db, &["testing"], "host", &[]);
    let mangler = Mangler::before(&node.db, seed, EVERY);
    let program = programs(Profile::Debug).program("pylm-worker");
    let host = Process::plan("mangled host", program)
        .args(["--db", &*mangler.address, "--name", "mangled", "--plugin", "wordcount"])
        .start();

    let began = Instant::now();
    let mut jobs = 0;
    while began.elapsed() < time || mangler.mangled() < LEAST {
        assert_no_panic(&try_a_job(&mangler.address));
        (0..20).for_each(|_| send_bytes(&gateway, &mut random));
        CheckedJob::new(jobs, 1_000).start(&node.db).assert_every_answer_once(PATIENCE);
        jobs += 1;
    }
    drop(mangler);

    let options = ClientOptions::new(&*node.db).patience(PATIENCE);
    let client = pylm_client::blocking::Client::connect(options).unwrap();
    let status = client.cache().get("status").unwrap().unwrap();
    let status: Value = serde_json::from_slice(&status).unwrap();
    assert!(status["garbage"].as_u64().unwrap() > 0, "nothing was counted: {status}");
    client.close();
    assert_no_panic(&host);
    assert_no_panic(&node.process);
    CheckedJob::new(jobs, 1_000).start(&node.db).assert_every_answer_once(PATIENCE);
    let account = node.end(PATIENCE);
    assert!(account.done >= (jobs + 1) * 1_000, "{account:?}");
}
