//! Messages that failed: told on standard error, and kept in a file that can be fed in again.

use crate::arguments::{Format, StreamArguments};
use crate::failure::Failure;
use crate::job::output::Output;
use indicatif::ProgressBar;
use pylm_protocol::visible;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

/// How many failed messages are told of, one by one.
const TOLD: u64 = 10;

/// Where failed messages go.
pub(crate) struct Errors {
    format: Format,
    file: Option<(PathBuf, Output<File>)>,
    is_quiet: bool,
    bar: Option<ProgressBar>,
    count: u64,
    /// The files that messages came from, where each is one.
    names: BTreeMap<u64, String>,
}

impl Errors {
    /// Opens the file, where there is to be one.
    pub(crate) fn new(arguments: &StreamArguments, bar: Option<ProgressBar>) -> Result<Self, Failure> {
        let format = arguments.format.format();
        // With a message a file, names are what can be fed in again.
        let written = if format == Format::EachFile { Format::Lines } else { format };
        let open = |path: &PathBuf| match File::create(path) {
            Ok(file) => Ok((path.clone(), Output::new(file, written))),
            Err(error) => Err(Failure::Usage(format!("cannot write to {}: {error}", path.display()))),
        };
        let file = arguments.errors.as_ref().map(open).transpose()?;
        Ok(Errors { format, file, is_quiet: arguments.quiet, bar, count: 0, names: BTreeMap::new() })
    }

    /// The next messages come from these files.
    pub(crate) fn name(&mut self, number: u64, name: String) {
        self.names.insert(number, name);
    }

    /// A message is done: its name is not needed any more.
    pub(crate) fn forget(&mut self, number: u64) {
        if !self.names.is_empty() {
            self.names.remove(&number);
        }
    }

    /// A message failed.
    pub(crate) fn failed(
        &mut self,
        number: u64,
        code: &str,
        text: &str,
        payload: &[u8],
    ) -> Result<(), Failure> {
        let name = self.names.remove(&number);
        match &name {
            Some(name) => self.tell(format_args!("message {number} ({name}): {code}: {text}")),
            None => self.tell(format_args!("message {number}: {code}: {text}")),
        }
        match (self.format, name) {
            (Format::EachFile, name) => self.keep(name.unwrap_or_default().as_bytes()),
            _ => self.keep(payload),
        }
    }

    /// A message was not submitted, as it is too large.
    pub(crate) fn too_large(&mut self, size: u64, limit: u64, name: &str) -> Result<(), Failure> {
        self.tell(format_args!("a message of {size} bytes in {name}: too-large: the node takes {limit}"));
        if self.format == Format::EachFile { self.keep(name.as_bytes()) } else { Ok(()) }
    }

    /// How many messages failed.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Writes what is left to be written.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.with_file(Output::flush)
    }

    fn keep(&mut self, what: &[u8]) -> Result<(), Failure> {
        self.with_file(|file| file.push(what))
    }

    fn with_file(&mut self, write: impl FnOnce(&mut Output<File>) -> io::Result<()>) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        write(file).map_err(Failure::running(format_args!("cannot write to {}", path.display())))
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        self.count += 1;
        if self.is_quiet || self.count > TOLD {
            return;
        }
        let more = if self.count == TOLD { "\npylm: further failed messages are only counted" } else { "" };
        let tell = || {
            // Nobody is left to tell where standard error is closed.
            let _ = writeln!(io::stderr(), "pylm: {}{more}", visible(&what.to_string()));
        };
        match &self.bar {
            Some(bar) => bar.suspend(tell),
            None => tell(),
        }
    }
}
