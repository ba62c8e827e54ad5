//! What a key is for.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Opens jobs, and sees its own; uses the cache.
    Client,
    /// Runs functions.
    Host,
    /// A node that takes what goes on from this one.
    Follower,
    /// Sees how the node is, and no payload.
    Observer,
    /// May do all that a client may, to everybody's jobs and messages.
    Operator,
}

/// All of them, with their names.
const ALL: [(&str, Role); 5] = [
    ("client", Role::Client),
    ("host", Role::Host),
    ("follower", Role::Follower),
    ("observer", Role::Observer),
    ("operator", Role::Operator),
];

impl Role {
    /// Its name, as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = ALL.iter().find(|(name, _)| *name == text).map(|(_, role)| *role);
        found.ok_or("a role is client, host, follower, observer or operator")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for (name, role) in ALL {
            assert_eq!((role.name(), name.parse()), (name, Ok(role)));
        }
        assert!("Client".parse::<Role>().is_err() && "".parse::<Role>().is_err());
    }
}
