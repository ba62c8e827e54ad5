//! stream and stream_sink: a Server that sends its results to the topics `even` and `odd` in turn.

use super::example::{Example, mixtures};
use pylm_tests::flow::Part;

const SERVER: Part = Part {
    label: "server",
    name: "my_server",
    from: &[],
    pipelined: true,
    ours: &["--plugin", "stamp", "--set", "stamp.text=first ", "--plugin", "alternate"],
    python: ("server.py", &["--text", "first ", "--alternate", "even,odd"]),
    workers: None,
};

/// The half of the messages that nobody answers are seen all the same.
mod stream {
    use super::*;

    const EVEN: Part = Part {
        label: "even",
        name: "my_pipeline",
        from: &[("even", "server")],
        pipelined: false,
        ours: &["--plugin", "stamp", "--set", "stamp.text=even "],
        python: ("pipeline.py", &["--text", "even "]),
        workers: None,
    };

    const ODD: Part = Part {
        label: "odd",
        from: &[("odd", "server")],
        ours: &["--plugin", "listen"],
        python: ("pipeline.py", &["--silent"]),
        ..EVEN
    };

    const STREAM: Example = Example {
        parts: &[SERVER, ODD, EVEN],
        call: &["my_server.foo", "my_pipeline.foo"],
        cached: false,
        answers: &[("even first a message", 5)],
        last: None,
        logged: &[("only a look", 5..=5)],
    };

    mixtures! {
        STREAM;
        a_python_server: "server",
        a_python_pipeline_of_the_odd: "odd",
        a_python_pipeline_of_the_even: "even"
    }
}

/// The two streams come together again.
mod stream_sink {
    use super::*;

    const EVEN: Part = Part {
        label: "even",
        name: "my_pipeline",
        from: &[("even", "server")],
        pipelined: true,
        ours: &["--plugin", "stamp", "--set", "stamp.text=even "],
        python: ("pipeline.py", &["--text", "even "]),
        workers: None,
    };

    const ODD: Part = Part {
        label: "odd",
        from: &[("odd", "server")],
        ours: &["--plugin", "stamp", "--set", "stamp.text=odd "],
        python: ("pipeline.py", &["--text", "odd "]),
        ..EVEN
    };

    const SINK: Part = Part {
        label: "sink",
        name: "my_sink",
        from: &[("my_pipeline", "even"), ("my_pipeline", "odd")],
        pipelined: false,
        ours: &["--plugin", "stamp", "--set", "stamp.text=last "],
        python: ("sink.py", &["--text", "last "]),
        workers: None,
    };

    const STREAM_SINK: Example = Example {
        parts: &[SERVER, EVEN, ODD, SINK],
        call: &["my_server.foo", "my_pipeline.foo", "my_sink.foo"],
        cached: false,
        answers: &[("last even first a message", 5), ("last odd first a message", 5)],
        last: None,
        logged: &[],
    };

    mixtures! {
        STREAM_SINK;
        a_python_server: "server",
        a_python_pipeline_of_the_even: "even",
        a_python_pipeline_of_the_odd: "odd",
        a_python_sink: "sink"
    }
}
