//! How an event loop hears that something it waits for may be there: a descriptor that can be read, and which tokens were rung.
//!
//! Whoever rings, mostly the client's thread, needs nothing of the interpreter for that.

use pyo3::prelude::*;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

struct Line {
    /// What the loop reads, and who rings writes.
    ends: (UnixStream, UnixStream),
    /// What was rung since the loop looked.
    rung: Mutex<Vec<u64>>,
}

impl Line {
    fn rung(&self) -> MutexGuard<'_, Vec<u64>> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bell of one event loop.
#[pyclass(frozen, module = "pylmd._native")]
pub struct Bell(Arc<Line>);

struct Ring {
    line: Arc<Line>,
    token: u64,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        let mut rung = self.line.rung();
        rung.push(self.token);
        if rung.len() == 1 {
            // One byte at most is there for each time that the loop looks, so that there is room for it.
            let _ = (&self.line.ends.1).write(&[1]);
        }
    }
}

impl Bell {
    /// Rings with this token.
    pub(crate) fn waker(&self, token: u64) -> Waker {
        Waker::from(Arc::new(Ring { line: Arc::clone(&self.0), token }))
    }
}

#[pymethods]
impl Bell {
    #[new]
    fn new() -> PyResult<Self> {
        let ends = UnixStream::pair()?;
        ends.0.set_nonblocking(true)?;
        ends.1.set_nonblocking(true)?;
        Ok(Bell(Arc::new(Line { ends, rung: Mutex::default() })))
    }

    fn fileno(&self) -> i32 {
        self.0.ends.0.as_raw_fd()
    }

    /// The tokens that were rung since the last call.
    fn take(&self) -> PyResult<Vec<u64>> {
        let mut bytes = [0; 64];
        loop {
            match (&self.0.ends.0).read(&mut bytes) {
                Ok(64) => {}
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(std::mem::take(&mut *self.0.rung()))
    }
}
