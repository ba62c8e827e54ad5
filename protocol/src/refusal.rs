//! What a peer is told that is not let in, where it has to find that out by itself: each with what mends it.

/// The node at `address` is another user's of this machine, and has cut the connection of this one.
#[must_use]
pub fn another_users_node(address: &str, owner: &str, user: &str) -> String {
    format!(
        "the node at {address} is {owner}'s, and does not let {user} in; {owner} can start it with --allow-user {user}, or give the \
         address of a node of your own"
    )
}

/// The door at `address` is encrypted, and the peer has no key.
#[must_use]
pub fn key_needed(address: &str) -> String {
    format!(
        "{address} is a node's encrypted door, and needs a key; give an access file with --access, as `pylm access new` makes one at the node"
    )
}

/// The door at `address` encrypts nothing, and the peer has a key.
#[must_use]
pub fn not_encrypted(address: &str) -> String {
    format!(
        "nothing is encrypted at {address}, and the access file is for an encrypted door; give the address of the node's --listen"
    )
}

/// The node at `address` has another key than the access file says.
#[must_use]
pub fn other_key(address: &str) -> String {
    format!(
        "the node at {address} has another key than the access file says, so it is another node, or its key was changed; get a new access \
         file from its operator (`pylm access new`)"
    )
}

/// The node at `address` has no grant for the peer's key.
#[must_use]
pub fn unknown_key(address: &str, key: &str) -> String {
    format!(
        "the node at {address} does not know the key of the access file; at the node, `pylm access grant NAME --role ROLE --key {key}` \
         lets it in"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_let_in_is_told_what_mends_it() {
        let address = "tcp://127.0.0.1:5559";
        for (told, remedy) in [
            (another_users_node(address, "alice", "bob"), "--allow-user bob"),
            (key_needed(address), "--access"),
            (not_encrypted(address), "--listen"),
            (other_key(address), "`pylm access new`"),
            (unknown_key(address, "pylm-public-x"), "--key pylm-public-x"),
        ] {
            assert!(told.contains(address) && told.contains(remedy), "{told}");
            assert!(!told.contains('\n') && !told.contains("  "), "{told}");
        }
    }
}
