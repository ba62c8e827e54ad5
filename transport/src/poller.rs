//! Sleeping until one of many sockets has news.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use polling::{Event, PollMode};

/// By which a descriptor is known to its [`Poller`]; `usize::MAX` is taken.
pub type Key = usize;

/// Waits for any number of sockets, monitors and plain file descriptors; the cost does not grow with their number.
///
/// # The rule of a ZeroMQ descriptor
///
/// The descriptor of a socket tells that its state *may have changed*, not that a message waits, and every call on
/// the socket may use that hint up: a `send` may take note of an arrival, after which the descriptor is quiet while a
/// message waits. So sleep only when, for each socket used since the last sleep, the last thing asked was
///
/// - [`Socket::recv`](crate::Socket::recv), which found nothing, and nothing was sent since; or
/// - [`Socket::events`](crate::Socket::events), which was not readable (and, if something waits to be sent, not
///   writable).
///
/// ```no_run
/// # use pylm_transport::{Context, Frames, Options, Poller, Socket, SocketKind};
/// # fn handle(_: &Socket, _: &mut Frames) {}
/// # fn main() -> std::io::Result<()> {
/// # let context = Context::new()?;
/// # let sockets = [context.socket(SocketKind::Dealer, &Options::default())?];
/// let mut poller = Poller::new()?;
/// for (key, socket) in sockets.iter().enumerate() {
///     poller.add(socket.fd(), key)?;
/// }
/// let mut ready: Vec<usize> = (0..sockets.len()).collect();
/// let mut frames = Frames::new();
/// loop {
///     while let Some(key) = ready.pop() {
///         while sockets[key].recv(&mut frames)? {
///             // Whatever socket this sends on, push its key to `ready`: it is asked once more before the sleep.
///             handle(&sockets[key], &mut frames);
///         }
///     }
///     poller.wait(None, &mut ready)?;
/// }
/// # }
/// ```
///
/// A socket that refused to send with [`SendError::Full`](crate::SendError::Full) becomes ready when a peer has
/// made room; an XPUB without room for one topic tells nothing and has to be tried again by time.
pub struct Poller {
    inner: Arc<polling::Poller>,
    /// A waker was used since it was looked at last.
    woken: Arc<AtomicBool>,
    events: polling::Events,
    /// How long it asks again and again before it sleeps.
    spin: Duration,
}

/// Ends the sleep of a [`Poller`] from another thread.
#[derive(Clone)]
pub struct Waker {
    poller: Arc<polling::Poller>,
    woken: Arc<AtomicBool>,
}

impl Waker {
    /// Lets the present [`Poller::wait`], or the next, return at once. Several calls may end but one sleep.
    ///
    /// # Errors
    ///
    /// None is known.
    #[inline]
    pub fn wake(&self) -> io::Result<()> {
        self.woken.store(true, Ordering::Release);
        self.poller.notify()
    }
}

impl Poller {
    /// A poller of nothing yet.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptors left; see [`crate::raise_file_limit`].
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            inner: Arc::new(polling::Poller::new()?),
            woken: Arc::default(),
            events: polling::Events::new(),
            spin: Duration::ZERO,
        })
    }

    /// Waits for `fd` to be readable, too, from now on. The key is told back by [`Poller::wait`].
    ///
    /// Remove it before it is closed: the system would forget it, but a new descriptor of the same number would not
    /// be accepted in its place.
    ///
    /// # Errors
    ///
    /// When `fd` is not open, cannot be waited for, or was added already.
    pub fn add(&self, fd: RawFd, key: Key) -> io::Result<()> {
        // SAFETY: the descriptor is only named to the kernel, which checks it; one that is closed too early makes
        // no memory invalid.
        unsafe { self.inner.add_with_mode(fd, Event::readable(key), PollMode::Level) }
    }

    /// Stops waiting for `fd`.
    ///
    /// # Errors
    ///
    /// When it was not added.
    pub fn remove(&self, fd: RawFd) -> io::Result<()> {
        // SAFETY: as in `add`; the borrow ends with this call.
        self.inner.delete(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Asks again and again for so long before it sleeps from now on: a wait that ends within that time ends sooner, at the
    /// price of a busy core. Zero, as at first, sleeps at once.
    pub fn set_spin(&mut self, time: Duration) {
        self.spin = time;
    }

    /// Whether a wait has ended while it only asked.
    fn spin(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let time = timeout.map_or(self.spin, |timeout| timeout.min(self.spin));
        if time.is_zero() {
            return Ok(false);
        }
        let begun = Instant::now();
        while begun.elapsed() < time {
            match self.inner.wait(&mut self.events, Some(Duration::ZERO)) {
                // A waker ends a wait without an event, as the end of the time does.
                // Whoever brings the news may have to run on this core.
                Ok(0) if !self.woken.swap(false, Ordering::AcqRel) => std::thread::yield_now(),
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Sleeps until a descriptor is readable, a [`Waker`] wakes, or `timeout` is over (`None`: for ever), and puts the
    /// keys of what is readable at the end of `ready`.
    ///
    /// # Errors
    ///
    /// When the system cannot wait, which is not to be mended.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Key>) -> io::Result<()> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.events.clear();
        if !self.spin(timeout)? {
            self.sleep(deadline)?;
        }
        ready.extend(self.events.iter().map(|event| event.key));
        Ok(())
    }

    fn sleep(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match self.inner.wait(&mut self.events, left) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// A handle with which other threads end the sleep.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker { poller: Arc::clone(&self.inner), woken: Arc::clone(&self.woken) }
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").finish_non_exhaustive()
    }
}
