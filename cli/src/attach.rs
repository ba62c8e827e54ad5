//! `pylm attach`: what a client that has gone has still to get.

use crate::arguments::AttachArguments;
use crate::failure::{Failure, say};
use crate::job::connect;
use crate::job::results::Results;
use crate::job::stream::{Ending, next};
use crate::status::job_named;
use pylm_client::blocking::Client;
use pylm_client::{Event, JobOptions};
use pylm_protocol::visible;
use std::process::ExitCode;

/// Does what the arguments say.
pub(crate) fn attach(arguments: &AttachArguments) -> Result<ExitCode, Failure> {
    let client = connect(&arguments.node)?;
    let ending = take(&client, arguments);
    client.close();
    ending.map(Ending::code)
}

fn take(client: &Client, arguments: &AttachArguments) -> Result<Ending, Failure> {
    let job = job_named(client, &arguments.job)?;
    let mut results = client.attach(job, JobOptions::new());
    let mut output = Results::standard(arguments.results, None);
    let (mut done, mut failed) = (0u64, 0u64);
    let ended = loop {
        let next = match next(&mut results, &mut output) {
            Ok(Some(next)) => next,
            Ok(None) => break Ok(()),
            Err(failure) => break Err(failure),
        };
        match next.event {
            Event::Result { place, payload } => output.result(next.number, &place, &payload, None)?,
            Event::Done { results } => {
                done += 1;
                output.done(next.number, results, None)?;
            }
            Event::Failed { code, text, .. } => {
                failed += 1;
                output.failed(next.number, &code, &text, None)?;
                say(format_args!("message {}: {code}: {}", next.number, visible(&text)));
            }
        }
    };
    if failed > 0 {
        say(format_args!("{failed} of {} messages failed", done + failed));
    }
    ended?;
    Ok(if failed == 0 { Ending::AllDone } else { Ending::SomeFailed })
}
