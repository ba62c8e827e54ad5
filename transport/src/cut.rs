//! Why the other side has cut a connection before anything could be said. ZeroMQ has no words for that, so the peer finds it out.

use crate::{MonitorEventKind, Uid, foreign_listener};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// How long the other side may take to say how it begins.
const PATIENCE: Duration = Duration::from_millis(300);
/// How a peer of ZMTP 3 begins: a signature, and its version. The rest is not said.
const BEGINNING: [u8; 12] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
/// What ZMTP 3 begins with: signature and version, then the mechanism, and what follows from it.
const GREETING: usize = 64;
const MECHANISM: std::ops::Range<usize> = 12..32;

/// Why a connection was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// What listens there is this user's, who lets nobody else in.
    OtherUser(Uid),
    /// What listens there is encrypted, and the peer has no key.
    KeyNeeded,
    /// What listens there encrypts nothing, and the peer has a key.
    NotEncrypted,
    /// What listens there has another key than the peer thinks.
    OtherKey,
    /// What listens there does not know the peer's key.
    UnknownKey,
}

/// Why a connection to an endpoint was cut, by a peer with a key or without, as far as that can be found out: takes up to half a second.
/// The event is the one that told of it.
#[must_use]
pub fn why_cut(endpoint: &str, has_key: bool, event: MonitorEventKind) -> Option<Cut> {
    if has_key && event == MonitorEventKind::HandshakeFailedAuth {
        return Some(Cut::UnknownKey);
    }
    match (mechanism(endpoint).ok().as_deref(), has_key) {
        (Some("CURVE"), true) => Some(Cut::OtherKey),
        (Some("CURVE"), false) => Some(Cut::KeyNeeded),
        (Some(_), true) => Some(Cut::NotEncrypted),
        (Some(_), false) => None,
        (None, _) => foreign_listener(endpoint).map(Cut::OtherUser),
    }
}

/// By which mechanism whatever listens at an endpoint lets peers in.
fn mechanism(endpoint: &str) -> io::Result<String> {
    let no_address = || io::Error::from(io::ErrorKind::InvalidInput);
    let (host, port) = crate::endpoint::host_and_port(endpoint).ok_or_else(no_address)?;
    let port = port.parse::<u16>().map_err(|_| no_address())?;
    let address = (host.trim_matches(['[', ']']), port).to_socket_addrs()?.next().ok_or_else(no_address)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&BEGINNING)?;
    let mut greeting = [0; GREETING];
    stream.read_exact(&mut greeting)?;
    if greeting[0] != BEGINNING[0] || greeting[9] != BEGINNING[9] {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(String::from_utf8_lossy(&greeting[MECHANISM]).trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, CurveKeyPair, Options, Security, SocketKind};

    #[test]
    fn what_listens_is_told_by_how_it_begins() {
        let context = Context::new().unwrap();
        let bind = |security| {
            let socket =
                context.socket(SocketKind::Router, &Options { security, ..Options::default() }).unwrap();
            let endpoint = socket.bind("tcp://127.0.0.1:0").unwrap();
            (socket, endpoint)
        };
        let (_plain, plain) = bind(Security::None);
        let secret_key = CurveKeyPair::generate().unwrap().secret;
        let (_sealed, sealed) = bind(Security::CurveServer { secret_key, zap_domain: String::new() });
        let failed = MonitorEventKind::HandshakeFailed;
        assert_eq!(why_cut(&sealed, false, failed), Some(Cut::KeyNeeded));
        assert_eq!(why_cut(&sealed, true, failed), Some(Cut::OtherKey));
        assert_eq!(why_cut(&sealed, true, MonitorEventKind::HandshakeFailedAuth), Some(Cut::UnknownKey));
        assert_eq!(why_cut(&plain, true, failed), Some(Cut::NotEncrypted));
        assert_eq!(why_cut(&plain, false, failed), None);
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(why_cut(&format!("tcp://{}", silent.local_addr().unwrap()), true, failed), None);
        assert_eq!(why_cut("ipc://@node", true, failed), None);
    }
}
