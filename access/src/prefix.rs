//! Beginnings of cache keys.

use serde::{Deserialize, Serialize};

/// Beginnings of keys: what begins with one of them. The empty one is the beginning of all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prefixes(Vec<String>);

impl Prefixes {
    /// These beginnings.
    #[must_use]
    pub fn new(prefixes: Vec<String>) -> Self {
        Prefixes(prefixes)
    }

    /// That of every key.
    #[must_use]
    pub fn everything() -> Self {
        Prefixes(vec![String::new()])
    }

    /// Whether a key begins with one of them.
    #[must_use]
    pub fn contain(&self, key: &str) -> bool {
        self.0.iter().any(|prefix| key.starts_with(prefix.as_str()))
    }

    /// As they are written, separated by commas; `*` is the beginning of all.
    #[must_use]
    pub fn to_text(&self) -> String {
        let shown: Vec<_> = self.0.iter().map(|prefix| format!("{prefix}*")).collect();
        shown.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_is_in_when_it_begins_so(prefixes in proptest::collection::vec("[ab/]{0,3}", 0..4), key in "[ab/]{0,5}") {
            let model = prefixes.iter().any(|prefix| key.len() >= prefix.len() && key[..prefix.len()] == **prefix);
            prop_assert_eq!(Prefixes::new(prefixes).contain(&key), model);
        }
    }

    #[test]
    fn none_is_nothing_and_the_empty_one_all() {
        assert!(!Prefixes::default().contain("") && Prefixes::everything().contain("any/key"));
    }
}
