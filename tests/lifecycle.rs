//! How programs start and end: in order, with the right exit code, and nothing left under way.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use pylm_client::JobOptions;
use pylm_tests::address::ANY_PORT;
use pylm_tests::checked_job::CheckedJob;
use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::{Node, WorkerHost};
use pylm_tests::process::{Process, children};
use pylm_tests::programs::{Profile, programs};
use pylm_tests::ready::Ready;
use pylm_tests::skip::skip;
use pylm_tests::waiting::{file_is, wait_until};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);
/// What is at once, on a machine that is busy.
const AT_ONCE: Duration = Duration::from_secs(4);

fn limit() -> Deadline {
    // The first test also builds the programs.
    deadline(Duration::from_secs(900))
}

fn program(name: &str) -> &'static Path {
    programs(Profile::Debug).program(name)
}

fn host(db: &str, name: &str) -> WorkerHost {
    WorkerHost::start(db, &["testing"], name, &["--slots", "2"])
}

/// `pylm job`, with something on its standard input.
fn job(db: &str, function: &str, input: &str, args: &[&str]) -> Process {
    let plan = Process::plan("pylm job", program("pylm")).args(["job", function, "--db", db]).args(args);
    let mut job = plan.start();
    job.write_stdin(input.as_bytes());
    job.close_stdin();
    job
}

#[test]
fn ctrl_c_cancels_the_job_and_tells_its_functions() {
    let _limit = limit();
    let node = Node::start(&[]);
    let host = host(&node.db, "host");
    let file = host.process.folder().join("sign");
    let mut job = job(&node.db, "server.until_cancelled", &format!("{}\n", file.display()), &[]);
    wait_until("the function begins", || file_is(&file, "begun"));
    job.signal(Signal::INT);
    assert_eq!(job.wait(AT_ONCE).code(), Some(130));
    wait_until("the function hears that it is cancelled", || file_is(&file, "begun cancelled"));
    let account = node.end(AT_ONCE);
    assert_eq!((account.accepted, account.cancelled), (1, 1));
}

#[test]
fn a_closed_pipe_cancels_the_job_and_is_no_error() {
    let _limit = limit();
    let node = Node::start(&[]);
    let host = host(&node.db, "host");
    let code = host.process.folder().join("code");
    let script = format!(
        "(yes | {} job server.echo --db {}; echo $? > {}) | head -n 3",
        program("pylm").display(),
        node.db,
        code.display()
    );
    let mut pipe = Process::plan("a pipe", "sh").args(["-c", &script]).start();
    pipe.wait_for_success(PATIENCE);
    assert_eq!(pipe.stdout_lines(), ["y"; 3]);
    wait_until("pylm ends with 0", || file_is(&code, "0\n"));
    let account = node.end(PATIENCE);
    assert!(account.done >= 3 && account.failed == 0, "{account:?}");
}

#[test]
fn a_client_that_is_dropped_leaves_nothing_under_way() {
    let _limit = limit();
    let node = Node::start(&[]);
    let host = host(&node.db, "host");
    let file = host.process.folder().join("sign");
    let client = node.client();
    let (sender, results) = client.job("server.until_cancelled", JobOptions::new());
    sender.send(file.display().to_string()).unwrap();
    wait_until("the function begins", || file_is(&file, "begun"));
    drop((sender, results, client));
    wait_until("the function hears that it is cancelled", || file_is(&file, "begun cancelled"));
    assert_eq!(node.end(AT_ONCE).cancelled, 1);
}

#[test]
fn a_node_that_ends_tells_its_hosts_what_it_has_taken() {
    let _limit = limit();
    let node = Node::start(&[]);
    let mut host = host(&node.db, "host");
    let mut job = job(&node.db, "server.sleep_for", "1\n1500\n", &[]);
    wait_until("the first is done", || job.stdout_lines().len() == 1);
    // The second ends when the node says nothing else any more.
    assert_eq!(node.end(AT_ONCE).done, 2);
    job.wait_for_success(PATIENCE);
    // Otherwise it would keep the result, for a node that might come back.
    host.process.signal(Signal::TERM);
    assert!(host.process.wait(AT_ONCE).success());
}

#[test]
fn a_client_that_is_killed_is_waited_for_and_then_its_job_is_cancelled() {
    let _limit = limit();
    let node = Node::start(&["--client-grace", "1"]);
    let host = host(&node.db, "host");
    let file = host.process.folder().join("sign");
    let mut job = job(&node.db, "server.until_cancelled", &format!("{}\n", file.display()), &[]);
    wait_until("the function begins", || file_is(&file, "begun"));
    job.kill();
    wait_until("the function hears that it is cancelled", || file_is(&file, "begun cancelled"));
    assert_eq!(node.end(AT_ONCE).cancelled, 1);
}

#[test]
fn exit_codes_tell_how_it_went() {
    let _limit = limit();
    let node = Node::start(&["--function-wait", "1"]);
    let _host = host(&node.db, "host");
    let code = |function: &str, input: &str, args: &[&str]| {
        let mut job = job(&node.db, function, input, args);
        (job.wait(PATIENCE).code(), job.stdout_lines())
    };
    assert_eq!(
        code("server.echo", "a\nb\n", &["--ordered"]),
        (Some(0), vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(code("server.fail", "a\n", &[]).0, Some(3));
    assert_eq!(code("server.missing", "a\n", &[]).0, Some(3));

    let usage = |name: &str, args: &[&str]| {
        let mut process = Process::plan(name, program(name)).args(args).start();
        process.close_stdin();
        process.wait(PATIENCE).code()
    };
    assert_eq!(usage("pylm", &["job", "nodot"]), Some(2));
    let [nobody] = pylm_tests::address::free();
    assert_eq!(usage("pylm", &["job", "server.echo", "--db", &nobody, "--wait", "300ms"]), Some(1));
    assert_eq!(usage("pylm", &["run", "--plugin", "nowhere", "echo"]), Some(2));
    assert_eq!(usage("pylmd", &["--plugin", "nowhere"]), Some(2));
    assert_eq!(usage("pylmd", &["--no-such-flag"]), Some(2));
    assert_eq!(usage("pylm-worker", &["--db", &node.db, "--plugin", "nowhere"]), Some(2));
    assert_eq!(usage("pylm-worker", &["--db", &node.db]), Some(2));
}

#[test]
fn failed_messages_are_kept_to_be_fed_in_again() {
    let _limit = limit();
    let node = Node::start(&[]);
    let host = host(&node.db, "host");
    let errors = host.process.folder().join("failed");
    let errors = errors.to_str().unwrap();
    // A message that is no number fails; the number of milliseconds is slept.
    let mut first = job(&node.db, "server.sleep_for", "1\none\n2\ntwo\n", &["--errors", errors]);
    assert_eq!(first.wait(PATIENCE).code(), Some(3));
    let mut failed: Vec<_> = std::fs::read_to_string(errors).unwrap().lines().map(str::to_owned).collect();
    failed.sort();
    assert_eq!(failed, ["one", "two"]);
    let mut again = job(&node.db, "server.echo", "", &["--ordered", errors]);
    again.wait_for_success(PATIENCE);
    assert_eq!(again.stdout_lines().len(), 2);
}

#[test]
fn sigterm_lets_the_node_finish_what_it_accepted() {
    let _limit = limit();
    let node = Node::start(&[]);
    let _hosts = ["host1", "host2"].map(|name| host(&node.db, name));
    let job = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 4_000) };
    let job = job.start(&node.db);
    job.wait_for(500, PATIENCE);
    let account = node.end(PATIENCE);
    assert_eq!((account.failed, account.cancelled), (0, 0));
    assert_eq!(account.done, 4_000, "all of them had been submitted");
    job.assert_every_answer_once(PATIENCE);
}

#[test]
fn a_second_sigterm_ends_a_node_at_once() {
    let _limit = limit();
    let mut node = Node::start(&[]);
    let host = host(&node.db, "host");
    let file = host.process.folder().join("sign");
    let _job = job(&node.db, "server.until_cancelled", &format!("{}\n", file.display()), &[]);
    wait_until("the function begins", || file_is(&file, "begun"));
    node.process.signal(Signal::TERM);
    node.process.wait_for_line("draining", PATIENCE);
    node.process.signal(Signal::TERM);
    node.process.wait(AT_ONCE);
    assert_eq!(node.account().under_way, 1);
}

#[test]
fn a_node_gives_up_draining_after_its_limit() {
    let _limit = limit();
    let mut node = Node::start(&["--drain-limit", "1"]);
    let host = host(&node.db, "host");
    let file = host.process.folder().join("sign");
    let _job = job(&node.db, "server.until_cancelled", &format!("{}\n", file.display()), &[]);
    wait_until("the function begins", || file_is(&file, "begun"));
    node.process.signal(Signal::TERM);
    node.process.wait(AT_ONCE);
    assert_eq!(node.account().under_way, 1);
}

#[test]
fn sigterm_lets_a_host_finish_and_give_back_the_rest() {
    let _limit = limit();
    let node = Node::start(&[]);
    let [mut leaving, _staying] = ["leaving", "staying"].map(|name| host(&node.db, name));
    let job = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 4_000) };
    let job = job.start(&node.db);
    job.wait_for(500, PATIENCE);
    leaving.process.signal(Signal::TERM);
    leaving.process.wait_for_success(PATIENCE);
    assert!(job.progress().results < 4_000, "the host has only left when all was over");
    job.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(PATIENCE).done, 4_000);
}

#[test]
fn a_second_sigterm_ends_a_host_at_once_and_its_message_goes_elsewhere() {
    let _limit = limit();
    let node = Node::start(&[]);
    let mut first = host(&node.db, "first");
    let file = first.process.folder().join("sign");
    let mut job = job(&node.db, "server.until_cancelled", &format!("{}\n", file.display()), &[]);
    wait_until("the function begins", || file_is(&file, "begun"));
    first.process.signal(Signal::TERM);
    first.process.wait_for_line("ending: what is begun is finished", PATIENCE);
    assert!(
        first.process.try_wait().is_none() && file_is(&file, "begun"),
        "it does not finish what is begun"
    );
    first.process.signal(Signal::TERM);
    first.process.wait(AT_ONCE);
    std::fs::remove_file(&file).unwrap();
    let _second = host(&node.db, "second");
    wait_until("the function begins again", || file_is(&file, "begun"));
    job.signal(Signal::INT);
    job.wait(AT_ONCE);
    assert_eq!(node.end(PATIENCE).cancelled, 1);
}

#[test]
fn a_service_manager_is_told() {
    let _limit = limit();
    let folder = tempfile::tempdir().unwrap();
    let socket = |name: &str| {
        let path = folder.path().join(name);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        (path, socket)
    };
    let heard = |socket: &UnixDatagram| {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap();
        bytes[..length].to_vec()
    };
    let (path, of_node) = socket("node");
    let addresses = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"]
        .map(|flag| [flag, pylm_tests::address::ANY_PORT]);
    let mut node =
        Process::plan("pylmd", program("pylmd")).args(addresses.concat()).env("NOTIFY_SOCKET", &path).start();
    let db = Ready::heard(&heard(&of_node)).unwrap().field("db");

    let (path, of_host) = socket("host");
    let mut host = Process::plan("pylm-worker", program("pylm-worker"))
        .args(["--db", &db, "--plugin", "testing"])
        .env("NOTIFY_SOCKET", &path)
        .start();
    let ready = Ready::heard(&heard(&of_host)).unwrap();
    assert_eq!((ready.field("db"), ready.field("native")), (db, "true".to_owned()));

    for (process, socket) in [(&mut host, &of_host), (&mut node, &of_node)] {
        process.signal(Signal::TERM);
        assert_eq!(heard(socket), b"STOPPING=1");
        process.wait_for_success(PATIENCE);
    }
}

#[test]
fn a_local_worker_host_that_is_killed_is_started_again() {
    let _limit = limit();
    let node = Node::start(&["--workers", "2", "--plugin", "testing"]);
    wait_until("both hosts run", || children(node.process.id()).len() == 2);
    let job = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 6_000) };
    let job = job.start(&node.db);
    job.wait_for(500, PATIENCE);
    let before = children(node.process.id());
    kill_process(Pid::from_raw(before[0]).unwrap(), Signal::KILL).unwrap();
    wait_until("another host runs", || {
        let now = children(node.process.id());
        now.len() == 2 && !now.contains(&before[0]) && now.contains(&before[1])
    });
    job.assert_every_answer_once(PATIENCE);
    let hosts = children(node.process.id());
    assert_eq!(node.end(PATIENCE).done, 6_000);
    for host in hosts {
        assert!(!Path::new(&format!("/proc/{host}")).exists(), "a host has outlived its node");
    }
}

#[test]
fn a_stuck_or_dead_child_of_a_worker_host_is_replaced() {
    let _limit = limit();
    // The only host is away for as long as a stuck child may be silent.
    let node = Node::start(&[]);
    let host = host(&node.db, "host");
    let job = CheckedJob { function: "server.slow_echo".to_owned(), ..CheckedJob::new(1, 3_000) };
    let job = job.start(&node.db);
    job.wait_for(200, PATIENCE);
    let dead = children(host.process.id())[0];
    kill_process(Pid::from_raw(dead).unwrap(), Signal::KILL).unwrap();
    job.wait_for(1_000, PATIENCE);
    let stuck = children(host.process.id())[0];
    assert_ne!(stuck, dead);
    kill_process(Pid::from_raw(stuck).unwrap(), Signal::STOP).unwrap();
    wait_until("the child is replaced", || {
        children(host.process.id()).first().is_some_and(|now| *now != stuck)
    });
    job.assert_every_answer_once(PATIENCE);
    assert_eq!(node.end(PATIENCE).done, 3_000);
}

/// The time for which a process had a core, of which a second has a hundred ticks.
fn ticks_of_work(process: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // Behind the name, which may hold anything: user time and system time are the 14th and 15th fields of all.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[test]
fn who_spins_serves_works_while_idle_and_ends_in_order() {
    let _limit = limit();
    // Far longer than anything sleeps: they spin whenever they wait.
    let spin = ["--spin", "1000000"];
    let node = Node::start(&spin);
    let mut host =
        WorkerHost::start(&node.db, &["testing"], "host", &[&spin[..], &["--slots", "2"]].concat());
    CheckedJob::new(1, 2_000).start(&node.db).assert_every_answer_once(PATIENCE);
    for number in 0..20 {
        assert_eq!(node.client().eval("server.echo", number.to_string()).unwrap(), [number.to_string()]);
    }
    for process in [node.process.id(), children(host.process.id())[0]] {
        let before = ticks_of_work(process);
        wait_until("it works though it is idle", || ticks_of_work(process) > before + 30);
    }
    host.process.signal(Signal::TERM);
    host.process.wait_for_success(AT_ONCE);
    assert_eq!(node.end(AT_ONCE).done, 2_020);
}

#[test]
fn a_client_that_does_nothing_for_longer_than_silence_keeps_its_one_connection() {
    let _limit = limit();
    let node = Node::start(&["--log", "debug"]);
    let _host = host(&node.db, "host");
    let client = node.client();
    assert_eq!(client.eval("server.echo", "before").unwrap(), ["before"]);
    // Twice the silence after which a peer is given up that has not asked for patience.
    std::thread::sleep(Duration::from_secs(11));
    assert_eq!(client.eval("server.echo", "after").unwrap(), ["after"]);
    let lines = node.process.stderr_lines();
    let said = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!((said("a client is here"), said("a client is gone")), (1, 0), "{lines:#?}");
    node.end(PATIENCE);
}

/// What comes of a job right behind the start of a follower is not lost for want of one who follows.
#[test]
fn a_follower_is_ready_when_the_node_that_it_follows_knows_it() {
    let _limit = limit();
    let first = Node::start(&[
        "--name",
        "first",
        "--pipelined",
        "--inline",
        "--plugin",
        "testing",
        "--function-wait",
        "0",
    ]);
    first.process.wait_for_line("own host is here", PATIENCE);
    for _ in 0..3 {
        let from = format!("first={}", first.db);
        let args = ["--name", "last", "--inline", "--plugin", "testing", "--from", &from];
        let last = Node::start(&args);
        // The follower's own functions may come a moment later, for which it waits.
        let results = first.client().eval("first.echo last.echo", "job").unwrap();
        assert_eq!(results, ["job"]);
        last.end(AT_ONCE * 2);
    }
}

#[test]
fn a_follower_of_a_node_that_is_away_is_ready_too_and_says_so() {
    let _limit = limit();
    let begun = std::time::Instant::now();
    let node = Node::start(&["--from", "first=tcp://127.0.0.1:1"]);
    assert!(begun.elapsed() < AT_ONCE * 2, "{:?}", begun.elapsed());
    let line = node.process.wait_for_line("an earlier node is away", PATIENCE);
    assert!(line.contains("first=tcp://127.0.0.1:1"), "{line}");
    node.end(AT_ONCE * 2);
}

/// The first process of a container, which is one of these programs.
fn in_container(name: &str, args: &[&str]) -> Option<Process> {
    let plan = || Process::plan(name, "unshare").args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    if plan().arg("true").start().wait(AT_ONCE).success() {
        return Some(plan().arg(program(name)).args(args).start());
    }
    skip("no container can be made here: that takes Linux, `unshare`, and the right to use it");
    None
}

#[test]
fn as_the_first_process_of_a_container_a_node_buries_who_is_left_to_it_and_hears_its_signals() {
    let _limit = limit();
    let sockets = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"];
    let flags = sockets.map(|flag| [flag, ANY_PORT]).concat();
    let Some(mut container) = in_container("pylmd", &flags) else { return };
    container.wait_until_ready(PATIENCE);
    let init = children(container.id())[0];
    let orphan = "sleep 0.2 & exit 0";
    let enter = ["--target", &init.to_string(), "--pid", "--", "sh", "-c", orphan];
    Process::plan("orphan", "nsenter").args(enter).start().wait_for_success(AT_ONCE);
    let below = || children(init).len();
    wait_until("whoever is left to it is buried, and only the node is below it", || below() == 1);
    kill_process(Pid::from_raw(init).unwrap(), Signal::TERM).unwrap();
    container.wait_for_success(AT_ONCE);
}

#[test]
fn the_exit_code_of_a_program_is_that_of_its_container() {
    let _limit = limit();
    for (args, code) in
        [(&["--version"][..], 0), (&["nonsense"], 2), (&["status", "--db", "tcp://127.0.0.1:9"], 1)]
    {
        let Some(mut container) = in_container("pylm", args) else { return };
        assert_eq!(container.wait(PATIENCE).code(), Some(code), "{args:?}");
    }
}
