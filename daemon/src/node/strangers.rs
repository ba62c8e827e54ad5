//! Connections to `db` that have said no Hello. libzmq keeps what has come of half a message, and shows nothing of it: how much that is
//! follows from what the kernel has received. All of it together has a bound, and none of it stays.

use super::router::Router;
use pylm_protocol::link::largest_frame;
use pylm_transport::{Frame, TcpConnection};
use std::time::{Duration, Instant};

/// So much may be there of any connection, as of a request, or of those that came whole since the last look.
const LITTLE: u64 = 64 << 10;
/// Whole messages of fewer bytes are looked at only where one of half is suspected.
const SMALL: usize = 4 << 10;
/// Half a message may stay so long, and longer by what its bytes take at [`SLOWEST`].
const GRACE: Duration = Duration::from_secs(10);
/// Bytes for each millisecond.
const SLOWEST: u64 = 100;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    known: Vec<Stranger>,
    /// Some of them are suspected of half a message.
    any_suspect: bool,
}

#[derive(Debug)]
struct Stranger {
    connection: TcpConnection,
    /// What the kernel had received when a message was whole.
    whole: u64,
    /// What came since then, where that is more than a little, and when it was found.
    half: Option<(u64, Instant)>,
}

impl Stranger {
    /// Looks at what has come; false where the connection is gone.
    fn look(&mut self, now: Instant) -> bool {
        let Some(received) = self.connection.received() else { return false };
        let half = received.saturating_sub(self.whole);
        let since = self.half.map_or(now, |(_, since)| since);
        self.half = (half > LITTLE).then_some((half, since));
        true
    }

    /// Bytes of half a message: they were there at an earlier look, and nothing has come whole since then.
    fn half(&self, now: Instant) -> u64 {
        self.half.filter(|&(_, since)| since < now).map_or(0, |(half, _)| half)
    }

    fn is_overdue(&self, now: Instant) -> bool {
        let time = |half| GRACE + Duration::from_millis(half / SLOWEST);
        self.half.is_some_and(|(half, since)| now.duration_since(since) > time(half))
    }
}

impl Strangers {
    /// A connection was accepted.
    fn arrive(&mut self, connection: TcpConnection) {
        self.known.push(Stranger { connection, whole: 0, half: None });
    }

    /// A connection has said Hello.
    fn leave(&mut self, connection: &TcpConnection) {
        self.known.retain(|stranger| stranger.connection != *connection);
    }

    /// A message of so many bytes came whole.
    fn hear(&mut self, frame: &Frame, bytes: usize) {
        if !self.any_suspect && bytes < SMALL {
            return;
        }
        let connection = frame.connection();
        let mut known = self.known.iter_mut();
        if let Some(stranger) = known.find(|stranger| Some(&stranger.connection) == connection.as_ref()) {
            stranger.whole = stranger.connection.received().unwrap_or_default();
            stranger.half = None;
        }
    }

    /// Looks at all of them; those that are to be cut, with what there is of them. Together, `most` bytes may be there.
    fn look(&mut self, most: u64, now: Instant) -> Vec<(TcpConnection, u64)> {
        self.known.retain_mut(|stranger| stranger.look(now));
        self.any_suspect = self.known.iter().any(|stranger| stranger.half.is_some());
        if !self.any_suspect {
            return Vec::new();
        }
        // The largest go first, and one may always stay.
        self.known.sort_by_key(|stranger| stranger.half(now));
        let mut together = 0;
        let cut = self.known.extract_if(.., |stranger| {
            let half = stranger.half(now);
            let is_too_much = half > 0 && together > 0 && together + half > most;
            let is_cut = is_too_much || stranger.is_overdue(now);
            together += if is_cut { 0 } else { half };
            is_cut
        });
        cut.map(|stranger| (stranger.connection.clone(), stranger.half(now))).collect()
    }
}

impl Router {
    /// Hears who has connected to the doors.
    pub(super) fn read_door_monitors(&mut self) {
        let sealed = self.sealed.as_ref().map(|sealed| &sealed.monitor);
        let next = || self.db_monitor.next_event().or_else(|| sealed?.next_event());
        while let Some(event) = next() {
            if let Some(connection) = event.connection() {
                self.strangers.arrive(connection);
            }
        }
    }

    /// A connection to `db` has said Hello.
    pub(super) fn know(&mut self, connection: Option<&TcpConnection>) {
        // Its arrival was told before it could say anything.
        self.read_door_monitors();
        if let Some(connection) = connection {
            self.strangers.leave(connection);
        }
    }

    /// A whole message came from a connection that has said no Hello.
    pub(super) fn hear_stranger(&mut self, frame: &Frame, bytes: usize) {
        self.strangers.hear(frame, bytes);
    }

    /// Cuts connections that keep half of a message for too long, or too much together.
    pub(super) fn tick_strangers(&mut self, now: Instant) {
        let most = largest_frame(self.config.max_message);
        for (connection, bytes) in self.strangers.look(most, now) {
            tracing::warn!(bytes, "a connection that has said no Hello keeps half a message, and is cut");
            connection.cut();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    /// Connections of which so many bytes have come.
    fn strangers(sizes: &[usize]) -> (Strangers, Vec<(TcpStream, TcpStream)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut strangers = Strangers::default();
        let connect = |&size: &usize| {
            let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut far = listener.accept().unwrap().0;
            strangers.arrive(TcpConnection::of(far.as_raw_fd()).unwrap());
            let mut bytes = vec![7; size];
            near.write_all(&bytes).unwrap();
            far.read_exact(&mut bytes).unwrap();
            (near, far)
        };
        let streams = sizes.iter().map(connect).collect();
        (strangers, streams)
    }

    #[test]
    fn what_is_half_there_has_a_bound_together_and_one_may_always_stay() {
        let (mut strangers, _streams) = strangers(&[100, 100_000, 200_000, 300_000]);
        let now = Instant::now();
        assert_eq!(strangers.look(1, now), [], "all of it may have come whole just now");
        let now = now + Duration::from_millis(50);
        let cut = |strangers: &mut Strangers, most, now| -> Vec<u64> {
            strangers.look(most, now).into_iter().map(|(_, bytes)| bytes).collect()
        };
        assert_eq!(cut(&mut strangers, 1_000_000, now), [0; 0]);
        assert_eq!(cut(&mut strangers, 300_000, now), [300_000]);
        assert_eq!(cut(&mut strangers, 1, now), [200_000]);
        assert_eq!(cut(&mut strangers, 1, now), [0; 0]);
        // 100,000 bytes have a second more.
        assert_eq!(cut(&mut strangers, 1_000_000, now + GRACE), [0; 0]);
        assert_eq!(cut(&mut strangers, 1_000_000, now + GRACE + Duration::from_secs(1)), [100_000]);
        assert_eq!(strangers.known.len(), 1, "a little may stay");
    }

    #[test]
    fn who_has_said_hello_or_is_gone_is_no_stranger() {
        let (mut strangers, mut streams) = strangers(&[100_000, 100_000]);
        let known = TcpConnection::of(streams[0].1.as_raw_fd()).unwrap();
        strangers.leave(&known);
        drop(streams.pop());
        assert_eq!(strangers.look(1, Instant::now()), []);
        assert!(strangers.known.is_empty());
    }
}
