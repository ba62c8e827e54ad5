//! What a message costs in instructions stays what it was, whatever the machine is doing.

use pylm_tests::programs::{Profile, build};
use pylm_tests::skip::skip;
use std::process::Command;

#[test]
fn no_stage_has_become_more_expensive() {
    // A debug build executes other instructions.
    let programs = build(Profile::Release, &["-p", "pylm-bench"]);
    let output = Command::new(programs.program("pylm-bench")).arg("instructions").output().unwrap();
    let (table, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{table}");
    assert!(output.status.success(), "{table}{errors}");
    if let Some(why) = table.trim().strip_prefix("skipped: ") {
        skip(why);
    }
}
