//! The folder of a journal: its files, and the lock that keeps a second node out.

use crate::error::Error;
use crate::segment;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The next segment, with its room allocated.
const SPARE: &str = "spare";

/// A folder that nobody else uses while this lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The lock ends when the file is closed, also by a crash.
    _lock: File,
}

impl Folder {
    /// Takes the folder at `path`; where `create` says so, it is made. Otherwise nothing in it is changed.
    pub(crate) fn take(path: &Path, create: bool) -> Result<Folder, Error> {
        let failed = |error| Error::folder(path, error);
        if create {
            fs::create_dir_all(path).map_err(failed)?;
        }
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().read(true).write(create).create(create).truncate(false).open(lock_path);
        let mut lock = lock.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if !create => {
                failed(io::Error::other("there is no journal in this folder"))
            }
            _ => failed(error),
        })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Whoever holds the lock may not have written its number yet.
                let _ = lock.read_to_string(&mut owner);
                return Err(Error::InUse { folder: path.to_owned(), process: owner.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if !create {
            return Ok(Folder { path: path.to_owned(), _lock: lock });
        }
        // For the error of whoever comes second; the lock holds without it, as on a disk that is full.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Folder { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The segments, oldest first.
    pub(crate) fn segments(&self) -> Result<Vec<(u64, PathBuf)>, Error> {
        let failed = |error| Error::folder(&self.path, error);
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Some(number) = entry.file_name().to_str().and_then(segment::number_of) {
                segments.push((number, entry.path()));
            }
        }
        segments.sort();
        Ok(segments)
    }

    /// Where the next segment waits.
    pub(crate) fn spare(&self) -> PathBuf {
        self.path.join(SPARE)
    }

    /// Waits until names of files are on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}
