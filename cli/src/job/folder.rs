//! Results as files, named after the message that they are of.

use crate::arguments::Format;
use crate::failure::Failure;
use crate::job::apart::{FileId, Named};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::Builder;

/// What a program's files may be, before its umask takes some of it away.
const MODE: u32 = 0o666;

/// Where results go.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pattern: Vec<Piece>,
    /// Files of earlier runs may be replaced.
    overwrites: bool,
    /// What was written; nothing of it is ever replaced.
    written: HashSet<PathBuf>,
    /// What is read is not replaced either.
    read: Vec<Named>,
}

/// A piece of the names of files.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(OsString),
    /// `{name}`: the name of the message's file, without folder and ending.
    Name,
    /// `{file}`: the name of the message's file, without folder.
    File,
    /// `{message}`: the message's number.
    Message,
    /// `{n}`: the result's place among those of its message.
    N,
}

impl Folder {
    /// Reads a pattern, or the name of a folder.
    pub(crate) fn new(
        pattern: &Path,
        input: Format,
        overwrites: bool,
        read: Vec<Named>,
    ) -> Result<Self, Failure> {
        let text = pattern.as_os_str().as_bytes();
        let is_folder = text.ends_with(b"/") || pattern.is_dir();
        let mut pieces = pieces(text).map_err(|piece| {
            Failure::Usage(format!(
                "--output {} has a {{{piece}}}, which is none of {{name}}, {{file}}, {{message}} and {{n}}",
                pattern.display()
            ))
        })?;
        if is_folder {
            pieces.push(Piece::Text("/".into()));
            pieces.push(if input == Format::EachFile { Piece::File } else { Piece::Message });
            pieces.extend([Piece::Text(".".into()), Piece::N]);
        } else if !pieces.contains(&Piece::N) {
            return Err(Failure::Usage(format!(
                "--output {} has no {{n}}, so that all results of a message would be one file; write it like thumbs/{{name}}-{{n}}.png, or name a folder",
                pattern.display()
            )));
        }
        Ok(Folder { pattern: pieces, overwrites, written: HashSet::new(), read })
    }

    /// Writes one result.
    pub(crate) fn write(
        &mut self,
        number: u64,
        n: &str,
        payload: &[u8],
        name: Option<&Path>,
    ) -> Result<(), Failure> {
        let path = self.path(number, n, name);
        if self.written.contains(&path) {
            return Err(Failure::Usage(format!(
                "two results would be {}; put {{message}} into the --output",
                path.display()
            )));
        }
        let is_read = |(_, id): &Named| id.is_some() && *id == FileId::named(&path);
        if self.overwrites && self.read.iter().any(is_read) {
            return Err(Failure::Usage(format!(
                "{} is read, and is not replaced by a result",
                path.display()
            )));
        }
        match self.put(&path, payload) {
            Ok(()) => {
                self.written.insert(path);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::Running(format!(
                "{} is there already; move it away, or give --overwrite",
                path.display()
            ))),
            Err(error) => Err(Failure::Running(format!("cannot write to {}: {error}", path.display()))),
        }
    }

    fn path(&self, number: u64, n: &str, name: Option<&Path>) -> PathBuf {
        let name = name.unwrap_or(Path::new("-"));
        let mut path = OsString::new();
        for piece in &self.pattern {
            match piece {
                Piece::Text(text) => path.push(text),
                Piece::Name => path.push(name.file_stem().unwrap_or(OsStr::new("-"))),
                Piece::File => path.push(name.file_name().unwrap_or(OsStr::new("-"))),
                Piece::Message => path.push(number.to_string()),
                Piece::N => path.push(n),
            }
        }
        path.into()
    }

    /// A file is there whole or not at all, and replaces none that must stay.
    fn put(&self, path: &Path, payload: &[u8]) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if self.written.is_empty() {
            std::fs::create_dir_all(folder)?;
        }
        if !self.overwrites && path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mode = std::fs::Permissions::from_mode(MODE);
        let mut file = Builder::new().prefix(".pylm-").permissions(mode).tempfile_in(folder)?;
        file.write_all(payload)?;
        let moved = if self.overwrites { file.persist(path) } else { file.persist_noclobber(path) };
        moved.map(drop).map_err(|error| error.error)
    }
}

/// The pieces of a pattern; the name of one that there is not.
fn pieces(text: &[u8]) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.iter().position(|&byte| byte == b'{') {
        let Some(length) = rest[open..].iter().position(|&byte| byte == b'}') else { break };
        if open > 0 {
            pieces.push(Piece::Text(OsString::from_vec(rest[..open].to_vec())));
        }
        pieces.push(match &rest[open + 1..open + length] {
            b"name" => Piece::Name,
            b"file" => Piece::File,
            b"message" => Piece::Message,
            b"n" => Piece::N,
            other => return Err(String::from_utf8_lossy(other).into_owned()),
        });
        rest = &rest[open + length + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(OsString::from_vec(rest.to_vec())));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(pattern: &str, name: Option<&str>) -> String {
        let folder = Folder::new(Path::new(pattern), Format::EachFile, false, Vec::new()).unwrap();
        folder.path(7, "1", name.map(Path::new)).to_string_lossy().into_owned()
    }

    #[test]
    fn a_pattern_names_files_after_their_message() {
        assert_eq!(path("thumbs/{name}-{n}.png", Some("in/cat.jpeg")), "thumbs/cat-1.png");
        assert_eq!(path("{message}/{file}.{n}", Some("cat.jpeg")), "7/cat.jpeg.1");
        assert_eq!(path("no-such-folder/", Some("in/..")), "no-such-folder//-.1");
        assert_eq!(path("{name}{n}", None), "-1");
        for wrong in ["{what}-{n}", "all.bin", "{name}"] {
            assert!(Folder::new(Path::new(wrong), Format::Lines, false, Vec::new()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_replaced_unless_it_is_asked_for_and_nothing_twice() {
        let folder = tempfile::tempdir().unwrap();
        let pattern = folder.path().join("{name}-{n}");
        let write = |overwrites, names: &[&str]| {
            let mut folder = Folder::new(&pattern, Format::EachFile, overwrites, Vec::new()).unwrap();
            names.iter().try_for_each(|name| folder.write(0, "0", name.as_bytes(), Some(Path::new(name))))
        };
        let content = || std::fs::read_to_string(folder.path().join("a-0")).unwrap();
        assert!(write(false, &["a.1"]).is_ok());
        assert!(matches!(write(false, &["a.2"]), Err(Failure::Running(_))));
        assert_eq!(content(), "a.1");
        assert!(write(true, &["a.3"]).is_ok());
        assert!(matches!(write(true, &["a.4", "a.5"]), Err(Failure::Usage(_))));
        assert_eq!(content(), "a.4");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
