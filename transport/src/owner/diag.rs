//! The kernel's own answer, over netlink (`sock_diag(7)`): an exact look-up of one socket, which takes as long with one connection as with
//! a hundred thousand.

use super::Uid;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
    sockopt::{self, Timeout},
};
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// `TCP_ESTABLISHED`.
pub(super) const ESTABLISHED: u8 = 1;
/// `TCP_LISTEN`.
const LISTEN: u8 = 10;

/// `nlmsghdr`, then `inet_diag_req_v2`.
const REQUEST: usize = 16 + 56;
/// `nlmsghdr`, then `inet_diag_msg` without attributes.
const ANSWER: usize = 16 + 72;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;

/// The kernel answers within the call that asks; this is for one that does not.
const PATIENCE: Duration = Duration::from_millis(100);

thread_local! {
    /// This thread's line to the kernel, and the number of its last question.
    static LINE: RefCell<Option<(OwnedFd, u32)>> = const { RefCell::new(None) };
}

/// Whose the end at `there` is of an established connection to `here`.
pub(super) fn owner(there: SocketAddr, here: SocketAddr) -> io::Result<Option<Uid>> {
    ask(there, here, ESTABLISHED)
}

/// Whose program listens there.
pub(super) fn listener(address: SocketAddr) -> io::Result<Option<Uid>> {
    let nobody = match address.ip().to_canonical() {
        IpAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        IpAddr::V6(_) => SocketAddr::from(([0_u16; 8], 0)),
    };
    ask(address, nobody, LISTEN)
}

/// The user of the socket with these addresses, its own first, if it is in this state and somebody has it.
fn ask(own: SocketAddr, other: SocketAddr, state: u8) -> io::Result<Option<Uid>> {
    LINE.with_borrow_mut(|line| {
        let outcome = line.take().map_or_else(open, Ok).and_then(|(socket, number)| {
            let number = number.wrapping_add(1);
            send(&socket, &request(own, other, number), SendFlags::empty())?;
            let answer = receive(&socket, number)?;
            *line = Some((socket, number));
            Ok(answer)
        });
        outcome.and_then(|answer| read(&answer, own, state))
    })
}

fn open() -> io::Result<(OwnedFd, u32)> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::DGRAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    Ok((socket, 0))
}

fn request(own: SocketAddr, other: SocketAddr, number: u32) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &(REQUEST as u32).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(8, &number.to_ne_bytes());
    put(16, &[family(own), IPPROTO_TCP]);
    put(20, &u32::MAX.to_ne_bytes());
    put(24, &own.port().to_be_bytes());
    put(26, &other.port().to_be_bytes());
    put(28, &address(own));
    put(44, &address(other));
    // Whatever socket has the addresses: no cookie.
    put(64, &[0xff; 8]);
    bytes
}

fn family(address: SocketAddr) -> u8 {
    if address.ip().to_canonical().is_ipv4() { AF_INET } else { AF_INET6 }
}

fn address(address: SocketAddr) -> [u8; 16] {
    match address.ip().to_canonical() {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&Ipv4Addr::octets(&address));
            bytes
        }
    }
}

/// The answer to this question.
fn receive(socket: &OwnedFd, number: u32) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; 4096];
    loop {
        let (len, _) = recv(socket, &mut answer[..], RecvFlags::empty())?;
        if len >= 16 && field(&answer, 8) == number {
            answer.truncate(len);
            return Ok(answer);
        }
    }
}

fn read(answer: &[u8], own: SocketAddr, state: u8) -> io::Result<Option<Uid>> {
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    match kind {
        NLMSG_ERROR if answer.len() >= 20 => {
            let error = io::Error::from_raw_os_error(field(answer, 16).wrapping_neg() as i32);
            // No such socket; or no such question, which `check` finds out.
            if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) }
        }
        SOCK_DIAG_BY_FAMILY if answer.len() >= ANSWER => {
            let is_it = answer[17] == state && answer[20..22] == own.port().to_be_bytes();
            let (uid, inode) = (field(answer, 80), field(answer, 84));
            Ok((is_it && inode != 0).then_some(uid))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn field(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(field)
}
