//! The segments that a journal is in: the one that is written to, the older ones, and a spare one for later.

use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::folder::Folder;
use crate::frame::Seal;
use crate::replay;
use crate::segment::{self, FRAMES, Head};
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::PathBuf;
use uuid::Uuid;

/// The segment that is written to.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) number: u64,
    path: PathBuf,
    pub(crate) file: DiskFile,
    pub(crate) seal: Seal,
    /// How long the file is.
    pub(crate) length: u64,
    /// Where the next frame goes.
    pub(crate) at: u64,
}

/// A segment that is complete.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    /// How long the file is.
    pub(crate) length: u64,
}

/// All segments of a journal.
#[derive(Debug)]
pub(crate) struct Segments {
    folder: Folder,
    pub(crate) disk: Disk,
    /// How long a segment is, where no single frame needs more.
    size: u64,
    pub(crate) active: Option<Active>,
    /// Oldest first.
    pub(crate) sealed: VecDeque<Sealed>,
    next_number: u64,
    has_spare: bool,
}

impl Segments {
    /// Takes over the segments that were found: they are not written to any more, and what is torn at their end is cut off.
    pub(crate) fn new(
        folder: Folder,
        disk: Disk,
        size: u64,
        found: &[replay::Segment],
    ) -> Result<Segments, Error> {
        let next_number = found.last().map_or(0, |last| last.number + 1);
        let mut sealed = VecDeque::new();
        for (place, segment) in found.iter().enumerate() {
            let failed = |error| Error::folder(&segment.path, error);
            let is_last = place + 1 == found.len();
            let mut length = segment.length;
            if segment.used == 0 {
                // It cannot be read, nor can any later program: out of the way, but not gone.
                if length > FRAMES || !is_last {
                    fs::rename(&segment.path, segment.path.with_extension("damaged")).map_err(failed)?;
                } else {
                    fs::remove_file(&segment.path).map_err(failed)?;
                }
                continue;
            }
            if is_last && length > segment.used {
                let cut = disk.open(&segment.path).and_then(|file| {
                    file.cut(segment.used)?;
                    file.sync()
                });
                match cut {
                    Ok(()) => length = segment.used,
                    Err(error) => tracing::warn!(%error, "the journal's torn end could not be cut off"),
                }
            }
            sealed.push_back(Sealed { number: segment.number, path: segment.path.clone(), length });
        }
        let has_spare = fs::metadata(folder.spare()).is_ok_and(|spare| spare.len() == size);
        Ok(Segments { folder, disk, size, active: None, sealed, next_number, has_spare })
    }

    /// How long a segment is, as a rule.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// How long all complete segments are.
    pub(crate) fn sealed_bytes(&self) -> u64 {
        self.sealed.iter().map(|sealed| sealed.length).sum()
    }

    /// How long all files are.
    pub(crate) fn bytes(&self) -> u64 {
        let spare = if self.has_spare { self.size } else { 0 };
        self.sealed_bytes() + spare + self.active.as_ref().map_or(0, |active| active.length)
    }

    /// Makes sure that `room` bytes fit into the active segment, if need be a new one, whose first new record has the sequence
    /// number `first`.
    pub(crate) fn reserve(&mut self, room: u64, first: u64) -> io::Result<()> {
        if self.active.as_ref().is_some_and(|active| active.length - active.at >= room) {
            return Ok(());
        }
        let number = self.next_number;
        let head = Head { number, first, salt: Uuid::new_v4().into_bytes() };
        let length = self.size.max(FRAMES + room);
        let spare = self.folder.spare();
        let file = if self.has_spare && length == self.size {
            self.disk.open(&spare).inspect_err(|_| self.has_spare = false)?
        } else {
            self.has_spare = false;
            self.disk.create(&spare, length)?
        };
        let bytes = head.encode();
        // A header of zeros behind the head: nothing follows.
        let end = [0; crate::frame::FRAME_HEADER];
        file.write(0, [&bytes[..], &end[..]].into_iter())?;
        file.sync()?;
        let path = segment::path(self.folder.path(), number);
        fs::rename(&spare, &path)?;
        self.has_spare = false;
        self.next_number += 1;
        self.seal();
        self.active = Some(Active { number, path, file, seal: head.seal(), length, at: FRAMES });
        self.folder.sync().inspect_err(|_| self.seal())
    }

    /// Nothing more is written to the active segment.
    pub(crate) fn seal(&mut self) {
        let Some(active) = self.active.take() else { return };
        let Active { number, path, mut length, at, .. } = active;
        // A full segment keeps its length, so that its file can be used again.
        if length - at > self.size / 8 && active.file.cut(at).is_ok() {
            length = at;
        }
        self.sealed.push_back(Sealed { number, path, length });
    }

    /// The oldest segment is not needed any more: its file becomes the spare one, or is deleted.
    pub(crate) fn retire_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.sealed.front() else { return Ok(()) };
        if !self.has_spare && oldest.length == self.size {
            fs::rename(&oldest.path, self.folder.spare())?;
            self.has_spare = true;
        } else {
            gone(fs::remove_file(&oldest.path))?;
        }
        self.sealed.pop_front();
        // Were a later one gone and this one back after a power failure, so would be what the later one had ended.
        self.folder.sync()
    }

    /// The oldest segment cannot be read to its end: out of the way, but not gone.
    pub(crate) fn put_oldest_aside(&mut self) -> io::Result<()> {
        let Some(oldest) = self.sealed.front() else { return Ok(()) };
        gone(fs::rename(&oldest.path, oldest.path.with_extension("damaged")))?;
        self.sealed.pop_front();
        self.folder.sync()
    }

    /// How many bytes fit into the segment that is written to.
    pub(crate) fn room(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.length - active.at)
    }

    /// Makes the spare segment, where there is none: so a full disk is noticed while there is room to finish what is under way.
    pub(crate) fn ensure_spare(&mut self) -> io::Result<()> {
        if !self.has_spare {
            self.disk.create(&self.folder.spare(), self.size)?;
            self.has_spare = true;
        }
        Ok(())
    }

    /// Whether there is a spare segment.
    pub(crate) fn has_spare(&self) -> bool {
        self.has_spare
    }
}

/// What somebody else has deleted need not be done away with.
fn gone(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
