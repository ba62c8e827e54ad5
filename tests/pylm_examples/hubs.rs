//! master_pipeline and server_hub: a node with workers before, or behind, a node that runs its functions itself.

use super::example::{Example, mixtures};
use pylm_tests::flow::{FIRST, LAST, Part, Workers};

const WORKERS: Workers = Workers { label: "workers", plugin: "parallel", python: ("worker.py", &[]) };

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

    const PIPELINE: Part = Part { from: &[("server", "master")], ..LAST };

    const MASTER_PIPELINE: Example = Example {
        parts: &[MASTER, PIPELINE],
        call: &["server.foo", "last.foo"],
        cached: false,
        answers: &[("last worker processed a message", 10)],
        last: None,
        logged: &[],
    };

    mixtures! {
        MASTER_PIPELINE;
        a_python_master: "master",
        a_python_pipeline: "last",
        python_workers: "workers"
    }
}

mod server_hub {
    use super::*;

    const HUB: Part = Part {
        label: "hub",
        name: "hub",
        from: &[("first", "first")],
        pipelined: false,
        ours: &[],
        python: ("hub.py", &[]),
        workers: Some(WORKERS),
    };

    const SERVER_HUB: Example = Example {
        parts: &[FIRST, HUB],
        call: &["first.foo", "hub.foo"],
        cached: false,
        answers: &[("worker processed first a message", 10)],
        last: None,
        logged: &[],
    };

    mixtures! { SERVER_HUB; a_python_server: "first", a_python_hub: "hub", python_workers: "workers" }
}
