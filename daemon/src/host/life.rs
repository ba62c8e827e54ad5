//! What the thread that moves messages owes to the outside: signs of life to the parent, and an end when it is time.

use crate::logging;
use crate::service;
use crate::supervisor::{Fields, ParentLink};
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
    parent: Option<Arc<ParentLink>>,
    draining: Arc<AtomicBool>,
    beaten: Option<Instant>,
}

impl Life {
    /// The life of a host that `parent` watches over: the parent, or SIGTERM, drains it, after which `waker` wakes.
    ///
    /// # Errors
    /// When the system refuses threads, descriptors or signal handlers.
    pub(super) fn begin(parent: Arc<ParentLink>, waker: Waker) -> io::Result<Self> {
        let draining = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&draining);
        let drain = move || {
            flag.store(true, Release);
            // Should it fail, the thread looks at the flag each second anyway.
            let _ = waker.wake();
        };
        parent.on_drain(drain.clone());
        service::watch_signals_of_parent(drain)?;
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
            self.parent.iter().for_each(|parent| parent.beat());
        }
        !self.draining.load(Acquire)
    }

    /// Whether the host is all that its process does, so that ending it ends nothing else.
    pub(super) fn ends_processes(&self) -> bool {
        self.parent.is_some()
    }

    /// Ends this process; the parent starts another one at once.
    pub(super) fn end_process(&self) -> ! {
        self.parent.iter().for_each(|parent| parent.again());
        logging::exit(1)
    }

    /// How the process ended in whose place this one was started.
    pub(super) fn predecessor(&self) -> Option<&str> {
        self.parent.as_ref()?.origin().predecessor.as_deref()
    }

    /// Tells the parent that the host serves its node, and what there is to know of it; whether there is a parent.
    pub(super) fn ready(&self, fields: impl FnOnce() -> Fields) -> bool {
        let Some(parent) = &self.parent else { return false };
        parent.ready(fields());
        true
    }
}
