//! A socket: its life, its endpoints, its options and its readiness.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{CString, c_int, c_long, c_short, c_void};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use zmq_sys::errno;

use crate::error::{last_errno, last_error};
use crate::monitor::{self, Monitor, SharedPair};
use crate::options::milliseconds;
use crate::{Context, Frames, SocketKind};
use crate::{descriptors, endpoint};

/// What a socket that is to close at once gets nevertheless: libzmq aborts the process when a connection breaks at the
/// moment in which it throws away a half-written multipart (its issue 3442).
const LEAST_LINGER: Duration = Duration::from_millis(100);

/// What a socket is ready for, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events {
    /// [`Socket::recv`] will find a message.
    pub readable: bool,
    /// [`Socket::send`] will find room, though not for every peer or topic of a ROUTER or XPUB.
    pub writable: bool,
}

/// A ZeroMQ socket. It belongs to one thread at a time and holds its context open.
#[derive(Debug)]
pub struct Socket {
    pub(crate) raw: NonNull<c_void>,
    pub(crate) kind: SocketKind,
    fd: RawFd,
    /// Second references to the parts already handed over, for the kinds that may break off; empty between sends.
    pub(crate) handed_over: RefCell<Frames>,
    /// This side of the monitor stays open as long as libzmq may write to it.
    monitor: RefCell<Option<SharedPair>>,
    context: Context,
}

// SAFETY: a ZeroMQ socket may go from thread to thread, as long as one uses it at a time; it is not `Sync`.
unsafe impl Send for Socket {}

impl Drop for Socket {
    fn drop(&mut self) {
        self.stop_monitor();
        // A refusal only shortens the time that the peers get.
        if self.get_int(zmq_sys::ZMQ_LINGER as c_int).is_ok_and(|linger| linger == 0) {
            let _ = self.set_linger(LEAST_LINGER);
        }
        // SAFETY: the socket is alive and nobody can use it after this.
        unsafe { zmq_sys::zmq_close(self.raw.as_ptr()) };
    }
}

impl Socket {
    pub(crate) fn new(context: &Context, kind: SocketKind) -> io::Result<Self> {
        // SAFETY: the context is alive, and the socket keeps it so.
        let raw = NonNull::new(unsafe { zmq_sys::zmq_socket(context.as_raw(), kind.as_raw()) })
            .ok_or_else(last_error)?;
        let mut socket = Self {
            raw,
            kind,
            fd: -1,
            handed_over: RefCell::default(),
            monitor: RefCell::default(),
            context: context.clone(),
        };
        socket.fd = socket.get_int(zmq_sys::ZMQ_FD as c_int)?;
        Ok(socket)
    }

    /// The kind that it was made as.
    #[must_use]
    pub fn kind(&self) -> SocketKind {
        self.kind
    }

    /// Accepts connections at `endpoint`, and returns where: of `tcp://127.0.0.1:0` the port that was chosen. A host's name is
    /// looked up, which takes as long as the system's resolver does; that of a network interface is not.
    ///
    /// # Errors
    ///
    /// When the address is taken, not of this host, or malformed, or the process has no file descriptors left.
    pub fn bind(&self, endpoint: &str) -> io::Result<String> {
        descriptors::check(descriptors::SOCKET)?;
        match self.at_endpoint(endpoint, zmq_sys::zmq_bind) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                let resolved = endpoint::resolved(endpoint)?.ok_or(error)?;
                self.at_endpoint(&resolved, zmq_sys::zmq_bind)?;
            }
            outcome => outcome?,
        }
        let mut name = vec![0_u8; 1024];
        let len = self.get_bytes(zmq_sys::ZMQ_LAST_ENDPOINT as c_int, &mut name)?;
        name.truncate(len.saturating_sub(1));
        String::from_utf8(name).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Stops accepting connections at an endpoint that [`Socket::bind`] returned. Those that are there stay.
    ///
    /// # Errors
    ///
    /// When the socket is not bound there.
    pub fn unbind(&self, endpoint: &str) -> io::Result<()> {
        self.at_endpoint(endpoint, zmq_sys::zmq_unbind)
    }

    /// Connects to `endpoint`, in the background, and again whenever the connection breaks.
    ///
    /// # Errors
    ///
    /// When the endpoint is malformed.
    pub fn connect(&self, endpoint: &str) -> io::Result<()> {
        self.at_endpoint(endpoint, zmq_sys::zmq_connect)
    }

    /// Ends a connection made by [`Socket::connect`] with the same endpoint.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn disconnect(&self, endpoint: &str) -> io::Result<()> {
        self.at_endpoint(endpoint, zmq_sys::zmq_disconnect)
    }

    /// XPUB: from now on, a peer gets only those subscriptions that [`Socket::subscribe`] gives it right after its wish was received, and
    /// [`Socket::unsubscribe`] takes. Each wish, and each end of one, is told.
    ///
    /// # Errors
    ///
    /// When the socket is of another kind.
    pub fn set_manual(&self) -> io::Result<()> {
        self.set_int(zmq_sys::ZMQ_XPUB_MANUAL as c_int, 1)
    }

    /// SUB: receive what begins with `prefix`, too. XPUB with [`Socket::set_manual`]: give the peer whose wish was just received
    /// this subscription; nothing, when that peer has gone.
    ///
    /// # Errors
    ///
    /// When the socket is of another kind.
    pub fn subscribe(&self, prefix: &[u8]) -> io::Result<()> {
        self.set_bytes(zmq_sys::ZMQ_SUBSCRIBE as c_int, prefix)
    }

    /// Takes back one [`Socket::subscribe`] with the same prefix.
    ///
    /// # Errors
    ///
    /// When the socket is of another kind.
    pub fn unsubscribe(&self, prefix: &[u8]) -> io::Result<()> {
        self.set_bytes(zmq_sys::ZMQ_UNSUBSCRIBE as c_int, prefix)
    }

    /// Changes how long the socket goes on sending once it is dropped; see [`crate::Options::linger`].
    ///
    /// # Errors
    ///
    /// None is known.
    pub fn set_linger(&self, time: Duration) -> io::Result<()> {
        self.set_int(zmq_sys::ZMQ_LINGER as c_int, milliseconds(time))
    }

    /// The descriptor that becomes readable when [`Socket::events`] may have changed; see [`crate::Poller`].
    #[inline]
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.fd
    }

    /// What the socket is ready for. Asking also takes note of what its descriptor tells of.
    ///
    /// # Errors
    ///
    /// None is known.
    #[inline]
    pub fn events(&self) -> io::Result<Events> {
        let events = self.get_int(zmq_sys::ZMQ_EVENTS as c_int)?;
        Ok(Events {
            readable: events & zmq_sys::ZMQ_POLLIN as c_int != 0,
            writable: events & zmq_sys::ZMQ_POLLOUT as c_int != 0,
        })
    }

    /// Sleeps until a message waits, for `timeout` at most (`None`: for ever). Returns whether one does.
    ///
    /// # Errors
    ///
    /// None is known.
    pub fn wait_readable(&self, timeout: Option<Duration>) -> io::Result<bool> {
        self.wait(zmq_sys::ZMQ_POLLIN, timeout)
    }

    /// Sleeps until there is room to send, for `timeout` at most (`None`: for ever). Returns whether there is.
    ///
    /// # Errors
    ///
    /// None is known.
    pub fn wait_writable(&self, timeout: Option<Duration>) -> io::Result<bool> {
        self.wait(zmq_sys::ZMQ_POLLOUT, timeout)
    }

    fn wait(&self, event: u32, timeout: Option<Duration>) -> io::Result<bool> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut item = zmq_sys::zmq_pollitem_t {
            socket: self.raw.as_ptr(),
            fd: 0,
            events: event as c_short,
            revents: 0,
        };
        loop {
            let milliseconds = match deadline {
                // Rounded up, so that the last millisecond is slept and not spun.
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    c_long::try_from(left.as_micros().div_ceil(1000)).unwrap_or(c_long::MAX)
                }
                None => -1,
            };
            // SAFETY: one item, alive, of a living socket that is this thread's.
            match unsafe { zmq_sys::zmq_poll(&raw mut item, 1, milliseconds) } {
                0 => return Ok(false),
                1.. => return Ok(true),
                _ if last_errno() == errno::EINTR => {}
                _ => return Err(last_error()),
            }
        }
    }

    /// Starts to tell what happens to the socket's connections. An earlier monitor of the socket falls silent.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptors left.
    pub fn monitor(&self) -> io::Result<Monitor> {
        self.monitor_events(monitor::EVENTS)
    }

    /// As [`Socket::monitor`], but only of what begins and ends the use of a connection: handshakes, lost connections, and
    /// attempts that are to be repeated. Every event wakes who waits for it.
    ///
    /// # Errors
    ///
    /// As [`Socket::monitor`].
    pub fn monitor_ends(&self) -> io::Result<Monitor> {
        self.monitor_events(monitor::ENDS)
    }

    /// As [`Socket::monitor`], but only of connections that are accepted.
    ///
    /// # Errors
    ///
    /// As [`Socket::monitor`].
    pub fn monitor_accepts(&self) -> io::Result<Monitor> {
        self.monitor_events(monitor::ACCEPTS)
    }

    fn monitor_events(&self, events: c_int) -> io::Result<Monitor> {
        self.stop_monitor();
        let endpoint = monitor::fresh_endpoint();
        let name = CString::new(endpoint.as_str())?;
        // SAFETY: the socket is alive and the name ends with a zero.
        let outcome = unsafe { zmq_sys::zmq_socket_monitor(self.raw.as_ptr(), name.as_ptr(), events) };
        if outcome != 0 {
            return Err(last_error());
        }
        let (monitor, pair) = Monitor::connect(&self.context, &endpoint)?;
        *self.monitor.borrow_mut() = Some(pair);
        Ok(monitor)
    }

    /// Ends what [`Socket::monitor`] started; so does dropping the socket. To drop the monitor alone is not enough:
    /// what it would have told goes on to pile up.
    pub fn stop_monitor(&self) {
        let Some(pair) = self.monitor.borrow_mut().take() else { return };
        // libzmq waits for ever when it tells something to a side that is closed, so its own side goes first.
        // SAFETY: the socket is alive; no name means to stop. Cannot fail.
        unsafe { zmq_sys::zmq_socket_monitor(self.raw.as_ptr(), ptr::null(), 0) };
        drop(pair);
    }

    pub(crate) fn set_int(&self, option: c_int, value: c_int) -> io::Result<()> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    pub(crate) fn set_bytes(&self, option: c_int, value: &[u8]) -> io::Result<()> {
        // SAFETY: the socket is alive, and pointer and length are of one slice; libzmq copies.
        let outcome =
            unsafe { zmq_sys::zmq_setsockopt(self.raw.as_ptr(), option, value.as_ptr().cast(), value.len()) };
        if outcome == 0 { Ok(()) } else { Err(last_error()) }
    }

    #[inline]
    fn get_int(&self, option: c_int) -> io::Result<c_int> {
        let mut value = [0; size_of::<c_int>()];
        self.get_bytes(option, &mut value)?;
        Ok(c_int::from_ne_bytes(value))
    }

    #[inline]
    fn get_bytes(&self, option: c_int, value: &mut [u8]) -> io::Result<usize> {
        let mut len = value.len();
        loop {
            // SAFETY: the socket is alive, and libzmq writes no more than the length it is given.
            let outcome = unsafe {
                zmq_sys::zmq_getsockopt(self.raw.as_ptr(), option, value.as_mut_ptr().cast(), &raw mut len)
            };
            match outcome {
                0 => return Ok(len),
                _ if last_errno() == errno::EINTR => {}
                _ => return Err(last_error()),
            }
        }
    }

    fn at_endpoint(
        &self,
        endpoint: &str,
        call: unsafe extern "C" fn(*mut c_void, *const std::ffi::c_char) -> c_int,
    ) -> io::Result<()> {
        self.set_int(zmq_sys::ZMQ_IPV6 as c_int, endpoint::is_ipv6(endpoint).into())?;
        let endpoint = CString::new(endpoint)?;
        // SAFETY: the socket is alive, and the endpoint ends with a zero and is copied.
        match unsafe { call(self.raw.as_ptr(), endpoint.as_ptr()) } {
            0 => Ok(()),
            _ => Err(last_error()),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}
