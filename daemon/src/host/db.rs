//! Requests to a cache service, in pylm's way.

use bytes::Bytes;
use pylm_protocol::DEFAULT_MAX_MESSAGE;
use pylm_protocol::palm::PalmMessage;
use pylm_transport::{
    Context, Frame, Frames, Monitor, MonitorEventKind, Options, Security, Socket, SocketKind,
};
use std::io;
use std::time::{Duration, Instant};

/// How long a wait lasts at most before the caller is asked whether to go on.
const SLICE: Duration = Duration::from_millis(100);

/// A connection to a cache service, for one request at a time: a service that died over it never answers.
pub(super) struct Db {
    socket: Socket,
    monitor: Monitor,
}

impl Db {
    /// Connects, in the background.
    pub(super) fn connect(context: &Context, address: &str, security: &Security) -> io::Result<Self> {
        let options = Options {
            max_message_size: Some(DEFAULT_MAX_MESSAGE + (1 << 20)),
            security: security.clone(),
            ..Options::default()
        };
        let socket = context.socket(SocketKind::Dealer, &options)?;
        let monitor = socket.monitor_ends()?;
        socket.connect(address)?;
        Ok(Db { socket, monitor })
    }

    /// What told that the other side has cut a connection before anything could be said.
    pub(super) fn was_cut(&self) -> Option<MonitorEventKind> {
        use MonitorEventKind::{HandshakeFailed, HandshakeFailedAuth, HandshakeFailedProtocol};
        let is_cut =
            |kind: &_| matches!(kind, HandshakeFailed | HandshakeFailedAuth | HandshakeFailedProtocol);
        std::iter::from_fn(|| self.monitor.next_event()).map(|event| event.kind).find(is_cut)
    }

    /// Sends a request.
    pub(super) fn send(&self, request: &PalmMessage<'_>) -> io::Result<()> {
        let mut frames = vec![Frame::empty(), Frame::from_vec(request.encode())];
        self.socket.send(&mut frames).map_err(io::Error::other)
    }

    /// The answer, if it is there.
    pub(super) fn answer(&self) -> io::Result<Option<Bytes>> {
        let mut frames = Frames::new();
        while self.socket.recv(&mut frames)? {
            if let [delimiter, _] = frames.as_slice()
                && delimiter.is_empty()
            {
                return Ok(frames.pop().map(Frame::into_bytes));
            }
        }
        Ok(None)
    }

    /// Asks for a key's value, and waits for it; `None` when `patience` is over, or `go_on` says so.
    pub(super) fn get(
        &self,
        client: &str,
        key: &str,
        patience: Duration,
        go_on: &mut impl FnMut() -> bool,
    ) -> io::Result<Option<Bytes>> {
        self.send(&PalmMessage {
            client,
            function: "_.get",
            payload: key.as_bytes(),
            ..PalmMessage::default()
        })?;
        let end = Instant::now() + patience;
        while go_on() {
            let left = end.saturating_duration_since(Instant::now());
            if self.socket.wait_readable(Some(left.min(SLICE)))?
                && let Some(answer) = self.answer()?
            {
                return Ok(Some(answer));
            }
            if left.is_zero() {
                break;
            }
        }
        Ok(None)
    }

    /// The socket's descriptor, for a poller.
    pub(super) fn fd(&self) -> std::os::fd::RawFd {
        self.socket.fd()
    }
}
