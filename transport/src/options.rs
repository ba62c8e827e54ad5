//! The options of a socket that matter here, with defaults that neither hang nor lose in silence.

use std::ffi::c_int;
use std::io;
use std::time::Duration;

use crate::{Security, Socket, SocketKind};

/// The draft options by number: the stock `zmq-sys` does not declare them, and its libzmq refuses them.
mod draft {
    use std::ffi::c_int;

    pub(super) const ROUTER_NOTIFY: c_int = 97;
    pub(super) const NOTIFY_DISCONNECT: c_int = 2;
    pub(super) const IN_BATCH_SIZE: c_int = 101;
    pub(super) const OUT_BATCH_SIZE: c_int = 102;
}

/// Probes with which the kernel finds out that a silent TCP peer is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe, in whole seconds.
    pub idle: Duration,
    /// Time between probes, in whole seconds.
    pub interval: Duration,
    /// Unanswered probes after which the connection is given up.
    pub count: u16,
}

impl Default for KeepAlive {
    /// Gone after half a minute of silence.
    fn default() -> Self {
        Self { idle: Duration::from_secs(15), interval: Duration::from_secs(5), count: 3 }
    }
}

/// How a socket is to behave; set before it binds or connects. Those of no meaning for its kind are left out.
#[derive(Clone, Debug)]
pub struct Options {
    /// Messages that may wait for each peer, 0 for any number.
    pub send_high_water_mark: u32,
    /// Messages of each peer that may wait for [`Socket::recv`], 0 for any number.
    pub receive_high_water_mark: u32,
    /// Largest frame to accept, in bytes; a peer that sends a larger one is disconnected. Without a limit, a header
    /// alone makes libzmq allocate what it claims.
    pub max_message_size: Option<u64>,
    /// How long a closing socket goes on sending what waits, in the background. What is left then is dropped. Zero is
    /// stretched to 100 ms, so that a multipart being written does not break off.
    pub linger: Duration,
    /// Time for the greeting of a new connection; whoever sends garbage instead is disconnected after it.
    pub handshake_interval: Duration,
    /// Time for an attempt to connect. Were it the system's, which asks ever more rarely, a machine that was away for long would be
    /// found long after it is back.
    pub connect_timeout: Duration,
    /// Time before the first attempt to connect again.
    pub reconnect_interval: Duration,
    /// Up to which that time doubles from one attempt to the next; zero to keep it the same.
    pub reconnect_interval_max: Duration,
    /// The name by which a ROUTER knows this socket; without one the ROUTER invents one. Up to 255 bytes, the first
    /// not zero.
    pub routing_id: Option<Vec<u8>>,
    /// ROUTER: refuse messages for unknown peers with [`crate::SendError::NoPeer`] instead of dropping them.
    pub router_mandatory: bool,
    /// ROUTER: let a new connection take over the routing id of an old one. Without it the new one is ignored.
    pub router_handover: bool,
    /// ROUTER: tell of a peer whose connection ended with `[routing id, ""]`. A draft option, without effect on a
    /// stock libzmq.
    pub router_notify_disconnect: bool,
    /// XPUB: refuse what a subscriber has no room for with [`crate::SendError::Full`] instead of dropping it.
    pub xpub_nodrop: bool,
    /// XPUB: tell of every subscription, not only of the first of each topic.
    pub xpub_verbose: bool,
    /// XPUB: tell of every subscription and of every end of one.
    pub xpub_verboser: bool,
    /// Queue only for connections that are there, not for those still being made.
    pub immediate: bool,
    /// Probe silent TCP connections.
    pub tcp_keepalive: Option<KeepAlive>,
    /// Bytes that libzmq reads or writes at a time; `None` for what was found fastest. A draft option, without effect on
    /// a stock libzmq.
    pub batch_size: Option<u32>,
    /// Who may connect, and whether the wire is encrypted.
    pub security: Security,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            send_high_water_mark: 1000,
            receive_high_water_mark: 1000,
            max_message_size: None,
            linger: Duration::ZERO,
            handshake_interval: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            reconnect_interval: Duration::from_millis(100),
            reconnect_interval_max: Duration::ZERO,
            routing_id: None,
            router_mandatory: false,
            router_handover: false,
            router_notify_disconnect: false,
            xpub_nodrop: false,
            xpub_verbose: false,
            xpub_verboser: false,
            immediate: false,
            tcp_keepalive: None,
            batch_size: None,
            security: Security::None,
        }
    }
}

/// Bytes to read or write at a time. 48 KiB double libzmq's throughput at 1 KiB, and from 64 KiB on large messages become slower
/// where each is sent on its own. A DEALER and a ROUTER carry frames in which many are packed, up to 64 KiB together, and
/// which are copied where they do not fit.
fn batch_size(kind: SocketKind) -> u32 {
    match kind {
        SocketKind::Dealer | SocketKind::Router => 96 << 10,
        _ => 48 << 10,
    }
}

impl Options {
    pub(crate) fn apply(&self, socket: &Socket) -> io::Result<()> {
        let set = |option: u32, value: c_int| socket.set_int(option as c_int, value);
        set(zmq_sys::ZMQ_SNDHWM, saturate(self.send_high_water_mark))?;
        set(zmq_sys::ZMQ_RCVHWM, saturate(self.receive_high_water_mark))?;
        set(zmq_sys::ZMQ_LINGER, milliseconds(self.linger))?;
        set(zmq_sys::ZMQ_HANDSHAKE_IVL, milliseconds(self.handshake_interval))?;
        set(zmq_sys::ZMQ_CONNECT_TIMEOUT, milliseconds(self.connect_timeout))?;
        set(zmq_sys::ZMQ_RECONNECT_IVL, milliseconds(self.reconnect_interval))?;
        set(zmq_sys::ZMQ_RECONNECT_IVL_MAX, milliseconds(self.reconnect_interval_max))?;
        set(zmq_sys::ZMQ_IMMEDIATE, self.immediate.into())?;
        if let Some(limit) = self.max_message_size {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            socket.set_bytes(zmq_sys::ZMQ_MAXMSGSIZE as c_int, &limit.to_ne_bytes())?;
        }
        if let Some(id) = &self.routing_id {
            socket.set_bytes(zmq_sys::ZMQ_ROUTING_ID as c_int, id)?;
        }
        if let Some(probes) = self.tcp_keepalive {
            set(zmq_sys::ZMQ_TCP_KEEPALIVE, 1)?;
            set(zmq_sys::ZMQ_TCP_KEEPALIVE_IDLE, seconds(probes.idle))?;
            set(zmq_sys::ZMQ_TCP_KEEPALIVE_INTVL, seconds(probes.interval))?;
            set(zmq_sys::ZMQ_TCP_KEEPALIVE_CNT, probes.count.into())?;
        }
        match socket.kind() {
            SocketKind::Router => self.apply_to_router(socket)?,
            SocketKind::Xpub => self.apply_to_xpub(socket)?,
            _ => {}
        }
        let batch = saturate(self.batch_size.unwrap_or_else(|| batch_size(socket.kind())));
        best_effort(socket.set_int(draft::IN_BATCH_SIZE, batch))?;
        best_effort(socket.set_int(draft::OUT_BATCH_SIZE, batch))?;
        self.security.apply(socket)
    }

    fn apply_to_router(&self, socket: &Socket) -> io::Result<()> {
        socket.set_int(zmq_sys::ZMQ_ROUTER_MANDATORY as c_int, self.router_mandatory.into())?;
        socket.set_int(zmq_sys::ZMQ_ROUTER_HANDOVER as c_int, self.router_handover.into())?;
        if self.router_notify_disconnect {
            best_effort(socket.set_int(draft::ROUTER_NOTIFY, draft::NOTIFY_DISCONNECT))?;
        }
        Ok(())
    }

    fn apply_to_xpub(&self, socket: &Socket) -> io::Result<()> {
        for (option, wanted) in [
            (zmq_sys::ZMQ_XPUB_NODROP, self.xpub_nodrop),
            (zmq_sys::ZMQ_XPUB_VERBOSE, self.xpub_verbose),
            (zmq_sys::ZMQ_XPUB_VERBOSER, self.xpub_verboser),
        ] {
            if wanted {
                socket.set_int(option as c_int, 1)?;
            }
        }
        Ok(())
    }
}

/// Lets a libzmq without the draft options go on with what it has.
fn best_effort(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        other => other,
    }
}

fn saturate(number: u32) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}

pub(crate) fn milliseconds(time: Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}

fn seconds(time: Duration) -> c_int {
    c_int::try_from(time.as_secs()).unwrap_or(c_int::MAX)
}
