//! Half messages. libzmq keeps what has come of a message, and shows nothing of it before it is whole. How much is half there follows from
//! what the kernel has received of a connection, and from what came whole. What is half there of connections of one kind has a bound
//! together; what comes slowly may take its time, and what comes no more is cut.

use pylm_transport::{Frame, TcpConnection};
use std::time::{Duration, Instant};

/// So much may be there of any connection: greetings, and what is no message. And so much more has to come for half a message to count
/// as one that comes further.
const LITTLE: u64 = 64 << 10;

/// Between two looks: each asks the kernel of every connection.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// What frames take on the wire, where security adds so much to each.
#[inline]
pub(crate) fn on_wire(frames: &[Frame], security: usize) -> u64 {
    let length = |frame: &Frame| {
        let body = frame.len() + security;
        body + if body > 255 { 9 } else { 2 }
    };
    frames.iter().map(length).sum::<usize>() as u64
}

/// What came over one connection.
#[derive(Debug)]
pub(crate) struct Half {
    /// Bytes of messages that came whole.
    whole: u64,
    /// What the kernel had received at the last look.
    received: u64,
    /// The same at the look before, where everything was read since then that was whole: none of it waits in a socket.
    read: u64,
    /// What the kernel had received when half a message came further, or none was there; and when that was.
    further: (u64, Instant),
}

impl Half {
    /// A connection over which nothing came yet.
    pub(crate) fn new(now: Instant) -> Self {
        Half { whole: 0, received: 0, read: 0, further: (0, now) }
    }

    /// A message of so many bytes came whole. What was half there is in it, whatever libzmq has taken for itself meanwhile.
    #[inline]
    pub(crate) fn take(&mut self, bytes: u64) {
        self.whole = (self.whole + bytes).max(self.read);
    }

    /// Looks at what the kernel has received; `is_read` tells that no whole message waits in the socket.
    pub(crate) fn look(&mut self, received: u64, is_read: bool, now: Instant) {
        self.read = if is_read { self.received } else { 0 };
        self.received = received;
        if self.bytes() == 0 || received >= self.further.0 + LITTLE {
            self.further = (received, now);
        }
    }

    /// Bytes of half a message: they were there at the look before the last one, and have not come whole.
    pub(crate) fn bytes(&self) -> u64 {
        Some(self.read.saturating_sub(self.whole)).filter(|&bytes| bytes > LITTLE).unwrap_or_default()
    }
}

/// What half messages may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    /// Bytes together; one may always stay.
    pub(crate) together: u64,
    /// For so long one may come no further.
    pub(crate) standing: Duration,
}

impl Allowed {
    /// Which of them are to be cut, with what there is of them: those that stand still, and the largest of those that are too much.
    pub(crate) fn cut<'a, K>(
        self,
        halves: impl Iterator<Item = (K, &'a Half)>,
        now: Instant,
    ) -> Vec<(K, u64)> {
        let mut halves: Vec<_> = halves.filter(|(_, half)| half.bytes() > 0).collect();
        halves.sort_by_key(|(_, half)| half.bytes());
        let mut together = 0;
        let is_cut = |(key, half): (K, &Half)| {
            let bytes = half.bytes();
            let is_too_much = together > 0 && together + bytes > self.together;
            if is_too_much || now.duration_since(half.further.1) >= self.standing {
                return Some((key, bytes));
            }
            together += bytes;
            None
        };
        halves.into_iter().filter_map(is_cut).collect()
    }
}

/// Connections of one socket.
#[derive(Debug, Default)]
pub(crate) struct Connections(Vec<(TcpConnection, Half)>);

impl Connections {
    /// A connection was accepted.
    pub(crate) fn arrive(&mut self, connection: TcpConnection, now: Instant) {
        // Of one that has gone meanwhile, another one may have the descriptor, which is told of too.
        if self.0.iter().all(|(known, _)| *known != connection) {
            self.0.push((connection, Half::new(now)));
        }
    }

    /// A connection is none of these any more.
    pub(crate) fn leave(&mut self, connection: &TcpConnection) -> Option<Half> {
        let at = self.0.iter().position(|(known, _)| known == connection)?;
        Some(self.0.swap_remove(at).1)
    }

    /// A message of so many bytes came whole over the connection of this frame.
    pub(crate) fn take(&mut self, frame: &Frame, bytes: u64) {
        let Some(fd) = frame.descriptor() else { return };
        // The system gives numbers again: more than one may have had this one, and all but the last are gone.
        for (_, half) in self.0.iter_mut().filter(|(connection, _)| connection.is_at(fd)) {
            half.take(bytes);
        }
    }

    /// The same where there can be no other: if there is only one, it is not looked for.
    #[inline]
    pub(crate) fn take_known(&mut self, frame: &Frame, bytes: u64) {
        match &mut self.0[..] {
            [] => {}
            [(_, only)] => only.take(bytes),
            _ => self.take(frame, bytes),
        }
    }

    /// Looks at all of them, and forgets those that are gone.
    pub(crate) fn look(&mut self, is_read: bool, now: Instant) {
        self.0.retain_mut(|(connection, half)| {
            let received = connection.received();
            received.is_some_and(|received| {
                half.look(received, is_read, now);
                true
            })
        });
    }

    /// What is half there of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TcpConnection, &Half)> {
        self.0.iter().map(|(connection, half)| (connection.clone(), half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    const STANDING: Duration = Duration::from_secs(60);

    /// Connections of which so many bytes have come.
    fn halves(sizes: &[u64], now: Instant) -> Vec<Half> {
        let half = |&size| {
            let mut half = Half::new(now);
            half.look(size, true, now);
            half
        };
        sizes.iter().map(half).collect()
    }

    fn cut(halves: &[Half], together: u64, now: Instant) -> Vec<u64> {
        let allowed = Allowed { together, standing: STANDING };
        allowed.cut(halves.iter().map(|half| ((), half)), now).into_iter().map(|(_, bytes)| bytes).collect()
    }

    #[test]
    fn what_is_half_there_has_a_bound_together_and_one_may_always_stay() {
        let now = Instant::now();
        let sizes = [100, 100_000, 200_000, 300_000];
        let mut halves = halves(&sizes, now);
        assert_eq!(cut(&halves, 1, now), [0; 0], "all of it may have come whole just now");
        let mut look = |is_read| {
            halves.iter_mut().zip(sizes).for_each(|(half, size)| half.look(size, is_read, now));
            [1_000_000, 300_000, 1].map(|together| cut(&halves, together, now))
        };
        assert_eq!(
            look(false),
            [const { Vec::<u64>::new() }; 3],
            "whole ones may wait in a socket that is not read"
        );
        assert_eq!(look(true), [vec![], vec![300_000], vec![200_000, 300_000]]);
    }

    #[test]
    fn what_has_come_whole_is_no_half_and_what_comes_no_further_is_cut() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut halves = halves(&[100_000], begun);
        // What libzmq has taken for itself beside a message is no half of the next one.
        halves[0].look(100_000, true, begun);
        halves[0].take(80_000);
        for seconds in [60, 120] {
            halves[0].look(100_000, true, after(seconds));
            assert_eq!(cut(&halves, 1, after(seconds)), [0; 0], "it is idle");
        }
        // It comes slowly, and then by single bytes.
        for (seconds, received) in
            [(130, 300_000), (140, 300_000), (199, 400_000), (258, 400_001), (259, 400_002)]
        {
            let now = after(seconds);
            halves[0].look(received, true, now);
            let half: &[u64] = if seconds < 259 { &[] } else { &[300_001] };
            assert_eq!(cut(&halves, 1, now), half, "after {seconds} s");
        }
        halves[0].take(350_000);
        assert_eq!(cut(&halves, 1, after(500)), [0; 0]);
    }

    #[test]
    fn connections_are_those_that_are_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let now = Instant::now();
        let mut connections = Connections::default();
        let mut streams: Vec<_> = (0..2)
            .map(|_| {
                let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let mut far = listener.accept().unwrap().0;
                let connection = TcpConnection::of(far.as_raw_fd()).unwrap();
                (0..2).for_each(|_| connections.arrive(connection.clone(), now));
                let mut bytes = vec![7; 100_000];
                near.write_all(&bytes).unwrap();
                far.read_exact(&mut bytes).unwrap();
                (near, far, connection)
            })
            .collect();
        (0..2).for_each(|_| connections.look(true, now));
        let bytes: Vec<_> = connections.iter().map(|(_, half)| half.bytes()).collect();
        assert_eq!(bytes, [100_000, 100_000]);
        assert_eq!(connections.leave(&streams[0].2).unwrap().bytes(), 100_000);
        assert!(connections.leave(&streams[0].2).is_none());
        drop(streams.pop());
        connections.look(true, now);
        assert_eq!(connections.iter().count(), 0);
    }

    #[test]
    fn a_frame_takes_its_header_and_what_encrypts_it() {
        let frames = [Frame::copy_from(&[7; 255]), Frame::copy_from(&[7; 256])];
        assert_eq!(on_wire(&frames, 0), 257 + 265);
        assert_eq!(on_wire(&frames, 33), 255 + 33 + 9 + 256 + 33 + 9);
    }
}
