//! Half messages at the doors: of connections that have said no Hello, and of native peers.

use super::bounds::{HALVES, HALVES_OF_NATIVE_PEERS, STANDING, STANDING_STRANGER};
use super::doors::Door;
use super::halves::{Allowed, Half};
use super::router::Router;
use pylm_protocol::link::largest_frame;
use pylm_transport::{Frame, TcpConnection};
use std::time::Instant;

impl Router {
    /// Hears who has connected to the doors.
    pub(super) fn read_door_monitors(&mut self, now: Instant) {
        let sealed = self.sealed.as_ref().map(|sealed| &sealed.monitor);
        let next = || self.db_monitor.next_event().or_else(|| sealed?.next_event());
        while let Some(event) = next() {
            if let Some(connection) = event.connection() {
                self.strangers.arrive(connection, now);
            }
        }
    }

    /// A connection to a door has said Hello; what came over it so far.
    pub(super) fn know(&mut self, connection: Option<&TcpConnection>, now: Instant) -> Option<Half> {
        // Its arrival was told before it could say anything.
        self.read_door_monitors(now);
        self.strangers.leave(connection?)
    }

    /// A whole message of so many bytes came from a connection that has said no Hello.
    pub(super) fn hear_stranger(&mut self, frame: &Frame, bytes: u64, now: Instant) {
        self.read_door_monitors(now);
        self.strangers.take(frame, bytes);
    }

    /// Cuts connections to the doors that keep half of a message for too long, or too much together.
    pub(super) fn tick_doors(&mut self, now: Instant) {
        let largest = largest_frame(self.config.max_message);
        let plain_is_read = !self.db_ready;
        let sealed_is_read = self.sealed.as_ref().is_none_or(|sealed| !sealed.ready);
        self.strangers.look(plain_is_read && sealed_is_read, now);
        let allowed = Allowed { together: largest, standing: STANDING_STRANGER };
        for (connection, bytes) in allowed.cut(self.strangers.iter(), now) {
            tracing::warn!(bytes, "a connection that has said no Hello keeps half a message, and is cut");
            connection.cut();
        }
        let is_read = |door| match door {
            Door::Plain => plain_is_read,
            Door::Sealed => sealed_is_read,
        };
        let together = HALVES.max(HALVES_OF_NATIVE_PEERS * largest);
        for (peer, bytes) in self.sessions.cut_halves(Allowed { together, standing: STANDING }, is_read, now)
        {
            tracing::warn!(peer, bytes, "a peer keeps half of a message, and its connection is cut");
        }
    }
}
