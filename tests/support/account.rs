//! The sum that must come out: what a node counted over its life, from the last line of its log.

use std::time::Duration;

use rustix::process::Signal;

use crate::node::Node;
use crate::process::Process;

/// Messages of clients, counted by the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Taken over from clients.
    pub accepted: u64,
    /// Ended with all of their results.
    pub done: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Ended because their job was cancelled.
    pub cancelled: u64,
    /// Not ended.
    pub under_way: u64,
}

impl Account {
    fn parse(line: &str) -> Option<Self> {
        let field = |key: &str| {
            let value = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            value.and_then(|value| value.parse().ok())
        };
        Some(Self {
            accepted: field("accepted")?,
            done: field("done")?,
            failed: field("failed")?,
            cancelled: field("cancelled")?,
            under_way: field("under_way")?,
        })
    }
}

impl Node {
    /// End the node by SIGTERM, see that it ends well and that its sum comes out with nothing under way, and give the
    /// sum.
    ///
    /// # Panics
    /// Where that is not so, or it takes longer than `timeout`.
    #[track_caller]
    pub fn end(mut self, timeout: Duration) -> Account {
        self.process.signal(Signal::TERM);
        self.process.wait_for_success(timeout);
        let account = self.account();
        assert_eq!(account.under_way, 0, "{account:?}");
        account
    }

    /// The sum of a node that has ended, which must come out.
    ///
    /// # Panics
    /// Where the node did not tell it, or it does not come out.
    #[must_use]
    #[track_caller]
    pub fn account(&self) -> Account {
        Account::of(&self.process)
    }
}

impl Account {
    /// The sum of a node that has ended, which must come out.
    ///
    /// # Panics
    /// Where the node did not tell it, or it does not come out.
    #[must_use]
    #[track_caller]
    pub fn of(node: &Process) -> Self {
        let line = node.wait_for_line(" ended accepted=", Duration::ZERO);
        let account = Self::parse(&line).unwrap_or_else(|| panic!("no account: {line}"));
        let ended = account.done + account.failed + account.cancelled;
        assert_eq!(account.accepted, ended + account.under_way, "the sum does not come out: {account:?}");
        account
    }
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn an_account_is_read_from_a_line() {
        let line = "2026-01-01T00:00:00Z  INFO ended accepted=10 done=6 failed=2 cancelled=1 under_way=1";
        let expected = Account { accepted: 10, done: 6, failed: 2, cancelled: 1, under_way: 1 };
        assert_eq!(Account::parse(line), Some(expected));
        assert_eq!(Account::parse("INFO ended"), None);
    }
}
