//! What the thread that moves messages owes to the outside: signs of life to the parent, and an end when it is time.

use crate::logging;
use crate::service;
use crate::supervisor::{AGAIN, ParentLink};
use pylm_transport::Waker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

/// How often the parent gets a sign of life.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// The life of a host, as its thread that moves messages sees it.
#[derive(Debug)]
pub(super) struct Life {
    /// None where the host is part of a node.
    parent: Option<ParentLink>,
    draining: Arc<AtomicBool>,
    beaten: Option<Instant>,
}

impl Life {
    /// Takes up the link to the parent: when it breaks this process ends at once, and SIGTERM drains it, after which
    /// `waker` wakes.
    ///
    /// # Errors
    /// When the system refuses threads, descriptors or signal handlers.
    pub(super) fn begin(waker: Waker) -> io::Result<Self> {
        let parent = ParentLink::take()?;
        parent.when_parent_ends(|| logging::exit(1))?;
        let draining = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&draining);
        service::watch_signals_of_parent(move || {
            flag.store(true, Release);
            // Should it fail, the thread looks at the flag each second anyway.
            let _ = waker.wake();
        })?;
        Ok(Life { parent: Some(parent), draining, beaten: None })
    }

    /// The life of a host inside of a node, which sets `draining` when it is to end.
    pub(super) fn inside(draining: Arc<AtomicBool>) -> Self {
        Life { parent: None, draining, beaten: None }
    }

    /// Gives a sign of life if it is time, and says whether the host is to go on.
    pub(super) fn pulse(&mut self, now: Instant) -> bool {
        if self.beaten.is_none_or(|beaten| now.duration_since(beaten) >= BEAT) {
            self.beaten = Some(now);
            self.parent.iter().for_each(ParentLink::beat);
        }
        !self.draining.load(Acquire)
    }

    /// Whether the host is all that its process does, so that ending it ends nothing else.
    pub(super) fn ends_processes(&self) -> bool {
        self.parent.is_some()
    }

    /// Ends this process; the parent starts another one at once.
    pub(super) fn end_process(&self) -> ! {
        logging::exit(AGAIN)
    }

    /// Tells the parent that the host serves its node; whether there is one.
    pub(super) fn ready(&self) -> bool {
        self.parent.iter().for_each(ParentLink::ready);
        self.parent.is_some()
    }
}
