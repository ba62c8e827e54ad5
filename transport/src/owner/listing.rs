//! The kernel's list of all TCP sockets (`/proc/net/tcp`, `proc(5)`), for systems without `sock_diag`: each look reads it whole.

use super::Uid;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

/// Whose the end at `there` is of an established connection to `here`.
pub(super) fn owner(there: SocketAddr, here: SocketAddr) -> io::Result<Option<Uid>> {
    find(|entry| entry.state == ESTABLISHED && is_same(entry.own, there) && is_same(entry.other, here))
}

/// Whose program listens there.
pub(super) fn listener(address: SocketAddr) -> io::Result<Option<Uid>> {
    find(|entry| {
        let is_there = is_same(entry.own, address)
            || (entry.own.ip().is_unspecified() && entry.own.port() == address.port());
        entry.state == LISTEN && is_there
    })
}

fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

struct Entry<'a> {
    own: SocketAddr,
    other: SocketAddr,
    state: &'a str,
}

/// The user of the first socket that is wanted and that somebody has.
fn find(is_wanted: impl Fn(Entry<'_>) -> bool) -> io::Result<Option<Uid>> {
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let file = match File::open(path) {
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.ends_with('6') => continue,
            file => file?,
        };
        for line in BufReader::new(file).lines().skip(1) {
            if let Some((entry, uid)) = read(&line?)
                && is_wanted(entry)
            {
                return Ok(Some(uid));
            }
        }
    }
    Ok(None)
}

/// A line of the list, if somebody has the socket: its number, both addresses, the state, three fields, the user, one field, the inode.
fn read(line: &str) -> Option<(Entry<'_>, Uid)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (own, other, state) = (address(fields.next()?)?, address(fields.next()?)?, fields.next()?);
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?;
    (inode != "0").then_some((Entry { own, other, state }, uid))
}

/// `0100007F:15B7`: words of the machine's order, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for place in 0..4 {
                octets[place * 4..place * 4 + 4].copy_from_slice(&word(place)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_one_of_nobody_is_not() {
        let line = "   1: 0100007F:15B7 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0";
        if cfg!(target_endian = "little") {
            let (entry, uid) = read(line).unwrap();
            assert_eq!((entry.own, entry.state, uid), ("127.0.0.1:5559".parse().unwrap(), "01", 1000));
        }
        assert!(read(&line.replace("4242", "0")).is_none());
        for damaged in ["", "1:", "1: 0100007F:15B7", "1: x:1 y:2 01", &line[..60]] {
            assert!(read(damaged).is_none(), "{damaged}");
        }
    }
}
