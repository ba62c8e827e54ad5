//! The sockets of a node: bound at start, all owned by the routing thread.

use super::bounds::{GREETING, HIGH_WATER_MARK, PYLM_FRAME};
use super::config::NodeConfig;
use super::doors::PylmDoor;
use crate::binding::remedy;
use pylm_protocol::link::largest_frame;
use pylm_protocol::{Address, Host};
use pylm_transport::{Context, Options, Socket, SocketKind};
use std::io;

/// Why a node could not open its sockets.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// One address cannot be bound.
    #[error("cannot bind --{flag} {address}: {why}; {}", remedy(why))]
    Address {
        /// The flag that names it.
        flag: &'static str,
        /// The address.
        address: Address,
        /// Why.
        why: io::Error,
    },
    /// One address is open to others, and that was not asked for.
    #[error(
        "--{flag} {address} is open to other machines, and nothing there is encrypted; open an encrypted door with --listen {0}, or say --pylm {0} to open it all the same",
        host_of(address)
    )]
    Open {
        /// The flag that names it.
        flag: &'static str,
        /// The address.
        address: Address,
    },
    /// The system does not tell whose a connection is.
    #[error(
        "this system does not tell which user of this machine connects ({0}), so that nobody could come in; say --pylm 127.0.0.1 to let all of them in"
    )]
    Untold(io::Error),
    /// libzmq refuses to make a socket.
    #[error("cannot open a socket; is the limit of open files (ulimit -n) high enough?")]
    Socket(#[from] io::Error),
}

/// A socket and the address that peers are told.
#[derive(Debug)]
pub struct Bound {
    /// The socket.
    pub socket: Socket,
    /// Where peers connect to.
    pub address: String,
    /// Where this machine connects to.
    pub local: String,
}

/// What the options of every socket of a node have in common.
pub fn options(config: &NodeConfig) -> Options {
    Options {
        send_high_water_mark: HIGH_WATER_MARK,
        receive_high_water_mark: 1_000,
        max_message_size: Some(largest_frame(config.max_message)),
        handshake_interval: GREETING,
        router_mandatory: true,
        router_handover: true,
        router_notify_disconnect: true,
        xpub_nodrop: true,
        xpub_verboser: true,
        ..Options::default()
    }
}

/// The longest topic that may be subscribed to, in bytes, and the byte before it. Whoever wants a longer one is disconnected.
const TOPIC: u64 = 256;

fn host_of(address: &Address) -> String {
    address.host().map_or_else(|| "HOST".to_owned(), |host| host.as_str().to_owned())
}

/// Opens one socket of pylm's, and binds it, unless such sockets are nowhere.
pub fn bind_pylm(
    context: &Context,
    kind: SocketKind,
    config: &NodeConfig,
    flag: &'static str,
    address: &Address,
) -> Result<Bound, BindError> {
    if config.pylm == PylmDoor::Off {
        let socket = context.socket(kind, &options(config))?;
        return Ok(Bound { socket, address: String::new(), local: String::new() });
    }
    bind(context, kind, config, flag, address)
}

/// Opens and binds one socket.
pub fn bind(
    context: &Context,
    kind: SocketKind,
    config: &NodeConfig,
    flag: &'static str,
    address: &Address,
) -> Result<Bound, BindError> {
    let mut options = options(config);
    if kind == SocketKind::Xpub {
        // All that comes in here are subscriptions, and libzmq keeps every byte of their topics.
        options.max_message_size = Some(TOPIC);
    }
    if kind == SocketKind::Pull {
        options.max_message_size = Some(PYLM_FRAME.max(largest_frame(config.max_message)));
    }
    config.pylm.check(flag, address)?;
    let socket = context.socket(kind, &options)?;
    let endpoint = socket.bind(&address.to_string());
    let endpoint = endpoint.map_err(|why| BindError::Address { flag, address: address.clone(), why })?;
    // libzmq names what it has bound as it would be asked for it.
    let bound: Address = endpoint.parse().unwrap_or_else(|_| address.clone());
    // What a name or an interface stood for is known by now.
    config.pylm.check(flag, &bound)?;
    let local = bound.local().to_string();
    Ok(Bound { socket, address: advertised(&bound, config.advertise.as_ref()).to_string(), local })
}

/// The address that peers can connect to: a wildcard is no host, and is replaced by `advertise` or this machine's name.
pub(super) fn advertised(bound: &Address, advertise: Option<&Host>) -> Address {
    let (Some(host), Some(port)) = (bound.host(), bound.port()) else { return bound.clone() };
    let machine = || rustix::system::uname().nodename().to_string_lossy().parse().ok();
    match advertise.cloned().or_else(|| machine().filter(|_| host.is_wildcard())) {
        Some(host) => Address::Tcp { host, port },
        None => bound.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_never_advertised() {
        let told = |bound: &str, advertise: Option<&str>| {
            let advertise = advertise.map(|host| host.parse().unwrap());
            advertised(&bound.parse().unwrap(), advertise.as_ref()).to_string()
        };
        assert_eq!(told("tcp://0.0.0.0:5555", Some("10.0.0.1")), "tcp://10.0.0.1:5555");
        assert_eq!(told("tcp://[::]:5555", Some("fd00::1")), "tcp://[fd00::1]:5555");
        assert_eq!(told("tcp://127.0.0.1:5555", None), "tcp://127.0.0.1:5555");
        assert_eq!(told("tcp://[::1]:5555", None), "tcp://[::1]:5555");
        for wildcard in ["tcp://0.0.0.0:5555", "tcp://[::]:5555"] {
            assert!(!told(wildcard, None).contains(&wildcard[6..]));
        }
        assert_eq!(told("ipc://@node", Some("h")), "ipc://@node");
    }
}
