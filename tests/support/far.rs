//! A link to somewhere far away: a TCP proxy that holds bytes back for as long as they travel, lets no more pass than the link does,
//! and stands still now and then. Unlike [`crate::proxy`], what is under way does not hold up what follows.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::address;

/// The most that is read at once.
const PIECE: usize = 64 << 10;
/// What a link without a rate holds at most.
const MOST: usize = 256 << 20;
/// What the routers of a link keep, beside what is on its way.
const BUFFER: usize = 512 << 10;

/// What a link is like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distance {
    /// How long a byte travels there and back.
    pub round_trip: Duration,
    /// By how much longer it may take each way, at random. The order stays.
    pub jitter: Duration,
    /// Bytes a second, each way, that all connections share.
    pub rate: Option<u64>,
}

/// A link between whoever connects to it and one address.
pub struct Link {
    /// Where peers connect to: `tcp://127.0.0.1:PORT`.
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    ways: [Way; 2],
    connections: Mutex<Vec<TcpStream>>,
    closed: AtomicBool,
}

/// One way over the link.
struct Way {
    distance: Distance,
    state: Mutex<Timetable>,
    carried: AtomicU64,
}

struct Timetable {
    /// When the link has sent off what it has taken.
    free: Instant,
    /// When the last byte arrives.
    last: Instant,
    /// Nothing arrives before.
    stalled: Instant,
    pieces: u64,
    random: RandomState,
}

impl Link {
    /// A link to `tcp://127.0.0.1:PORT`.
    ///
    /// # Panics
    /// Where the loopback interface has no port left.
    #[must_use]
    #[track_caller]
    pub fn to(target: &str, distance: Distance) -> Self {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, address::port(target)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap_or_else(|error| panic!("no free port on 127.0.0.1: {error}"));
        let port = listener.local_addr().map_or(0, |own| own.port());
        let ways = [Way::new(distance), Way::new(distance)];
        let shared = Arc::new(Shared { ways, connections: Mutex::default(), closed: AtomicBool::new(false) });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if accepting.closed.load(Relaxed) {
                    break;
                }
                // A target that does not listen is, for the peer, a connection that breaks at once.
                let Ok(far) = TcpStream::connect(target) else { continue };
                let _ = connect(&near, &far, &accepting);
            }
        });
        Self { address: format!("tcp://127.0.0.1:{port}"), shared }
    }

    /// From now on, nothing arrives for so long.
    pub fn stall(&self, time: Duration) {
        for way in &self.shared.ways {
            lock(&way.state).stalled = Instant::now() + time;
        }
    }

    /// The bytes that it has carried so far: to the address, and from there.
    #[must_use]
    pub fn carried(&self) -> [u64; 2] {
        self.shared.ways.each_ref().map(|way| way.carried.load(Relaxed))
    }

    /// Cuts every connection that is there.
    pub fn cut(&self) {
        for connection in lock(&self.shared.connections).drain(..) {
            // It may have ended by itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.closed.store(true, Relaxed);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, address::port(&self.address)));
    }
}

impl Way {
    fn new(distance: Distance) -> Self {
        let now = Instant::now();
        let random = RandomState::new();
        let state = Mutex::new(Timetable { free: now, last: now, stalled: now, pieces: 0, random });
        Way { distance, state, carried: AtomicU64::new(0) }
    }

    /// When so many bytes arrive that are here now.
    fn arrival(&self, bytes: usize) -> Instant {
        let Distance { round_trip, jitter, rate } = self.distance;
        let now = Instant::now();
        let mut state = lock(&self.state);
        let sending = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate as f64));
        state.free = state.free.max(now) + sending;
        state.pieces += 1;
        let share = state.random.hash_one(state.pieces) as f64 / u64::MAX as f64;
        let arrival = state.free + round_trip / 2 + jitter.mul_f64(share);
        state.last = state.last.max(arrival);
        state.last
    }

    /// Sleeps until then, or for as long as the link stands still.
    fn wait_until(&self, arrival: Instant) {
        loop {
            let until = arrival.max(lock(&self.state).stalled);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left);
        }
    }

    /// Bytes of a connection that may be on their way, and the most that is read at once.
    fn room(&self) -> (usize, usize) {
        match self.distance.rate {
            None => (MOST, PIECE),
            Some(rate) => {
                let travelling =
                    (self.distance.round_trip / 2 + self.distance.jitter).as_secs_f64() * rate as f64;
                // About a millisecond's worth, so that small things are not late for being read with others.
                (travelling as usize + BUFFER, (rate as usize / 1_000).clamp(1_500, PIECE))
            }
        }
    }
}

/// What is on its way over one connection, one way.
#[derive(Default)]
struct Pipe {
    state: Mutex<Travelling>,
    changed: Condvar,
}

#[derive(Default)]
struct Travelling {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    over: bool,
}

impl Pipe {
    fn put(&self, arrival: Instant, piece: Vec<u8>, room: usize) -> bool {
        let mut state = lock(&self.state);
        while state.bytes >= room && !state.over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes += piece.len();
        state.pieces.push_back((arrival, piece));
        self.changed.notify_all();
        !state.over
    }

    fn take(&self) -> Option<(Instant, Vec<u8>)> {
        let mut state = lock(&self.state);
        loop {
            if let Some(next) = state.pieces.pop_front() {
                return Some(next);
            }
            if state.over {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn arrived(&self, bytes: usize) {
        lock(&self.state).bytes -= bytes;
        self.changed.notify_all();
    }

    fn end(&self) {
        lock(&self.state).over = true;
        self.changed.notify_all();
    }
}

/// Carries bytes both ways: one thread takes them, and one gives them.
fn connect(near: &TcpStream, far: &TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    for (number, from, to) in [(0, near, far), (1, far, near)] {
        let pipe = Arc::new(Pipe::default());
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        let (taking, link) = (Arc::clone(&pipe), Arc::clone(shared));
        thread::spawn(move || take(from, &taking, &link.ways[number]));
        let link = Arc::clone(shared);
        thread::spawn(move || give(to, &pipe, &link.ways[number]));
    }
    lock(&shared.connections).extend([near.try_clone()?, far.try_clone()?]);
    Ok(())
}

fn take(mut from: TcpStream, pipe: &Pipe, way: &Way) {
    let (room, piece) = way.room();
    let mut buffer = vec![0; piece];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !pipe.put(way.arrival(read), buffer[..read].to_vec(), room) {
            break;
        }
    }
    pipe.end();
    let _ = from.shutdown(Shutdown::Read);
}

fn give(mut to: TcpStream, pipe: &Pipe, way: &Way) {
    // Sleeps end when they are to, and not 50 µs later.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    while let Some((arrival, piece)) = pipe.take() {
        way.wait_until(arrival);
        way.carried.fetch_add(piece.len() as u64, Relaxed);
        if to.write_all(&piece).is_err() {
            break;
        }
        pipe.arrived(piece.len());
    }
    pipe.end();
    let _ = to.shutdown(Shutdown::Write);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{Distance, Link};
    use crate::address;

    fn ends(distance: Distance) -> (Link, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Link::to(&format!("tcp://{}", listener.local_addr().unwrap()), distance);
        let near = address::connect(&link.address);
        let (far, _) = listener.accept().unwrap();
        (link, near, far)
    }

    #[test]
    fn what_is_under_way_does_not_hold_up_what_follows() {
        let round_trip = Duration::from_millis(200);
        let (link, mut near, mut far) = ends(Distance { round_trip, ..Distance::default() });
        let begun = Instant::now();
        let writing = thread::spawn(move || {
            for _ in 0..20 {
                near.write_all(b"x").unwrap();
                thread::sleep(Duration::from_millis(5));
            }
            near
        });
        far.read_exact(&mut [0; 20]).unwrap();
        assert!(
            begun.elapsed() >= round_trip / 2 && begun.elapsed() < round_trip * 4,
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(link.carried()[0], 20);
        drop(writing.join().unwrap());
    }

    #[test]
    fn no_more_passes_than_its_rate() {
        let (_link, mut near, mut far) = ends(Distance { rate: Some(1_000_000), ..Distance::default() });
        let begun = Instant::now();
        let writing = thread::spawn(move || near.write_all(&vec![7; 500_000]).map(|()| near));
        far.read_exact(&mut vec![0; 500_000]).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(490), "{:?}", begun.elapsed());
        writing.join().unwrap().unwrap();
    }

    #[test]
    fn nothing_arrives_while_it_stands_still_and_nothing_after_it_is_cut() {
        let (link, mut near, mut far) = ends(Distance::default());
        link.stall(Duration::from_millis(100));
        let begun = Instant::now();
        near.write_all(b"there").unwrap();
        far.read_exact(&mut [0; 5]).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(99));
        link.cut();
        assert!(matches!(far.read(&mut [0; 5]), Ok(0) | Err(_)));
    }
}
