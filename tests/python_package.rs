//! The Python package `pylmd`: its own tests, in a fresh interpreter, and what type checkers say of it.

use std::path::Path;
use std::time::Duration;

use pylm_tests::deadline::{Deadline, deadline};
use pylm_tests::package::{Package, package, source};
use pylm_tests::process::Process;

const LIMIT: Duration = Duration::from_secs(1200);
const PYTEST: Duration = Duration::from_secs(400);
const CHECK: Duration = Duration::from_secs(180);

fn limit() -> Deadline {
    // The first test also builds the programs and the wheel.
    deadline(LIMIT)
}

/// Runs a program of the environment in the package's folder, and sees that it ends well.
#[track_caller]
fn run(package: &Package, arguments: &[&str], patience: Duration) -> Vec<String> {
    // Beside the plugin `testing`, so that the programs of one build are in one folder.
    let programs = package.programs.program("pylmd").parent().unwrap_or(Path::new("."));
    let mut process = Process::plan(arguments[0], &package.python)
        .args(["-m"])
        .args(arguments.iter().copied())
        .env("PYLM_TEST_PROGRAMS", programs)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .start();
    let status = process.wait(patience);
    assert!(status.success(), "{arguments:?} ended with {status}");
    process.stdout_lines()
}

#[test]
fn its_own_tests_pass() {
    let _limit = limit();
    let package = package();
    let folder = source();
    let lines = run(
        &package,
        &["pytest", "-p", "no:cacheprovider", "--durations=5", &folder.to_string_lossy()],
        PYTEST,
    );
    let last = lines.iter().rev().find(|line| line.contains("passed"));
    assert!(last.is_some_and(|line| !line.contains("skipped")), "{lines:#?}");
}

#[test]
fn type_checkers_take_it_in_strict_mode() {
    let _limit = limit();
    let package = package();
    let folder = source();
    let folder = folder.to_string_lossy();
    let (package_folder, tests) = (format!("{folder}/pylmd"), format!("{folder}/tests"));
    run(&package, &["mypy", "--strict", "--cache-dir=/dev/null", &package_folder, &tests], CHECK);
    let python = package.python.to_string_lossy();
    run(&package, &["pyright", "--pythonpath", &python, "--project", &folder], CHECK);
}
