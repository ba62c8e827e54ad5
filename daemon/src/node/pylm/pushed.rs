//! Half messages at the PULL sockets of pylm peers, whose frames may be as large as protobuf lets them be.

use crate::node::bounds::{HALVES, HALVES_OF_PYLM_PEERS, STANDING};
use crate::node::halves::{Allowed, Connections, LOOK, on_wire};
use crate::node::router::Router;
use pylm_protocol::link::largest_frame;
use pylm_transport::{Frame, MonitorEvent, TcpConnection};
use std::time::Instant;

/// The connections of all PULL sockets: those of clients by their lines, and behind them that of workers.
#[derive(Debug)]
pub(crate) struct Pushed {
    lines: Vec<Connections>,
    /// When they are looked at next.
    next: Option<Instant>,
}

impl Pushed {
    /// No connections at so many lines.
    pub(crate) fn new(lines: usize) -> Self {
        Pushed { lines: (0..=lines).map(|_| Connections::default()).collect(), next: None }
    }

    /// The place of the socket of workers.
    fn workers(&self) -> usize {
        self.lines.len() - 1
    }

    /// A connection may have been accepted at a line.
    pub(crate) fn hear(&mut self, line: usize, event: &MonitorEvent, now: Instant) {
        if let Some(connection) = event.connection() {
            self.lines[line].arrive(connection, now);
        }
    }

    /// Frames came whole at a line.
    #[inline]
    pub(crate) fn take(&mut self, line: usize, frames: &[Frame]) {
        if let Some(first) = frames.first() {
            self.lines[line].take_known(first, on_wire(frames, 0));
        }
    }

    /// Looks at all of them, where `is_read` tells of which sockets all was read; those that are to be cut, with what there is of them.
    fn look(
        &mut self,
        allowed: Allowed,
        is_read: impl Fn(usize) -> bool,
        now: Instant,
    ) -> Vec<(TcpConnection, u64)> {
        if self.next.is_some_and(|next| now < next) {
            return Vec::new();
        }
        self.next = Some(now + LOOK);
        for (line, connections) in self.lines.iter_mut().enumerate() {
            connections.look(is_read(line), now);
        }
        allowed.cut(self.lines.iter().flat_map(Connections::iter), now)
    }
}

impl Router {
    /// Hears who has connected to the PULL of workers.
    pub(in crate::node) fn read_worker_pull_monitor(&mut self, now: Instant) {
        while let Some(event) = self.worker_pull_monitor.next_event() {
            let workers = self.pushed.workers();
            self.pushed.hear(workers, &event, now);
        }
    }

    /// An answer of a worker came.
    pub(in crate::node) fn count_answer(&mut self, frames: &[Frame]) {
        let workers = self.pushed.workers();
        self.pushed.take(workers, frames);
    }

    /// Cuts connections of pylm peers that keep half of a message for too long, or too much together.
    pub(in crate::node) fn tick_pushed(&mut self, now: Instant) {
        let together = HALVES.max(HALVES_OF_PYLM_PEERS * largest_frame(self.config.max_message));
        let Router { pushed, lines, worker_pull_ready, .. } = self;
        let is_read = |place: usize| lines.get(place).map_or(!*worker_pull_ready, |line| !line.pull_ready);
        for (connection, bytes) in pushed.look(Allowed { together, standing: STANDING }, is_read, now) {
            tracing::warn!(bytes, "a pylm peer keeps half of a message, and its connection is cut");
            connection.cut();
        }
    }
}
