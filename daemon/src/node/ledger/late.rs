//! What comes of a message after its end: nothing proves that a pylm worker has given all of a message, so that an end is guessed. It is
//! passed on, and the message stays counted as it was.

use super::entries::{Gather, Tally};
use super::{JobKey, Ledger, MessageKey};
use crate::node::message::Message;
use std::sync::Arc;

impl Ledger {
    /// Whether results of this message count that come now: it is under way, and the hooks were not told that it has given all.
    pub fn takes_results(&self, message: MessageKey) -> bool {
        self.entries.message(message).is_some_and(|message| message.gather == Gather::Open)
    }

    /// An entry for results of a message of this job that has ended, which is in no account. `original` is kept where hooks will want
    /// to see it.
    pub fn add_late(
        &mut self,
        job: JobKey,
        number: u64,
        original: Option<Arc<Message>>,
    ) -> Option<MessageKey> {
        let mut entry = self.new_message(job, number, 0, original, None);
        entry.tally = Tally::Counted;
        let job = self.jobs.get_mut(job)?;
        let message = self.entries.accept(entry);
        job.enrol(message, &self.entries);
        self.late += 1;
        Some(message)
    }

    /// Whether such results are on their way.
    pub fn has_late(&self) -> bool {
        self.late > 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Outcome, Rules, Settled, Terms};
    use super::*;

    #[test]
    fn what_comes_after_the_end_changes_no_account() {
        for fails in [false, true] {
            let mut ledger = Ledger::new(Rules { max_attempts: 3, gathers: false });
            let job = ledger.open_job(Terms::default());
            let message = ledger.accept(job, 7, 1, None, None).unwrap();
            assert!(ledger.takes_results(message));
            ledger.end(message, Outcome::Done);
            assert!(!ledger.takes_results(message));
            let counts = ledger.totals();

            let late = ledger.add_late(job, 7, None).unwrap();
            assert!(ledger.has_late());
            assert_eq!(ledger.count_result(late), Some((job, 7)));
            if fails {
                ledger.note_error(late);
            }
            assert_eq!(ledger.scattered(late), Settled::Done(late));
            assert_eq!(ledger.end(late, ledger.outcome(late)).unwrap().number, 7);
            assert_eq!((ledger.totals(), ledger.has_late()), (counts, false));
            assert_eq!(ledger.job(job).unwrap().counts, counts);

            ledger.add_late(job, 7, None).unwrap();
            assert_eq!(ledger.close_job(job).messages.len(), 1, "it ends with its job");
            assert_eq!((ledger.totals(), ledger.has_late()), (counts, false));
        }
    }
}
