//! Reserved keys of the cache: what the node tells of itself, and what it is told to do, in a way that pylm's peers know too.
//!
//! `status` is the node's snapshot; `failed` lists messages that were kept, `failed/ID` is one of them, and is dropped by
//! deleting it; deleting `jobs/ID` cancels a job.

use super::cache::CacheError;
use super::egress::Client;
use super::failed::is_failed_key;
use super::ledger::JobKey;
use super::router::Router;
use super::snapshot::STATUS_KEY;
use bytes::Bytes;
use pylm_journal as journal;
use pylm_protocol::Record;
use pylm_status::FAILED_KEY;
use std::time::Instant;
use uuid::Uuid;

/// Stands before the identity of a job.
const JOBS: &str = "jobs/";

impl Router {
    /// The value of a key of the cache, one that is made when it is asked for included.
    pub(crate) fn value(&mut self, key: &str, now: Instant) -> Option<Bytes> {
        match key {
            STATUS_KEY => self.status(now),
            key if is_failed_key(key) => self.failed_value(key),
            key => self.cache.get(key),
        }
    }

    /// Stores a value in the cache; an empty key lets the node choose one.
    ///
    /// # Errors
    /// When the key is reserved, there is no room, or the journal takes nothing.
    pub(crate) fn set_value(&mut self, key: &str, value: Bytes) -> Result<String, CacheError> {
        if is_failed_key(key) || key.starts_with(JOBS) {
            return Err(CacheError::ReadOnly(key.to_owned()));
        }
        self.set_in_cache(key, value)
    }

    /// Deletes a key of the cache, or what a reserved one stands for; whether it was there.
    ///
    /// # Errors
    /// When nothing can be deleted there.
    pub(crate) fn delete_value(&mut self, key: &str) -> Result<bool, CacheError> {
        match key.strip_prefix(JOBS) {
            Some(identity) => Ok(Uuid::parse_str(identity).is_ok_and(|identity| self.cancel_named(identity))),
            None if key == FAILED_KEY => Err(CacheError::ReadOnly(key.to_owned())),
            None if is_failed_key(key) => Ok(self.drop_failed(key)),
            None => self.delete_from_cache(key),
        }
    }

    /// Cancels a job for somebody else than its client; whether there is one.
    fn cancel_named(&mut self, identity: Uuid) -> bool {
        let Some(&job) = self.jobs_by_identity.get(&identity) else { return false };
        tracing::info!(job = %identity, "a job is cancelled from outside");
        match self.clients.get(job) {
            Some(Client::Native(_)) => self.cancel_native(job),
            // It hears of nothing: pylm has no word for that.
            _ => self.close(job),
        }
        true
    }

    /// Ends what has not ended of a native client's job, and tells the client.
    pub(super) fn cancel_native(&mut self, key: JobKey) {
        let Some(Client::Native(stream)) = self.clients.get_mut(key) else { return };
        stream.clear();
        stream.cancelled = true;
        let (identity, session, job) = (stream.identity, stream.session, stream.number);
        self.cancel(key);
        self.keep(journal::Record::Cancelled { job: identity });
        if let Some(session) = session {
            self.sessions.say(session, &Record::Cancelled { job });
        }
    }
}
