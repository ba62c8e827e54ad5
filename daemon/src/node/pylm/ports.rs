//! Sockets of their own for pylm peers, bound at start and handed out through the cache service.
//!
//! Of four ports in a row, two are for workers, and two for a client: one to push to, one to subscribe at. The places do not
//! change with a restart, so a peer that was given a port before finds the right socket there.

use crate::gate;
use crate::node::config::{NodeConfig, PeerPorts};
use crate::node::doors::PylmDoor;
use crate::node::sockets::{BindError, Bound, bind, bind_pylm};
use pylm_protocol::{Address, Host};
use pylm_transport::{Context, SocketKind};

/// The sockets for pylm peers; the first of each kind is shared by all that have none of their own.
#[derive(Debug)]
pub struct Ports {
    /// A PULL and an XPUB for each client.
    pub clients: Vec<(Bound, Bound)>,
    /// A PUSH for each worker.
    pub workers: Vec<Bound>,
}

impl Ports {
    /// Binds the shared sockets, and as many others as there are ports for.
    ///
    /// # Errors
    /// When a shared one cannot be bound. Another port that is taken is left out.
    pub fn bind(context: &Context, config: &NodeConfig) -> Result<Self, BindError> {
        let pull = bind_pylm(context, SocketKind::Pull, config, "pull", &config.pull)?;
        let publish = bind_pylm(context, SocketKind::Xpub, config, "pub", &config.pub_)?;
        let push = bind_pylm(context, SocketKind::Push, config, "worker-push", &config.worker_push)?;
        let mut ports = Ports { clients: vec![(pull, publish)], workers: vec![push] };
        if config.pylm == PylmDoor::Off {
            return Ok(ports);
        }
        let mut half = None;
        for (place, port) in numbers(&config.peer_ports).into_iter().enumerate() {
            if gate::is_half_full() {
                tracing::warn!(
                    sockets = place,
                    "pylm peers get fewer sockets of their own: half of what this process may open is open; see ulimit -n"
                );
                break;
            }
            let kind = [SocketKind::Push, SocketKind::Push, SocketKind::Pull, SocketKind::Xpub][place % 4];
            let address = on_port(&config.db, port);
            let bound = match bind(context, kind, config, "peer-ports", &address) {
                Ok(bound) => Some(bound),
                Err(error) => {
                    tracing::debug!(%error, "a port for a pylm peer is left out");
                    None
                }
            };
            match kind {
                SocketKind::Push => ports.workers.extend(bound),
                SocketKind::Pull => half = bound,
                // What a call has left must not reach the next one, so nobody listens here before the node has heard of it.
                _ => {
                    let bound = bound.filter(|bound| bound.socket.set_manual().is_ok());
                    ports.clients.extend(half.take().zip(bound));
                }
            }
        }
        Ok(ports)
    }
}

fn numbers(ports: &PeerPorts) -> Vec<u16> {
    match ports {
        PeerPorts::Any(count) => vec![0; usize::from(*count)],
        PeerPorts::Range(range) => range.clone().collect(),
    }
}

/// The address of another port on the host of `address`; what is not TCP has no ports, and gets one on loopback.
fn on_port(address: &Address, port: u16) -> Address {
    let host = address.host().cloned().unwrap_or_else(Host::loopback);
    Address::Tcp { host, port }
}

/// The ports of a node that was told none: they follow from the port of its cache service, so that they are the same after a
/// restart, and lie below those that systems hand out by themselves.
pub fn default_range(db: &Address) -> PeerPorts {
    const COUNT: u16 = 64;
    const FIRST: u16 = 20_000;
    const NODES: u16 = 180;
    match db.port() {
        Some(port) if port != 0 => {
            let first = FIRST + COUNT * (port % NODES);
            PeerPorts::Range(first..=first + COUNT - 1)
        }
        _ => PeerPorts::Any(COUNT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_side_by_side_have_ports_of_their_own() {
        let ranges: Vec<_> = (5555..5655)
            .map(|port| match default_range(&Address::tcp(&Host::loopback(), port)) {
                PeerPorts::Range(range) => range,
                PeerPorts::Any(_) => panic!("a fixed port has fixed peer ports"),
            })
            .collect();
        for (place, range) in ranges.iter().enumerate() {
            assert!(*range.end() < 32_768);
            assert!(
                ranges[place + 1..]
                    .iter()
                    .all(|other| other.end() < range.start() || other.start() > range.end())
            );
        }
        assert_eq!(default_range(&Address::tcp(&Host::loopback(), 0)), PeerPorts::Any(64));
    }

    #[test]
    fn a_port_is_on_the_host_of_the_cache_service() {
        let on_port = |address: &str| on_port(&address.parse().unwrap(), 7).to_string();
        assert_eq!(on_port("tcp://10.1.2.3:5559"), "tcp://10.1.2.3:7");
        assert_eq!(on_port("tcp://[::1]:5559"), "tcp://[::1]:7");
        assert_eq!(on_port("ipc://@node"), "tcp://127.0.0.1:7");
    }
}
