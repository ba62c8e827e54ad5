//! What can go wrong with a call into libzmq.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;

use zmq_sys::errno;

/// Why a multipart was not sent. Unless said otherwise, every frame stays with the caller.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A high-water mark is reached, or nobody is connected yet. Keep the frames and try again later.
    #[error("the socket takes no more for now; keep the message and send it again later")]
    Full,
    /// A ROUTER that must know its peers knows none by this routing id. Give the message to another peer.
    #[error("no peer has this routing id; give the message to another peer")]
    NoPeer,
    /// The socket refuses what was asked of it, which trying again does not mend.
    #[error("cannot send: {0}")]
    Other(#[from] io::Error),
}

/// The number of the last error of this thread.
#[inline]
pub(crate) fn last_errno() -> i32 {
    // SAFETY: takes nothing and reads a thread's own variable.
    unsafe { zmq_sys::zmq_errno() }
}

/// The last error of this thread, with libzmq's own words for what the system has no number for.
#[cold]
pub(crate) fn last_error() -> io::Error {
    from_errno(last_errno())
}

#[cold]
pub(crate) fn from_errno(number: i32) -> io::Error {
    match number {
        // libzmq's own numbers start far above every system's.
        own if own >= errno::ENOTSUP_ALT => {
            // SAFETY: libzmq returns a string that lives as long as the program, for any number.
            let words = unsafe { CStr::from_ptr(zmq_sys::zmq_strerror(own)) };
            io::Error::other(words.to_string_lossy().to_lowercase())
        }
        system => io::Error::from_raw_os_error(system),
    }
}

impl SendError {
    #[cold]
    pub(crate) fn from_errno(number: i32) -> Self {
        match number {
            errno::EAGAIN => Self::Full,
            errno::EHOSTUNREACH => Self::NoPeer,
            other => Self::Other(from_errno(other)),
        }
    }
}
