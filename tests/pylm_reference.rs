//! Python peers among themselves: what pylm really answers, so that the same tests with our own programs mean something.

use std::collections::BTreeMap;
use std::time::Duration;

use pylm_tests::address::wait_for_peers;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::process::Process;
use pylm_tests::pylm::{self, PylmNode, Report};

const CLIENT: Duration = Duration::from_secs(30);
const SUBSCRIBED: [&str; 2] = ["--send-after", "0.5"];

fn limit() -> Deadline {
    // The first test also makes the Python environment.
    deadline(Duration::from_secs(240))
}

fn two_workers(master: &PylmNode, args: &[&str]) -> [Process; 2] {
    let workers = ["worker1", "worker2"].map(|name| pylm::worker(name, &master.db, args));
    wait_for_peers(&master.worker_push, 2, CLIENT);
    workers
}

/// Run a client that does not lose its first results to its own late subscription, as pylm's does among pylm's nodes.
fn answers(db: &str, args: &[&str]) -> Vec<String> {
    pylm::client_lines(db, &[args, &SUBSCRIBED].concat(), CLIENT)
}

fn counted(lines: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn two_workers_share_ten_messages() {
    let _limit = limit();
    let master = pylm::master(&[]);
    let _workers = two_workers(&master, &[]);
    let lines = answers(&master.db, &[]);
    let expected = [("b'worker1 processed a message'", 5), ("b'worker2 processed a message'", 5)];
    assert_eq!(counted(&lines), BTreeMap::from(expected));
}

#[test]
fn workers_read_what_the_client_put_into_the_cache() {
    let _limit = limit();
    let master = pylm::master(&[]);
    let _workers = two_workers(&master, &["--cached"]);
    let lines = answers(&master.db, &["--set", "cached= cached data "]);
    assert_eq!(lines[0], "b' cached data '");
    let expected = [("b'worker1 cached data a message'", 5), ("b'worker2 cached data a message'", 5)];
    assert_eq!(counted(&lines[1..]), BTreeMap::from(expected));
}

#[test]
fn a_scatter_of_three_answers_thirty_times() {
    let _limit = limit();
    let master = pylm::master(&["--copies", "3"]);
    let _workers = two_workers(&master, &["--cached"]);
    let lines = answers(&master.db, &["--set", "cached= cached data ", "--copies", "3", "--extra-wait", "1"]);
    let expected = [("b'worker1 cached data a message'", 15), ("b'worker2 cached data a message'", 15)];
    assert_eq!(counted(&lines[1..]), BTreeMap::from(expected));
}

#[test]
fn a_gather_that_changes_its_message_replaces_the_last_answer() {
    let _limit = limit();
    let master = pylm::master(&["--copies", "3", "--final", "30"]);
    let _workers = two_workers(&master, &["--cached"]);
    let lines = answers(&master.db, &["--set", "cached= cached data ", "--copies", "3"]);
    assert_eq!(lines.len(), 31);
    assert_eq!(lines[30], "b'Final message'");
    assert!(lines[1..30].iter().all(|line| line.ends_with(" cached data a message'")), "{lines:?}");
}

#[test]
fn a_gather_that_yields_a_new_message_has_the_old_one_sent() {
    let _limit = limit();
    let master = pylm::master(&["--copies", "3", "--final", "30", "--final-as", "new"]);
    let _workers = two_workers(&master, &["--cached"]);
    let lines = answers(&master.db, &["--set", "cached= cached data ", "--copies", "3"]);
    assert_eq!(lines.len(), 31);
    assert!(lines[1..].iter().all(|line| line.ends_with(" cached data a message'")), "{lines:?}");
}

#[test]
fn every_value_of_a_mux_worker_is_an_answer() {
    let _limit = limit();
    let master = pylm::master(&[]);
    let _workers = ["worker1", "worker2"].map(|name| pylm::mux_worker(name, &master.db, &[]));
    wait_for_peers(&master.worker_push, 2, CLIENT);
    let lines = answers(&master.db, &["--copies", "2"]);
    let expected = [
        ("b'worker1 processed a message 1'", 5),
        ("b'worker1 processed a message 2'", 5),
        ("b'worker2 processed a message 1'", 5),
        ("b'worker2 processed a message 2'", 5),
    ];
    assert_eq!(counted(&lines), BTreeMap::from(expected));
}

#[test]
fn a_plain_server_answers_itself() {
    let _limit = limit();
    let server = pylm::server(&[]);
    let lines = answers(&server.db, &["--count", "3"]);
    assert_eq!(counted(&lines), BTreeMap::from([("b'server processed a message'", 3)]));
}

#[test]
fn an_exception_in_a_worker_is_a_payload_of_zero() {
    let _limit = limit();
    let master = pylm::master(&[]);
    let _worker = pylm::worker("worker1", &master.db, &[]);
    wait_for_peers(&master.worker_push, 1, CLIENT);
    let lines = answers(&master.db, &["--count", "2", "--function", "server.fail"]);
    assert_eq!(lines, ["b'0'", "b'0'"]);
}

#[test]
fn a_checked_job_comes_back_whole_and_once() {
    let _limit = limit();
    let master = pylm::master(&[]);
    let _workers = two_workers(&master, &[]);
    let job = ["--verify", "--function", "server.echo", "--count", "300", "--large", "2", "--empty", "5"];
    let mut client = pylm::client(&master.db, &[&job[..], &SUBSCRIBED, &["--extra-wait", "1"]].concat());
    client.wait_for_success(CLIENT);
    let report = Report::of(&client);
    assert_eq!(report.expected, 300);
    report.assert_every_answer_once();
}

#[test]
fn a_checked_job_notices_answers_that_are_too_many_too_few_or_not_the_same() {
    let _limit = limit();
    let master = pylm::master(&["--copies", "2"]);
    let worker = pylm::worker("worker1", &master.db, &[]);
    wait_for_peers(&master.worker_push, 1, CLIENT);

    let count = ["--verify", "--count", "20", "--send-after", "0.5"];
    let mut twice = pylm::client(&master.db, &[&count[..], &["--function", "server.echo"]].concat());
    twice.wait_for_success(CLIENT);
    let report = Report::of(&twice);
    assert!(report.duplicate >= 9 && report.missing == report.duplicate, "{report:?}");

    let mut changed =
        pylm::client(&master.db, &[&count[..], &["--function", "server.foo", "--copies", "2"]].concat());
    changed.wait_for_success(CLIENT);
    let report = Report::of(&changed);
    assert_eq!((report.corrupt, report.missing), (40, 40), "{report:?}");

    drop(worker);
    let waiting = ["--function", "server.echo", "--copies", "2", "--timeout", "1"];
    let mut lost = pylm::client(&master.db, &[&count[..], &waiting].concat());
    assert_eq!(lost.wait(CLIENT).code(), Some(4));
    let report = Report::of(&lost);
    assert!(report.late && report.missing == 40, "{report:?}");
}
