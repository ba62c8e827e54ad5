//! Counting instructions: a program under callgrind, and what each of its threads has executed.

use anyhow::{Context as _, Result, ensure};
use pylm_tests::process::{Plan, Process};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether valgrind can be run here.
pub fn is_here() -> bool {
    let quiet =
        Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// A plan to run `program` so that it leaves its counts in `folder`, those of its children too.
pub fn plan(name: &str, program: impl AsRef<OsStr>, folder: &Path) -> Plan {
    let out = folder.join("counts.%p");
    Process::plan(name, "valgrind")
        .args(["--tool=callgrind", "--separate-threads=yes", "--trace-children=yes", "--fair-sched=yes"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
}

/// What the threads of all programs that left counts in `folder` have executed, added up where `belongs` says so of the functions
/// that a thread has been in.
pub fn count(folder: &Path, belongs: impl Fn(&str) -> bool) -> Result<u64> {
    let mut total = None;
    for entry in fs::read_dir(folder)? {
        let text = fs::read_to_string(entry?.path())?;
        // One that was in nothing has no counts.
        let Some(executed) = text.lines().find_map(|line| line.strip_prefix("totals: ")) else { continue };
        if belongs(&text) {
            let executed: u64 = executed.trim().parse().context("callgrind's totals are no number")?;
            total = Some(total.unwrap_or(0) + executed);
        }
    }
    ensure!(total.is_some(), "no thread did what was to be counted; was it built with debug information?");
    total.context("nothing was counted")
}
