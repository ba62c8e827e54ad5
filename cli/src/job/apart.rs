//! Files that are written are none of those that are read: what is read would be lost, or never come to an end.

use crate::failure::Failure;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A plain file, under whatever name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// `None` of what is no plain file: a terminal, a pipe, a device.
    pub(crate) fn of(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| FileId { device: metadata.dev(), inode: metadata.ino() })
    }

    /// The file of this name, or that it is a link to.
    pub(crate) fn named(path: &Path) -> Option<Self> {
        path.metadata().ok().and_then(|metadata| FileId::of(&metadata))
    }

    /// The file behind a standard stream.
    pub(crate) fn of_stream(stream: impl AsFd) -> Option<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        file.metadata().ok().and_then(|metadata| FileId::of(&metadata))
    }
}

/// A file with the words that a user has for it.
pub(crate) type Named = (String, Option<FileId>);

/// Refuses to write results, errors or messages to a file that is among those that are read.
///
/// # Errors
/// Names both.
pub(crate) fn keep_apart(read: &[Named], errors: Option<&Path>) -> Result<(), Failure> {
    let output = FileId::of_stream(io::stdout());
    let mut written: Vec<Named> = vec![("standard output".into(), output)];
    if let Some(errors) = errors {
        let id = FileId::named(errors);
        let streams = [("standard output", output), ("standard error", FileId::of_stream(io::stderr()))];
        if let Some((other, _)) = streams.iter().find(|(_, other)| id.is_some() && *other == id) {
            return Err(Failure::Usage(format!(
                "--errors {} is where {other} goes too; give each a file of its own",
                errors.display()
            )));
        }
        written.push((format!("--errors {}", errors.display()), id));
    }
    for (output, id) in written.iter().filter(|(_, id)| id.is_some()) {
        if let Some((input, _)) = read.iter().find(|(_, input)| input == id) {
            return Err(Failure::Usage(format!(
                "{output} is the file that is read as {input}; write to another one"
            )));
        }
    }
    Ok(())
}

/// The same for a command that reads these files, and writes to its standard streams only.
///
/// # Errors
/// Names both.
pub(crate) fn keep_output_apart<'a>(read: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
    let read: Vec<_> =
        read.into_iter().map(|path| (path.display().to_string(), FileId::named(path))).collect();
    keep_apart(&read, None)
}
