//! The program, from its command line to its JSON, with what needs neither the node nor Python.

use serde_json::Value;
use std::process::Command;

#[test]
fn the_ceiling_is_measured_and_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("run.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pylm-bench"));
    command.args([
        "--only",
        "ceiling,ceiling-palm",
        "--sizes",
        "16,64KiB",
        "--rounds",
        "1",
        "--seconds",
        "0.2",
    ]);
    let output = command.args(["--any-build", "--force", "--json"]).arg(&json).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let run: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let measurements = run["measurements"].as_array().unwrap();
    assert_eq!((measurements.len(), run["failures"].as_array().unwrap().len()), (4, 0), "{said}");
    for measurement in measurements {
        assert!(measurement["messages"].as_u64().unwrap() > 100, "{measurement}");
    }
    // The system counts a process's time in steps that are longer than a short run may need.
    let cpu = |measurement: &Value| measurement["cpu"]["node"].as_f64().unwrap();
    assert!(measurements.iter().map(cpu).sum::<f64>() > 0.0, "{measurements:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table.lines().filter(|line| line.contains("| ceiling")).count(), 4, "{table}");
}

#[test]
fn a_size_without_room_for_a_number_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_pylm-bench")).args(["--sizes", "7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("at least 8"));
}
