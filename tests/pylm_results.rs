//! What a client of pylm's counts with us is what pylm would have sent it.

use std::collections::BTreeMap;
use std::time::Duration;

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::Node;
use pylm_tests::process::Process;
use pylm_tests::pylm;

const CLIENT: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(40);

fn limit() -> Deadline {
    // The first test also builds the programs and makes the Python environment.
    deadline(Duration::from_secs(1200))
}

fn counted(lines: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.as_str()).or_default() += 1;
    }
    counts
}

/// What a Python client gets for a job of `count` numbered messages, of which `results` results are to come.
fn numbered(node: &Node, function: &str, count: usize, results: usize) -> Vec<String> {
    let (count, results) = (count.to_string(), results.to_string());
    let job = ["--numbered", "--function", function, "--count", &count, "--results", &results];
    pylm::client_lines(&node.db, &[&job[..], &["--extra-wait", "0.5"]].concat(), CLIENT)
}

/// What our client gets for the same job.
#[track_caller]
fn natively(node: &Node, function: &str, count: usize) -> Vec<String> {
    let program = pylm_tests::programs::programs(pylm_tests::programs::Profile::Debug).program("pylm");
    let mut client = Process::plan("pylm", program).args(["job", function, "--db", &*node.db]).start();
    let input: Vec<String> = (0..count).map(|number| format!("{number}\n")).collect();
    client.write_stdin(input.concat().as_bytes());
    client.close_stdin();
    client.wait_for_success(CLIENT);
    client.stdout_lines()
}

fn tens(count: usize) -> Vec<String> {
    (0..count).step_by(10).map(|number| number.to_string()).collect()
}

fn sorted(lines: Vec<String>) -> Vec<u64> {
    let number = |line: &String| line.trim_matches(['b', '\'']).parse().unwrap_or(u64::MAX);
    let mut numbers: Vec<u64> = lines.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Nobody can know how many results a function of a Python worker gives; each one counts.
mod how_many {
    use super::*;

    const ZERO: [&str; 2] = ["--pylm-zero", "result"];

    #[test]
    fn nothing_for_many_in_a_row_blocks_nobody() {
        let _limit = limit();
        let node = Node::start(&ZERO);
        let _worker = pylm::mux_worker("worker", &node.db, &[]);
        assert_eq!(sorted(numbered(&node, "server.keep", 100, 10)), sorted(tens(100)));
        assert_eq!(sorted(natively(&node, "server.keep", 100)), sorted(tens(100)));
        assert_eq!(numbered(&node, "server.one", 10, 10).len(), 10);
        let account = node.end(END);
        // What gave nothing behind the last result ended with its call.
        assert_eq!((account.accepted, account.done + account.cancelled), (210, 210));
    }

    #[test]
    fn nothing_ever_leaves_the_worker_to_others() {
        let _limit = limit();
        let node = Node::start(&[&ZERO[..], &["--pylm-silence", "1"]].concat());
        let _worker = pylm::mux_worker("worker", &node.db, &[]);
        assert_eq!(natively(&node, "server.never", 8), Vec::<String>::new());
        assert_eq!(numbered(&node, "server.one", 10, 10).len(), 10);
        assert_eq!(node.end(END).done, 18);
    }

    #[test]
    fn nothing_ever_is_passed_over_at_the_pace_that_was_told() {
        let _limit = limit();
        let node = Node::start(&[&ZERO[..], &["--pylm-pace", "never=2ms"]].concat());
        let _worker = pylm::mux_worker("worker", &node.db, &[]);
        // Unless told, it is passed over at one message a second.
        assert_eq!(natively(&node, "server.never", 1_000), Vec::<String>::new());
        assert_eq!(node.end(END).done, 1_000);
    }

    #[test]
    fn two_behind_many_of_one_all_come() {
        let _limit = limit();
        let node = Node::start(&ZERO);
        let _worker = pylm::mux_worker("worker", &node.db, &[]);
        assert_eq!(numbered(&node, "server.one", 20, 20).len(), 20);
        assert_eq!(numbered(&node, "server.two", 10, 20).len(), 20);
        for lines in [numbered(&node, "server.vary", 30, 40), natively(&node, "server.vary", 30)] {
            assert_eq!(
                sorted(lines),
                sorted((0..30).chain(20..30).map(|number| number.to_string()).collect())
            );
        }
        node.end(END);
    }

    #[test]
    fn a_second_result_that_comes_late_counts_with_hooks_too() {
        let _limit = limit();
        for plugins in [&[][..], &["--plugin", "scatter3"], &["--plugin", "logged"]] {
            let node = Node::start(&[&ZERO[..], plugins].concat());
            let _worker = pylm::mux_worker("worker", &node.db, &["--delay", "1.5"]);
            let copies = if plugins.contains(&"scatter3") { 3 } else { 1 };
            let lines = numbered(&node, "server.vary", 22, 24 * copies);
            assert_eq!(lines.len(), 24 * copies, "{plugins:?}");
            node.end(END);
        }
    }

    #[test]
    fn a_second_result_that_nothing_foretold_is_waited_for_as_long_as_was_said() {
        let _limit = limit();
        let node = Node::start(&[&ZERO[..], &["--pylm-quiet", "4s"]].concat());
        let _worker = pylm::mux_worker("worker", &node.db, &["--delay", "1.5"]);
        // Twenty gave one, and the last of all gives two.
        let expected = (0..21).chain([20]).map(|number| number.to_string());
        assert_eq!(sorted(natively(&node, "server.vary", 21)), sorted(expected.collect()));
        assert_eq!(node.end(END).done, 21);
    }

    #[test]
    fn a_second_result_that_nothing_foretold_comes_where_the_worker_has_more_of_the_job() {
        let _limit = limit();
        let node = Node::start(&ZERO);
        let _worker = pylm::mux_worker("worker", &node.db, &["--delay", "1.5"]);
        // Longer than --pylm-quiet behind the first one of 20; what that takes is known when the last one of all has its turn.
        let expected = (0..22).chain([20, 21]).map(|number| number.to_string());
        assert_eq!(sorted(natively(&node, "server.vary", 22)), sorted(expected.collect()));
        assert_eq!(node.end(END).done, 22);
    }

    #[test]
    fn a_second_result_that_comes_later_than_that_is_lost_to_a_native_client_and_the_log_says_so() {
        let _limit = limit();
        let node = Node::start(&ZERO);
        let _worker = pylm::mux_worker("worker", &node.db, &["--delay", "5"]);
        assert_eq!(natively(&node, "server.vary", 21).len(), 21);
        node.process.wait_for_line("which is lost; see --pylm-quiet", CLIENT);
        assert_eq!(node.end(END).done, 21);
    }

    #[test]
    fn what_comes_behind_a_zero_counts() {
        let _limit = limit();
        let node = Node::start(&[]);
        let _worker = pylm::mux_worker("worker", &node.db, &[]);
        assert_eq!(numbered(&node, "server.zero", 10, 20).len(), 20);
        let account = node.end(END);
        assert_eq!((account.accepted, account.failed), (10, 10));
    }
}

/// A function that keeps one of ten messages.
mod filter {
    use super::*;
    use pylm_tests::address::wait_for_peers;
    use pylm_tests::node::WorkerHost;
    use std::time::Instant;

    const FEW: Duration = Duration::from_secs(10);

    fn filter(db: &str, count: usize, more: &[&str]) -> (Vec<u64>, Duration) {
        let (count, results) = (count.to_string(), count.div_ceil(10).to_string());
        let job = ["--numbered", "--function", "server.keep", "--count", &count, "--results", &results];
        let began = Instant::now();
        let lines = pylm::client_lines(db, &[&job[..], more].concat(), CLIENT * 2);
        (sorted(lines), began.elapsed())
    }

    fn mux_workers(db: &str, args: &[&str]) -> [Process; 2] {
        ["worker1", "worker2"].map(|name| pylm::mux_worker(name, db, args))
    }

    /// With a Worker, which has to answer each message (the next one would be its last): what it answers to the others stands beside.
    #[test]
    fn of_ten_thousand_gives_every_result_as_soon_as_with_pylm() {
        let _limit = limit();
        let master = pylm::master(&[]);
        let workers = mux_workers(&master.db, &[]);
        wait_for_peers(&master.worker_push, 2, CLIENT);
        let (results, with_pylm) = filter(&master.db, 10_000, &["--send-after", "0.5"]);
        assert_eq!(results, sorted(tens(10_000)));
        drop((workers, master));

        let node = Node::start(&["--pylm-zero", "result"]);
        let _host = WorkerHost::start(&node.db, &["parallel"], "native", &[]);
        let _workers = mux_workers(&node.db, &[]);
        let _worker = pylm::worker("worker", &node.db, &[]);
        let began = Instant::now();
        let job = ["--numbered", "--function", "server.keep", "--count", "10000", "--results", "1000"];
        let how = ["--send-after", "0.5", "--beside", "beside "];
        let lines = pylm::client_lines(&node.db, &[&job[..], &how].concat(), CLIENT * 2);
        let with_us = began.elapsed();
        let (beside, results): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| line.starts_with("b'beside "));
        assert_eq!(sorted(results), sorted(tens(10_000)));
        assert!(
            !beside.is_empty() && counted(&beside).values().all(|count| *count == 1),
            "the Worker has its part"
        );
        assert!(with_us < 2 * with_pylm, "{with_us:?}, and {with_pylm:?} with pylm");
        // Nobody is blocked.
        assert_eq!(numbered(&node, "server.foo", 10, 10).len(), 10);
        assert_eq!(numbered(&node, "server.one", 10, 10).len(), 10);
        let account = node.end(END);
        assert_eq!((account.accepted, account.failed), (10_020, 0));
    }

    #[test]
    fn that_takes_its_time_gives_a_native_client_every_result() {
        let _limit = limit();
        let node = Node::start(&["--pylm-zero", "result"]);
        let _workers = mux_workers(&node.db, &["--delay", "0.5"]);
        assert_eq!(sorted(natively(&node, "server.keep", 21)), [0, 10, 20]);
        assert_eq!(node.end(END).done, 21);
    }

    #[test]
    fn that_takes_its_time_is_waited_for_and_the_workers_are_kept_busy() {
        let _limit = limit();
        let node = Node::start(&["--pylm-zero", "result"]);
        let _workers = mux_workers(&node.db, &["--delay", "2"]);
        let (results, took) = filter(&node.db, 21, &[]);
        assert_eq!(results, [0, 10, 20]);
        // Two workers at 2 s each for 21 messages: 22 s.
        assert!(took < 22 * Duration::from_secs(1) + 2 * FEW, "{took:?}");
        // What comes after the end that was guessed is in no account.
        let account = node.end(END);
        assert_eq!((account.accepted, account.done + account.cancelled), (21, 21));
    }
}

/// What a call of a client did not take reaches none of its later calls.
mod left_over {
    use super::*;

    #[track_caller]
    fn check(args: &[&str]) {
        let _limit = limit();
        let node = Node::start(&[]);
        let _workers = ["worker1", "worker2"].map(|name| pylm::worker(name, &node.db, &[]));
        let how = ["--db", &*node.db, "--function", "server.python_echo"];
        let mut client = pylm::script("client", "leaving_client.py", &[&how[..], args].concat());
        client.wait_for_success(CLIENT * 3);
        assert_eq!(client.stdout_lines(), ["0 left over"]);
        node.end(END);
    }

    #[test]
    fn evals_right_behind_a_job_that_was_left_get_their_own() {
        check(&["--rounds", "40"]);
    }

    #[test]
    fn jobs_behind_jobs_that_were_left_get_their_own() {
        check(&["--rounds", "60", "--evals", "0"]);
    }

    #[test]
    fn jobs_that_were_left_before_all_was_read_keep_the_rest() {
        check(&["--rounds", "6", "--count", "8000", "--taken", "1", "--evals", "1"]);
    }
}

/// What a Python worker does to itself, or cannot send, is an error of its message only.
mod harm {
    use super::*;

    #[test]
    fn results_that_are_too_large_are_errors_and_the_worker_goes_on() {
        let _limit = limit();
        let node = Node::start(&["--max-message", "1000000"]);
        let _worker = pylm::worker("worker", &node.db, &[]);
        for bytes in ["1000001", "10000000"] {
            let job = ["--function", "server.large", "--payload", bytes, "--count", "6"];
            assert_eq!(pylm::client_lines(&node.db, &job, CLIENT), ["b'0'"; 6]);
        }
        assert_eq!(numbered(&node, "server.python_echo", 10, 10).len(), 10);
        let account = node.end(END);
        assert_eq!((account.done, account.failed), (9, 13));
    }

    #[track_caller]
    fn check_poison(start: fn(&str, &str, &[&str]) -> Process, function: &str, echo: &str) {
        let _limit = limit();
        let node = Node::start(&[]);
        let mut workers: Vec<Process> = ["worker1", "worker2", "worker3", "worker4", "worker5"]
            .map(|name| start(name, &node.db, &[]))
            .into();
        assert_eq!(numbered(&node, function, 1, 1), ["b'0'"]);
        assert_eq!(numbered(&node, echo, 30, 30).len(), 30);
        let alive = workers.iter_mut().filter_map(|worker| worker.try_wait().is_none().then_some(())).count();
        assert_eq!(alive, 3);
        let account = node.end(END);
        // The echo of a 0 stands for an error too.
        assert_eq!((account.done, account.failed), (29, 2));
    }

    #[test]
    fn a_message_that_ends_workers_ends_two_of_them() {
        check_poison(pylm::worker, "server.nothing", "server.python_echo");
    }

    #[test]
    fn a_message_that_ends_mux_workers_ends_two_of_them() {
        check_poison(pylm::mux_worker, "server.bad", "server.one");
    }
}

/// An error is one result among those of a message, and the others come too.
mod errors {
    use super::*;
    use pylm_tests::flow::{FIRST, Flow, LAST, Mix, Part};

    #[test]
    fn a_part_that_is_answered_with_zero_leaves_the_others() {
        let _limit = limit();
        let node = Node::start(&["--plugin", "scatter3"]);
        let _workers = ["worker1", "worker2"].map(|name| pylm::worker(name, &node.db, &[]));
        let job = ["--function", "server.python_echo", "--numbered", "--copies", "3", "--extra-wait", "0.5"];
        let lines = pylm::client_lines(&node.db, &job, CLIENT);
        let expected: Vec<String> = (0..10).map(|number| format!("b'{number}'")).collect();
        assert_eq!(counted(&lines), expected.iter().map(|line| (line.as_str(), 3)).collect());
        let account = node.end(END);
        assert_eq!((account.done, account.failed), (9, 1));
    }

    const MIDDLE: Part = Part {
        label: "middle",
        name: "middle",
        pipelined: true,
        ours: &["--plugin", "stamp", "--set", "stamp.text=middle ", "--function-wait", "1"],
        python: ("pipeline.py", &["--text", "middle "]),
        ..LAST
    };

    /// What cannot be called at the node in the middle is an error there, which the last one gets as its payload.
    #[track_caller]
    fn check_middle(mix: Mix<'_>) {
        let _limit = limit();
        let last = Part { from: &[("middle", "middle")], ..LAST };
        let flow = Flow::start(&[FIRST, MIDDLE, last], mix);
        for middle in ["wrong.foo", "middle.nothing", "nodot", "middle.foo"] {
            let call = ["--function", "first.foo", "--function", middle, "--function", "last.foo"];
            let lines = flow.python_client(&[&call[..], &["--count", "4", "--extra-wait", "0.5"]].concat());
            let expected =
                if middle == "middle.foo" { "b'last middle first a message'" } else { "b'last 0'" };
            assert_eq!(lines, [expected; 4], "{middle}");
        }
    }

    #[test]
    fn of_a_node_in_the_middle_go_on_between_nodes_of_ours() {
        check_middle(Mix::Ours);
    }

    #[test]
    fn of_a_node_in_the_middle_go_on_between_nodes_of_pylm() {
        check_middle(Mix::Mixed(&["first", "last"]));
    }

    #[test]
    fn of_a_node_in_the_middle_go_on_behind_a_node_of_pylm() {
        check_middle(Mix::Mixed(&["first"]));
    }

    #[test]
    fn of_a_node_in_the_middle_go_on_before_a_node_of_pylm() {
        check_middle(Mix::Mixed(&["last"]));
    }

    #[track_caller]
    fn check_followers(mix: Mix<'_>) {
        let _limit = limit();
        const OTHER: Part = Part { label: "other", name: "other", pipelined: false, ..MIDDLE };
        let one = Part { label: "one", name: "one", ..LAST };
        let flow = Flow::start(&[FIRST, OTHER, one], mix);
        let call =
            ["--function", "first.foo", "--function", "one.foo", "--count", "20", "--extra-wait", "0.5"];
        assert_eq!(flow.python_client(&call), ["b'last first a message'"; 20]);
    }

    #[test]
    fn of_a_follower_of_another_name_leave_what_the_other_one_gives() {
        check_followers(Mix::Ours);
    }

    #[test]
    fn of_a_follower_of_another_name_leave_what_one_of_pylm_gives() {
        check_followers(Mix::Mixed(&["one"]));
    }

    #[test]
    fn of_followers_behind_a_node_of_pylm_leave_what_the_others_give() {
        check_followers(Mix::Mixed(&["first"]));
    }
}
