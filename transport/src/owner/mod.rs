//! Whose a connection is: on its own machine, the kernel knows the user of each end.
//!
//! The other end is looked up by the pair of addresses, which no other connection has as long as both ends are there. So only ends that are
//! established and belong to somebody count: one that was closed shows user 0, as if it were root's. And it is looked whether the end
//! here is still established *afterwards*: where it is not, another connection may have had the same addresses meanwhile.

#[cfg(target_os = "linux")]
mod diag;
#[cfg(target_os = "linux")]
mod listing;

use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

/// A user's number, as the kernel has it.
pub type Uid = u32;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It came over the network, or by an address of this machine that others can reach too.
    Elsewhere,
    /// It came from this machine, over loopback or a file, and is this user's; `None` where it has gone, or nobody knows.
    Here(Option<Uid>),
}

/// Who is at the other end of an accepted connection, over TCP or a socket of the file system. Takes some microseconds.
#[must_use]
pub fn peer(connection: BorrowedFd<'_>) -> Peer {
    match ends(connection) {
        Ok(Ends::Tcp { here, there }) if here.ip().to_canonical().is_loopback() => {
            let owner = owner(there, here).ok().flatten().filter(|_| is_established(connection));
            Peer::Here(owner.filter(is_somebody))
        }
        Ok(Ends::Tcp { .. }) => Peer::Elsewhere,
        Ok(Ends::File) => Peer::Here(owner_over_file(connection).filter(is_somebody)),
        Err(_) => Peer::Here(None),
    }
}

/// Whose program listens at an address of this machine; `None` where nobody does, or it cannot be told.
fn listener(address: SocketAddr) -> Option<Uid> {
    #[cfg(target_os = "linux")]
    return diag::listener(address).or_else(|_| listing::listener(address)).ok().flatten();
    #[cfg(not(target_os = "linux"))]
    {
        let _ = address;
        None
    }
}

/// The address that a socket of TCP is bound to.
#[must_use]
pub fn own_address(socket: BorrowedFd<'_>) -> Option<SocketAddr> {
    rustix::net::getsockname(socket).ok()?.try_into().ok()
}

/// The user whose program listens at an endpoint on loopback, where that is neither this process' user, nor this one root: the program may
/// let nobody else in.
#[must_use]
pub fn foreign_listener(endpoint: &str) -> Option<Uid> {
    let own = crate::own_uid();
    let (host, port) = crate::endpoint::host_and_port(endpoint)?;
    let host = host.trim_matches(['[', ']']);
    let mut addresses = (host, port.parse::<u16>().ok()?).to_socket_addrs().ok()?;
    let address = addresses.find(|address| address.ip().to_canonical().is_loopback())?;
    listener(address).filter(|&owner| owner != own && own != 0)
}

/// Whether the kernel tells who is at the other end of a connection over loopback: it is asked of one that is made for that.
///
/// # Errors
///
/// When it does not, with why.
pub fn check() -> io::Result<()> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let there = listener.local_addr()?;
    let near = std::net::TcpStream::connect(there)?;
    let own = crate::own_uid();
    match owner(near.local_addr()?, there)?.filter(is_somebody) {
        Some(uid) if uid == own => Ok(()),
        Some(uid) => {
            Err(io::Error::other(format!("it says that a connection of user {own} is user {uid}'s")))
        }
        None => Err(io::Error::other("it does not know a connection of this process")),
    }
}

/// Whether the number is one user's. In a user namespace, one number stands for all users that it does not have.
fn is_somebody(uid: &Uid) -> bool {
    static NOBODY_KNOWN: OnceLock<Option<Uid>> = OnceLock::new();
    let stand_in = NOBODY_KNOWN.get_or_init(|| {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let has_all = has_all_users(&read("/proc/self/uid_map"));
        (!has_all).then(|| read("/proc/sys/kernel/overflowuid").trim().parse().unwrap_or(65_534))
    });
    Some(*uid) != *stand_in
}

/// Whether a user namespace with this map has all users; a system without namespaces has no map.
fn has_all_users(map: &str) -> bool {
    let count = |line: &str| line.split_ascii_whitespace().nth(2)?.parse::<u64>().ok();
    map.is_empty() || map.lines().filter_map(count).sum::<u64>() >= u64::from(u32::MAX)
}

enum Ends {
    Tcp { here: SocketAddr, there: SocketAddr },
    File,
}

fn ends(connection: BorrowedFd<'_>) -> io::Result<Ends> {
    let here = rustix::net::getsockname(connection)?;
    if here.address_family() == rustix::net::AddressFamily::UNIX {
        return Ok(Ends::File);
    }
    let no_address = |_| io::Error::from(io::ErrorKind::InvalidData);
    let here = SocketAddr::try_from(here).map_err(no_address)?;
    let there = rustix::net::getpeername(connection)?.map(SocketAddr::try_from);
    let there = there.ok_or(io::ErrorKind::NotConnected)?.map_err(no_address)?;
    Ok(Ends::Tcp { here, there })
}

/// Whose the end at `there` is of an established connection to `here`.
#[cfg(target_os = "linux")]
fn owner(there: SocketAddr, here: SocketAddr) -> io::Result<Option<Uid>> {
    diag::owner(there, here).or_else(|_| listing::owner(there, here))
}

#[cfg(not(target_os = "linux"))]
fn owner(_: SocketAddr, _: SocketAddr) -> io::Result<Option<Uid>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not tell whose a connection is"))
}

#[cfg(target_os = "linux")]
fn is_established(connection: BorrowedFd<'_>) -> bool {
    crate::tcp::state(connection) == Some(diag::ESTABLISHED)
}

#[cfg(not(target_os = "linux"))]
fn is_established(_: BorrowedFd<'_>) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn owner_over_file(connection: BorrowedFd<'_>) -> Option<Uid> {
    rustix::net::sockopt::socket_peercred(connection).ok().map(|peer| peer.uid.as_raw())
}

#[cfg(not(target_os = "linux"))]
fn owner_over_file(_: BorrowedFd<'_>) -> Option<Uid> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    fn own() -> Uid {
        rustix::process::geteuid().as_raw()
    }

    /// Both ends of a connection to a listener at `bound`, made to `address`.
    fn connect(bound: &str, address: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((bound, 0)).unwrap();
        let near = TcpStream::connect((address, listener.local_addr().unwrap().port())).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn a_connection_over_loopback_is_its_users_in_both_ways_to_ask() {
        for (bound, address) in
            [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1"), ("0.0.0.0", "127.0.0.2")]
        {
            let (near, far) = connect(bound, address);
            assert_eq!(peer(far.as_fd()), Peer::Here(Some(own())), "{bound}");
            let (there, here) = (far.peer_addr().unwrap(), far.local_addr().unwrap());
            assert_eq!(diag::owner(there, here).unwrap(), Some(own()), "{bound}");
            assert_eq!(listing::owner(there, here).unwrap(), Some(own()), "{bound}");
            drop(near);
        }
        check().unwrap();
    }

    #[test]
    fn an_end_that_was_closed_is_nobodys_and_not_roots() {
        for address in ["127.0.0.1", "::1"] {
            let (near, far) = connect(address, address);
            drop(near);
            assert_eq!(peer(far.as_fd()), Peer::Here(None));
            let (there, here) = (far.peer_addr().unwrap(), far.local_addr().unwrap());
            assert_eq!(diag::owner(there, here).unwrap(), None);
            assert_eq!(listing::owner(there, here).unwrap(), None);
        }
    }

    #[test]
    fn an_end_that_was_reset_counts_for_nothing_even_if_its_addresses_are_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let near = TcpStream::connect(at).unwrap();
        let from = near.local_addr().unwrap();
        let far = listener.accept().unwrap().0;
        // Closed with a reset, so that nothing remembers it.
        rustix::net::sockopt::set_socket_linger(&near, Some(std::time::Duration::ZERO)).unwrap();
        drop(near);
        let again =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)
                .unwrap();
        rustix::net::bind(&again, &from).unwrap();
        rustix::net::connect(&again, &at).unwrap();
        assert_eq!(diag::owner(from, at).unwrap(), Some(own()), "the addresses are in use again");
        assert_eq!(peer(far.as_fd()), Peer::Here(None));
    }

    #[test]
    fn a_namespace_without_all_users_is_told_from_one_with_them() {
        assert!(has_all_users("         0          0 4294967295\n") && has_all_users(""));
        assert!(!has_all_users("0 1000 1\n") && !has_all_users("0 1000 1\n1 100000 65536\n"));
    }

    #[test]
    fn who_listens_is_known_and_who_does_not_is_not() {
        for (bound, asked) in [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "::1")] {
            let socket = TcpListener::bind((bound, 0)).unwrap();
            let at = SocketAddr::new(asked.parse().unwrap(), socket.local_addr().unwrap().port());
            assert_eq!(listener(at), Some(own()));
            assert_eq!(diag::listener(at).unwrap(), Some(own()));
            assert_eq!(listing::listener(at).unwrap(), Some(own()));
            drop(socket);
            assert_eq!(listener(at), None);
            assert_eq!(listing::listener(at).unwrap(), None);
        }
    }

    #[test]
    fn a_connection_over_a_file_is_its_users() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(peer(one.as_fd()), Peer::Here(Some(own())));
        let (datagrams, _) = std::os::unix::net::UnixDatagram::pair().unwrap();
        assert_eq!(peer(datagrams.as_fd()), Peer::Here(Some(own())));
        let alone =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)
                .unwrap();
        assert_eq!(peer(alone.as_fd()), Peer::Here(None));
    }
}
