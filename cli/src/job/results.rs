//! What becomes of results: one behind the other, lines of JSON that tell of everything, or a file each.

use crate::arguments::{Format, ResultFormat, StreamArguments};
use crate::failure::{Failure, written};
use crate::job::apart::Named;
use crate::job::folder::Folder;
use crate::job::output::Output;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indicatif::ProgressBar;
use pylm_client::Place;
use serde_json::{Value, json};
use std::io::StdoutLock;
use std::path::Path;

/// Takes the results and ends of a job's messages.
pub(crate) enum Results {
    /// Payloads on standard output.
    Stream(Output<StdoutLock<'static>>),
    /// Everything that happens, as lines of JSON on standard output.
    Json(Output<StdoutLock<'static>>),
    /// Payloads in files of their own.
    Folder(Folder),
}

/// What results are made to be, before anything is opened that belongs to one thread.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    format: ResultFormat,
    folder: Option<Folder>,
}

impl Plan {
    /// Reads the arguments; `read` are files that must not be replaced.
    ///
    /// # Errors
    /// Where they do not go together.
    pub(crate) fn new(arguments: &StreamArguments, read: Vec<Named>) -> Result<Self, Failure> {
        let input = arguments.format.format();
        let of_input = match input {
            Format::Lines => ResultFormat::Lines,
            Format::Null => ResultFormat::Null,
            Format::Frames => ResultFormat::Frames,
            Format::EachFile => ResultFormat::Raw,
        };
        let folder = arguments.output.as_deref();
        let folder =
            folder.map(|pattern| Folder::new(pattern, input, arguments.overwrite, read)).transpose()?;
        Ok(Plan { format: arguments.results.unwrap_or(of_input), folder })
    }

    /// Begins to write, on the thread that does it.
    pub(crate) fn start(self, bar: Option<ProgressBar>) -> Results {
        match self.folder {
            Some(folder) => Results::Folder(folder),
            None => Results::standard(self.format, bar),
        }
    }
}

impl Results {
    /// On standard output.
    pub(crate) fn standard(format: ResultFormat, bar: Option<ProgressBar>) -> Results {
        let standard = |format| Output::standard(format, bar);
        match format {
            ResultFormat::Json => Results::Json(standard(Format::Lines)),
            ResultFormat::Lines => Results::Stream(standard(Format::Lines)),
            ResultFormat::Null => Results::Stream(standard(Format::Null)),
            ResultFormat::Frames => Results::Stream(standard(Format::Frames)),
            ResultFormat::Raw => Results::Stream(standard(Format::EachFile)),
        }
    }

    /// Whether it asks for the names of files.
    pub(crate) fn wants_names(&self) -> bool {
        !matches!(self, Results::Stream(_))
    }

    /// A result of a message that came from this file.
    #[inline]
    pub(crate) fn result(
        &mut self,
        number: u64,
        place: &Place,
        payload: &[u8],
        name: Option<&Path>,
    ) -> Result<(), Failure> {
        match self {
            Results::Stream(output) => written(output.push(payload)),
            Results::Json(_) => {
                let data = match std::str::from_utf8(payload) {
                    Ok(text) => ("payload", text.to_owned()),
                    Err(_) => ("base64", STANDARD.encode(payload)),
                };
                self.line(number, name, [("result", json!(n(place))), (data.0, json!(data.1))])
            }
            Results::Folder(folder) => folder.write(number, &n(place), payload, name),
        }
    }

    /// A message is done.
    #[inline]
    pub(crate) fn done(&mut self, number: u64, results: u64, name: Option<&Path>) -> Result<(), Failure> {
        match self {
            Results::Json(_) => self.line(number, name, [("done", json!(results))]),
            _ => Ok(()),
        }
    }

    /// A message failed.
    pub(crate) fn failed(
        &mut self,
        number: u64,
        code: &str,
        text: &str,
        name: Option<&Path>,
    ) -> Result<(), Failure> {
        match self {
            Results::Json(_) => self.line(number, name, [("error", json!(code)), ("text", json!(text))]),
            _ => Ok(()),
        }
    }

    /// Writes what was gathered.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        match self {
            Results::Stream(output) | Results::Json(output) => written(output.flush()),
            Results::Folder(_) => Ok(()),
        }
    }

    fn line<const N: usize>(
        &mut self,
        number: u64,
        name: Option<&Path>,
        fields: [(&str, Value); N],
    ) -> Result<(), Failure> {
        let Results::Json(output) = self else { return Ok(()) };
        let mut line = serde_json::Map::new();
        line.insert("message".into(), json!(number));
        if let Some(name) = name {
            line.insert("file".into(), json!(name.to_string_lossy()));
        }
        line.extend(fields.map(|(key, value)| (key.to_owned(), value)));
        written(output.push(Value::Object(line).to_string().as_bytes()))
    }
}

/// A result's place among those of its message: 0, 1, 2, and with points between the steps where parts have several each.
fn n(place: &Place) -> String {
    match place.0.as_slice() {
        [] => "0".to_owned(),
        steps => steps.iter().map(u64::to_string).collect::<Vec<_>>().join("."),
    }
}
