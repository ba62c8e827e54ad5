//! A segment is read from its beginning: frame by frame, and over what is damaged.

use crate::frame::{FRAME_HEADER, Frame, Seal};
use crate::segment::{BadHead, FRAMES, Head};
use bytes::Bytes;
use memchr::memmem;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much is read at once.
const WINDOW: usize = 256 << 10;

/// What stands next in a segment.
#[derive(Debug)]
pub(crate) enum Item {
    /// A frame, as it was written.
    Frame(Frame),
    /// Bytes that are none; another frame follows them.
    Damage { offset: u64, bytes: u64 },
    /// Nothing follows. `torn` bytes at the end are of something whose writing was not finished, or that is damaged.
    End { torn: u64 },
}

/// Reads one segment.
#[derive(Debug)]
pub(crate) struct Scan {
    file: File,
    pub(crate) head: Head,
    seal: Seal,
    /// How long the file is.
    pub(crate) length: u64,
    /// Where the next frame is expected.
    pub(crate) at: u64,
    window: Vec<u8>,
    window_at: u64,
}

/// Why a segment cannot be read at all.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// Its head is gone.
    Damaged,
    /// Another version wrote it.
    Version(u32),
    /// The file cannot be opened.
    File(io::Error),
}

impl Scan {
    /// Begins with the segment at `path`.
    pub(crate) fn open(path: &Path) -> Result<Scan, Unreadable> {
        let file = File::open(path).map_err(Unreadable::File)?;
        let length = file.metadata().map_err(Unreadable::File)?.len();
        let mut bytes = vec![0; length.min(FRAMES) as usize];
        file.read_exact_at(&mut bytes, 0).map_err(|_| Unreadable::Damaged)?;
        let head = Head::decode(&bytes).map_err(|bad| match bad {
            BadHead::Damaged => Unreadable::Damaged,
            BadHead::Version(version) => Unreadable::Version(version),
        })?;
        let seal = head.seal();
        Ok(Scan { file, head, seal, length, at: FRAMES, window: Vec::new(), window_at: 0 })
    }

    /// What comes next. A part of the file that cannot be read counts as damaged.
    pub(crate) fn next(&mut self) -> Item {
        if let Some(frame) = self.frame(self.at) {
            self.at = frame.end;
            return Item::Frame(frame);
        }
        let offset = self.at;
        if let Some(place) = self.search(offset + 1) {
            self.at = place;
            return Item::Damage { offset, bytes: place - offset };
        }
        let rest = self.length.saturating_sub(offset);
        let header = self.slice(offset, rest.min(FRAME_HEADER as u64));
        let clean = header.is_some_and(|header| header.iter().all(|&byte| byte == 0));
        Item::End { torn: if clean { 0 } else { rest } }
    }

    /// The frame at `offset`, if there is one.
    fn frame(&mut self, offset: u64) -> Option<Frame> {
        let header = self.slice(offset, FRAME_HEADER as u64)?.first_chunk::<FRAME_HEADER>().copied()?;
        let (length, crc) = self.seal.read_header(&header)?;
        let body = self.bytes(offset + FRAME_HEADER as u64, length)?;
        if !self.seal.matches(offset, &body, crc) {
            return None;
        }
        Frame::decode(offset, &body).ok()
    }

    /// Where the next frame is, from `from` on.
    fn search(&mut self, mut from: u64) -> Option<u64> {
        let marker = *self.seal.marker();
        loop {
            let rest = self.length.checked_sub(from).filter(|&rest| rest >= FRAME_HEADER as u64)?;
            let length = rest.min(WINDOW as u64);
            match self.slice(from, length).map(|window| memmem::find(window, &marker)) {
                Some(Some(place)) => {
                    from += place as u64;
                    if self.frame(from).is_some() {
                        return Some(from);
                    }
                    from += 1;
                }
                Some(None) | None if length == rest => return None,
                // A marker may stand across the window's end.
                Some(None) => from += length - 3,
                None => from += length,
            }
        }
    }

    /// Some bytes of the file; `None` where it does not reach so far, or cannot be read.
    fn slice(&mut self, offset: u64, length: u64) -> Option<&[u8]> {
        if length > WINDOW as u64 || offset.checked_add(length)? > self.length {
            return None;
        }
        let inside = offset >= self.window_at && offset + length <= self.window_at + self.window.len() as u64;
        if !inside {
            let size = (self.length - offset).min(WINDOW as u64);
            self.window.resize(size as usize, 0);
            self.window_at = offset;
            if self.file.read_exact_at(&mut self.window, offset).is_err() {
                self.window.clear();
                return None;
            }
        }
        let start = (offset - self.window_at) as usize;
        self.window.get(start..start + length as usize)
    }

    /// The same, as bytes that can be kept.
    fn bytes(&mut self, offset: u64, length: u64) -> Option<Bytes> {
        if length <= WINDOW as u64 {
            return self.slice(offset, length).map(Bytes::copy_from_slice);
        }
        if offset.checked_add(length)? > self.length {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes.into())
    }
}
