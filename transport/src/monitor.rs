//! What happens to a socket's connections, told as events.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::{Context, Frames, Options, Socket, SocketKind, TcpConnection};

/// The monitor's end of the line, held by the monitor and by the socket it watches: libzmq must not find it closed.
pub(crate) type SharedPair = Arc<Mutex<Socket>>;

/// Everything but the monitor's own end, of which there is nobody left to hear.
pub(crate) const EVENTS: c_int = 0xffff & !(zmq_sys::ZMQ_EVENT_MONITOR_STOPPED as c_int);

/// What begins and ends the use of a connection.
pub(crate) const ENDS: c_int = (zmq_sys::ZMQ_EVENT_CONNECTED
    | zmq_sys::ZMQ_EVENT_HANDSHAKE_SUCCEEDED
    | zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
    | zmq_sys::ZMQ_EVENT_CONNECT_RETRIED
    | zmq_sys::ZMQ_EVENT_DISCONNECTED) as c_int;

/// Connections that are accepted.
pub(crate) const ACCEPTS: c_int = zmq_sys::ZMQ_EVENT_ACCEPTED as c_int;

/// An endpoint that no monitor of this process has had.
pub(crate) fn fresh_endpoint() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("inproc://pylm-monitor-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Tells what happens to the connections of one socket; see [`Socket::monitor`].
///
/// Has to be read: what nobody reads piles up.
#[derive(Debug)]
pub struct Monitor {
    pair: SharedPair,
    fd: RawFd,
}

/// One thing that happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorEvent {
    /// What happened.
    pub kind: MonitorEventKind,
    /// The address it happened at: the peer's or, for what is bound, the socket's own.
    pub endpoint: String,
    /// A file descriptor, an error number, or a time in milliseconds, depending on the kind.
    pub value: u32,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorEventKind {
    /// A connection to a peer is there; `value` is its descriptor. It can be used after its handshake.
    Connected,
    /// A peer did not answer at once, the socket goes on trying.
    ConnectDelayed,
    /// The socket will try again in `value` milliseconds.
    ConnectRetried,
    /// The socket accepts connections; `value` is the descriptor.
    Listening,
    /// The socket cannot accept connections; `value` is the error number.
    BindFailed,
    /// A peer has connected; `value` is its descriptor. It can be used after its handshake.
    Accepted,
    /// A peer could not be accepted; `value` is the error number.
    AcceptFailed,
    /// A connection or listening socket was closed on purpose.
    Closed,
    /// A close failed; `value` is the error number.
    CloseFailed,
    /// A connection broke or the peer ended it.
    Disconnected,
    /// The peer went away, or was disconnected, during the handshake; `value` is the error number.
    HandshakeFailed,
    /// The connection can be used.
    HandshakeSucceeded,
    /// The peer does not speak the protocol; `value` says in what.
    HandshakeFailedProtocol,
    /// The peer was refused; `value` is the status, such as 400.
    HandshakeFailedAuth,
    /// Something that this version does not know, by its number.
    Unknown(u16),
}

impl MonitorEvent {
    /// The connection that was made or accepted; none for other events, or where it is no TCP connection, or gone.
    #[must_use]
    pub fn connection(&self) -> Option<TcpConnection> {
        let is_begin = matches!(self.kind, MonitorEventKind::Connected | MonitorEventKind::Accepted);
        TcpConnection::of(i32::try_from(self.value).ok().filter(|_| is_begin)?)
    }
}

impl MonitorEventKind {
    fn from_raw(raw: u16) -> Self {
        match u32::from(raw) {
            zmq_sys::ZMQ_EVENT_CONNECTED => Self::Connected,
            zmq_sys::ZMQ_EVENT_CONNECT_DELAYED => Self::ConnectDelayed,
            zmq_sys::ZMQ_EVENT_CONNECT_RETRIED => Self::ConnectRetried,
            zmq_sys::ZMQ_EVENT_LISTENING => Self::Listening,
            zmq_sys::ZMQ_EVENT_BIND_FAILED => Self::BindFailed,
            zmq_sys::ZMQ_EVENT_ACCEPTED => Self::Accepted,
            zmq_sys::ZMQ_EVENT_ACCEPT_FAILED => Self::AcceptFailed,
            zmq_sys::ZMQ_EVENT_CLOSED => Self::Closed,
            zmq_sys::ZMQ_EVENT_CLOSE_FAILED => Self::CloseFailed,
            zmq_sys::ZMQ_EVENT_DISCONNECTED => Self::Disconnected,
            zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL => Self::HandshakeFailed,
            zmq_sys::ZMQ_EVENT_HANDSHAKE_SUCCEEDED => Self::HandshakeSucceeded,
            zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL => Self::HandshakeFailedProtocol,
            zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_AUTH => Self::HandshakeFailedAuth,
            _ => Self::Unknown(raw),
        }
    }
}

impl Monitor {
    pub(crate) fn connect(context: &Context, endpoint: &str) -> io::Result<(Self, SharedPair)> {
        // Without a mark libzmq never waits for the reader, which would stop the whole context.
        let options = Options { receive_high_water_mark: 0, ..Options::default() };
        let socket = context.socket(SocketKind::Pair, &options)?;
        socket.connect(endpoint)?;
        let fd = socket.fd();
        let pair = Arc::new(Mutex::new(socket));
        Ok((Self { pair: Arc::clone(&pair), fd }, pair))
    }

    /// The next event, if one waits. Never blocks.
    #[must_use]
    pub fn next_event(&self) -> Option<MonitorEvent> {
        let mut frames = Frames::new();
        let received = self.with_pair(|pair| pair.recv(&mut frames)).unwrap_or(false);
        let [head, endpoint] = frames.as_slice() else { return None };
        // Two bytes of event and four of value, in this machine's order.
        let (event, value) = head.split_first_chunk::<2>().filter(|_| received)?;
        Some(MonitorEvent {
            kind: MonitorEventKind::from_raw(u16::from_ne_bytes(*event)),
            endpoint: String::from_utf8_lossy(endpoint).into_owned(),
            value: u32::from_ne_bytes(*value.first_chunk()?),
        })
    }

    /// Sleeps until an event waits, for `timeout` at most (`None`: for ever), and takes it.
    ///
    /// # Errors
    ///
    /// None is known.
    pub fn wait_event(&self, timeout: Option<Duration>) -> io::Result<Option<MonitorEvent>> {
        self.with_pair(|pair| pair.wait_readable(timeout))?;
        Ok(self.next_event())
    }

    /// The descriptor to wait for, by the same rule as a socket's; see [`crate::Poller`].
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.fd
    }

    fn with_pair<T>(&self, use_pair: impl FnOnce(&Socket) -> T) -> T {
        // The socket is never left half changed, so a panic elsewhere does not spoil it.
        use_pair(&self.pair.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}
