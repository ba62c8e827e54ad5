//! Workers and nodes that die, and connections that break, in the middle of a job: every answer once.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::thread;
use std::time::Duration;

use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::programs::Profile;
use pylm_tests::proxy::Proxy;
use pylm_tests::pylm::{self, Report};
use rustix::process::Signal;

const PATIENCE: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(40);
/// All of them fit into a job's window, so all are under way when the first results come.
const COUNT: u64 = 10_000;

fn limit() -> Deadline {
    // The first test also builds the programs, in release, and makes the Python environment.
    deadline(Duration::from_secs(900))
}

fn node() -> Node {
    Node::start_as(Profile::Release, &[])
}

fn host(db: &str, name: &str) -> WorkerHost {
    WorkerHost::start_as(Profile::Release, db, &["testing"], name, &[])
}

fn job(function: &str) -> CheckedJob {
    CheckedJob { function: function.to_owned(), ..CheckedJob::new(1, COUNT) }
}

#[test]
fn a_killed_host_takes_no_answer_with_it() {
    let _limit = limit();
    let node = node();
    let [mut doomed, _survivor] = ["doomed", "survivor"].map(|name| host(&node.db, name));
    let job = job("server.slow_echo").start(&node.db);
    job.wait_for(500, PATIENCE);
    doomed.process.kill();
    job.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(END).done, COUNT);
}

#[test]
fn a_killed_host_takes_no_answer_of_a_pylm_client_with_it() {
    let _limit = limit();
    let node = node();
    let [mut doomed, _survivor] = ["doomed", "survivor"].map(|name| host(&node.db, name));
    let what = ["--verify", "--function", "server.slow_echo", "--count", "10000"];
    let mut client =
        pylm::client(&node.db, &[&what[..], &["--extra-wait", "1", "--tell-after", "500"]].concat());
    client.wait_for_line("500 results", PATIENCE);
    doomed.process.kill();
    client.wait_for_success(PATIENCE);
    Report::of(&client).assert_every_answer_once();
    assert_eq!(node.end(END).done, COUNT);
}

#[test]
fn a_killed_python_worker_takes_no_answer_of_a_native_client_with_it() {
    let _limit = limit();
    let node = node();
    let [mut doomed, _survivor] =
        ["doomed", "survivor"].map(|name| pylm::worker(name, &node.db, &["--delay", "0.0005"]));
    let job = job("server.python_echo").start(&node.db);
    job.wait_for(500, PATIENCE);
    doomed.kill();
    job.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(END).done, COUNT);
}

#[test]
fn a_node_that_is_killed_and_comes_back_has_every_answer_given_once() {
    let _limit = limit();
    let mut node = node();
    let _hosts = ["host1", "host2"].map(|name| host(&node.db, name));
    let job = job("server.slow_echo").start(&node.db);
    for results in [500, 4_000] {
        job.wait_for(results, PATIENCE);
        node.process.kill();
        node = node.start_again(Profile::Release, &[]);
    }
    job.assert_every_answer_once(PATIENCE);
    let account = node.end(END);
    assert_eq!((account.failed, account.cancelled), (0, 0));
}

#[test]
fn a_connection_of_the_client_that_breaks_loses_and_repeats_nothing() {
    let _limit = limit();
    let node = node();
    let _hosts = ["host1", "host2"].map(|name| host(&node.db, name));
    let proxy = Proxy::before(&node.db);
    let job = job("server.slow_echo").start(&proxy.address);
    for results in [500, 2_000, 5_000, 8_000] {
        job.wait_for(results, PATIENCE);
        proxy.cut();
    }
    job.assert_every_answer_once(PATIENCE);
    assert!(proxy.accepted() > 4, "the client has only connected {} times", proxy.accepted());
    assert_eq!(node.end(END).done, COUNT);
}

#[test]
fn a_connection_of_a_host_that_breaks_loses_and_repeats_nothing() {
    let _limit = limit();
    let node = node();
    let proxy = Proxy::before(&node.db);
    let _hosts = [host(&proxy.address, "cut"), host(&node.db, "whole")];
    let before = proxy.accepted();
    let job = job("server.slow_echo").start(&node.db);
    for results in [500, 2_000, 5_000, 8_000] {
        job.wait_for(results, PATIENCE);
        proxy.cut();
    }
    job.assert_every_answer_once(PATIENCE);
    assert!(proxy.accepted() >= before + 2, "the host has not come back");
    assert_eq!(node.end(END).done, COUNT);
}

#[test]
fn the_only_host_comes_back_with_what_it_finished() {
    let _limit = limit();
    let node = node();
    let proxy = Proxy::before(&node.db);
    let _host = host(&proxy.address, "only");
    let job = CheckedJob { count: 3_000, ..job("server.slow_echo") }.start(&node.db);
    for results in [300, 1_000, 2_000] {
        job.wait_for(results, PATIENCE);
        proxy.cut();
    }
    job.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(END).done, 3_000);
}

#[test]
fn a_connection_that_breaks_right_behind_a_result_runs_nothing_again() {
    let _limit = limit();
    let node = Node::start_as(Profile::Release, &["--http", "127.0.0.1:0"]);
    let proxy = Proxy::before(&node.db);
    let mut host = host(&proxy.address, "only");
    let client = node.client();
    for _ in 0..10 {
        // The node has it, and has not told the host so: that comes back with it.
        assert_eq!(client.eval("server.attempt", "").unwrap(), ["1"]);
        proxy.cut();
    }
    assert_eq!(client.eval("server.attempt", "").unwrap(), ["1"]);
    let metrics = node.page("/metrics").text();
    assert!(metrics.contains("\npylmd_attempts_total 11\n"), "{metrics}");
    // What the host knows to be taken it does not keep for a node that might come back.
    host.process.signal(Signal::TERM);
    host.process.wait_for_success(END);
    drop(client);
    assert_eq!(node.end(END).done, 11);
}

#[test]
fn several_losses_at_once_lose_and_repeat_nothing() {
    let _limit = limit();
    let mut node = node();
    let (near, far) = (Proxy::before(&node.db), Proxy::before(&node.db));
    let mut doomed = host(&node.db, "doomed");
    let _hosts = [host(&far.address, "cut"), host(&node.db, "whole")];
    let large = CheckedJob { owner: 2, function: "server.echo".to_owned(), large: 10, ..job("") };
    let jobs = [job("server.slow_echo").start(&near.address), large.start(&node.db)];
    jobs[0].wait_for(500, PATIENCE);
    let mut process = node.process;
    thread::scope(|scope| {
        scope.spawn(|| near.cut());
        scope.spawn(|| far.cut());
        scope.spawn(|| doomed.process.kill());
        scope.spawn(|| process.kill());
    });
    node.process = process;
    let node = node.start_again(Profile::Release, &[]);
    for job in jobs {
        job.assert_every_answer_once(PATIENCE);
    }
    let account = node.end(END);
    assert_eq!((account.failed, account.cancelled), (0, 0));
}
