//! What an endpoint asks of a socket: libzmq looks for hosts in one family of addresses, IPv4 unless it is told otherwise, and
//! looks no names up for a socket that is to be bound.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Names that were looked up, and have IPv6 addresses only.
static IPV6_ONLY: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Host and port of an endpoint over TCP.
pub(crate) fn host_and_port(endpoint: &str) -> Option<(&str, &str)> {
    endpoint.strip_prefix("tcp://")?.rsplit_once(':')
}

/// Whether the endpoint's host is to be looked for among IPv6 addresses.
pub(crate) fn is_ipv6(endpoint: &str) -> bool {
    let known = || IPV6_ONLY.lock().unwrap_or_else(PoisonError::into_inner);
    host_and_port(endpoint).is_some_and(|(host, _)| host.starts_with('[') || known().contains(host))
}

/// Looks the host of an endpoint up, where it has a name, and notes for all sockets of this process whether that has IPv6
/// addresses only. This takes as long as the system's resolver does.
///
/// # Errors
///
/// When the name is not found, in the resolver's words.
pub fn look_up(endpoint: &str) -> io::Result<()> {
    let Some((host, _)) = host_and_port(endpoint).filter(|(host, _)| !host.starts_with('[')) else {
        return Ok(());
    };
    if host != "*" && addresses(host)?.iter().all(IpAddr::is_ipv6) {
        IPV6_ONLY.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned());
    }
    Ok(())
}

/// The endpoint with an address in place of its host's name, for a socket that is to be bound.
pub(crate) fn resolved(endpoint: &str) -> io::Result<Option<String>> {
    let Some((host, port)) = host_and_port(endpoint).filter(|(host, _)| !host.starts_with('[')) else {
        return Ok(None);
    };
    let found = addresses(host)?;
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    Ok(first.map(|address| match address {
        IpAddr::V4(address) => format!("tcp://{address}:{port}"),
        IpAddr::V6(address) => format!("tcp://[{address}]:{port}"),
    }))
}

fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_in_brackets_is_ipv6() {
        assert!(is_ipv6("tcp://[::1]:5559") && is_ipv6("tcp://[::]:0"));
        for other in ["tcp://127.0.0.1:5559", "tcp://*:5559", "tcp://node.example:5559", "ipc://[x]:1"] {
            assert!(!is_ipv6(other), "{other}");
        }
    }

    #[test]
    fn a_name_is_bound_by_its_address() {
        let endpoint = resolved("tcp://localhost:7").unwrap().unwrap();
        assert!(endpoint == "tcp://127.0.0.1:7" || endpoint == "tcp://[::1]:7", "{endpoint}");
        assert_eq!(resolved("tcp://[::1]:7").unwrap(), None);
        assert!(look_up("tcp://localhost:7").is_ok() && look_up("ipc://@node").is_ok());
        assert!(look_up("tcp://256.256.256.256:7").is_err());
    }
}
