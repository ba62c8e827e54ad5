//! `pylm failed`: messages that took down every host, as a node has kept them.

use crate::arguments::{FailedAction, FailedArguments, FailedChoice, ResultFormat};
use crate::beginning::Beginning;
use crate::failure::{Failure, print, say};
use crate::job::connect;
use crate::job::results::Results;
use crate::job::stream::Ending;
use pylm_client::blocking::Client;
use pylm_client::{Bytes, Event, JobOptions, codes};
use pylm_protocol::palm::Call;
use pylm_protocol::{visible, visible_lines};
use pylm_status::{FAILED_KEY, FailedMessage};
use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Does what the arguments say.
pub(crate) fn failed(arguments: &FailedArguments) -> Result<ExitCode, Failure> {
    let client = connect(&arguments.node)?;
    let ending = match &arguments.action {
        FailedAction::List { json } => list(&client, *json).map(|()| Ending::AllDone),
        FailedAction::Show { id, payload } => show(&client, id, *payload).map(|()| Ending::AllDone),
        FailedAction::Retry { choice, results } => retry(&client, choice, *results),
        FailedAction::Drop { choice } => drop_chosen(&client, choice).map(|()| Ending::AllDone),
    };
    client.close();
    ending.map(Ending::code)
}

fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let messages = kept(client)?;
    if json {
        let json = serde_json::to_string(&messages).unwrap_or_default();
        return print(format!("{json}\n").as_bytes());
    }
    let mut list = String::new();
    for message in &messages {
        let FailedMessage { id, function, bytes, code, text, .. } = message;
        let ago = ago(message.at);
        let line = format!("{id}  {function}  {bytes} bytes  {ago}  {code}: {text}");
        let _ = writeln!(list, "{}", visible(&line));
    }
    if messages.is_empty() {
        say("the node has kept no message that failed");
    }
    print(list.as_bytes())
}

fn show(client: &Client, id: &Beginning, only_payload: bool) -> Result<(), Failure> {
    let message = only_one(&kept(client)?, id)?;
    let payload = payload(client, &message)?;
    if only_payload {
        return print(&payload);
    }
    let ago = ago(message.at);
    let FailedMessage { id, function, stage, pipeline, client, cache, code, text, bytes, .. } = message;
    let shown = format!(
        "id        {id}\nfunction  {function}\nstage     {stage}\npipeline  {pipeline}\nclient    {client}\n\
         cache     {cache}\nfailed    {ago}\ncode      {code}\nreason    {text}\nbytes     {bytes}\n\
         payload   {}{}\n",
        payload.get(..SHOWN).unwrap_or(&payload).escape_ascii(),
        if payload.len() > SHOWN { " … (all of it: --payload)" } else { "" }
    );
    print(visible_lines(&shown).to_string().as_bytes())
}

/// Bytes of a payload that are shown.
const SHOWN: usize = 200;

/// Runs messages again, as a job of this client, and has those dropped that are done.
fn retry(client: &Client, choice: &FailedChoice, format: ResultFormat) -> Result<Ending, Failure> {
    let mut output = Results::standard(format, None);
    let mut ending = Ending::AllDone;
    for (number, message) in (0..).zip(chosen(client, choice)?) {
        let payload = payload(client, &message)?;
        let calls = Call::from_stage(&message.function, message.stage);
        let calls = calls.ok_or_else(|| no_such_stage(&message))?;
        let options = JobOptions::new().pipeline(&*message.pipeline);
        let (sender, results) = client.job(calls, options);
        if message.cache.is_empty() {
            sender.send(payload)?
        } else {
            sender.send_with(payload, &message.cache)?
        };
        sender.finish();
        for next in results {
            match next?.event {
                Event::Result { place, payload } => output.result(number, &place, &payload, None)?,
                Event::Done { results } => {
                    output.done(number, results, None)?;
                    drop_one(client, &message)?;
                }
                Event::Failed { code, text, .. } => {
                    output.failed(number, &code, &text, None)?;
                    say(format_args!("{}: {code}: {}", message.id, visible(&text)));
                    ending = Ending::SomeFailed;
                    // It was kept anew.
                    if &*code == codes::LOST {
                        drop_one(client, &message)?;
                    }
                }
            }
        }
    }
    output.flush()?;
    Ok(ending)
}

fn no_such_stage(FailedMessage { id, function, stage, .. }: &FailedMessage) -> Failure {
    let text = format!("{id} cannot be run again: {function:?} has no stage {stage}; see `pylm failed show`");
    Failure::Running(text)
}

fn drop_chosen(client: &Client, choice: &FailedChoice) -> Result<(), Failure> {
    chosen(client, choice)?.iter().try_for_each(|message| drop_one(client, message))
}

fn drop_one(client: &Client, message: &FailedMessage) -> Result<(), Failure> {
    client.cache().delete(&key(message))?;
    Ok(())
}

fn key(message: &FailedMessage) -> String {
    format!("{FAILED_KEY}/{}", message.id)
}

/// Those that the node has.
fn kept(client: &Client) -> Result<Vec<FailedMessage>, Failure> {
    let value = client.cache().get(FAILED_KEY)?.unwrap_or_default();
    serde_json::from_slice(&value)
        .map_err(|error| Failure::Running(format!("what the node has kept is not understood: {error}")))
}

/// The payload is behind the first line of the value.
fn payload(client: &Client, message: &FailedMessage) -> Result<Bytes, Failure> {
    let value = client.cache().get(&key(message))?;
    let value = value.ok_or_else(|| Failure::Running(format!("{} was dropped meanwhile", message.id)))?;
    let (_, begin) = FailedMessage::split(&value);
    Ok(value.slice(begin..))
}

fn chosen(client: &Client, choice: &FailedChoice) -> Result<Vec<FailedMessage>, Failure> {
    let kept = kept(client)?;
    if choice.all {
        return Ok(kept);
    }
    choice.ids.iter().map(|id| only_one(&kept, id)).collect()
}

fn only_one(kept: &[FailedMessage], id: &Beginning) -> Result<FailedMessage, Failure> {
    id.choose(("kept message", "pylm failed list"), kept, |message| &message.id).cloned()
}

fn ago(at: u64) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_millis(at)).unwrap_or_default();
    match since.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s ago"),
        seconds @ 120..=7_199 => format!("{} min ago", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}
