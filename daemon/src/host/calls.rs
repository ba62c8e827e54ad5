//! Cache calls of functions: a slot asks and waits, the thread that moves messages sends and answers.

use bytes::Bytes;
use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a function waits for the cache.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(5);
/// A session with more unanswered calls than 1,024 breaks the protocol.
const MOST_OPEN: usize = 1000;

/// What a function asks of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Get { key: String },
    Set { key: String, value: Bytes },
    Delete { key: String },
}

/// What the cache answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The value, or the key.
    Done(Bytes),
    NoSuchKey,
    /// The cache refused, and said why; or it could not be asked.
    Refused(String),
}

/// The calls that are open.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    asked: Vec<(u64, Ask)>,
    waiting: HashMap<u64, Sender<Answer>>,
}

impl Calls {
    /// Asks, and waits for the answer; `wake` is called when the question is there to be sent.
    pub(super) fn ask(&self, ask: Ask, wake: impl FnOnce()) -> Answer {
        let (sender, receiver) = channel();
        let mut open = self.lock();
        if open.waiting.len() >= MOST_OPEN {
            return Answer::Refused(format!("{MOST_OPEN} cache calls are open; make fewer at once"));
        }
        let call = open.next;
        open.next += 1;
        open.waiting.insert(call, sender);
        open.asked.push((call, ask));
        drop(open);
        wake();
        let answer = receiver.recv_timeout(TIME_LIMIT);
        answer.unwrap_or_else(|_| {
            let mut open = self.lock();
            open.waiting.remove(&call);
            open.asked.retain(|(asked, _)| *asked != call);
            Answer::Refused(format!("the cache did not answer within {TIME_LIMIT:?}; is the node there?"))
        })
    }

    /// The questions that were not sent yet.
    pub(super) fn take_asked(&self) -> Vec<(u64, Ask)> {
        std::mem::take(&mut self.lock().asked)
    }

    /// Hands an answer to the function that waits for it, if it still does.
    pub(super) fn answer(&self, call: u64, answer: Answer) {
        if let Some(waiting) = self.lock().waiting.remove(&call) {
            // It may have given up just now.
            let _ = waiting.send(answer);
        }
    }

    /// Answers all questions that were sent: their connection is lost.
    pub(super) fn lose(&self) {
        let mut open = self.lock();
        let Open { asked, waiting, .. } = &mut *open;
        waiting.retain(|call, sender| {
            let was_sent = asked.iter().all(|(unsent, _)| unsent != call);
            if was_sent {
                let lost =
                    "the connection was lost before the cache answered; it may have done what it was told";
                let _ = sender.send(Answer::Refused(lost.to_owned()));
            }
            !was_sent
        });
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(key: &str) -> Ask {
        Ask::Get { key: key.to_owned() }
    }

    #[test]
    fn each_answer_reaches_the_one_who_asked() {
        let calls = Calls::default();
        std::thread::scope(|scope| {
            let asking = ["a", "b"].map(|key| scope.spawn(|| calls.ask(get(key), || {})));
            let mut asked = Vec::new();
            while asked.len() < 2 {
                asked.extend(calls.take_asked());
            }
            for (call, ask) in asked.into_iter().rev() {
                let Ask::Get { key } = ask else { panic!("not what was asked") };
                calls.answer(call, Answer::Done(Bytes::from(key)));
            }
            let answers = asking.map(|asking| asking.join().unwrap());
            assert_eq!(answers, ["a", "b"].map(|key| Answer::Done(Bytes::from(key))));
        });
    }

    #[test]
    fn a_lost_connection_fails_what_was_sent_and_nothing_else() {
        let calls = Calls::default();
        std::thread::scope(|scope| {
            let sent = scope.spawn(|| calls.ask(get("sent"), || {}));
            while calls.take_asked().is_empty() {
                std::thread::yield_now();
            }
            let unsent = scope.spawn(|| calls.ask(get("unsent"), || {}));
            while calls.lock().asked.is_empty() {
                std::thread::yield_now();
            }
            calls.lose();
            assert!(matches!(sent.join().unwrap(), Answer::Refused(_)));
            let asked = calls.take_asked();
            assert_eq!(asked.len(), 1);
            calls.answer(asked[0].0, Answer::NoSuchKey);
            assert_eq!(unsent.join().unwrap(), Answer::NoSuchKey);
        });
    }
}
