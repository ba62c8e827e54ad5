//! A node that runs: how others in its process start, drain and end it.

use super::config::NodeConfig;
use super::router::Router;
use super::sealed::{GrantsWatch, SealedError, teller};
use super::snapshot::Snapshot;
use super::sockets::BindError;
use pylm_access::Grants;
use pylm_transport::Waker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The time between two questions whether earlier nodes have answered.
const ASK: Duration = Duration::from_millis(10);

/// What others tell the routing thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Accept nothing new, and end when everything has ended.
    Drain,
    /// End at once.
    Stop,
}

/// What comes to the routing thread from others in its process.
#[derive(Debug)]
pub(crate) enum Request {
    /// Do it.
    Obey(Command),
    /// These are the grants from now on.
    Grants(Arc<Grants>),
    /// Tell how the node is.
    Look(oneshot::Sender<Arc<Snapshot>>),
    /// Tell which earlier nodes have not answered.
    Away(Sender<Vec<String>>),
}

/// Where peers connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the cache keys that tell them")]
pub struct Addresses {
    pub pull: String,
    pub pub_: String,
    pub worker_pull: String,
    pub worker_push: String,
    pub db: String,
    pub listen: Option<String>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The encrypted door cannot be opened.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] pylm_journal::Error),
    /// The system refused a thread or a poller.
    #[error("cannot start the routing thread; is the limit of open files (ulimit -n) high enough?")]
    System(#[from] io::Error),
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// Where peers connect to.
    pub addresses: Addresses,
    /// The cache service's address on this machine.
    pub local_db: String,
    requests: Sender<Request>,
    waker: Waker,
    draining: Arc<AtomicBool>,
    /// Disconnected when the routing thread has ended.
    ended: Receiver<()>,
    thread: JoinHandle<bool>,
    /// Reads grants anew, as long as the node runs.
    _grants: Option<GrantsWatch>,
}

impl Node {
    /// Opens the journal, where there is one, binds all sockets, and starts the routing thread.
    ///
    /// # Errors
    /// When an address cannot be bound, the journal cannot be used, or the system has no thread to give.
    pub fn start(config: NodeConfig) -> Result<Self, StartError> {
        let (requests, inbox) = channel();
        let state = config.listen.as_ref().map(|listen| listen.state.clone());
        let mut router = Router::new(config, inbox)?;
        let addresses = router.addresses();
        let local_db = router.db.local.clone();
        let waker = router.waker();
        let watch = |state| GrantsWatch::start(state, teller(requests.clone(), router.waker()));
        let grants = state.map(watch).transpose()?;
        let (end, ended) = channel();
        let thread = std::thread::Builder::new().name("router".into()).spawn(move || {
            let is_all_ended = router.run();
            // The sockets go on sending for a while; whoever is to end with the node need not wait for that.
            drop(end);
            is_all_ended
        })?;
        Ok(Node {
            addresses,
            local_db,
            requests,
            waker,
            draining: Arc::default(),
            ended,
            thread,
            _grants: grants,
        })
    }

    /// A handle that tells the routing thread what to do; it may be used from any thread.
    pub fn control(&self) -> impl Fn(Command) + Send + 'static {
        let (requests, waker, draining) =
            (self.requests.clone(), self.waker.clone(), Arc::clone(&self.draining));
        move |command| {
            draining.store(true, Ordering::Relaxed);
            // A node that has ended needs no command any more.
            if requests.send(Request::Obey(command)).is_ok() {
                let _ = waker.wake();
            }
        }
    }

    /// A handle that tells how the node is; it may be used from any thread.
    pub(crate) fn onlooker(&self) -> Onlooker {
        Onlooker { requests: self.requests.clone(), waker: self.waker.clone() }
    }

    /// Waits until all earlier nodes have answered, and so know this one: what they publish from then on comes here. It waits no longer
    /// than that, nor when the node is told to end; those that are away.
    pub fn wait_for_earlier_nodes(&self, limit: Duration) -> Vec<String> {
        let end = Instant::now() + limit;
        loop {
            let (reply, away) = channel();
            let asked = self.requests.send(Request::Away(reply)).is_ok() && self.waker.wake().is_ok();
            let away = if asked { away.recv().unwrap_or_default() } else { Vec::new() };
            if away.is_empty() || Instant::now() >= end || self.is_draining() {
                return away;
            }
            std::thread::sleep(ASK);
        }
    }

    /// Whether it was told to drain or to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Waits for the end of the routing thread, no longer than that; whether it has ended.
    pub fn wait(&self, limit: Duration) -> bool {
        self.ended.recv_timeout(limit) == Err(RecvTimeoutError::Disconnected)
    }

    /// Waits until the routing thread has ended; whether nothing was under way then, and it has not panicked.
    pub fn join(self) -> bool {
        self.thread.join().unwrap_or(false)
    }
}

/// Looks at a node from outside of its routing thread.
#[derive(Debug, Clone)]
pub(crate) struct Onlooker {
    requests: Sender<Request>,
    waker: Waker,
}

impl Onlooker {
    /// The node as it is now, when the routing thread has its next turn; `None` when that has ended.
    pub(crate) async fn look(&self) -> Option<Arc<Snapshot>> {
        let (reply, snapshot) = oneshot::channel();
        self.requests.send(Request::Look(reply)).ok()?;
        self.waker.wake().ok()?;
        snapshot.await.ok()
    }
}
