//! Whether the system would give libzmq the descriptors that it is about to open: it aborts the process where it does not get them.

use std::io;
use std::os::unix::net::UnixDatagram;

/// With the first socket of a context.
pub(crate) const CONTEXT: usize = 8;
/// For each I/O thread of a context.
pub(crate) const THREAD: usize = 2;
/// For a socket, or for a bind, which reads the interfaces of the machine.
pub(crate) const SOCKET: usize = 4;

/// Whether so many can be opened.
///
/// # Errors
/// When not, as the system says it.
pub(crate) fn check(count: usize) -> io::Result<()> {
    let probes: io::Result<Vec<_>> = (0..count).map(|_| UnixDatagram::unbound()).collect();
    probes.map(drop)
}
