//! All grants of a node, by key.

use crate::{Grant, PublicKey};
use std::collections::HashMap;
use std::sync::Arc;

/// All grants of a node.
#[derive(Debug, Clone, Default)]
pub struct Grants(HashMap<PublicKey, Arc<Grant>>);

impl Grants {
    /// These grants. Where two have one key, the one that allows less is not to be told: the one that is revoked counts, or else the first
    /// by name.
    #[must_use]
    pub fn new(grants: impl IntoIterator<Item = Grant>) -> Self {
        let mut all: Vec<Grant> = grants.into_iter().collect();
        all.sort_by_key(|grant| (grant.revoked.is_none(), grant.name.clone()));
        let mut by_key = HashMap::new();
        for grant in all {
            by_key.entry(grant.key).or_insert_with(|| Arc::new(grant));
        }
        Grants(by_key)
    }

    /// The grant of a key.
    #[must_use]
    pub fn of(&self, key: &PublicKey) -> Option<&Arc<Grant>> {
        self.0.get(key)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Date, Role};

    #[test]
    fn a_key_has_one_grant_and_a_revoked_one_counts() {
        let key = PublicKey::from_bytes([1; 32]);
        let [a, b] = ["a", "b"].map(|name| Grant::new(name, key, Role::Client));
        let revoked = Grant { revoked: Some(Date::now()), ..Grant::new("z", key, Role::Client) };
        assert_eq!(Grants::new([b.clone(), a.clone()]).of(&key).unwrap().name, "a");
        let all = Grants::new([a, b, revoked]);
        assert_eq!((all.of(&key).unwrap().name.as_str(), all.len()), ("z", 1));
        assert!(all.of(&PublicKey::from_bytes([2; 32])).is_none() && Grants::default().is_empty());
    }
}
