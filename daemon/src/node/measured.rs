//! Parts of the node that measurements drive without a socket.

use super::ledger::{JobKey, Ledger, Rules, Terms};
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
        let mut leases = Vec::new();
        for _ in 0..messages {
            let message = Message { header: Arc::clone(&self.header), cache: None, payload: payload.clone() };
            let function = self.ledger.function("echo", self.now);
            self.ledger.accept_whole(self.job, self.next, None, None, function, message);
            self.next += 1;
        }
        self.ledger.dispatch(|assignment| leases.push((assignment.host, assignment.lease)));
        let mut done = 0;
        for (host, lease) in leases {
            done += u64::from(self.ledger.reply(host, lease, |_| true).is_some());
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
