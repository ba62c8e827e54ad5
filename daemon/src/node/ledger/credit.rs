//! The credit of a host, and how loaded it is.

use super::{FunctionKey, PartKey};
use std::time::Instant;

/// How much a host may be given, and how much it has.
#[derive(Debug)]
pub struct Credit {
    /// Messages that it takes at once.
    pub limit: u64,
    /// Bytes of payload that it takes at once.
    pub limit_bytes: u64,
    /// Those of them that are on their way there and back.
    pub(super) travelling: u64,
    /// Leases that are out at it.
    pub leases: u64,
    /// The bytes of their payloads.
    pub bytes: u64,
    /// Those of the leases that it was asked for back.
    pub(super) asked_back: u64,
    /// When it last gave a result or an end, or was given something after it had nothing.
    pub moved: Option<Instant>,
    /// It may be given more: it is connected, and is not leaving.
    pub open: bool,
    /// It has, or is to have, one message alone.
    pub(super) alone: Alone,
    /// The host's name.
    pub(super) name: Box<str>,
    /// What the host of this name before it had when it was lost, where that was one part.
    pub(super) blamed: Option<PartKey>,
    /// The functions that it offers; `None`: any that nobody else offers.
    pub(super) functions: Option<Vec<FunctionKey>>,
}

/// Whether a host is kept free for a message that is tried alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alone {
    /// It is not.
    No,
    /// It gets nothing more until it is empty.
    Awaited,
    /// It has that message.
    Busy,
}

impl Credit {
    pub(super) fn new(limit: u64, limit_bytes: u64, functions: Option<Vec<FunctionKey>>, name: &str) -> Self {
        Credit {
            limit,
            limit_bytes,
            travelling: 0,
            leases: 0,
            bytes: 0,
            asked_back: 0,
            moved: None,
            open: true,
            alone: Alone::No,
            name: name.into(),
            blamed: None,
            functions,
        }
    }

    /// Whether it is one for any function, and says that it takes none for now.
    pub(super) fn offers_nothing(&self) -> bool {
        self.functions.is_none() && self.limit == 0
    }

    /// How many more messages it takes now; a bound in bytes always admits one message.
    pub fn left(&self) -> u64 {
        if !self.open || self.alone != Alone::No || (self.bytes >= self.limit_bytes && self.leases > 0) {
            0
        } else {
            self.limit.saturating_sub(self.leases)
        }
    }

    /// The share of the limit in use, in 1/65536.
    pub(super) fn load(&self) -> u64 {
        (self.leases << 16) / self.limit.max(1)
    }

    /// It is not kept free any more.
    pub(super) fn stop_waiting(&mut self) {
        if self.alone == Alone::Awaited {
            self.alone = Alone::No;
        }
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.leases += 1;
        self.bytes += bytes as u64;
    }

    pub(super) fn give_back(&mut self, bytes: usize, asked_back: bool) {
        self.leases -= 1;
        self.bytes -= bytes as u64;
        self.asked_back -= u64::from(asked_back);
        if self.leases == 0 && self.alone == Alone::Busy {
            self.alone = Alone::No;
        }
    }
}
