//! parallel, cache, scatter, gather, mux_parallel, template, applications and logging: one Master with two workers.

use super::example::{Example, mixtures};
use pylm_tests::flow::{Part, Workers};

const MASTER: Part = Part {
    label: "master",
    name: "server",
    from: &[],
    pipelined: false,
    ours: &[],
    python: ("master.py", &[]),
    workers: Some(Workers { label: "workers", plugin: "parallel", python: ("worker.py", &[]) }),
};

const CACHED: Workers = Workers { label: "workers", plugin: "cached", python: ("worker.py", &["--cached"]) };

const PARALLEL: Example = Example {
    parts: &[MASTER],
    call: &["server.foo"],
    cached: false,
    answers: &[("worker processed a message", 10)],
    last: None,
    logged: &[],
};

mod parallel {
    use super::*;

    mixtures! { PARALLEL; a_python_master: "master", python_workers: "workers" }
}

mod cache {
    use super::*;

    const CACHE: Example = Example {
        parts: &[Part { workers: Some(CACHED), ..MASTER }],
        cached: true,
        answers: &[("worker cached data a message", 10)],
        ..PARALLEL
    };

    mixtures! { CACHE; a_python_master: "master", python_workers: "workers" }
}

mod scatter {
    use super::*;

    const SCATTER: Example = Example {
        parts: &[Part {
            ours: &["--plugin", "scatter3"],
            python: ("master.py", &["--copies", "3"]),
            workers: Some(CACHED),
            ..MASTER
        }],
        cached: true,
        answers: &[("worker cached data a message", 30)],
        ..PARALLEL
    };

    mixtures! { SCATTER; a_python_master: "master", python_workers: "workers" }
}

mod gather {
    use super::*;

    const GATHER: Example = Example {
        parts: &[Part {
            ours: &["--plugin", "scatter3", "--plugin", "final-message"],
            python: ("master.py", &["--copies", "3", "--final", "30"]),
            workers: Some(CACHED),
            ..MASTER
        }],
        cached: true,
        answers: &[("worker cached data a message", 29), ("Final message", 1)],
        last: Some("Final message"),
        ..PARALLEL
    };

    mixtures! { GATHER; a_python_master: "master", python_workers: "workers" }
}

/// pylm's own example does not run with pylm: its worker imports MuxWorker and derives from Worker, adds text to bytes,
/// numbers both results 1, and its client waits for 10 of the 20. Here it is as it must have been meant.
mod mux_parallel {
    use super::*;

    const MUX_PARALLEL: Example = Example {
        parts: &[Part {
            workers: Some(Workers { label: "workers", plugin: "testing", python: ("mux_worker.py", &[]) }),
            ..MASTER
        }],
        call: &["server.twice"],
        answers: &[("worker processed a message 1", 10), ("worker processed a message 2", 10)],
        ..PARALLEL
    };

    mixtures! { MUX_PARALLEL; a_python_master: "master", python_workers: "workers" }
}

/// A master that is put together from pylm's parts: to its workers and clients it is a Master.
mod template {
    use super::*;

    const TEMPLATE: Example =
        Example { parts: &[Part { python: ("template.py", &[]), ..MASTER }], ..PARALLEL };

    mixtures! { TEMPLATE; a_python_master: "master", python_workers: "workers" }
}

/// Programs whose names, addresses and functions are given on the command line.
mod applications {
    use super::*;

    const APPLICATIONS: Example =
        Example { parts: &[Part { name: "application", ..MASTER }], call: &["application.foo"], ..PARALLEL };

    mixtures! { APPLICATIONS; a_python_master: "master", python_workers: "workers" }
}

/// A master and its workers write to their logs.
mod logging {
    use super::*;

    const LOGGING: Example = Example {
        parts: &[Part {
            ours: &["--plugin", "scatter3", "--plugin", "logged"],
            python: ("master.py", &["--copies", "3", "--final", "30"]),
            workers: Some(Workers { label: "workers", plugin: "logged", python: ("worker.py", &[]) }),
            ..MASTER
        }],
        answers: &[("worker processed a message", 29), ("Final message", 1)],
        last: Some("Final message"),
        logged: &[("result 30 is replaced", 1..=1), ("processed 10 messages", 1..=2)],
        ..PARALLEL
    };

    mixtures! { LOGGING; a_python_master: "master", python_workers: "workers" }
}
