//! What a peer is told that is not let in, where it has to find that out by itself: each with what mends it.

/// The node at `address` is another user's of this machine, and has cut the connection of this one.
#[must_use]
pub fn another_users_node(address: &str, owner: &str, user: &str) -> String {
    format!(
        "the node at {address} is {owner}'s, and does not let {user} in; {owner} can start it with --allow-user {user}, or give the \
         address of a node of your own"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn who_is_not_let_in_is_told_what_mends_it() {
        let told = super::another_users_node("tcp://127.0.0.1:5559", "alice", "bob");
        assert!(told.contains("--allow-user bob") && !told.contains('\n') && !told.contains("  "), "{told}");
    }
}
