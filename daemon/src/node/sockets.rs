//! The sockets of a node: bound at start, all owned by the routing thread.

use super::bounds::{FRAME_OVERHEAD, GREETING, HIGH_WATER_MARK, PYLM_FRAME};
use super::config::NodeConfig;
use pylm_transport::{Context, Options, Socket, SocketKind};
use std::io;

/// Why a node could not open its sockets.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// One address cannot be bound.
    #[error(
        "cannot bind --{flag} {address}: {why}; choose another address, or end the program that has this one"
    )]
    Address {
        /// The flag that names it.
        flag: &'static str,
        /// The address.
        address: String,
        /// Why.
        why: io::Error,
    },
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
        max_message_size: Some(config.max_message + FRAME_OVERHEAD),
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

/// Opens and binds one socket.
pub fn bind(
    context: &Context,
    kind: SocketKind,
    config: &NodeConfig,
    flag: &'static str,
    address: &str,
) -> Result<Bound, BindError> {
    let mut options = options(config);
    if kind == SocketKind::Xpub {
        // All that comes in here are subscriptions, and libzmq keeps every byte of their topics.
        options.max_message_size = Some(TOPIC);
    }
    if kind == SocketKind::Pull {
        options.max_message_size = Some(PYLM_FRAME.max(config.max_message + FRAME_OVERHEAD));
    }
    let socket = context.socket(kind, &options)?;
    let endpoint =
        socket.bind(address).map_err(|why| BindError::Address { flag, address: address.to_owned(), why })?;
    let local = endpoint.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
    Ok(Bound { socket, address: advertised(&endpoint, config.advertise.as_deref()), local })
}

/// The address that peers can connect to: a wildcard is no host, and is replaced by `advertise` or this machine's name.
fn advertised(endpoint: &str, advertise: Option<&str>) -> String {
    let Some((host, port)) = endpoint.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':')) else {
        return endpoint.to_owned();
    };
    match advertise {
        Some(advertise) => format!("tcp://{advertise}:{port}"),
        None if matches!(host, "0.0.0.0" | "*" | "[::]") => {
            let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            format!("tcp://{name}:{port}")
        }
        None => endpoint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_never_advertised() {
        assert_eq!(advertised("tcp://0.0.0.0:5555", Some("10.0.0.1")), "tcp://10.0.0.1:5555");
        assert_eq!(advertised("tcp://127.0.0.1:5555", None), "tcp://127.0.0.1:5555");
        assert!(!advertised("tcp://0.0.0.0:5555", None).contains("0.0.0.0"));
        assert_eq!(advertised("ipc://@node", Some("h")), "ipc://@node");
    }
}
