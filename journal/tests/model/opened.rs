//! A journal that is waited for.

use pylm_journal::{Journal, Recovered};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use uuid::Uuid;

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A journal, and word of when it has got on.
pub struct Opened {
    pub journal: Journal,
    pub woken: mpsc::Receiver<()>,
}

impl Opened {
    pub fn new(folder: &Path, options: &pylm_journal::Options) -> (Opened, Recovered) {
        let (waker, woken) = mpsc::channel();
        let wake = move || {
            // Nobody listens any more when the test is over.
            let _ = waker.send(());
        };
        let (journal, recovered) = Journal::open(folder, Uuid::new_v4(), options, wake).unwrap();
        (Opened { journal, woken }, recovered)
    }

    /// Waits until something holds.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Journal) -> bool) {
        while !holds(&self.journal) {
            self.woken.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{what}: {:?}", self.journal.status()));
        }
    }

    pub fn wait_for(&self, sequence: u64) {
        self.wait_until("durable", |journal| journal.durable() >= sequence);
    }
}
