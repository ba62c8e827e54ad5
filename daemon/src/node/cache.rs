//! The cache: a key-value store in memory, bounded in bytes, seen by clients and workers alike.

use bytes::Bytes;
use std::collections::HashMap;
use uuid::Uuid;

/// What an entry costs beside its key and value, in bytes.
const ENTRY: usize = 96;

/// Why the cache refused a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// There is no room for the value. Nothing is ever evicted.
    #[error("the cache is full ({used} of {bound} bytes): delete what is not needed, or raise --cache-bytes")]
    Full {
        /// Bytes in use.
        used: usize,
        /// Bytes that there are.
        bound: usize,
    },
    /// The key is one that peers discover the node by.
    #[error("the key {0:?} is read-only: choose another one")]
    ReadOnly(String),
    /// The journal could not keep it.
    #[error("the node's journal takes nothing for now: {0}")]
    Unkept(String),
}

/// The cache of one node.
#[derive(Debug)]
pub struct Cache {
    preset: HashMap<String, Bytes>,
    entries: HashMap<Box<str>, Bytes>,
    used: usize,
    bound: usize,
}

impl Cache {
    /// A cache of `bound` bytes: keys, values, and 96 bytes for each entry.
    pub fn new(bound: usize) -> Self {
        Cache { preset: HashMap::new(), entries: HashMap::new(), used: 0, bound }
    }

    /// How many keys were set, and the bytes that they use.
    pub fn usage(&self) -> (usize, usize) {
        (self.entries.len(), self.used)
    }

    /// Sets a read-only value.
    pub fn preset(&mut self, key: &str, value: &str) {
        self.preset.insert(key.to_owned(), Bytes::copy_from_slice(value.as_bytes()));
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.preset.get(key).or_else(|| self.entries.get(key)).cloned()
    }

    /// Stores `value` under `key`, or under a key of its own choice where it is empty; returns the key.
    pub fn set(&mut self, key: &str, value: Bytes) -> Result<String, CacheError> {
        let key = if key.is_empty() { Uuid::new_v4().to_string() } else { key.to_owned() };
        if self.preset.contains_key(&key) {
            return Err(CacheError::ReadOnly(key));
        }
        let cost = key.len() + value.len() + ENTRY;
        let freed = self.entries.get(&*key).map_or(0, |old| key.len() + old.len() + ENTRY);
        if self.used - freed + cost > self.bound {
            return Err(CacheError::Full { used: self.used, bound: self.bound });
        }
        self.used = self.used - freed + cost;
        // A slice of a larger message would keep all of that alive.
        self.entries.insert(key.clone().into(), Bytes::copy_from_slice(&value));
        Ok(key)
    }

    /// Deletes `key`; whether there was such a key.
    pub fn delete(&mut self, key: &str) -> Result<bool, CacheError> {
        if self.preset.contains_key(key) {
            return Err(CacheError::ReadOnly(key.to_owned()));
        }
        let old = self.entries.remove(key);
        self.used -= old.as_ref().map_or(0, |old| key.len() + old.len() + ENTRY);
        Ok(old.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cache_refuses_and_never_evicts() {
        let mut cache = Cache::new(2 * (ENTRY + 1 + 10));
        let value = Bytes::from_static(&[7; 10]);
        cache.set("a", value.clone()).unwrap();
        cache.set("b", value.clone()).unwrap();
        assert!(matches!(cache.set("c", Bytes::new()), Err(CacheError::Full { .. })));
        assert_eq!(
            cache.set("a", value.clone()),
            Ok("a".into()),
            "a value may be replaced by one that is no larger"
        );
        assert_eq!(cache.get("b"), Some(value));
        assert_eq!(cache.delete("b"), Ok(true));
        assert_eq!(cache.delete("b"), Ok(false));
        cache.set("c", Bytes::new()).unwrap();
        cache.delete("a").unwrap();
        cache.delete("c").unwrap();
        assert_eq!(cache.used, 0);
    }

    #[test]
    fn preset_keys_are_read_only() {
        let mut cache = Cache::new(1 << 20);
        cache.preset("name", "server");
        assert_eq!(cache.set("name", Bytes::new()), Err(CacheError::ReadOnly("name".into())));
        assert_eq!(cache.delete("name"), Err(CacheError::ReadOnly("name".into())));
        assert_eq!(cache.get("name").as_deref(), Some(&b"server"[..]));
    }

    #[test]
    fn a_value_without_a_key_gets_one_of_its_own() {
        let mut cache = Cache::new(1 << 20);
        let key = cache.set("", Bytes::from_static(b"x")).unwrap();
        assert_ne!(cache.set("", Bytes::from_static(b"y")).unwrap(), key);
        assert_eq!(cache.get(&key).as_deref(), Some(&b"x"[..]));
    }
}
