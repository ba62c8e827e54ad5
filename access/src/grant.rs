//! What one key may do: a small file at a node, and the questions that are asked of it.

use crate::{Date, Globs, Network, Prefixes, PublicKey, Role};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::net::IpAddr;

/// What one key may do at a node. Its name is that of its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Grant {
    /// What it is called; not in the file.
    #[serde(skip)]
    pub name: String,
    /// Whose it is.
    #[serde(with = "text")]
    pub key: PublicKey,
    /// What the key is for.
    pub role: Role,
    /// Functions that a client may call and a host may offer, by the names that hosts offer.
    #[serde(default = "Globs::everything")]
    pub functions: Globs,
    /// Topics that a follower may take.
    #[serde(default = "Globs::everything")]
    pub topics: Globs,
    /// Beginnings of cache keys that may be read.
    #[serde(default = "Prefixes::everything")]
    pub cache_read: Prefixes,
    /// Beginnings of cache keys that may be set and deleted.
    #[serde(default = "Prefixes::everything")]
    pub cache_write: Prefixes,
    /// Messages of a job that may be under way, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_under_way: Option<u64>,
    /// The highest priority of a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_priority: Option<u64>,
    /// Networks from which the key may be used; from everywhere where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// Until when it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Since when it is not good any more, whatever else it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Date>,
}

/// Whether a grant is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Good,
    /// It was good until then.
    Expired(Date),
    /// It was revoked then.
    Revoked(Date),
}

/// What a grant does not allow, told to whoever wanted it, with what mends it at the node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Its time is over.
    #[error(
        "the grant {name:?} has expired on {date}; at the node, `pylm access grant {name}` with a later --expires renews it"
    )]
    Expired {
        /// The grant.
        name: String,
        /// When.
        date: Date,
    },
    /// It was revoked.
    #[error(
        "the grant {name:?} was revoked on {date}; at the node, `pylm access new {name}` makes a new one"
    )]
    Revoked {
        /// The grant.
        name: String,
        /// When.
        date: Date,
    },
    /// It came over another machine's connection to a door that is not encrypted.
    #[error(
        "native peers of other machines come in at the encrypted door alone: start the node with --listen, and give this peer an access file (`pylm access new`); on the node's own machine, connect over loopback"
    )]
    Unencrypted,
    /// The node has no grant for the key any more.
    #[error("the node has no grant for this key any more; at the node, `pylm access new` makes one")]
    Gone,
    /// Its role is another.
    #[error(
        "the grant {name:?} is for the role {role}, and {wanted} needs {needed}; at the node, `pylm access new` makes one"
    )]
    Role {
        /// The grant.
        name: String,
        /// Its role.
        role: Role,
        /// What was wanted.
        wanted: &'static str,
        /// The roles that may do it.
        needed: &'static str,
    },
    /// The address is of none of its networks.
    #[error(
        "the grant {name:?} is for certain networks, and {address} is in none of them; at the node, `networks` of the grant says which"
    )]
    Network {
        /// The grant.
        name: String,
        /// From where it was used.
        address: String,
    },
    /// One of its lists does not have it.
    #[error(
        "the grant {name:?} does not have the {what} {item:?}; at the node, `{list}` of the grant says which it has"
    )]
    Item {
        /// The grant.
        name: String,
        /// Function, topic, or key of the cache.
        what: &'static str,
        /// Which.
        item: String,
        /// The list.
        list: &'static str,
    },
    /// The priority is too high.
    #[error(
        "the grant {name:?} has a highest priority of {most}; ask for no more, or raise `highest-priority` of the grant at the node"
    )]
    Priority {
        /// The grant.
        name: String,
        /// The highest.
        most: u64,
    },
}

impl Grant {
    /// A grant of all that the role may do, for ever.
    #[must_use]
    pub fn new(name: &str, key: PublicKey, role: Role) -> Self {
        Grant {
            name: name.to_owned(),
            key,
            role,
            functions: Globs::everything(),
            topics: Globs::everything(),
            cache_read: Prefixes::everything(),
            cache_write: Prefixes::everything(),
            most_under_way: None,
            highest_priority: None,
            networks: Vec::new(),
            expires: None,
            revoked: None,
        }
    }

    /// Reads the file of the grant that is called so.
    ///
    /// # Errors
    /// When it is none, with the line.
    pub fn parse(name: &str, text: &str) -> Result<Self, toml::de::Error> {
        let grant: Grant = toml::from_str(text)?;
        Ok(Grant { name: name.to_owned(), ..grant })
    }

    /// Its file.
    ///
    /// # Errors
    /// None is known.
    pub fn to_text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// Whether it is good now.
    #[must_use]
    pub fn standing(&self, now: Date) -> Standing {
        match (self.revoked, self.expires) {
            (Some(date), _) => Standing::Revoked(date),
            (None, Some(date)) if now.until(date).is_none() => Standing::Expired(date),
            _ => Standing::Good,
        }
    }

    /// Whether it is good now, and may be used from an address.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self, address: Option<IpAddr>, now: Date) -> Result<(), GrantError> {
        let name = self.name.clone();
        match self.standing(now) {
            Standing::Expired(date) => Err(GrantError::Expired { name, date }),
            Standing::Revoked(date) => Err(GrantError::Revoked { name, date }),
            Standing::Good if self.is_from(address) => Ok(()),
            Standing::Good => {
                let address =
                    address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
                Err(GrantError::Network { name, address })
            }
        }
    }

    fn is_from(&self, address: Option<IpAddr>) -> bool {
        let is_of = |network: &Network| address.is_some_and(|address| network.contains(address));
        self.networks.is_empty() || self.networks.iter().any(is_of)
    }

    /// Whether the key may do what one of these roles may.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_role(
        &self,
        wanted: &'static str,
        roles: &[Role],
        needed: &'static str,
    ) -> Result<(), GrantError> {
        if roles.contains(&self.role) {
            return Ok(());
        }
        Err(GrantError::Role { name: self.name.clone(), role: self.role, wanted, needed })
    }

    /// Whether the function may be called, or offered.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_function(&self, function: &str) -> Result<(), GrantError> {
        self.item(self.functions.contain(function), "function", function, "functions")
    }

    /// Whether the topic may be followed.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_topic(&self, topic: &str) -> Result<(), GrantError> {
        self.item(self.topics.contain(topic), "topic", topic, "topics")
    }

    /// Whether the cache key may be read.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_read(&self, key: &str) -> Result<(), GrantError> {
        self.item(self.cache_read.contain(key), "cache key", key, "cache-read")
    }

    /// Whether the cache key may be set or deleted.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_write(&self, key: &str) -> Result<(), GrantError> {
        self.item(self.cache_write.contain(key), "cache key", key, "cache-write")
    }

    /// Whether a job may have this priority.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_priority(&self, priority: u64) -> Result<(), GrantError> {
        match self.highest_priority {
            Some(most) if priority > most => Err(GrantError::Priority { name: self.name.clone(), most }),
            _ => Ok(()),
        }
    }

    fn item(&self, has: bool, what: &'static str, item: &str, list: &'static str) -> Result<(), GrantError> {
        if has {
            return Ok(());
        }
        Err(GrantError::Item { name: self.name.clone(), what, item: item.to_owned(), list })
    }
}

/// A key as its text.
pub(crate) mod text {
    use super::{Deserialize, Deserializer, PublicKey, Serializer};

    pub(crate) fn serialize<S: Serializer>(key: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(key)
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<PublicKey, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn grant(text: &str) -> Grant {
        let key = PublicKey::from_bytes([7; 32]);
        Grant::parse("alice", &format!("key = '{key}'\n{text}")).unwrap()
    }

    #[test]
    fn a_grant_is_read_as_it_was_written() {
        let all = grant(
            "role = 'client'\nfunctions = ['text.*', '!text.secret']\ncache-read = ['a/']\ncache-write = []\nmost-under-way = 10\n\
             highest-priority = 3\nnetworks = ['10.0.0.0/8']\nexpires = '2027-01-31'\nrevoked = '2026-01-01'",
        );
        assert_eq!(Grant::parse("alice", &all.to_text().unwrap()).unwrap(), all);
        let least = grant("role = 'host'");
        assert_eq!(least, Grant::new("alice", least.key, Role::Host));
        for wrong in
            ["role = 'boss'", "role = 'host'\nfunction = ['x']", "role = 'host'\nexpires = 'soon'", ""]
        {
            assert!(Grant::parse("x", &format!("key = '{}'\n{wrong}", least.key)).is_err(), "{wrong}");
        }
        assert!(Grant::parse("x", "key = 'pylm-public-x'\nrole = 'host'").is_err());
    }

    #[test]
    fn what_it_does_not_allow_is_a_sentence() {
        let some = grant(
            "role = 'client'\nfunctions = ['count']\ncache-read = ['a/']\ncache-write = []\nhighest-priority = 3",
        );
        assert!(
            some.check_function("count").is_ok()
                && some.check_read("a/b").is_ok()
                && some.check_priority(3).is_ok()
        );
        for (outcome, part) in [
            (some.check_function("delete"), "function \"delete\""),
            (some.check_read("b"), "cache key \"b\""),
            (some.check_write("a/b"), "`cache-write`"),
            (some.check_priority(4), "highest priority of 3"),
            (some.check_role("to run functions", &[Role::Host], "host"), "needs host"),
        ] {
            let told = outcome.unwrap_err().to_string();
            assert!(
                told.contains(part) && told.contains("\"alice\"") && told.contains("at the node"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_grant_is_good_until_it_expires_or_is_revoked_and_where_it_may_be_used() {
        let now = Date::now();
        let here = Some(IpAddr::from([10, 1, 2, 3]));
        let mut some = grant("role = 'client'\nnetworks = ['10.0.0.0/8']");
        assert_eq!(some.check(here, now), Ok(()));
        for elsewhere in [Some(IpAddr::from([127, 0, 0, 1])), None] {
            assert!(matches!(some.check(elsewhere, now), Err(GrantError::Network { .. })));
        }
        some.expires = Some(now.after(Duration::from_secs(1)));
        assert_eq!(some.check(here, now), Ok(()));
        some.expires = Some(now);
        assert!(matches!(some.check(here, now), Err(GrantError::Expired { .. })));
        some.revoked = Some(now);
        assert!(matches!(some.check(here, now), Err(GrantError::Revoked { .. })));
    }
}
