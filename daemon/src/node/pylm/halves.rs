//! Half messages at the PULL sockets of pylm peers. libzmq keeps what has come of a message, and shows nothing of it; and these frames may be
//! as large as protobuf lets them be. How much is half there follows from what the kernel has received and what came whole. All of
//! it together has a bound; what comes slowly may take its time, and what comes no more is cut.

use crate::node::bounds::{PYLM_HALVES, PYLM_STALLED};
use crate::node::router::Router;
use pylm_protocol::link::largest_frame;
use pylm_transport::{Frame, MonitorEvent, TcpConnection};
use std::time::{Duration, Instant};

/// So much may be there of any connection: greetings, and what is no message.
const LITTLE: u64 = 64 << 10;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// The connections of all PULL sockets: those of clients by their lines, and behind them that of workers.
#[derive(Debug)]
pub(crate) struct Halves {
    lines: Vec<Vec<Pushing>>,
    /// When they are looked at next: each look asks the kernel of every connection.
    next: Option<Instant>,
}

/// A connection that messages are pushed over.
#[derive(Debug)]
struct Pushing {
    connection: TcpConnection,
    /// Bytes of messages that came whole.
    whole: u64,
    /// What the kernel had received at the last look.
    received: u64,
    /// When it was seen to have received more.
    moved: Instant,
    /// Bytes that were there at the look before the last one, and in no whole message by then.
    half: u64,
}

/// What a frame takes on the wire.
fn length(frame: &Frame) -> u64 {
    let length = frame.len() as u64;
    length + if length > 255 { 9 } else { 2 }
}

impl Pushing {
    /// Looks at what has come, where all that is whole was read (`is_read`); false where the connection is gone.
    fn look(&mut self, is_read: bool, now: Instant) -> bool {
        let Some(received) = self.connection.received() else { return false };
        let half = if is_read { self.received.saturating_sub(self.whole) } else { 0 };
        self.half = if half > LITTLE { half } else { 0 };
        if received != self.received {
            (self.received, self.moved) = (received, now);
        }
        true
    }
}

impl Halves {
    /// No connections at so many lines.
    pub(crate) fn new(lines: usize) -> Self {
        Halves { lines: (0..=lines).map(|_| Vec::new()).collect(), next: None }
    }

    /// The place of the socket of workers.
    fn workers(&self) -> usize {
        self.lines.len() - 1
    }

    /// A connection may have been accepted at a line.
    pub(crate) fn hear(&mut self, line: usize, event: &MonitorEvent, now: Instant) {
        // Of one that has gone meanwhile, another one may have the descriptor, which is told of too.
        if let Some(connection) = event.connection()
            && self.lines[line].iter().all(|known| known.connection != connection)
        {
            self.lines[line].push(Pushing { connection, whole: 0, received: 0, moved: now, half: 0 });
        }
    }

    /// Frames came whole at a line.
    #[inline]
    pub(crate) fn take(&mut self, line: usize, frames: &[Frame]) {
        let bytes = frames.iter().map(length).sum::<u64>();
        match &mut self.lines[line][..] {
            [] => {}
            [only] => only.whole += bytes,
            several => {
                let Some(fd) = frames.first().and_then(Frame::descriptor) else { return };
                // The system gives numbers again: the last one is there.
                let mut several = several.iter_mut().rev();
                if let Some(pushing) = several.find(|pushing| pushing.connection.is_at(fd)) {
                    pushing.whole += bytes;
                }
            }
        }
    }

    /// Looks at all of them, where `is_read` tells of which sockets all was read; those that are to be cut, with what there is of them.
    /// Together, `most` bytes may be there.
    fn look(
        &mut self,
        most: u64,
        is_read: impl Fn(usize) -> bool,
        now: Instant,
    ) -> Vec<(TcpConnection, u64)> {
        if self.next.is_some_and(|next| now < next) {
            return Vec::new();
        }
        self.next = Some(now + LOOK);
        for (line, connections) in self.lines.iter_mut().enumerate() {
            let is_read = is_read(line);
            connections.retain_mut(|pushing| pushing.look(is_read, now));
        }
        let mut halves: Vec<_> = self.lines.iter().flatten().filter(|pushing| pushing.half > 0).collect();
        // The largest go first, and one may always stay.
        halves.sort_by_key(|pushing| pushing.half);
        let mut together = 0;
        let cut = halves.into_iter().filter(|pushing| {
            let is_too_much = together > 0 && together + pushing.half > most;
            let is_cut = is_too_much || now.duration_since(pushing.moved) >= PYLM_STALLED;
            together += if is_cut { 0 } else { pushing.half };
            is_cut
        });
        cut.map(|pushing| (pushing.connection.clone(), pushing.half)).collect()
    }
}

impl Router {
    /// Hears who has connected to the PULL of workers.
    pub(in crate::node) fn read_worker_pull_monitor(&mut self, now: Instant) {
        while let Some(event) = self.worker_pull_monitor.next_event() {
            let workers = self.halves.workers();
            self.halves.hear(workers, &event, now);
        }
    }

    /// An answer of a worker came.
    pub(in crate::node) fn count_answer(&mut self, frames: &[Frame]) {
        let workers = self.halves.workers();
        self.halves.take(workers, frames);
    }

    /// Cuts connections that keep half of a message for too long, or too much together.
    pub(in crate::node) fn tick_halves(&mut self, now: Instant) {
        let most = PYLM_HALVES.max(8 * largest_frame(self.config.max_message));
        let Router { halves, lines, worker_pull_ready, .. } = self;
        let is_read = |place: usize| lines.get(place).map_or(!*worker_pull_ready, |line| !line.pull_ready);
        for (connection, bytes) in halves.look(most, is_read, now) {
            tracing::warn!(bytes, "a pylm peer keeps half of a message, and its connection is cut");
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

    /// Connections of one line, of which so many bytes have come.
    fn halves(sizes: &[usize], now: Instant) -> (Halves, Vec<(TcpStream, TcpStream)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut halves = Halves::new(1);
        let connect = |&size: &usize| {
            let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut far = listener.accept().unwrap().0;
            let connection = TcpConnection::of(far.as_raw_fd()).unwrap();
            halves.lines[0].push(Pushing { connection, whole: 0, received: 0, moved: now, half: 0 });
            let mut bytes = vec![7; size];
            near.write_all(&bytes).unwrap();
            far.read_exact(&mut bytes).unwrap();
            (near, far)
        };
        let streams = sizes.iter().map(connect).collect();
        (halves, streams)
    }

    fn cut(halves: &mut Halves, most: u64, is_read: bool, now: Instant) -> Vec<u64> {
        halves.next = None;
        halves.look(most, |_| is_read, now).into_iter().map(|(_, bytes)| bytes).collect()
    }

    #[test]
    fn what_is_half_there_has_a_bound_together_and_one_may_always_stay() {
        let now = Instant::now();
        let (mut halves, streams) = halves(&[100, 100_000, 200_000, 300_000], now);
        assert_eq!(cut(&mut halves, 1, true, now), [0; 0], "all of it may come whole yet");
        assert_eq!(cut(&mut halves, 1_000_000, true, now), [0; 0]);
        assert_eq!(
            cut(&mut halves, 1, false, now),
            [0; 0],
            "whole ones may wait in a socket that is not read"
        );
        assert_eq!(cut(&mut halves, 300_000, true, now), [300_000]);
        assert_eq!(cut(&mut halves, 1, true, now), [200_000, 300_000], "they are gone at the next look only");
        drop(streams);
        assert_eq!(cut(&mut halves, 1, true, now), [0; 0]);
        assert!(halves.lines[0].is_empty());
    }

    #[test]
    fn what_has_come_whole_is_no_half_and_what_stalls_is_cut() {
        let now = Instant::now();
        let (mut halves, mut streams) = halves(&[100_000], now);
        let late = now + PYLM_STALLED;
        cut(&mut halves, 1, true, now);
        halves.take(0, &[Frame::copy_from(&[7; 90_000])]);
        assert_eq!(cut(&mut halves, 1, true, late), [0; 0], "it is idle");
        streams[0].0.write_all(&[7; 200_000]).unwrap();
        streams[0].1.read_exact(&mut [0; 200_000]).unwrap();
        cut(&mut halves, 1, true, late);
        assert_eq!(cut(&mut halves, 1, true, late + Duration::from_secs(1)), [0; 0], "alone it may stay");
        assert_eq!(cut(&mut halves, 1, true, late + PYLM_STALLED), [209_991]);
    }
}
