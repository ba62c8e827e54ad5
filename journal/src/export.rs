//! What is alive in a journal as lines of JSON, for other programs.

use crate::error::Error;
use crate::folder::Folder;
use crate::record::{JobHeader, Output, Record};
use crate::replay::Replay;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use uuid::Uuid;

/// Why not everything was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] Error),
    /// The lines cannot be written.
    #[error("cannot write the export: {0}")]
    Output(io::Error),
}

/// Writes what is alive in the journal in `folder` to `output`, an object a line: jobs first, then messages, outputs and keys of the
/// cache in the order in which they stand. The journal must not be in use, and is not changed.
pub fn export(folder: &Path, output: &mut impl Write) -> Result<(), ExportError> {
    let replay = Replay::read(&Folder::take(folder, false)?)?;
    let mut headers = HashMap::new();
    replay.visit(|record| {
        if let Record::JobOpened(header) = record {
            headers.insert(header.identity, *header);
        }
        Ok(())
    })?;
    let mut failed = Ok(());
    let mut write = |value: &Value| {
        if failed.is_ok() {
            failed = writeln!(output, "{value}");
        }
    };
    for (identity, header) in &headers {
        if let Some(job) = replay.index.jobs.get(identity) {
            let mut line = job_line(header);
            line["messages"] = job.messages.len().into();
            line["outputs"] = job.kept().into();
            line["finished"] = job.finished.map(|finished| finished.0).into();
            line["cancelled"] = job.cancelled.is_some().into();
            write(&line);
        }
    }
    replay.visit(|record| {
        if let Some(line) = line(record, &headers) {
            write(&line);
        }
        Ok(())
    })?;
    failed.and_then(|()| output.flush()).map_err(ExportError::Output)
}

fn job_line(header: &JobHeader) -> Value {
    json!({
        "kind": "job",
        "job": header.identity.to_string(),
        "client": header.client,
        "pipeline": header.pipeline,
        "function": header.function,
        "timeout": header.timeout,
    })
}

fn line(record: Record, headers: &HashMap<Uuid, JobHeader>) -> Option<Value> {
    let line = match record {
        Record::Accepted { job, number, cache, payload } => {
            let function = headers.get(&job).map(|header| &header.function);
            let mut line = json!({
                "kind": "message", "job": job.to_string(), "function": function, "number": number,
            });
            if !cache.is_empty() {
                line["cache"] = json!(cache);
            }
            with_payload(line, &payload)
        }
        Record::Output { job, serial, number, output } => {
            let mut line = json!({
                "kind": "output", "job": job.to_string(), "serial": serial, "number": number,
            });
            match output {
                Output::Result { place, held, payload } => {
                    line["output"] = "result".into();
                    line["place"] = place.0.into();
                    line["held"] = held.into();
                    with_payload(line, &payload)
                }
                Output::Reply { payload } => {
                    line["output"] = "reply".into();
                    with_payload(line, &payload)
                }
                Output::Done { results } => {
                    line["output"] = "done".into();
                    line["results"] = results.into();
                    line
                }
                Output::Failed { results, code, text } => {
                    line["output"] = "failed".into();
                    line["results"] = results.into();
                    line["code"] = json!(code);
                    line["text"] = json!(text);
                    line
                }
            }
        }
        Record::CacheSet { key, value } => with_payload(json!({ "kind": "cache", "key": key }), &value),
        _ => return None,
    };
    Some(line)
}

/// Text as it is, anything else in base64.
fn with_payload(mut line: Value, payload: &Bytes) -> Value {
    let (name, text) = match std::str::from_utf8(payload) {
        Ok(text) => ("payload", text.to_owned()),
        Err(_) => ("payload_base64", STANDARD.encode(payload)),
    };
    line[name] = text.into();
    line
}
