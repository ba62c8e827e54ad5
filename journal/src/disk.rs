//! Calls to the file system that may fail when the disk is full or broken; tests let them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file that is written at given places.
#[derive(Debug)]
pub(crate) struct DiskFile {
    file: File,
    #[cfg(test)]
    pub(crate) faults: std::sync::Arc<Faults>,
}

/// What is to fail, in tests.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) full: std::sync::atomic::AtomicBool,
    pub(crate) write: std::sync::atomic::AtomicBool,
    pub(crate) sync: std::sync::atomic::AtomicBool,
}

/// The disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    #[cfg(test)]
    pub(crate) faults: std::sync::Arc<Faults>,
}

impl Disk {
    /// A new file of `length` bytes, for which there is room.
    pub(crate) fn create(&self, path: &Path, length: u64) -> io::Result<DiskFile> {
        #[cfg(test)]
        Faults::check(&self.faults.full, io::ErrorKind::StorageFull)?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        // What was allocated of it is worth more to others.
        allocate(&file, length).inspect_err(|_| drop(fs::remove_file(path)))?;
        Ok(self.wrap(file))
    }

    /// A file that is there.
    pub(crate) fn open(&self, path: &Path) -> io::Result<DiskFile> {
        OpenOptions::new().write(true).open(path).map(|file| self.wrap(file))
    }

    fn wrap(&self, file: File) -> DiskFile {
        DiskFile {
            file,
            #[cfg(test)]
            faults: std::sync::Arc::clone(&self.faults),
        }
    }
}

impl DiskFile {
    /// Writes slices one behind the other.
    pub(crate) fn write<'a>(
        &self,
        mut offset: u64,
        slices: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<()> {
        #[cfg(test)]
        Faults::check(&self.faults.write, io::ErrorKind::StorageFull)?;
        for slice in slices {
            self.file.write_all_at(slice, offset)?;
            offset += slice.len() as u64;
        }
        Ok(())
    }

    /// Waits until all that was written is on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        Faults::check(&self.faults.sync, io::ErrorKind::Other)?;
        self.file.sync_data()
    }

    /// Gives back what lies behind `length`.
    pub(crate) fn cut(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}

#[cfg(test)]
impl Faults {
    fn check(fault: &std::sync::atomic::AtomicBool, kind: io::ErrorKind) -> io::Result<()> {
        if fault.load(std::sync::atomic::Ordering::SeqCst) { Err(kind.into()) } else { Ok(()) }
    }
}

/// Makes sure that there is room, so that a full disk is noticed before it matters, and that a write within it needs no change of
/// the file's length.
fn allocate(file: &File, length: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Ok(()) => return Ok(()),
            // A file system that cannot do that.
            Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    file.set_len(length)
}
