//! A native job whose every answer can be told apart: payloads that follow from owner and number, to be echoed.
//!
//!     8 bytes owner | 8 bytes number, big endian | random bytes
//!
//! The client library tells which message a result belongs to; the payload says whether the node believes the same.

use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pylm_client::blocking::{Client, JobResults, JobSender};
use pylm_client::{Bytes, ClientOptions, Error, Event, JobOptions};

const MEBIBYTE: u64 = 1 << 20;
/// What a payload carries before its random bytes.
const HEADER: u64 = 16;
/// The largest payload.
const LARGEST: u64 = 8 * MEBIBYTE;

/// Random bytes of which each payload takes a piece.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let words = (LARGEST + MEBIBYTE) / 8;
    (0..words).flat_map(|word| mixed(word).to_le_bytes()).collect()
});

/// What to send; each of the numbers can be changed.
#[derive(Clone, Debug)]
pub struct CheckedJob {
    /// Who sends it; two jobs at one node need different ones.
    pub owner: u64,
    /// The function, which returns its payload.
    pub function: String,
    /// How many messages.
    pub count: u64,
    /// The largest of the ordinary payloads, in bytes.
    pub size: u64,
    /// How many payloads of 1 to 8 MiB are among them.
    pub large: u64,
    /// How many empty payloads are among them.
    pub empty: u64,
    /// Read nothing for a while after so many results.
    pub pause: Option<(u64, Duration)>,
}

impl CheckedJob {
    /// `count` messages of up to 1 KiB to `server.echo`.
    #[must_use]
    pub fn new(owner: u64, count: u64) -> Self {
        let function = "server.echo".to_owned();
        Self { owner, function, count, size: 1024, large: 0, empty: 0, pause: None }
    }

    /// The payload of message `number`.
    #[must_use]
    pub fn payload(&self, number: u64) -> Bytes {
        let random = mixed(self.owner ^ mixed(number));
        let size = match self.kind(number) {
            Kind::Empty => return Bytes::new(),
            Kind::Large => MEBIBYTE + random % (LARGEST - MEBIBYTE),
            Kind::Ordinary => HEADER + random % self.size.saturating_sub(HEADER).max(1),
        };
        let body = usize::try_from(size - HEADER).unwrap_or(0);
        let start = usize::try_from(mixed(random) % MEBIBYTE).unwrap_or(0);
        let header = [self.owner.to_be_bytes(), number.to_be_bytes()].concat();
        Bytes::from([&header[..], &NOISE[start..start + body]].concat())
    }

    /// Large and empty payloads are spread evenly over the job.
    fn kind(&self, number: u64) -> Kind {
        let special = self.large + self.empty;
        if special == 0 {
            return Kind::Ordinary;
        }
        let every = self.count / special;
        match (number % every, number / every) {
            (0, nth) if nth < special => {
                if nth * self.large / special < (nth + 1) * self.large / special {
                    Kind::Large
                } else {
                    Kind::Empty
                }
            }
            _ => Kind::Ordinary,
        }
    }

    /// Send it to the node at `db`, with a client of its own, and check what comes back, on threads of their own.
    ///
    /// # Panics
    /// Where the node does not greet.
    #[must_use]
    #[track_caller]
    pub fn start(self, db: &str) -> RunningJob {
        let options = ClientOptions::new(db).patience(Duration::from_secs(30));
        let client = Client::connect(options).unwrap_or_else(|error| panic!("no client: {error}"));
        let (sender, results) = client.job(&self.function, JobOptions::new());
        let job = self.clone();
        let sending = thread::spawn(move || job.send(&sender));
        let seen = Seen::default();
        let shared = seen.clone();
        let checking = thread::spawn(move || self.check(results, &shared));
        RunningJob { _client: client, sending, checking, seen }
    }

    fn send(&self, sender: &JobSender) -> Result<(), Error> {
        (0..self.count).try_for_each(|number| sender.send(self.payload(number)).map(drop))
    }

    fn check(&self, results: JobResults, seen: &Seen) -> Result<(), String> {
        // Whether each message has had its answer, and its end.
        let mut answers = vec![(false, false); usize::try_from(self.count).unwrap_or(0)];
        for output in results {
            let output = output.map_err(|error| error.to_string())?;
            let number = output.number;
            let answer = usize::try_from(number).ok().and_then(|index| answers.get_mut(index));
            let Some((answered, ended)) = answer else { return Err(format!("{number} was never sent")) };
            match output.event {
                _ if *ended => return Err(format!("{number} goes on after its end: {:?}", output.event)),
                Event::Result { .. } if *answered => return Err(format!("{number} was answered twice")),
                Event::Result { payload, .. } if payload != self.payload(number) => {
                    return Err(format!("{number} was answered with something else: {}", excerpt(&payload)));
                }
                Event::Result { .. } => {
                    *answered = true;
                    self.count_one(seen);
                }
                Event::Done { results: 1 } if *answered => *ended = true,
                event => return Err(format!("{number} ended as it should not: {event:?}")),
            }
        }
        match answers.iter().position(|(_, ended)| !ended) {
            Some(missing) => Err(format!("the job is over, and {missing} has no end")),
            None => Ok(()),
        }
    }

    fn count_one(&self, seen: &Seen) {
        let count = seen.change(|progress| {
            progress.results += 1;
            progress.results
        });
        if let Some((after, pause)) = self.pause
            && after == count
        {
            seen.change(|progress| progress.pausing = true);
            thread::sleep(pause);
            seen.change(|progress| progress.pausing = false);
        }
    }
}

enum Kind {
    Ordinary,
    Large,
    Empty,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Results that were right.
    pub results: u64,
    /// Whether the client is reading nothing, as it was told.
    pub pausing: bool,
}

#[derive(Clone, Default)]
struct Seen(Arc<(Mutex<Progress>, Condvar)>);

impl Seen {
    fn change<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        let value = change(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
        value
    }
}

/// A checked job under way.
pub struct RunningJob {
    _client: Client,
    sending: JoinHandle<Result<(), Error>>,
    checking: JoinHandle<Result<(), String>>,
    seen: Seen,
}

impl RunningJob {
    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.seen.change(|progress| *progress)
    }

    /// Wait until its progress is as wanted.
    ///
    /// # Panics
    /// When `timeout` has passed, or the job has ended without that.
    #[track_caller]
    pub fn wait_until(&self, timeout: Duration, wanted: impl Fn(Progress) -> bool) {
        let end = Instant::now() + timeout;
        let mut progress = self.seen.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !wanted(*progress) {
            assert!(!self.checking.is_finished(), "the job has ended already, at {progress:?}");
            assert!(Instant::now() < end, "the job has only come to {progress:?} within {timeout:?}");
            let woken = self.seen.0.1.wait_timeout(progress, Duration::from_millis(100));
            progress = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Wait until so many results have come.
    ///
    /// # Panics
    /// When `timeout` has passed, or the job has ended before.
    #[track_caller]
    pub fn wait_for(&self, results: u64, timeout: Duration) {
        self.wait_until(timeout, |progress| progress.results >= results);
    }

    /// Wait for its end, and see that every answer came once.
    ///
    /// # Panics
    /// When `timeout` has passed since the last result, or where an answer is missing, wrong, or there twice.
    #[track_caller]
    pub fn assert_every_answer_once(self, timeout: Duration) {
        let (mut last, mut since) = (self.progress().results, Instant::now());
        while !self.checking.is_finished() {
            let results = self.progress().results;
            if results != last {
                (last, since) = (results, Instant::now());
            }
            assert!(since.elapsed() < timeout, "no result for {timeout:?}, after {results}");
            thread::sleep(Duration::from_millis(10));
        }
        let checked = self.checking.join().unwrap_or_else(|_| Err("the check panicked".to_owned()));
        checked.unwrap_or_else(|wrong| panic!("not every answer came once: {wrong}"));
        let sent = self.sending.join().unwrap_or_else(|_| panic!("sending panicked"));
        sent.unwrap_or_else(|error| panic!("not all was sent: {error}"));
    }
}

fn excerpt(payload: &[u8]) -> String {
    let head = &payload[..payload.len().min(24)];
    format!("{} bytes, \"{}\"", payload.len(), head.escape_ascii())
}

/// A number that looks random, and is the same for the same seed.
#[must_use]
pub fn mixed(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::CheckedJob;

    #[test]
    fn a_job_has_as_many_large_and_empty_payloads_as_it_was_told() {
        let job = CheckedJob { large: 20, empty: 50, ..CheckedJob::new(7, 10_000) };
        let sizes: Vec<usize> = (0..job.count).map(|number| job.payload(number).len()).collect();
        assert_eq!(sizes.iter().filter(|size| **size >= 1 << 20).count(), 20);
        assert_eq!(sizes.iter().filter(|size| **size == 0).count(), 50);
        assert!(sizes.iter().all(|size| *size <= 1024 || (1 << 20..=8 << 20).contains(size)));
    }

    #[test]
    fn no_two_payloads_are_alike() {
        let (one, other) = (CheckedJob::new(1, 10), CheckedJob::new(2, 10));
        assert_eq!(one.payload(3), one.payload(3));
        assert_ne!(one.payload(3), one.payload(4));
        assert_ne!(one.payload(3), other.payload(3));
    }
}
