//! Why a journal cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be opened. Damage is none of the reasons.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it open.
    #[error("the journal in {} is in use by {}: stop that first, or choose another folder", .folder.display(), owner(.process))]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The number of that process.
        process: Option<u32>,
    },
    /// A later version of the program has written it.
    #[error("{} is of version {version} of the journal's format: use the program that wrote it, or a later one", .file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The folder or a file of it cannot be used.
    #[error("cannot use the journal {}: {reason}", .path.display())]
    Folder {
        /// The folder, or the file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl Error {
    pub(crate) fn folder(path: &Path, reason: io::Error) -> Self {
        Error::Folder { path: path.to_owned(), reason }
    }
}

fn owner(process: &Option<u32>) -> String {
    process.map_or("another process".into(), |process| format!("process {process}"))
}
