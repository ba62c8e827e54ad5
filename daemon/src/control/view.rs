//! What is known of the node: a snapshot that everybody shares who asks at about the same time.

use crate::node::{Onlooker, Snapshot};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// For how long a snapshot is new enough: the routing thread makes no more of them, whoever asks and how often.
const FRESH: Duration = Duration::from_millis(100);
/// How long the routing thread may take, which answers within a turn of its loop.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why nothing is known of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Blind {
    /// It has ended.
    #[error("the node has ended")]
    Ended,
    /// It does not answer.
    #[error("the routing thread has not answered for 2 s")]
    Silent,
}

/// When the last snapshot came, and what it is.
type Last = Option<(Instant, Arc<Snapshot>)>;

/// The node as it is seen.
#[derive(Debug, Clone)]
pub(super) struct View {
    onlooker: Onlooker,
    last: Arc<Mutex<Last>>,
}

impl View {
    pub(super) fn new(onlooker: Onlooker) -> Self {
        View { onlooker, last: Arc::default() }
    }

    /// The node now, or a moment ago.
    pub(super) async fn look(&self) -> Result<Arc<Snapshot>, Blind> {
        // Whoever comes while one asks waits for the same answer.
        let mut last = self.last.lock().await;
        if let Some((_, snapshot)) = last.as_ref().filter(|(since, _)| since.elapsed() < FRESH) {
            return Ok(Arc::clone(snapshot));
        }
        let snapshot = timeout(PATIENCE, self.onlooker.look()).await;
        let snapshot = snapshot.map_err(|_| Blind::Silent)?.ok_or(Blind::Ended)?;
        *last = Some((Instant::now(), Arc::clone(&snapshot)));
        Ok(snapshot)
    }
}
