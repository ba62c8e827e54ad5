//! A worker host in the node's own process (`--inline`): the same thread and slots, without a supervisor and without a child.

use super::Host;
use super::life::Life;
use pylm_plugin_host::Function;
use pylm_transport::{Security, Waker};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The most bytes of messages that may wait in the host, beside one.
const LIMIT_BYTES: u64 = 64 << 20;
/// How long a function may go on when nobody wants its results, before that is told; as `pylm-worker --grace` has it.
const GRACE: Duration = Duration::from_secs(10);

/// What tells the host to end.
#[derive(Debug, Default)]
struct Stop {
    told: Arc<AtomicBool>,
    waker: OnceLock<Waker>,
}

/// A worker host that runs in this process.
#[derive(Debug)]
pub struct InlineHost {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

impl InlineHost {
    /// Starts a host called `name` that serves the node at `db` with as many slots as there are cores, each with so large a
    /// stack, and takes messages of up to `max_message` bytes.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(
        name: &str,
        db: &str,
        max_message: u64,
        stack: usize,
        functions: Vec<Function>,
    ) -> io::Result<Self> {
        let host = Host {
            db: db.to_owned(),
            security: Security::None,
            name: name.to_owned(),
            slots: thread::available_parallelism().map_or(1, usize::from),
            stack,
            limit_bytes: LIMIT_BYTES,
            max_message,
            grace: GRACE,
            spin: Duration::ZERO,
            functions,
        };
        let stop = Arc::new(Stop::default());
        let told = Arc::clone(&stop);
        let thread = thread::Builder::new().name("inline".into()).spawn(move || {
            let life = |waker| {
                // Set once: the host asks once.
                let _ = told.waker.set(waker);
                Ok(Life::inside(Arc::clone(&told.told)))
            };
            if let Err(error) = host.serve(life) {
                tracing::error!(%error, "functions of this node do not run any more");
            }
        })?;
        Ok(InlineHost { stop, thread })
    }

    /// Whether it serves no more.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Lets it finish what is begun, for so long.
    pub fn stop(self, patience: Duration) {
        self.stop.told.store(true, Ordering::Release);
        if let Some(waker) = self.stop.waker.get() {
            // Should it fail, the thread looks at the flag each second anyway.
            let _ = waker.wake();
        }
        let end = Instant::now() + patience;
        while !self.thread.is_finished() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
