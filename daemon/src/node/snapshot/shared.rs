//! One snapshot for all who ask within a moment: however many they are, the routing thread spends only a small part of its time on them.

use super::Snapshot;
use crate::node::router::Router;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A snapshot serves for so many times as long as it took to make.
const TIMES: u32 = 20;
/// The longest that it serves.
const LONGEST: Duration = Duration::from_secs(1);

/// The last snapshot.
#[derive(Debug)]
pub(crate) struct Shared {
    snapshot: Arc<Snapshot>,
    /// The same as JSON, where somebody has asked for that.
    json: Option<Bytes>,
    at: Instant,
    took: Duration,
}

impl Shared {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < (self.took * TIMES).min(LONGEST)
    }
}

impl Router {
    /// The node now, or a moment ago.
    pub(crate) fn look(&mut self, now: Instant) -> Arc<Snapshot> {
        Arc::clone(&self.shared(now).snapshot)
    }

    /// The same, as JSON.
    pub(crate) fn status(&mut self, now: Instant) -> Option<Bytes> {
        let shared = self.shared(now);
        if shared.json.is_none() {
            let begun = Instant::now();
            match serde_json::to_vec(&*shared.snapshot) {
                Ok(json) => shared.json = Some(json.into()),
                Err(error) => tracing::error!(%error, "the node's status cannot be written"),
            }
            shared.took += begun.elapsed();
        }
        shared.json.clone()
    }

    fn shared(&mut self, now: Instant) -> &mut Shared {
        let shared = match self.shared.take().filter(|shared| shared.is_fresh(now)) {
            Some(shared) => shared,
            None => {
                let begun = Instant::now();
                let snapshot = Arc::new(self.snapshot(now));
                Shared { snapshot, json: None, at: now, took: begun.elapsed() }
            }
        };
        self.shared.insert(shared)
    }
}
