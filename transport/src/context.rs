//! A context: the I/O threads of a process and the room for its sockets.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use crate::error::{last_errno, last_error};
use crate::{Options, Socket, SocketKind, descriptors};

/// I/O threads of the shared context.
const MOST_THREADS: usize = 4;

/// A shared handle of a context. It ends when its last handle and its last socket are dropped.
///
/// That end waits only for what its sockets' [linger](Options::linger) allows, nothing by default.
#[derive(Clone, Debug)]
pub struct Context {
    raw: Arc<RawContext>,
}

#[derive(Debug)]
struct RawContext(NonNull<c_void>);

// SAFETY: a ZeroMQ context may be used from any thread, by several at once.
unsafe impl Send for RawContext {}
// SAFETY: as above.
unsafe impl Sync for RawContext {}

impl Drop for RawContext {
    fn drop(&mut self) {
        // SAFETY: the context is alive, and every socket holds a handle, so that none is open any more.
        while unsafe { zmq_sys::zmq_ctx_term(self.0.as_ptr()) } != 0 && last_errno() == zmq_sys::errno::EINTR
        {
        }
    }
}

impl Context {
    /// A context with one I/O thread, which is enough for some gigabytes per second, and with room for as many
    /// sockets as libzmq allows.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptors left for it; see [`crate::raise_file_limit`].
    pub fn new() -> io::Result<Self> {
        Self::with_threads(1)
    }

    fn with_threads(threads: usize) -> io::Result<Self> {
        descriptors::check(descriptors::CONTEXT + descriptors::THREAD * threads)?;
        // SAFETY: takes nothing.
        let raw = NonNull::new(unsafe { zmq_sys::zmq_ctx_new() }).ok_or_else(last_error)?;
        let context = Self { raw: Arc::new(RawContext(raw)) };
        // SAFETY: the context is alive.
        let sockets = unsafe { zmq_sys::zmq_ctx_get(raw.as_ptr(), zmq_sys::ZMQ_SOCKET_LIMIT as c_int) };
        context.set(zmq_sys::ZMQ_MAX_SOCKETS as c_int, sockets)?;
        // Without it the end of a context waits for unsent messages for ever.
        context.set(zmq_sys::ZMQ_BLOCKY as c_int, 0)?;
        context.set(zmq_sys::ZMQ_IO_THREADS as c_int, threads as c_int)?;
        Ok(context)
    }

    /// The context of all who ask for it in this process, as long as one of them has it: its threads, one for each core up to
    /// four, are started once for many short uses. Each socket belongs to one of them. A forked child, which has none of these
    /// threads, gets a context of its own.
    ///
    /// # Errors
    ///
    /// As [`Context::new`].
    pub fn shared() -> io::Result<Self> {
        static SHARED: Mutex<(u32, Weak<RawContext>)> = Mutex::new((0, Weak::new()));
        // A panic elsewhere leaves the place as it was.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if let (true, Some(raw)) = (shared.0 == process, shared.1.upgrade()) {
            return Ok(Self { raw });
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let context = Self::with_threads(cores.min(MOST_THREADS))?;
        *shared = (process, Arc::downgrade(&context.raw));
        Ok(context)
    }

    /// A socket of this context, with `options` applied before anything can connect.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptors left, or libzmq refuses one of the options.
    pub fn socket(&self, kind: SocketKind, options: &Options) -> io::Result<Socket> {
        descriptors::check(descriptors::SOCKET)?;
        let socket = Socket::new(self, kind)?;
        options.apply(&socket)?;
        Ok(socket)
    }

    pub(crate) fn as_raw(&self) -> *mut c_void {
        self.raw.0.as_ptr()
    }

    fn set(&self, option: c_int, value: c_int) -> io::Result<()> {
        // SAFETY: the context is alive.
        match unsafe { zmq_sys::zmq_ctx_set(self.as_raw(), option, value) } {
            0 => Ok(()),
            _ => Err(last_error()),
        }
    }
}
