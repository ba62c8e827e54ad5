//! The node's cache, as a client sees it.

use crate::Error;
use crate::client::Handle;
use crate::desk::Order;
use crate::state::calls::{CacheAnswer, CacheCall};
use bytes::Bytes;
use pylm_protocol::strings::KEY;
use std::borrow::Cow;
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
    /// [`Error::CacheRefused`] with the node's reason, [`Error::CacheNotGranted`], [`Error::TooLong`] for such a key, and what ended the client.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.call(CacheCall::Get { key: key.into() }).await
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
        let chosen = self.call(CacheCall::Set { key: key.as_str().into(), value }).await?;
        let chosen = chosen.as_deref().map(String::from_utf8_lossy).filter(|chosen| !chosen.is_empty());
        Ok(chosen.map_or(key, Cow::into_owned))
    }

    /// Deletes a key; whether it was there.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn delete(&self, key: &str) -> Result<bool, Error> {
        Ok(self.call(CacheCall::Delete { key: key.into() }).await?.is_some())
    }

    /// What the node answers; none where there is no such key.
    async fn call(&self, call: CacheCall) -> Result<Option<Bytes>, Error> {
        let (CacheCall::Get { key } | CacheCall::Set { key, .. } | CacheCall::Delete { key }) = &call;
        KEY.check(key)?;
        let _permit = self.handle.calls.acquire().await.map_err(|_| Error::Stopped)?;
        let (waiter, answer) = oneshot::channel();
        self.handle.desk.order(Order::Call(call, waiter))?;
        match answer.await.map_err(|_| Error::Stopped)? {
            CacheAnswer::Done(payload) => Ok(Some(payload)),
            CacheAnswer::NoSuchKey => Ok(None),
            CacheAnswer::Refused(reason) => Err(Error::CacheRefused(reason)),
            CacheAnswer::NotGranted(reason) => Err(Error::CacheNotGranted(reason)),
        }
    }
}
