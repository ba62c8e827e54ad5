//! What is read: files and standard input, one after the other.

use crate::arguments::Format;
use crate::failure::Failure;
use crate::job::apart::{FileId, Named};
use crate::job::split::{Piece, Splitter};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where messages come from.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    sources: Vec<Source>,
    bytes: Option<u64>,
}

#[derive(Debug, Clone)]
enum Source {
    StandardInput,
    File(PathBuf),
}

impl Sources {
    /// Names the sources, and looks whether they are there before anything is done with the first.
    ///
    /// # Errors
    /// Where one of the files is missing or a folder.
    pub(crate) fn new(files: &[PathBuf]) -> Result<Self, Failure> {
        let sources: Vec<Source> = match files {
            [] => vec![Source::StandardInput],
            files => files.iter().map(|file| Source::named(file)).collect(),
        };
        let mut bytes = Some(0);
        for source in &sources {
            let size = source.size()?;
            bytes = bytes.zip(size).map(|(sum, size): (u64, u64)| sum.saturating_add(size));
        }
        Ok(Sources { sources, bytes: bytes.filter(|&bytes| bytes > 0) })
    }

    /// How many bytes there are to read, where all sources are plain files.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// All of them, to be compared with what is written.
    pub(crate) fn files(&self) -> Vec<Named> {
        self.sources.iter().map(|source| (source.shown(), source.id())).collect()
    }

    /// The names of the files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(Source::name)
    }

    /// Gives all messages to `take`, with the name of the source of each.
    pub(crate) fn read(
        &self,
        format: Format,
        limit: u64,
        mut take: impl FnMut(Piece, &Arc<Path>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for source in &self.sources {
            let name: Arc<Path> = source.name().into();
            let doing = || format!("cannot read {}", source.shown());
            let mut splitter =
                Splitter::new(source.open().map_err(Failure::running(doing()))?, format, limit);
            while let Some(piece) = splitter.next_piece().map_err(Failure::running(doing()))? {
                take(piece, &name)?;
            }
        }
        Ok(())
    }
}

impl Source {
    fn named(file: &Path) -> Self {
        if file == Path::new("-") { Source::StandardInput } else { Source::File(file.to_owned()) }
    }

    /// As it is named on the command line.
    fn name(&self) -> &Path {
        match self {
            Source::StandardInput => Path::new("-"),
            Source::File(file) => file,
        }
    }

    fn shown(&self) -> String {
        match self {
            Source::StandardInput => "standard input".into(),
            Source::File(file) => file.display().to_string(),
        }
    }

    fn id(&self) -> Option<FileId> {
        match self {
            Source::StandardInput => FileId::of_stream(io::stdin()),
            Source::File(file) => FileId::named(file),
        }
    }

    fn size(&self) -> Result<Option<u64>, Failure> {
        let Source::File(file) = self else { return Ok(None) };
        match file.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                Err(Failure::Usage(format!("{} is a folder; name the files in it", file.display())))
            }
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) => Err(Failure::Usage(format!("cannot read {}: {error}", file.display()))),
        }
    }

    fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Source::StandardInput => Box::new(io::stdin().lock()),
            Source::File(file) => Box::new(File::open(file)?),
        })
    }
}
