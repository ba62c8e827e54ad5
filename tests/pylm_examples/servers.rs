//! single and error: one Server that runs its functions itself.

use super::example::{Example, limit, mixtures};
use pylm_tests::flow::{Flow, Mix, Part};

const SERVER: Part = Part {
    label: "server",
    name: "my_server",
    from: &[],
    pipelined: false,
    ours: &["--plugin", "stamp", "--set", "stamp.text=first ", "--plugin", "testing"],
    python: ("server.py", &["--text", "first "]),
    workers: None,
};

const SINGLE: Example = Example {
    parts: &[SERVER],
    call: &["my_server.foo"],
    cached: false,
    answers: &[("first a message", 10)],
    last: None,
    logged: &[],
};

mod single {
    use super::*;

    mixtures! { SINGLE; }

    #[test]
    fn eval_answers_each_call() {
        let _limit = limit();
        let flow = Flow::start(SINGLE.parts, Mix::Ours);
        let lines = flow.python_client(&["--function", "my_server.foo", "--eval", "--count", "5"]);
        assert_eq!(lines, ["b'first a message'"; 5]);
    }
}

mod error {
    use super::*;

    /// To a pylm client a function that fails is a payload of `0`, which it cannot tell from a result.
    fn check(mix: Mix<'_>) {
        Example { call: &["my_server.fail"], answers: &[("0", 10)], ..SINGLE }.check(mix);
    }

    #[test]
    fn all_ours_and_a_python_client() {
        check(Mix::Ours);
    }

    #[test]
    fn all_python() {
        check(Mix::Python);
    }

    #[test]
    fn all_ours_and_a_native_client() {
        let _limit = limit();
        let flow = Flow::start(SINGLE.parts, Mix::Ours);
        let mut job = flow.native_client(&["job", "my_server.fail"], b"refused on purpose\n");
        assert_eq!(job.try_wait().and_then(|status| status.code()), Some(3));
        assert_eq!(job.stdout_lines(), Vec::<String>::new());
        let errors = job.stderr_lines();
        assert!(errors.iter().any(|line| line.contains("refused on purpose")), "{errors:?}");
    }

    #[test]
    fn the_server_goes_on_after_an_error() {
        let _limit = limit();
        for mix in [Mix::Ours, Mix::Python] {
            let flow = Flow::start(SINGLE.parts, mix);
            let one = ["--count", "1", "--function"];
            assert_eq!(flow.python_client(&[&one[..], &["my_server.fail"]].concat()), ["b'0'"]);
            assert_eq!(flow.python_client(&[&one[..], &["my_server.foo"]].concat()), ["b'first a message'"]);
        }
    }
}
