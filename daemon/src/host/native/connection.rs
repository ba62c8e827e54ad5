//! One connection to the node: a socket, its monitor, and the times of the last words.

use super::super::HostError;
use pylm_transport::{
    Context, Frames, Monitor, MonitorEventKind, Options, Poller, SendError, Socket, SocketKind,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const SOCKET: usize = 0;
const MONITOR: usize = 1;

/// How long libzmq waits between attempts to reach a node that is not there.
const RECONNECT: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(2);
/// What a batch holds beside its attachments, generously.
const BATCH_ROOM: u64 = 1 << 20;

/// A connection that is being made, or is there.
pub(super) struct Connection {
    pub(super) socket: Socket,
    monitor: Monitor,
    /// When something was sent last.
    pub(super) said: Instant,
    /// When something was received last, or the connection was there.
    pub(super) heard: Option<Instant>,
    ready: Vec<usize>,
    monitor_is_due: bool,
}

impl Connection {
    /// Begins to connect. To be [closed](Self::close) in the end.
    pub(super) fn open(context: &Context, address: &str, poller: &Poller) -> Result<Self, HostError> {
        let options = Options {
            max_message_size: Some(pylm_protocol::DEFAULT_MAX_MESSAGE + BATCH_ROOM),
            reconnect_interval: RECONNECT,
            reconnect_interval_max: RECONNECT_MAX,
            ..Options::default()
        };
        let socket = context.socket(SocketKind::Dealer, &options)?;
        let monitor = socket.monitor()?;
        socket.connect(address)?;
        poller.add(socket.fd(), SOCKET)?;
        poller.add(monitor.fd(), MONITOR)?;
        let said = Instant::now();
        Ok(Connection { socket, monitor, said, heard: None, ready: Vec::new(), monitor_is_due: true })
    }

    /// Ends the connection.
    pub(super) fn close(self, poller: &Poller) -> Result<(), HostError> {
        poller.remove(self.socket.fd())?;
        poller.remove(self.monitor.fd())?;
        Ok(())
    }

    /// Sends as much as the socket takes.
    pub(super) fn flush(&mut self, outgoing: &mut VecDeque<Frames>, now: Instant) -> Result<(), HostError> {
        while let Some(frames) = outgoing.front_mut() {
            match self.socket.send(frames) {
                Ok(()) => {
                    outgoing.pop_front();
                    self.said = now;
                }
                Err(SendError::Full | SendError::NoPeer) => break,
                Err(SendError::Other(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Why the connection is lost, if it is.
    pub(super) fn loss(&mut self, now: Instant) -> Option<&'static str> {
        if !std::mem::take(&mut self.monitor_is_due) {
            return None;
        }
        while let Some(event) = self.monitor.next_event() {
            match event.kind {
                MonitorEventKind::HandshakeSucceeded => self.heard = Some(now),
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
