//! The child's end of the line to its parent.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;

/// What a child writes when it is ready for its work.
pub(super) const READY: u8 = b'R';
/// What a child writes from time to time.
const ALIVE: u8 = b'A';

/// Ties a supervised process to the one that started it.
#[derive(Debug)]
pub struct ParentLink(UnixStream);

impl ParentLink {
    /// Takes the link, which a supervised process finds in place of standard input. What the process starts itself gets
    /// an empty standard input instead, so that it cannot hold the link open.
    ///
    /// # Errors
    /// When standard input is closed, or the process has no descriptors left.
    pub fn take() -> io::Result<Self> {
        let link = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(ParentLink(link))
    }

    /// Gives a sign of life.
    pub fn beat(&self) {
        self.write(ALIVE);
    }

    /// Says that this process is ready for its work.
    pub fn ready(&self) {
        self.write(READY);
    }

    fn write(&self, sign: u8) {
        // A parent that is gone is noticed by the thread that reads.
        let _ = (&self.0).write(&[sign]);
    }

    /// Calls `on_end` on a thread of its own when the parent is gone.
    ///
    /// # Errors
    /// When the system gives no thread or descriptor.
    pub fn when_parent_ends(&self, on_end: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut link = self.0.try_clone()?;
        thread::Builder::new().name("parent".to_owned()).spawn(move || {
            let mut nothing = [0; 64];
            loop {
                match link.read(&mut nothing) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => return on_end(),
                }
            }
        })?;
        Ok(())
    }
}
