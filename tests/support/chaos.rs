//! What the clients of the chaos suite submit, and what they report: shared by the suite and its client program.
//!
//! A payload is text that the function `chaos` of the plugin `testing` understands, `KIND RESULTS MICROSECONDS OWNER NUMBER`,
//! and dots. Everything in it follows from owner and number, so whoever knows the two knows which results have to come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checked_job::mixed;

/// The largest number of results that a message has.
const MOST_RESULTS: u64 = 4;
/// The longest time that a function takes before each result, and before those of one message in 64, some of whose results are
/// with the client long before the last one; in microseconds.
const LONGEST_PAUSE: [u64; 2] = [2_000, 200_000];
/// The largest number of dots in an ordinary payload, and in one of 64.
const DOTS: [u64; 2] = [200, 100_000];

/// What a message does to the host that takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It gets its results.
    Work,
    /// It ends the host's process before its last result.
    Crash,
    /// It never returns, whatever its host is told, before its last result.
    Hang,
}

/// How many of a thousand messages are not as they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Poison {
    /// Those that crash their host.
    pub crash: u64,
    /// Those that hang.
    pub hang: u64,
}

/// One message, as it follows from owner and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it does.
    pub kind: Kind,
    /// How many results it has.
    pub results: u64,
    /// What is submitted.
    pub payload: String,
}

impl Message {
    /// Message `number` of `owner`.
    #[must_use]
    pub fn of(owner: u64, number: u64, poison: Poison) -> Self {
        let random = mixed(owner.wrapping_mul(1 << 32) ^ number);
        let [first, second, third, fourth] = [1, 2, 3, 4].map(|salt| mixed(random ^ salt));
        let (kind, word) = match first % 1_000 {
            lot if lot < poison.crash => (Kind::Crash, "crash"),
            lot if lot < poison.crash + poison.hang => (Kind::Hang, "hang"),
            _ => (Kind::Work, "work"),
        };
        // Most have one result, some none.
        let results = if second % 2 == 0 { 1 } else { second / 2 % (MOST_RESULTS + 1) };
        let pause = third % LONGEST_PAUSE[usize::from(second % 64 == 1)];
        let dots = fourth % DOTS[usize::from(fourth % 64 == 0)];
        let dots = ".".repeat(usize::try_from(dots).unwrap_or(0));
        Self { kind, results, payload: format!("{word} {results} {pause} {owner} {number} {dots}") }
    }

    /// The index of a result of this message; `None` where it is not one.
    #[must_use]
    pub fn index_of(&self, result: &[u8]) -> Option<u64> {
        let (index, payload) = std::str::from_utf8(result).ok()?.split_once(' ')?;
        let index = index.parse().ok()?;
        (payload == self.payload && index < self.results).then_some(index)
    }
}

/// What a client has seen when its job is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Messages that it submitted.
    pub submitted: u64,
    /// Those that ended with all of their results.
    pub done: u64,
    /// Those that ended with an error, by its code.
    pub failed: BTreeMap<String, u64>,
    /// Those among them that should have ended well and did not because their time was over.
    pub late: u64,
    /// What should not have happened.
    pub wrong: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::{Kind, Message, Poison};

    #[test]
    fn results_are_known_by_their_message() {
        let message = (0..).map(|number| Message::of(1, number, Poison::default())).find(|m| m.results == 2);
        let message = message.unwrap();
        assert_eq!(message.index_of(format!("1 {}", message.payload).as_bytes()), Some(1));
        assert_eq!(message.index_of(format!("2 {}", message.payload).as_bytes()), None);
        assert_eq!(message.index_of(b"1 something else"), None);
    }

    #[test]
    fn about_as_many_are_poison_as_was_said() {
        let poison = Poison { crash: 10, hang: 10 };
        let kinds: Vec<_> = (0..10_000).map(|number| Message::of(7, number, poison).kind).collect();
        for kind in [Kind::Crash, Kind::Hang] {
            let count = kinds.iter().filter(|found| **found == kind).count();
            assert!((60..140).contains(&count), "{count} {kind:?}");
        }
    }
}
