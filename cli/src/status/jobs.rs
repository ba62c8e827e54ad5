//! `pylm jobs`: the open jobs of a node.

use super::snapshot::Job;
use super::{look, print};
use crate::arguments::LookArguments;
use crate::failure::Failure;
use pylm_protocol::visible;
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
    let heads = ["FUNCTION", "CLIENT"];
    let columns = |job: &Job| [&job.function, &job.client].map(|text| visible(text).to_string());
    let rows: Vec<_> = node.jobs.iter().map(|job| (job, columns(job))).collect();
    let width = |place: usize| {
        let widths = rows.iter().map(|(_, texts)| texts[place].chars().count());
        widths.chain([heads[place].len()]).max().unwrap_or_default()
    };
    let (functions, clients) = (width(0), width(1));
    let mut text = format!(
        "{:36}  {:>9}  {:>9}  {:>6}  {:>9}  {:>9}  {:functions$}  {:clients$}  WHY\n",
        "JOB", "ACCEPTED", "DONE", "FAILED", "CANCELLED", "UNDER WAY", heads[0], heads[1]
    );
    for (job, [function, client]) in &rows {
        let counts = &job.counts;
        let _ = writeln!(
            text,
            "{:36}  {:>9}  {:>9}  {:>6}  {:>9}  {:>9}  {function:functions$}  {client:clients$}  {}",
            job.identity,
            counts.accepted,
            counts.done,
            counts.failed,
            counts.cancelled,
            counts.under_way,
            visible(&job.why)
        );
    }
    if node.left_off.jobs > 0 {
        let _ = writeln!(text, "{} more jobs are not listed", node.left_off.jobs);
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
