//! Many clients of both kinds at one node, with workers of both kinds: every answer once, to its own client.

use std::time::Duration;

use pylm_tests::checked_job::{CheckedJob, RunningJob};
use pylm_tests::deadline::deadline;
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::Process;
use pylm_tests::programs::Profile;
use pylm_tests::pylm::{self, Report};

const PATIENCE: Duration = Duration::from_secs(180);
/// What native hosts offer, and what only Python workers have.
const FUNCTIONS: [&str; 2] = ["server.echo", "server.python_echo"];

#[test]
fn ten_clients_of_both_kinds_get_their_own_answers_from_workers_of_both_kinds() {
    // It also builds the programs, in release, and makes the Python environment.
    let _limit = deadline(Duration::from_secs(900));
    let node = Node::start_as(Profile::Release, &[]);
    let _hosts = ["native1", "native2"]
        .map(|name| WorkerHost::start_as(Profile::Release, &node.db, &["testing"], name, &[]));
    let _workers = ["python1", "python2"].map(|name| pylm::worker(name, &node.db, &[]));

    let functions = FUNCTIONS.into_iter().cycle();
    let python: Vec<Process> = (0..5u64)
        .zip(functions.clone())
        .map(|(seed, function)| {
            let what =
                ["--verify", "--count", "10000", "--large", "20", "--empty", "50", "--function", function];
            let how = ["--seed", &*seed.to_string(), "--extra-wait", "1", "--timeout", "120"];
            pylm::client(&node.db, &[&what[..], &how].concat())
        })
        .collect();
    let native: Vec<RunningJob> = (0..5)
        .zip(functions)
        .map(|(owner, function)| {
            let job = CheckedJob { large: 20, empty: 50, ..CheckedJob::new(owner, 10_000) };
            CheckedJob { function: function.to_owned(), ..job }.start(&node.db)
        })
        .collect();

    for job in native {
        job.assert_every_answer_once(PATIENCE);
    }
    for mut client in python {
        client.wait_for_success(PATIENCE);
        Report::of(&client).assert_every_answer_once();
    }
    let account = node.end(Duration::from_secs(30));
    assert_eq!((account.accepted, account.done), (100_000, 100_000));
}
