//! Addresses on the loopback interface: free ones for peers that need fixed ports, and who has connected to one.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::waiting::wait_until;

/// An address on which a node picks a port of its own.
pub const ANY_PORT: &str = "tcp://127.0.0.1:0";

/// Ports that this process has handed out, so that two tests of one binary never get the same.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// `N` different addresses (`tcp://127.0.0.1:PORT`) whose ports were free a moment ago.
///
/// Another process can take one before its user binds it: whoever binds them should try again with new ones.
///
/// # Panics
/// Where the loopback interface has no port left.
#[must_use]
pub fn free<const N: usize>() -> [String; N] {
    // All are held at once, so that they differ.
    let mut held = Vec::new();
    std::array::from_fn(|_| {
        let listener = reserve();
        let port =
            listener.local_addr().map_or_else(|error| panic!("no local address: {error}"), |a| a.port());
        held.push(listener);
        format!("tcp://127.0.0.1:{port}")
    })
}

fn reserve() -> TcpListener {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap_or_else(|error| panic!("no free port on 127.0.0.1: {error}"));
        let port = listener.local_addr().map_or(0, |address| address.port());
        if TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(port) {
            return listener;
        }
    }
}

/// The port of `tcp://host:port`.
///
/// # Panics
/// Where the address has none.
#[must_use]
#[track_caller]
pub fn port(address: &str) -> u16 {
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.unwrap_or_else(|| panic!("{address} has no port"))
}

/// A plain TCP connection to `tcp://127.0.0.1:port`, for tests that speak raw bytes.
///
/// # Panics
/// Where nobody listens there.
#[must_use]
#[track_caller]
pub fn connect(address: &str) -> TcpStream {
    let socket = SocketAddr::from((Ipv4Addr::LOCALHOST, port(address)));
    TcpStream::connect(socket).unwrap_or_else(|error| panic!("nobody listens on {address}: {error}"))
}

/// Wait until nobody has the port of `address`.
///
/// # Panics
/// Where somebody has it for a minute.
#[track_caller]
pub fn wait_until_free(address: &str) {
    let socket = SocketAddr::from((Ipv4Addr::LOCALHOST, port(address)));
    wait_until(&format!("{address} is free"), || TcpListener::bind(socket).is_ok());
}

/// Wait until `count` connections to the listener at `address` are established.
///
/// pylm's PUSH deals messages only among the workers that are there; a worker says nothing when its connection stands.
///
/// # Panics
/// When `timeout` has passed, or where the system has no `/proc/net/tcp`.
#[track_caller]
pub fn wait_for_peers(address: &str, count: usize, timeout: Duration) {
    let port = port(address);
    let end = Instant::now() + timeout;
    loop {
        let found = established(port);
        if found >= count {
            return;
        }
        assert!(
            Instant::now() < end,
            "{found} of {count} peers have connected to {address} within {timeout:?}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// Connections in the state ESTABLISHED whose local side is `port`.
#[track_caller]
fn established(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string("/proc/net/tcp")
        .unwrap_or_else(|error| panic!("cannot read /proc/net/tcp: {error}"));
    let local = format!(":{port:04X}");
    table
        .lines()
        .filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.get(1).is_some_and(|address| address.ends_with(&local))
                && fields.get(3) == Some(&ESTABLISHED)
        })
        .count()
}
