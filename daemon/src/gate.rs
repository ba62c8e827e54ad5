//! The gate that every connection to this process passes, whoever listens: libzmq, `--http`, `--gateway`.
//!
//! Over loopback only those come in who may, and nobody reads a byte of others' (`gate/guard.rs`).
//!
//! Connections get no descriptors from a bound on, so that files, pipes and sockets of the process itself always do. libzmq would be
//! without help here: where `accept` fails for want of descriptors it tries again at once, for ever, and other errors end the process.
#![allow(unsafe_code)]

mod guard;

pub use guard::{User, admit, admit_everybody, cut, cut_users, leave_to_keys};

use rustix::process::{Resource, getrlimit};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The most descriptors that connections may bring the process to, whatever the system allows.
const MOST: u64 = 65_536;
/// Connections that a program has room for, or it does not start.
const FEWEST: u64 = 16;
/// Files that a node opens by itself, whatever it is told.
pub const NODE: u64 = 32;

static REFUSED: AtomicU64 = AtomicU64::new(0);

/// How many connections were refused for want of descriptors, ever.
pub fn refused() -> u64 {
    REFUSED.load(Relaxed)
}

fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many files this process has open, or a few more.
fn open() -> u64 {
    // The system gives the lowest number that is free.
    UnixDatagram::unbound().map_or_else(|_| limit(), |probe| u64::try_from(probe.as_raw_fd()).unwrap_or(0))
}

/// Whether so many files are open that what the process could do without is better left out.
pub fn is_half_full() -> bool {
    open() > bound() / 2
}

/// The lowest descriptor that is not for connections: what is above is for the process itself.
fn bound() -> u64 {
    let limit = limit();
    (limit - (limit / 8).clamp(8, 256).min(limit)).min(MOST)
}

/// The process may have too few files open to take connections.
#[derive(Debug, thiserror::Error)]
#[error(
    "{open} files are open or about to be, and this process may open {limit}: that leaves too few for connections; raise the limit (ulimit -n)"
)]
pub struct TooFewDescriptors {
    open: u64,
    limit: u64,
}

/// Whether there is room for connections beside what the process has open, and is about to.
///
/// # Errors
/// When there is not, or the system gives no descriptor at all.
pub fn has_room(more: u64) -> Result<(), TooFewDescriptors> {
    let limit = limit();
    let open = open().saturating_add(more);
    if open.saturating_add(FEWEST) <= bound() { Ok(()) } else { Err(TooFewDescriptors { open, limit }) }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{REFUSED, bound, guard};
    use std::io;
    use std::os::fd::BorrowedFd;
    use std::sync::atomic::Ordering::Relaxed;
    use std::thread::sleep;
    use std::time::Duration;

    /// How long a listener rests that got no descriptor.
    const REST: Duration = Duration::from_millis(10);

    /// Takes the place of the C library's function in this program: whoever accepts a connection in it calls this one.
    ///
    /// # Safety
    /// As for `accept4(2)`.
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn accept4(
        listener: libc::c_int,
        address: *mut libc::sockaddr,
        length: *mut libc::socklen_t,
        flags: libc::c_int,
    ) -> libc::c_int {
        // SAFETY: the caller vouches for the arguments, which go on as they are.
        let outcome = unsafe { libc::syscall(libc::SYS_accept4, listener, address, length, flags) };
        let Ok(connection) = u64::try_from(outcome) else { return failed(io::Error::last_os_error()) };
        let connection_fd = connection as libc::c_int;
        if connection >= bound() {
            REFUSED.fetch_add(1, Relaxed);
        // SAFETY: the first one was opened just now, nobody else knows of it, and it is closed below only; the other one has just given it.
        } else if guard::admits(unsafe {
            (BorrowedFd::borrow_raw(connection_fd), BorrowedFd::borrow_raw(listener))
        }) {
            return connection_fd;
        }
        // What was sent over it is thrown away with it. SAFETY: the descriptor was opened just now, and nobody else knows of it.
        unsafe { libc::close(connection_fd) };
        fail_with(libc::ECONNABORTED)
    }

    fn failed(error: io::Error) -> libc::c_int {
        let number = error.raw_os_error().unwrap_or(libc::ECONNABORTED);
        match number {
            libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => {
                REFUSED.fetch_add(1, Relaxed);
                sleep(REST);
                fail_with(number)
            }
            // What was wrong with this one connection is nothing to end the process for, as libzmq would.
            libc::EPERM
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENONET
            | libc::ENOPROTOOPT
            | libc::EOPNOTSUPP
            | libc::ETIMEDOUT => fail_with(libc::ECONNABORTED),
            _ => fail_with(number),
        }
    }

    fn fail_with(number: libc::c_int) -> libc::c_int {
        // SAFETY: the C library gives each thread a place of its own.
        unsafe { *libc::__errno_location() = number };
        -1
    }
}
