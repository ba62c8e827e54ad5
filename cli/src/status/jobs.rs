//! `pylm jobs`: the open jobs of a node.

use super::{look, print};
use crate::arguments::LookArguments;
use crate::failure::Failure;
use serde_json::Value;
use std::fmt::Write;
use std::process::ExitCode;

/// Does what the arguments say.
pub(crate) fn jobs(arguments: &LookArguments) -> Result<ExitCode, Failure> {
    let (json, node) = look(&arguments.node)?;
    if arguments.json {
        let value: Value = serde_json::from_str(&json).unwrap_or_default();
        print(&value["jobs"].to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!(
        "{:36}  {:>9}  {:>9}  {:>6}  {:>9}  {:>9}  FUNCTION, CLIENT, WHY\n",
        "JOB", "ACCEPTED", "DONE", "FAILED", "CANCELLED", "UNDER WAY"
    );
    for job in &node.jobs {
        let counts = &job.counts;
        let _ = writeln!(
            text,
            "{:36}  {:>9}  {:>9}  {:>6}  {:>9}  {:>9}  {}, {}, {}",
            job.identity,
            counts.accepted,
            counts.done,
            counts.failed,
            counts.cancelled,
            counts.under_way,
            job.function,
            job.client,
            job.why
        );
    }
    if node.left_off.jobs > 0 {
        let _ = writeln!(text, "{} more jobs are not listed", node.left_off.jobs);
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
