//! A TCP proxy between two peers, whose connections a test can cut, hold up and refuse without anybody dying.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::address;

/// How often a thread looks whether bytes go on.
const LOOK: Duration = Duration::from_millis(5);

/// What a proxy does with what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Passes it on at once.
    Free,
    /// Passes each piece of up to 64 KiB on after so long.
    Slow(Duration),
    /// Passes on so many bytes a second, each way.
    Rate(u64),
    /// Keeps it, and leaves connections open, as a cable that was pulled out.
    Stalled,
    /// Cuts connections, new ones too.
    Refused,
}

/// A [`Passage`] that threads look at: microseconds, bytes a second beyond [`Gate::RATE`], or one of the largest numbers.
#[derive(Clone)]
struct Gate(Arc<AtomicU64>);

impl Gate {
    const STALLED: u64 = u64::MAX;
    const REFUSED: u64 = u64::MAX - 1;
    const RATE: u64 = 1 << 48;

    fn set(&self, passage: Passage) {
        let value = match passage {
            Passage::Free => 0,
            Passage::Slow(delay) => u64::try_from(delay.as_micros()).unwrap_or(0),
            Passage::Rate(bytes) => Self::RATE + bytes,
            Passage::Stalled => Self::STALLED,
            Passage::Refused => Self::REFUSED,
        };
        self.0.store(value, Ordering::Relaxed);
    }

    fn refuses(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::REFUSED
    }

    /// Returns when so many bytes that have come may go on.
    fn pass(&self, bytes: usize) {
        loop {
            match self.0.load(Ordering::Relaxed) {
                Self::STALLED => thread::sleep(LOOK),
                0 | Self::REFUSED => return,
                rate @ Self::RATE.. => {
                    let seconds = bytes as f64 / (rate - Self::RATE).max(1) as f64;
                    return thread::sleep(Duration::from_secs_f64(seconds));
                }
                delay => return thread::sleep(Duration::from_micros(delay)),
            }
        }
    }
}

/// A proxy in front of one address.
pub struct Proxy {
    /// Where peers connect to instead: `tcp://127.0.0.1:PORT`.
    pub address: String,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    accepted: Arc<AtomicUsize>,
    gate: Gate,
}

impl Proxy {
    /// A proxy in front of `tcp://127.0.0.1:PORT`.
    ///
    /// # Panics
    /// Where the loopback interface has no port left.
    #[must_use]
    #[track_caller]
    pub fn before(target: &str) -> Self {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, address::port(target)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap_or_else(|error| panic!("no free port on 127.0.0.1: {error}"));
        let port = listener.local_addr().map_or(0, |own| own.port());
        let (connections, accepted) = <(Arc<Mutex<Vec<TcpStream>>>, Arc<AtomicUsize>)>::default();
        let (kept, count) = (Arc::clone(&connections), Arc::clone(&accepted));
        let gate = Gate(Arc::default());
        let looked_at = gate.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if looked_at.refuses() {
                    continue;
                }
                // A target that does not listen is, for the peer, a connection that breaks at once.
                let Ok(far) = TcpStream::connect(target) else { continue };
                if let Ok(ends) = connect(&near, &far, &looked_at) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).extend(ends);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { address: format!("tcp://127.0.0.1:{port}"), connections, accepted, gate }
    }

    /// From now on, do this with what comes.
    pub fn set(&self, passage: Passage) {
        self.gate.set(passage);
        if passage == Passage::Refused {
            self.cut();
        }
    }

    /// Cut every connection that is there, in the middle of whatever it carries.
    pub fn cut(&self) {
        for connection in self.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may have ended by itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// How many connections there have been so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

/// Carry bytes both ways, each on a thread of its own; the streams by which to cut it.
fn connect(near: &TcpStream, far: &TcpStream, gate: &Gate) -> std::io::Result<[TcpStream; 2]> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    for (from, to) in [(near, far), (far, near)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        let gate = gate.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                gate.pass(read);
                if to.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok([near.try_clone()?, far.try_clone()?])
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::{Passage, Proxy};
    use crate::address;

    #[test]
    fn bytes_pass_until_the_connection_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::before(&format!("tcp://{}", listener.local_addr().unwrap()));
        let mut near = address::connect(&proxy.address);
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"there").unwrap();
        let mut bytes = [0; 5];
        far.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"there");
        far.write_all(b"again").unwrap();
        near.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"again");
        while proxy.accepted() == 0 {
            std::thread::yield_now();
        }
        proxy.cut();
        assert!(matches!(near.read(&mut bytes), Ok(0) | Err(_)));
        assert!(matches!(far.read(&mut bytes), Ok(0) | Err(_)));
    }

    #[test]
    fn what_is_stalled_goes_on_and_what_is_refused_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::before(&format!("tcp://{}", listener.local_addr().unwrap()));
        let mut near = address::connect(&proxy.address);
        let (mut far, _) = listener.accept().unwrap();
        proxy.set(Passage::Stalled);
        near.write_all(b"there").unwrap();
        let mut bytes = [0; 5];
        far.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        far.read_exact(&mut bytes).unwrap_err();
        far.set_read_timeout(None).unwrap();
        proxy.set(Passage::Slow(Duration::from_millis(1)));
        far.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"there");
        while proxy.accepted() == 0 {
            std::thread::yield_now();
        }
        proxy.set(Passage::Refused);
        assert!(matches!(near.read(&mut bytes), Ok(0) | Err(_)));
        let mut refused = address::connect(&proxy.address);
        assert!(matches!(refused.read(&mut bytes), Ok(0) | Err(_)));
    }
}
