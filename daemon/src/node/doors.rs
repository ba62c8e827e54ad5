//! Where a node listens, and to whom: pylm's sockets, which encrypt nothing, are for the own user on this machine, unless more is said.

use super::sealed::SealedDoor;
use super::sockets::{BindError, Bound};
use crate::gate::{self, User};
use pylm_protocol::{Address, Host};
use pylm_transport::Socket;
use std::str::FromStr;

/// The doors for native peers, and for requests to the cache service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// `--db`: the own user's, on this machine.
    Plain,
    /// `--listen`: encrypted, for whoever has a key and a grant.
    Sealed,
}

impl Door {
    /// What is added to each frame on the wire: behind an encrypted door a command's name, a nonce, a MAC and flags.
    #[inline]
    pub(crate) fn security(self) -> usize {
        match self {
            Door::Plain => 0,
            Door::Sealed => 8 + 8 + 16 + 1,
        }
    }
}

/// The sockets of the doors.
pub(crate) struct Sockets<'a> {
    plain: &'a Socket,
    sealed: Option<&'a Socket>,
}

impl<'a> Sockets<'a> {
    /// Those of a node that may have a second one.
    pub(crate) fn of(plain: &'a Bound, sealed: Option<&'a SealedDoor>) -> Self {
        Sockets { plain: &plain.socket, sealed: sealed.map(|sealed| &sealed.bound.socket) }
    }

    /// The socket of a door, where there is one.
    #[inline]
    pub(crate) fn at(&self, door: Door) -> Option<&'a Socket> {
        match door {
            Door::Plain => Some(self.plain),
            Door::Sealed => self.sealed,
        }
    }
}

/// Reads where the encrypted door is to be: `HOST:PORT`, or a host alone.
pub fn listen_address(text: &str) -> Result<Address, String> {
    let text = text.trim();
    let bare = text.strip_prefix("tcp://").unwrap_or(text);
    let with_port = || bare.parse::<Host>().ok().map(|host| Address::tcp(&host, DEFAULT_PORT));
    let address = format!("tcp://{bare}").parse::<Address>();
    address.or_else(|error| {
        with_port().ok_or_else(|| format!("{}; write it as in 0.0.0.0:{DEFAULT_PORT}", error.cause()))
    })
}

/// The port of the encrypted door, unless another is said.
const DEFAULT_PORT: u16 = 5560;

/// Where pylm's own sockets are: the value of `--pylm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PylmDoor {
    /// Nowhere.
    Off,
    /// On loopback, for the own user.
    Loopback,
    /// At this host, for whoever reaches it.
    Host(Host),
}

impl FromStr for PylmDoor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(PylmDoor::Off),
            "loopback" => Ok(PylmDoor::Loopback),
            host => host.parse().map(PylmDoor::Host).map_err(|error| format!("{error}, or off, or loopback")),
        }
    }
}

impl PylmDoor {
    /// The host at which everybody who reaches it comes in, if there is one.
    pub fn open_host(&self) -> Option<&Host> {
        match self {
            PylmDoor::Host(host) => Some(host),
            PylmDoor::Off | PylmDoor::Loopback => None,
        }
    }

    /// Whether a plain socket may be at an address.
    pub fn check(&self, flag: &'static str, address: &Address) -> Result<(), BindError> {
        let is_open = address.host().is_some_and(|host| host.is_address() && !host.is_loopback());
        match self {
            PylmDoor::Off | PylmDoor::Loopback if is_open => {
                Err(BindError::Open { flag, address: address.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Lets those in over loopback who may come in, and tells of what is open to more. To be called before anything listens.
    ///
    /// # Errors
    /// When the system does not tell whose a connection is, and it was not said that everybody may come in.
    pub fn begin(&self, users: &[User]) -> Result<(), BindError> {
        let outcome = match self.open_host().filter(|host| host.is_loopback()) {
            // Everybody comes in only where nobody can be told apart.
            Some(host) => pylm_transport::check_owners().map_or_else(
                |why| {
                    tracing::warn!(%host, %why, "every user of this machine comes in: the system does not tell whose a connection is");
                    gate::admit_everybody();
                    Ok(())
                },
                |()| gate::admit(users),
            ),
            None => gate::admit(users),
        };
        outcome.map_err(BindError::Untold)?;
        if let Some(host) = self.open_host().filter(|host| !host.is_loopback()) {
            tracing::warn!(
                %host,
                "pylm's sockets are open to whoever reaches this host: nothing there is encrypted, and nobody is asked for a key"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_socket_is_on_loopback_unless_a_host_is_said() {
        let check = |door: &str, address: &str| {
            let door: PylmDoor = door.parse().unwrap();
            door.check("db", &address.parse().unwrap()).is_ok()
        };
        for here in
            ["tcp://127.0.0.1:1", "tcp://127.3.2.1:1", "tcp://[::1]:1", "tcp://localhost:1", "ipc://@node"]
        {
            assert!(check("loopback", here) && check("off", here), "{here}");
        }
        for open in ["tcp://0.0.0.0:1", "tcp://*:1", "tcp://[::]:1", "tcp://10.1.2.3:1", "tcp://[fe80::1]:1"]
        {
            assert!(!check("loopback", open) && !check("off", open), "{open}");
            assert!(check("0.0.0.0", open) && check("127.0.0.1", open), "{open}");
        }
        assert!("".parse::<PylmDoor>().is_err() && "tcp://a:1".parse::<PylmDoor>().is_err());
    }

    #[test]
    fn the_encrypted_door_has_a_port_of_its_own() {
        for (text, address) in [
            ("0.0.0.0:5561", "tcp://0.0.0.0:5561"),
            ("0.0.0.0", "tcp://0.0.0.0:5560"),
            ("[::1]", "tcp://[::1]:5560"),
            ("::1", "tcp://[::1]:5560"),
            ("node1.example:0", "tcp://node1.example:0"),
            ("tcp://*:7", "tcp://*:7"),
        ] {
            assert_eq!(listen_address(text).unwrap().to_string(), address);
        }
        for wrong in ["", "a:b", "127.0.0.1:99999", "ipc://@node", "http://a:1"] {
            assert!(listen_address(wrong).unwrap_err().contains("0.0.0.0:5560"), "{wrong}");
        }
    }

    #[test]
    fn what_is_refused_names_what_mends_it() {
        let address = "tcp://0.0.0.0:5559".parse().unwrap();
        let error = PylmDoor::Loopback.check("db", &address).unwrap_err().to_string();
        assert!(error.contains("--db tcp://0.0.0.0:5559") && error.contains("--pylm 0.0.0.0"), "{error}");
    }
}
