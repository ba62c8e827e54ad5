//! Messages that failed: told on standard error, and kept in a file that can be fed in again.

use crate::arguments::{Format, StreamArguments};
use crate::failure::{Failure, say};
use crate::job::names::Names;
use crate::job::output::Output;
use indicatif::ProgressBar;
use pylm_protocol::visible;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many failed messages are told of, one by one.
const TOLD: u64 = 10;

/// Where failed messages go.
pub(crate) struct Errors {
    format: Format,
    kept: Option<Kept>,
    is_quiet: bool,
    bar: Option<ProgressBar>,
    count: u64,
    names: Names,
}

/// The file of failed messages. What is in it from before stays until there is a message to replace it.
struct Kept {
    path: PathBuf,
    output: Output<File>,
    is_begun: bool,
}

impl Kept {
    fn open(path: &Path, format: Format) -> Result<Self, Failure> {
        match OpenOptions::new().write(true).create(true).truncate(false).open(path) {
            Ok(file) => {
                Ok(Kept { path: path.to_owned(), output: Output::new(file, format), is_begun: false })
            }
            Err(error) => Err(Failure::Usage(format!("cannot write to {}: {error}", path.display()))),
        }
    }

    fn push(&mut self, what: &[u8]) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_begun, true) {
            let file = self.output.writer();
            // A device or a pipe has no length.
            if file.metadata()?.is_file() {
                file.set_len(0)?;
            }
        }
        self.output.push(what)
    }
}

impl Errors {
    /// Opens the file, where there is to be one.
    pub(crate) fn new(arguments: &StreamArguments) -> Result<Self, Failure> {
        let format = arguments.format.format();
        let is_each = format == Format::EachFile;
        // With a message a file, names are what can be fed in again.
        let written = match format {
            Format::EachFile if arguments.format.null => Format::Null,
            Format::EachFile => Format::Lines,
            format => format,
        };
        let kept = arguments.errors.as_ref().map(|path| Kept::open(path, written)).transpose()?;
        Ok(Errors {
            format,
            kept,
            is_quiet: arguments.quiet,
            bar: None,
            count: 0,
            names: Names::new(is_each),
        })
    }

    /// What is on the terminal besides.
    pub(crate) fn set_bar(&mut self, bar: Option<ProgressBar>) {
        self.bar = bar;
    }

    /// The message of this number comes from this file.
    pub(crate) fn begin(&mut self, number: u64, name: &Arc<Path>) {
        self.names.begin(number, name);
    }

    /// The file of a message that has not ended.
    pub(crate) fn name(&self, number: u64) -> Option<Arc<Path>> {
        self.names.of(number)
    }

    /// A message is done: its name is not needed any more.
    pub(crate) fn forget(&mut self, number: u64) {
        self.names.end(number);
    }

    /// A message failed.
    pub(crate) fn failed(
        &mut self,
        number: u64,
        code: &str,
        text: &str,
        payload: &[u8],
    ) -> Result<(), Failure> {
        let name = self.names.of(number).filter(|_| self.format == Format::EachFile);
        self.names.end(number);
        match &name {
            Some(name) => self.tell(format_args!("message {number} ({}): {code}: {text}", shown(name))),
            None => self.tell(format_args!("message {number}: {code}: {text}")),
        }
        match name {
            Some(name) => self.keep(name.as_os_str().as_bytes()),
            None => self.keep(payload),
        }
    }

    /// A message was not submitted, as it is too large.
    pub(crate) fn too_large(&mut self, size: u64, limit: u64, name: &Path) -> Result<(), Failure> {
        let shown = shown(name);
        self.tell(format_args!("a message of {size} bytes in {shown}: too-large: the node takes {limit}"));
        if self.format == Format::EachFile { self.keep(name.as_os_str().as_bytes()) } else { Ok(()) }
    }

    /// How many messages failed.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Writes what is left to be written.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.with_kept(|kept| kept.output.flush())
    }

    fn keep(&mut self, what: &[u8]) -> Result<(), Failure> {
        self.with_kept(|kept| kept.push(what))
    }

    fn with_kept(&mut self, write: impl FnOnce(&mut Kept) -> io::Result<()>) -> Result<(), Failure> {
        let Some(kept) = &mut self.kept else { return Ok(()) };
        write(kept).map_err(Failure::running(format_args!("cannot write to {}", kept.path.display())))
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        self.count += 1;
        if self.is_quiet || self.count > TOLD {
            return;
        }
        let tell = || {
            say(visible(&what.to_string()));
            if self.count == TOLD {
                say("further failed messages are only counted");
            }
        };
        match &self.bar {
            Some(bar) => bar.suspend(tell),
            None => tell(),
        }
    }
}

/// A file as people are told of it.
fn shown(name: &Path) -> String {
    if name == Path::new("-") { "standard input".into() } else { name.display().to_string() }
}
