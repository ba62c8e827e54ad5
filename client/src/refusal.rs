//! Why a node has cut a connection before anything could be said, in a sentence.

use pylm_access::PublicKey;
use pylm_protocol::refusal::{another_users_node, key_needed, not_encrypted, other_key, unknown_key};
use pylm_transport::{Cut, MonitorEventKind, Security, own_uid, user_name, why_cut};

/// Why whatever listens at `address` has cut a connection, with what mends it, as far as that can be found out from here. `event` is the one
/// that told of it. For programs that connect by themselves: a [`Client`](crate::Client) tells it as an error.
#[must_use]
pub fn why_refused(address: &str, security: &Security, event: MonitorEventKind) -> Option<String> {
    let key = security.client_key().map(PublicKey::from_bytes);
    Some(match why_cut(address, key.is_some(), event)? {
        Cut::OtherUser(owner) => another_users_node(address, &user_name(owner), &user_name(own_uid())),
        Cut::KeyNeeded => key_needed(address),
        Cut::NotEncrypted => not_encrypted(address),
        Cut::OtherKey => other_key(address),
        Cut::UnknownKey => unknown_key(address, &key.map(|key| key.to_string()).unwrap_or_default()),
    })
}
