//! pipeline, sink and tee: a Server whose results go on to nodes that run their functions themselves.

use super::example::{Example, limit, mixtures};
use pylm_tests::flow::{Flow, Mix, Part};

const SERVER: Part = Part {
    label: "server",
    name: "my_server",
    from: &[],
    pipelined: true,
    ours: &["--plugin", "stamp", "--set", "stamp.text=first "],
    python: ("server.py", &["--text", "first "]),
    workers: None,
};

const LAST: Part = Part {
    label: "pipeline",
    name: "my_pipeline",
    from: &[("my_server", "server")],
    pipelined: false,
    ours: &["--plugin", "stamp", "--set", "stamp.text=second "],
    python: ("pipeline.py", &["--text", "second "]),
    workers: None,
};

const PIPELINE: Example = Example {
    parts: &[SERVER, LAST],
    call: &["my_server.foo", "my_pipeline.foo"],
    cached: false,
    answers: &[("second first a message", 10)],
    last: None,
    logged: &[],
};

mod pipeline {
    use super::*;

    mixtures! { PIPELINE; a_python_server: "server", a_python_pipeline: "pipeline" }

    #[test]
    fn eval_answers_each_call() {
        let _limit = limit();
        let flow = Flow::start(PIPELINE.parts, Mix::Ours);
        let stages = ["--function", "my_server.foo", "--function", "my_pipeline.foo"];
        let lines = flow.python_client(&[&stages[..], &["--eval", "--count", "5"]].concat());
        assert_eq!(lines, ["b'second first a message'"; 5]);
    }
}

/// One source is enough for a Sink.
mod sink {
    use super::*;

    const SINK: Part = Part {
        label: "sink",
        name: "my_pipeline",
        from: &[("my_server", "server")],
        pipelined: false,
        ours: &["--plugin", "stamp", "--set", "stamp.text=second "],
        python: ("sink.py", &["--text", "second "]),
        workers: None,
    };

    mixtures! { Example { parts: &[SERVER, SINK], ..PIPELINE }; a_python_server: "server", a_python_sink: "sink" }
}

/// Two nodes of one name get every message; one of them only looks at it, and answers nothing.
mod tee {
    use super::*;

    const LISTENER: Part = Part {
        label: "listener",
        name: "my_pipeline",
        from: &[("my_server", "server")],
        pipelined: false,
        ours: &["--plugin", "listen"],
        python: ("pipeline.py", &["--silent"]),
        workers: None,
    };

    const TEE: Example =
        Example { parts: &[SERVER, LISTENER, LAST], logged: &[("only a look", 10..=10)], ..PIPELINE };

    mixtures! {
        TEE;
        a_python_server: "server",
        a_python_listener: "listener",
        a_python_pipeline: "pipeline"
    }
}
