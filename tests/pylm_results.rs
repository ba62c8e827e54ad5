//! What a client of pylm's counts with us is what pylm would have sent it.

use std::collections::BTreeMap;
use std::time::Duration;

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::node::Node;
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

/// An error is one result among those of a message, and the others come too.
mod errors {
    use super::*;
    use pylm_tests::flow::{Flow, Mix, Part};

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

    const FIRST: Part = Part {
        label: "first",
        name: "first",
        from: &[],
        pipelined: true,
        ours: &["--plugin", "stamp", "--set", "stamp.text=first "],
        python: ("server.py", &["--text", "first "]),
        workers: None,
    };

    const MIDDLE: Part = Part {
        label: "middle",
        name: "middle",
        from: &[("first", "first")],
        pipelined: true,
        ours: &["--plugin", "stamp", "--set", "stamp.text=middle ", "--function-wait", "1"],
        python: ("pipeline.py", &["--text", "middle "]),
        workers: None,
    };

    const LAST: Part = Part {
        label: "last",
        name: "last",
        from: &[("middle", "middle")],
        pipelined: false,
        ours: &["--plugin", "stamp", "--set", "stamp.text=last "],
        python: ("pipeline.py", &["--text", "last "]),
        workers: None,
    };

    /// What cannot be called at the node in the middle is an error there, which the last one gets as its payload.
    #[track_caller]
    fn check_middle(mix: Mix) {
        let _limit = limit();
        let flow = Flow::start(&[FIRST, MIDDLE, LAST], mix);
        for middle in ["wrong.foo", "middle.nothing", "nodot", "middle.foo"] {
            let call = ["--function", "first.foo", "--function", middle, "--function", "last.foo"];
            let lines = flow.python_client(&[&call[..], &["--count", "4", "--extra-wait", "0.5"]].concat());
            let expected = if middle == "middle.foo" { "b'last middle first a message'" } else { "b'last 0'" };
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
    fn check_followers(mix: Mix) {
        let _limit = limit();
        const OTHER: Part = Part { label: "other", name: "other", pipelined: false, ..MIDDLE };
        let one = Part { label: "one", name: "one", from: &[("first", "first")], ..LAST };
        let flow = Flow::start(&[FIRST, OTHER, one], mix);
        let call = ["--function", "first.foo", "--function", "one.foo", "--count", "20", "--extra-wait", "0.5"];
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
