//! A TCP connection of a socket, as the kernel knows it: libzmq shows nothing of a frame until it is whole.
#![allow(unsafe_code)]

use std::mem::{offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::net::Shutdown;

/// A TCP connection that belongs to libzmq, by the descriptor that it has there.
///
/// libzmq closes it when it likes, and the system may give its number to something else: so it is known by its inode too, and whatever
/// is asked of one that is gone has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpConnection {
    fd: RawFd,
    inode: u64,
}

impl TcpConnection {
    /// The connection of this descriptor; none where it is no TCP connection, or gone by now.
    #[must_use]
    pub fn of(fd: RawFd) -> Option<Self> {
        if fd < 0 {
            return None;
        }
        // SAFETY: it is used for the length of two calls, which fail where it is not open.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        info(borrowed)?;
        Some(Self { fd, inode: inode(borrowed)? })
    }

    /// Whether it has, or had, this descriptor.
    #[must_use]
    pub fn is_at(&self, fd: RawFd) -> bool {
        self.fd == fd
    }

    /// For how long nothing has been received.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        let info = info(self.open()?.as_fd())?;
        Some(Duration::from_millis(info.tcpi_last_data_recv.into()))
    }

    /// How many bytes were received.
    #[must_use]
    pub fn received(&self) -> Option<u64> {
        Some(info(self.open()?.as_fd())?.tcpi_bytes_received)
    }

    /// Ends it, whatever it still carries. libzmq notices, and frees what it holds of half a message.
    pub fn cut(&self) {
        if let Some(open) = self.open() {
            // It may have ended by itself.
            let _ = rustix::net::shutdown(open, Shutdown::Both);
        }
    }

    /// A second descriptor of it, which cannot become something else's while it is held.
    fn open(&self) -> Option<OwnedFd> {
        // SAFETY: it is used for the length of this call, which fails where it is not open.
        let borrowed = unsafe { BorrowedFd::borrow_raw(self.fd) };
        let open = rustix::io::fcntl_dupfd_cloexec(borrowed, 0).ok()?;
        (inode(open.as_fd())? == self.inode).then_some(open)
    }
}

fn inode(fd: BorrowedFd<'_>) -> Option<u64> {
    rustix::fs::fstat(fd).ok().map(|stat| stat.st_ino)
}

/// The state that a TCP connection is in, by the kernel's number.
pub(crate) fn state(fd: BorrowedFd<'_>) -> Option<u8> {
    info(fd).map(|info| info.tcpi_state)
}

/// What a kernel has to tell to be of use: up to the bytes that were received.
const KNOWN: usize = offset_of!(libc::tcp_info, tcpi_segs_out);

/// Asks the kernel. Fields that are newer than it stay zero.
fn info(fd: BorrowedFd<'_>) -> Option<libc::tcp_info> {
    // SAFETY: all of its fields are integers, for which zero is a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is open, or the call fails; the kernel writes no more than the length that it is given.
    let outcome = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut len,
        )
    };
    (outcome == 0 && len as usize >= KNOWN).then_some(info)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn bytes_are_seen_as_they_come() {
        let (mut near, far) = pair();
        let connection = TcpConnection::of(far.as_raw_fd()).unwrap();
        assert_eq!(connection.received(), Some(0));
        let begun = Instant::now();
        while connection.idle().unwrap() < Duration::from_millis(50) {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
        near.write_all(&[7; 1000]).unwrap();
        while connection.received() != Some(1000) {
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
        assert!(connection.idle().unwrap() <= begun.elapsed());
    }

    #[test]
    fn one_that_is_cut_ends_at_both_sides() {
        let (mut near, far) = pair();
        TcpConnection::of(far.as_raw_fd()).unwrap().cut();
        assert_eq!(near.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn what_is_gone_or_no_tcp_connection_tells_nothing() {
        let (_near, far) = pair();
        let connection = TcpConnection::of(far.as_raw_fd()).unwrap();
        drop(far);
        assert_eq!((connection.idle(), connection.received()), (None, None));
        let (local, _other) = UnixStream::pair().unwrap();
        assert_eq!(TcpConnection::of(local.as_raw_fd()), None);
        assert_eq!(TcpConnection::of(-1), None);
        // Another connection under the same number is not taken for it.
        let stranger = TcpConnection { fd: local.as_raw_fd(), inode: 1 };
        assert_eq!(stranger.idle(), None);
        stranger.cut();
    }
}
