//! Where a job stands: what is known of its state, from which follow why it does not move and whether it should.

use crate::node::ledger::{Leased, Waiting};
use std::time::{Duration, Instant};

/// What is known of a job's state.
#[derive(Debug, Default)]
pub(super) struct Standing<'a> {
    pub(super) under_way: u64,
    /// When something of it last moved on.
    pub(super) moved: Option<Instant>,
    /// What of it waits for hosts.
    pub(super) waiting: &'a [Waiting<'a>],
    /// Parts that have failed, and wait until they are run again.
    pub(super) retrying: usize,
    /// Parts that are at hosts.
    pub(super) leased: Leased,
    /// Outputs that the client has yet to take.
    pub(super) outputs: usize,
    pub(super) held: bool,
    /// For how long the client has been away.
    pub(super) away: Option<Duration>,
    /// A pylm client that has not subscribed.
    pub(super) is_deaf: bool,
    /// A host may send no more results of it for now.
    pub(super) is_starved: bool,
}

impl Standing<'_> {
    /// Whether it waits for its own client, which is nobody else's affair.
    pub(super) fn awaits_client(&self) -> bool {
        self.held || self.is_starved || (self.is_deaf && self.outputs > 0)
    }
}
