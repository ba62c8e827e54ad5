//! Parts of the node that measurements drive without a socket.

use super::ledger::{Ended, JobKey, LeaseEnd, LeaseResult, Ledger, Outcome, Rules, Settled, Terms};
use super::message::{Header, Message};

use bytes::Bytes;
use pylm_protocol::FunctionOffer;
use std::sync::Arc;
use std::time::Instant;

/// A ledger with one job and two hosts.
#[derive(Debug)]
pub struct Books {
    ledger: Ledger,
    job: JobKey,
    header: Arc<Header>,
    now: Instant,
    next: u64,
}

impl Default for Books {
    fn default() -> Self {
        let mut ledger = Ledger::new(Rules { max_attempts: 3, gathers: false });
        let now = Instant::now();
        for name in ["first", "second"] {
            ledger.add_host(4_096, 64 << 20, Some(&[FunctionOffer::function("echo")]), name, now);
        }
        let job = ledger.open_job(Terms::default());
        Books { ledger, job, header: Arc::default(), now, next: 0 }
    }
}

impl Books {
    /// So many messages are accepted, leased, answered and done; how many were.
    pub fn turn(&mut self, messages: u64, payload: &Bytes) -> u64 {
        let (mut leases, mut abandoned) = (Vec::new(), Vec::new());
        for _ in 0..messages {
            let message = Message { header: Arc::clone(&self.header), cache: None, payload: payload.clone() };
            let bytes = payload.len() as u64;
            let Some(key) = self.ledger.accept(self.job, self.next, bytes, None, None) else { continue };
            self.next += 1;
            self.ledger.add_part(key, "echo", message, self.now);
            let _ = self.ledger.scattered(key);
        }
        self.ledger.dispatch(|assignment| leases.push((assignment.host, assignment.lease)));
        let mut done = 0;
        for (host, lease) in leases {
            let result = LeaseResult { only: true, payload: payload.clone(), ..LeaseResult::default() };
            if let Some(passed) = self.ledger.result(host, lease, result) {
                self.ledger.count_result(passed.message);
            }
            if let Ended::Done { message, .. } =
                self.ledger.end_lease(host, lease, LeaseEnd::Done(1), &mut abandoned)
                && let Settled::Done(message) = self.ledger.settle(message)
            {
                done += u64::from(self.ledger.end(message, Outcome::Done).is_some());
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_a_turn_is_done() {
        let mut books = Books::default();
        assert_eq!(books.turn(300, &Bytes::from_static(b"payload")), 300);
        assert_eq!(books.turn(1, &Bytes::new()), 1);
        assert_eq!((books.ledger.totals().done, books.ledger.totals().under_way), (301, 0));
    }
}
