//! The node's cache, as a client sees it.

use crate::Error;
use crate::client::Handle;
use crate::desk::Order;
use crate::state::calls::{CacheAnswer, CacheCall};
use bytes::Bytes;
use pylm_protocol::strings::KEY;
use tokio::sync::oneshot;

/// Calls to the cache of the node. They wait while the connection is lost, and are then made again.
#[derive(Debug, Clone, Copy)]
pub struct Cache<'a> {
    handle: &'a Handle,
}

impl<'a> Cache<'a> {
    pub(crate) fn new(handle: &'a Handle) -> Self {
        Cache { handle }
    }

    /// The value of a key; `None` where there is no such key.
    ///
    /// # Errors
    /// [`Error::CacheRefused`] with the node's reason, [`Error::TooLong`] for such a key, and what ended the client.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        match self.call(CacheCall::Get { key: key.into() }).await? {
            CacheAnswer::Done(value) => Ok(Some(value)),
            CacheAnswer::NoSuchKey => Ok(None),
            CacheAnswer::Refused(reason) => Err(Error::CacheRefused(reason)),
        }
    }

    /// Stores a value, and returns its key: the one given, behind the name of the client's session where it has one, or, for an
    /// empty one, one that the node chose.
    ///
    /// # Errors
    /// As [`get`](Self::get): a full cache refuses, and so does a key that the node keeps for itself. [`Error::TooLarge`] for
    /// a value that the node does not take.
    pub async fn set(&self, key: &str, value: impl Into<Bytes>) -> Result<String, Error> {
        let value = value.into();
        let (size, limit) = (value.len() as u64, self.handle.desk.max_message());
        if size > limit {
            return Err(Error::TooLarge { size, limit });
        }
        let session = self.handle.session.as_deref().filter(|_| !key.is_empty()).unwrap_or_default();
        let key = format!("{session}{key}");
        match self.call(CacheCall::Set { key: key.as_str().into(), value }).await? {
            CacheAnswer::Done(chosen) => match String::from_utf8_lossy(&chosen) {
                chosen if chosen.is_empty() => Ok(key),
                chosen => Ok(chosen.into_owned()),
            },
            CacheAnswer::NoSuchKey => Ok(key),
            CacheAnswer::Refused(reason) => Err(Error::CacheRefused(reason)),
        }
    }

    /// Deletes a key; whether it was there.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn delete(&self, key: &str) -> Result<bool, Error> {
        match self.call(CacheCall::Delete { key: key.into() }).await? {
            CacheAnswer::Done(_) => Ok(true),
            CacheAnswer::NoSuchKey => Ok(false),
            CacheAnswer::Refused(reason) => Err(Error::CacheRefused(reason)),
        }
    }

    async fn call(&self, call: CacheCall) -> Result<CacheAnswer, Error> {
        let (CacheCall::Get { key } | CacheCall::Set { key, .. } | CacheCall::Delete { key }) = &call;
        KEY.check(key)?;
        let _permit = self.handle.calls.acquire().await.map_err(|_| Error::Stopped)?;
        let (waiter, answer) = oneshot::channel();
        self.handle.desk.order(Order::Call(call, waiter))?;
        answer.await.map_err(|_| Error::Stopped)
    }
}
