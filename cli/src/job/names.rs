//! Which file each message came from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The files of the messages that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// By the first message of each.
    first: BTreeMap<u64, Arc<Path>>,
    /// Each file is one message.
    is_each: bool,
}

impl Names {
    pub(crate) fn new(is_each: bool) -> Self {
        Names { first: BTreeMap::new(), is_each }
    }

    /// The message of this number, and those that follow, are of this file.
    pub(crate) fn begin(&mut self, number: u64, name: &Arc<Path>) {
        if self.is_each || self.first.last_key_value().is_none_or(|(_, last)| !Arc::ptr_eq(last, name)) {
            self.first.insert(number, Arc::clone(name));
        }
    }

    /// The file of a message.
    pub(crate) fn of(&self, number: u64) -> Option<Arc<Path>> {
        self.first.range(..=number).next_back().map(|(_, name)| Arc::clone(name))
    }

    /// A message has ended.
    pub(crate) fn end(&mut self, number: u64) {
        if self.is_each {
            self.first.remove(&number);
        }
    }
}
