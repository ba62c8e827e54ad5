//! Messages of one client that are under way: no more than its window, each with the time of its submission.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the two halves of a client share.
#[derive(Debug)]
pub(super) struct Flight {
    window: usize,
    open: Mutex<Open>,
    room: Condvar,
}

#[derive(Debug, Default)]
struct Open {
    submitted: HashMap<u64, Instant>,
    /// Nothing more comes back.
    is_over: bool,
}

impl Flight {
    pub(super) fn new(window: u64) -> Self {
        let window = usize::try_from(window).unwrap_or(usize::MAX);
        Flight { window, open: Mutex::default(), room: Condvar::new() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room; message `number` is submitted then. False when nothing more is to be.
    pub(super) fn begin(&self, number: u64) -> bool {
        let mut open = self.open();
        while open.submitted.len() >= self.window && !open.is_over {
            open = self.room.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        open.submitted.insert(number, Instant::now());
        !open.is_over
    }

    /// These have ended; tells each one's time of submission.
    pub(super) fn end(&self, numbers: impl Iterator<Item = u64>, mut each: impl FnMut(Instant)) {
        let mut open = self.open();
        for number in numbers {
            if let Some(since) = open.submitted.remove(&number) {
                each(since);
            }
        }
        drop(open);
        self.room.notify_one();
    }

    /// Lets nobody wait any more.
    pub(super) fn close(&self) {
        self.open().is_over = true;
        self.room.notify_all();
    }
}
