//! Messages that were tried and then given back, since nobody could be reached: their attempts count when they come again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most messages that are remembered; when there are more, all are forgotten, and have their attempts anew.
const MOST: usize = 4096;

/// The attempts of messages that were given back.
#[derive(Debug, Default)]
pub(super) struct Tried(Mutex<HashMap<Box<str>, u32>>);

impl Tried {
    /// A message is given back.
    pub(super) fn remember(&self, message: String, attempts: u32) {
        let mut tried = self.lock();
        if tried.len() >= MOST {
            tried.clear();
        }
        tried.insert(message.into_boxed_str(), attempts);
    }

    /// How often a message was tried before it came again.
    pub(super) fn take(&self, message: impl FnOnce() -> String) -> u32 {
        let mut tried = self.lock();
        if tried.is_empty() { 0 } else { tried.remove(&*message()).unwrap_or_default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_remembered_once_and_not_without_bound() {
        let tried = Tried::default();
        let message = |number: usize| move || format!("job/{number}/0");
        assert_eq!(tried.take(message(1)), 0);
        tried.remember(message(1)(), 2);
        assert_eq!((tried.take(message(2)), tried.take(message(1)), tried.take(message(1))), (0, 2, 0));
        (0..=MOST).for_each(|number| tried.remember(message(number)(), 1));
        assert_eq!((tried.take(message(0)), tried.take(message(MOST))), (0, 1));
    }
}
