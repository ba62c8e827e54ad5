//! A cache for tests.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::host::{ServiceError, Services};

/// A cache that a test fills and looks at.
#[derive(Debug, Default)]
pub struct Cache(Mutex<HashMap<String, Bytes>>);

impl Cache {
    /// Sets a key.
    pub fn set(&self, key: &str, value: &[u8]) {
        self.lock().insert(key.to_owned(), Bytes::copy_from_slice(value));
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.lock().get(key).map(|value| value.to_vec())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Services for Cache {
    fn cache_get(&self, key: &str) -> Result<Option<Bytes>, ServiceError> {
        Ok(self.lock().get(key).cloned())
    }

    fn cache_set(&self, key: &str, value: &[u8]) -> Result<(), ServiceError> {
        self.set(key, value);
        Ok(())
    }

    fn cache_delete(&self, key: &str) -> Result<(), ServiceError> {
        self.lock().remove(key);
        Ok(())
    }
}
