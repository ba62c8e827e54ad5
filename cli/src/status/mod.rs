//! What a node knows of itself: `pylm status`, `top`, `jobs`, `explain` and `functions`; and `cancel`, which ends a job of those.

pub(crate) mod cancel;
mod check;
pub(crate) mod explain;
pub(crate) mod functions;
pub(crate) mod jobs;
mod snapshot;
pub(crate) mod top;
mod words;

use crate::arguments::StatusArguments;
use crate::beginning::Beginning;
use crate::failure::{self, Failure};
use crate::job::connect;
use check::{Verdict, verdict};
use pylm_client::Uuid;
use pylm_client::blocking::Client;
use pylm_protocol::visible_lines;
use snapshot::{Snapshot, json, parsed};
use std::process::ExitCode;

/// `pylm status`: does what the arguments say.
pub(crate) fn status(arguments: &StatusArguments) -> Result<ExitCode, Failure> {
    let client = connect(&arguments.node)?;
    let (text, node) = loop {
        let text = json(&client)?;
        let node = parsed(&text)?;
        match verdict(&node, arguments.within.map(Into::into)) {
            Verdict::Stuck(reason) if arguments.check => return Err(Failure::Running(reason)),
            // Nothing is to be waited for but time itself: whether anything moves is seen only over a while.
            Verdict::Unknown(left) if arguments.check => std::thread::sleep(left),
            _ => break (text, node),
        }
    };
    print(&if arguments.json { text } else { words::words(&node) })?;
    client.close();
    Ok(ExitCode::SUCCESS)
}

/// What the node says of itself.
fn look(node: &crate::arguments::NodeArguments) -> Result<(String, Snapshot), Failure> {
    let client = connect(node)?;
    let json = json(&client)?;
    client.close();
    let snapshot = parsed(&json)?;
    Ok((json, snapshot))
}

/// The identity of the job of which this is the beginning, and no other's.
pub(crate) fn job_named(client: &Client, beginning: &Beginning) -> Result<Uuid, Failure> {
    if let Ok(whole) = Uuid::try_parse(beginning.text()) {
        return Ok(whole);
    }
    let node = parsed(&json(client)?)?;
    let job = explain::find(&node, beginning)?;
    Uuid::parse_str(&job.identity).map_err(|_| {
        Failure::Running(format!("the node calls a job `{}`, which is no identity", job.identity))
    })
}

/// The text in so many columns at most: what is cut is marked.
fn fitted(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    kept + "…"
}

fn print(text: &str) -> Result<(), Failure> {
    failure::print(format!("{}\n", visible_lines(text.trim_end())).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_marked() {
        assert_eq!(fitted("server.echo", 11), "server.echo");
        assert_eq!(fitted("server.echo", 8), "server.…");
        assert_eq!(fitted("ключ", 4), "ключ");
    }
}
