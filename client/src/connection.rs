//! One connection to the node: a DEALER of its own, and what its monitor tells.

use crate::state::session::Outgoing;
use bytes::Bytes;
use pylm_transport::{
    Context, Frame, Frames, Monitor, MonitorEventKind, Options, Poller, Security, SendError, Socket,
    SocketKind, TcpConnection,
};
use std::io;
use std::time::Duration;

/// What the connection's descriptors are called in the poller.
pub(crate) const SOCKET: usize = 0;
/// As [`SOCKET`].
pub(crate) const MONITOR: usize = 1;

/// A connected socket never connects again by itself: a fresh one takes its place.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// A connection, made or being made.
pub(crate) struct Connection {
    socket: Socket,
    monitor: Monitor,
    /// The connection as the kernel knows it, once it is there.
    tcp: Option<TcpConnection>,
    /// It could be used at some time.
    was_made: bool,
    /// What ended it before that.
    cut: Option<MonitorEventKind>,
    /// Why it is of no more use. What was received before that counts.
    lost: Option<String>,
    received: Frames,
    /// What the socket had no room for.
    waiting: Frames,
}

impl Connection {
    /// Begins to connect. Frames of more than `largest` bytes end the connection.
    pub(crate) fn new(
        context: &Context,
        (address, security): (&str, Security),
        largest: u64,
        poller: &Poller,
    ) -> io::Result<Self> {
        let options = Options {
            max_message_size: Some(largest),
            reconnect_interval: NEVER,
            security,
            ..Options::default()
        };
        let socket = context.socket(SocketKind::Dealer, &options)?;
        let monitor = socket.monitor_ends()?;
        socket.connect(address)?;
        poller.add(socket.fd(), SOCKET)?;
        poller.add(monitor.fd(), MONITOR)?;
        let (received, waiting) = <(Frames, Frames)>::default();
        Ok(Connection {
            socket,
            monitor,
            tcp: None,
            was_made: false,
            cut: None,
            lost: None,
            received,
            waiting,
        })
    }

    /// Ends the connection. What was sent is given `linger` to leave.
    pub(crate) fn close(self, linger: Duration, poller: &Poller) -> io::Result<()> {
        poller.remove(self.socket.fd())?;
        poller.remove(self.monitor.fd())?;
        self.socket.set_linger(linger)
    }

    /// Hears what became of the connection; whether it can be used from now on.
    pub(crate) fn listen(&mut self) -> bool {
        let mut is_made = false;
        while let Some(event) = self.monitor.next_event() {
            let cause = match event.kind {
                MonitorEventKind::Connected => {
                    self.tcp = event.connection();
                    continue;
                }
                MonitorEventKind::HandshakeSucceeded => {
                    is_made = true;
                    self.was_made = true;
                    continue;
                }
                MonitorEventKind::Disconnected => "the connection broke",
                MonitorEventKind::ConnectRetried => "nobody accepts connections there",
                MonitorEventKind::HandshakeFailed => "the peer hung up during the handshake",
                MonitorEventKind::HandshakeFailedProtocol => "the peer does not speak ZeroMQ's protocol",
                MonitorEventKind::HandshakeFailedAuth => "the peer refuses the handshake",
                _ => continue,
            };
            if event.kind != MonitorEventKind::ConnectRetried {
                self.cut.get_or_insert(event.kind);
            }
            self.lost = Some(cause.into());
        }
        is_made
    }

    /// Whether the kernel tells what comes over it.
    pub(crate) fn is_seen(&self) -> bool {
        self.tcp.is_some()
    }

    /// For how long the kernel has received nothing, if it knows.
    pub(crate) fn idle(&self) -> Option<Duration> {
        self.tcp.as_ref()?.idle()
    }

    /// What told that the other side has cut it before anything could be said.
    pub(crate) fn was_cut(&self) -> Option<MonitorEventKind> {
        self.cut.filter(|_| !self.was_made)
    }

    /// Why the connection is of no more use, once everything that it brought was received.
    pub(crate) fn take_lost(&mut self) -> Option<String> {
        self.lost.take()
    }

    /// Receives one ZeroMQ message into `frames`; `false` when none waits.
    #[inline]
    pub(crate) fn receive(&mut self, frames: &mut Vec<Bytes>) -> io::Result<bool> {
        frames.clear();
        let is_there = self.socket.recv(&mut self.received)?;
        frames.extend(self.received.drain(..).map(Frame::into_bytes));
        Ok(is_there)
    }

    /// Sends what had to wait; whether all of it is gone.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        if self.waiting.is_empty() {
            return Ok(true);
        }
        match self.socket.send(&mut self.waiting) {
            Ok(()) => Ok(true),
            Err(SendError::Full) => Ok(false),
            Err(SendError::NoPeer) => Err(io::ErrorKind::NotConnected.into()),
            Err(SendError::Other(error)) => Err(error),
        }
    }

    /// Sends a message, or keeps it for [`flush`](Self::flush), which is to be called until all is gone; whether it is.
    pub(crate) fn send(&mut self, outgoing: Outgoing) -> io::Result<bool> {
        match outgoing {
            Outgoing::Question(bytes) => self.waiting.extend([Frame::empty(), Frame::from_vec(bytes)]),
            Outgoing::Batch(frame, attachments) => {
                self.waiting.push(Frame::from_vec(frame));
                self.waiting.extend(attachments.into_iter().map(Frame::from_bytes));
            }
        }
        self.flush()
    }

    /// Whether something can be done without waiting: a message was received, or what waits can be sent.
    pub(crate) fn is_ready(&self) -> io::Result<bool> {
        let events = self.socket.events()?;
        Ok(events.readable || (events.writable && !self.waiting.is_empty()))
    }
}
