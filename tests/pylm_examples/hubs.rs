//! master_pipeline and server_hub: a node with workers before, or behind, a node that runs its functions itself.

use super::example::{Example, mixtures};
use pylm_tests::flow::{Part, Workers};

const WORKERS: Workers = Workers { plugin: "parallel", python: ("worker.py", &[]) };

mod master_pipeline {
    use super::*;

    const MASTER: Part = Part {
        label: "master",
        name: "server",
        from: &[],
        pipelined: true,
        ours: &[],
        python: ("master.py", &[]),
        workers: Some(WORKERS),
    };

    const PIPELINE: Part = Part {
        label: "pipeline",
        name: "my_pipeline",
        from: &[("server", "master")],
        pipelined: false,
        ours: &["--plugin", "stamp", "--set", "stamp.text=second "],
        python: ("pipeline.py", &["--text", "second "]),
        workers: None,
    };

    const MASTER_PIPELINE: Example = Example {
        parts: &[MASTER, PIPELINE],
        call: &["server.foo", "my_pipeline.foo"],
        cached: false,
        answers: &[("second worker processed a message", 10)],
        last: None,
        logged: &[],
    };

    mixtures! {
        MASTER_PIPELINE;
        a_python_master: "master",
        a_python_pipeline: "pipeline",
        python_workers: "workers"
    }
}

mod server_hub {
    use super::*;

    const SERVER: Part = Part {
        label: "server",
        name: "server",
        from: &[],
        pipelined: true,
        ours: &["--plugin", "stamp", "--set", "stamp.text=first "],
        python: ("server.py", &["--text", "first "]),
        workers: None,
    };

    const HUB: Part = Part {
        label: "hub",
        name: "hub",
        from: &[("server", "server")],
        pipelined: false,
        ours: &[],
        python: ("hub.py", &[]),
        workers: Some(WORKERS),
    };

    const SERVER_HUB: Example = Example {
        parts: &[SERVER, HUB],
        call: &["server.foo", "hub.foo"],
        cached: false,
        answers: &[("worker processed first a message", 10)],
        last: None,
        logged: &[],
    };

    mixtures! { SERVER_HUB; a_python_server: "server", a_python_hub: "hub", python_workers: "workers" }
}
