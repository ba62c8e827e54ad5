//! pipeline, sink and tee: a Server whose results go on to nodes that run their functions themselves.

use super::example::{Example, limit, mixtures};
use pylm_tests::flow::{FIRST, Flow, LAST, Mix, Part};

const PIPELINE: Example = Example {
    parts: &[FIRST, LAST],
    call: &["first.foo", "last.foo"],
    cached: false,
    answers: &[("last first a message", 10)],
    last: None,
    logged: &[],
};

mod pipeline {
    use super::*;

    mixtures! { PIPELINE; a_python_server: "first", a_python_pipeline: "last" }

    #[test]
    fn eval_answers_each_call() {
        let _limit = limit();
        let flow = Flow::start(PIPELINE.parts, Mix::Ours);
        let stages = ["--function", "first.foo", "--function", "last.foo"];
        let lines = flow.python_client(&[&stages[..], &["--eval", "--count", "5"]].concat());
        assert_eq!(lines, ["b'last first a message'"; 5]);
    }
}

/// One source is enough for a Sink.
mod sink {
    use super::*;

    const SINK: Part = Part { python: ("sink.py", &["--text", "last "]), ..LAST };

    mixtures! { Example { parts: &[FIRST, SINK], ..PIPELINE }; a_python_server: "first", a_python_sink: "last" }
}

/// Two nodes of one name get every message; one of them only looks at it, and answers nothing.
mod tee {
    use super::*;

    const LISTENER: Part = Part {
        label: "listener",
        ours: &["--plugin", "listen"],
        python: ("pipeline.py", &["--silent"]),
        ..LAST
    };

    const TEE: Example =
        Example { parts: &[FIRST, LISTENER, LAST], logged: &[("only a look", 10..=10)], ..PIPELINE };

    mixtures! {
        TEE;
        a_python_server: "first",
        a_python_listener: "listener",
        a_python_pipeline: "last"
    }
}
