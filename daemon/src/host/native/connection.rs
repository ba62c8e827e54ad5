//! One connection to the node: a socket, its monitor, and the times of the last words.

use super::super::HostError;
use super::outgoing::Outgoing;
use pylm_protocol::link::{Pulse, largest_frame};
use pylm_transport::{
    Context, Monitor, MonitorEventKind, Options, Poller, Security, SendError, Socket, SocketKind,
    TcpConnection,
};
use std::time::{Duration, Instant};

const SOCKET: usize = 0;
const MONITOR: usize = 1;

/// How long libzmq waits between attempts to reach a node that is not there.
const RECONNECT: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(2);

/// A connection that is being made, or is there.
pub(super) struct Connection {
    pub(super) socket: Socket,
    monitor: Monitor,
    /// The connection as the kernel knows it, once it is there.
    tcp: Option<TcpConnection>,
    /// When the node was heard, and when something has to be said to it.
    pub(super) pulse: Pulse,
    ready: Vec<usize>,
    monitor_is_due: bool,
}

impl Connection {
    /// Begins to connect; payloads of up to `max_message` bytes are taken. To be [closed](Self::close) in the end.
    pub(super) fn open(
        context: &Context,
        (address, security): (&str, Security),
        max_message: u64,
        poller: &Poller,
    ) -> Result<Self, HostError> {
        let options = Options {
            max_message_size: Some(largest_frame(max_message)),
            reconnect_interval: RECONNECT,
            reconnect_interval_max: RECONNECT_MAX,
            security,
            ..Options::default()
        };
        let socket = context.socket(SocketKind::Dealer, &options)?;
        let monitor = socket.monitor()?;
        socket.connect(address)?;
        poller.add(socket.fd(), SOCKET)?;
        poller.add(monitor.fd(), MONITOR)?;
        let pulse = Pulse::new(Instant::now());
        Ok(Connection { socket, monitor, tcp: None, pulse, ready: Vec::new(), monitor_is_due: true })
    }

    /// Ends the connection.
    pub(super) fn close(self, poller: &Poller) -> Result<(), HostError> {
        poller.remove(self.socket.fd())?;
        poller.remove(self.monitor.fd())?;
        Ok(())
    }

    /// Sends as much as the socket takes.
    pub(super) fn flush(&mut self, outgoing: &mut Outgoing, now: Instant) -> Result<(), HostError> {
        while let Some(frames) = outgoing.front_mut() {
            match self.socket.send(frames) {
                Ok(()) => {
                    outgoing.sent();
                    self.pulse.say(now);
                }
                Err(SendError::Full | SendError::NoPeer) => break,
                Err(SendError::Other(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// How long the node has been silent, where that is too long.
    pub(super) fn silence(&mut self, now: Instant) -> Option<Duration> {
        let tcp = &self.tcp;
        self.pulse.silence(now, || tcp.as_ref()?.idle())
    }

    /// The two sides speak this minor version.
    pub(super) fn speak(&mut self, minor: u64) {
        self.pulse.speak(minor, self.tcp.is_some());
    }

    /// Why the connection is lost, if it is.
    pub(super) fn loss(&mut self, now: Instant) -> Option<&'static str> {
        if !std::mem::take(&mut self.monitor_is_due) {
            return None;
        }
        while let Some(event) = self.monitor.next_event() {
            match event.kind {
                MonitorEventKind::Connected => self.tcp = event.connection(),
                MonitorEventKind::HandshakeSucceeded => self.pulse.hear(now),
                MonitorEventKind::Disconnected => return Some("the node has closed it, or is gone"),
                MonitorEventKind::HandshakeFailed
                | MonitorEventKind::HandshakeFailedProtocol
                | MonitorEventKind::HandshakeFailedAuth => return Some("what listens there is no node"),
                _ => {}
            }
        }
        None
    }

    /// Sleeps until there is something to do.
    pub(super) fn wait(&mut self, poller: &mut Poller, timeout: Duration) -> Result<(), HostError> {
        self.ready.clear();
        poller.wait(Some(timeout), &mut self.ready)?;
        self.monitor_is_due |= self.ready.contains(&MONITOR);
        Ok(())
    }
}
