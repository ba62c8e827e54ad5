//! A slot: a thread that runs one lease after the other, and packs what comes of it.

use super::cache::HostServices;
use super::outbox::Pending;
use super::parcel::{Parcel, Task};
use super::room::{Admission, Gate};
use super::shared::Shared;
use pylm_plugin_host::{Call, CallError, CallErrorKind, Function, Outcome, Payload, Results};
use pylm_protocol::record::PERMANENT;
use pylm_protocol::{Place, Record, codes};
use std::sync::MutexGuard;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Runs the functions of leases until the queue is closed.
pub(super) fn run(slot: usize, shared: &Shared) {
    work(slot, shared, |lease, key| {
        lease.run(key);
        true
    });
}

/// Takes leases until the queue is closed, and has `work` end each; it says whether that tells anything of the time they take.
pub(super) fn work(slot: usize, shared: &Shared, mut work: impl FnMut(&Lease<'_>, &mut Key) -> bool) {
    let mut key = Key::default();
    while let Some(parcel) = shared.queue.next(slot) {
        let started = Instant::now();
        let mut done = 0;
        key.begin(&parcel.context.key_prefix);
        while let Some(task) = parcel.begin_next() {
            done += u64::from(work(&Lease { slot, shared, parcel: &parcel, task }, &mut key));
            task.end();
        }
        let mut outbox = shared.outboxes[slot].lock();
        outbox.account(started.elapsed(), done);
        outbox.make_due();
        drop(outbox);
        shared.signal();
    }
}

/// The cache key that a message without one has; written anew for each, into the same room.
#[derive(Default)]
pub(super) struct Key {
    text: String,
    prefix: usize,
}

impl Key {
    fn begin(&mut self, prefix: &str) {
        self.text.clear();
        self.text.push_str(prefix);
        self.prefix = prefix.len();
    }

    pub(super) fn of<'a>(&'a mut self, task: &'a Task) -> &'a str {
        if !task.cache.is_empty() {
            return &task.cache;
        }
        self.text.truncate(self.prefix);
        push_decimal(task.number, &mut self.text);
        self.text.push('/');
        push_decimal(task.part, &mut self.text);
        &self.text
    }
}

/// As `write!` does, in a third of the time: it is done for every message.
fn push_decimal(mut number: u64, text: &mut String) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend(digits[start..].iter().map(|digit| char::from(*digit)));
}

/// What ended a lease.
pub(super) enum End {
    One(Payload),
    Done {
        results: u64,
    },
    Failed {
        results: u64,
        permanent: bool,
        code: &'static str,
        text: String,
    },
    /// Nothing was done, and nothing will be.
    Released,
    /// Its session is over before its room was enough: nobody is told.
    Dropped,
}

impl End {
    fn failed(results: u64, error: CallError) -> Self {
        let code = match error.kind {
            CallErrorKind::Failed => codes::FAILED,
            CallErrorKind::Panicked => codes::PANICKED,
        };
        End::Failed { results, permanent: error.permanent, code, text: error.message }
    }

    pub(super) fn too_large(results: u64, bytes: usize, most: u64) -> Self {
        let text = format!("a result of {bytes} bytes; the node takes up to {most} (its --max-message)");
        End::Failed { results, permanent: true, code: codes::TOO_LARGE, text }
    }
}

/// A lease that is being run.
pub(super) struct Lease<'a> {
    slot: usize,
    pub(super) shared: &'a Shared,
    pub(super) parcel: &'a Parcel,
    pub(super) task: &'a Task,
}

impl Lease<'_> {
    fn run(&self, key: &mut Key) {
        let (task, context) = (self.task, &*self.parcel.context);
        let Some(function) = self.shared.functions.get(context.function) else {
            let text = format!("this host offers no function number {}", context.function);
            return self
                .end(false, End::Failed { results: 0, permanent: true, code: codes::NO_FUNCTION, text });
        };
        if task.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            let text = "its time was over before it was begun".to_owned();
            return self.end(false, End::Failed { results: 0, permanent: true, code: codes::TIMEOUT, text });
        }
        let services = HostServices(self.shared);
        let call = Call::new(&services, &task.cancelled)
            .pipeline(&context.pipeline)
            .client(&context.client)
            .stage(context.stage)
            .function(&context.functions)
            .cache_key(key.of(task))
            .worker(&self.shared.name)
            .number(task.number)
            .attempt(task.attempt)
            .deadline(task.deadline);
        self.call(function, &call);
    }

    fn call(&self, function: &Function, call: &Call<'_>) {
        let most = self.shared.max_message.load(Relaxed);
        match function.call(call, self.parcel.payload(self.task)) {
            Ok(Outcome::One(result)) if result.len() as u64 > most => {
                self.end(false, End::too_large(0, result.len(), most));
            }
            Ok(Outcome::One(result)) => self.end(false, End::One(result)),
            Ok(Outcome::Nothing) => self.end(false, End::Done { results: 0 }),
            Ok(Outcome::Many(results)) => {
                let (session, lease) = (self.parcel.session, self.task.lease);
                let context = &self.parcel.context;
                let gate = self.shared.gates.open(session, lease, context.results, context.results_bytes);
                // The thread that moves messages looks after open streams.
                self.shared.signal();
                let end = self.stream(results, &gate, most);
                self.end(true, end);
                self.shared.gates.end(session, lease);
            }
            Err(error) => self.end(false, End::failed(0, error)),
        }
    }

    /// Sends results one by one, as far as there is room for them.
    fn stream(&self, results: Results<'_>, gate: &Gate, most: u64) -> End {
        let mut sent = 0;
        for result in results {
            let result = match result {
                Ok(result) => result,
                Err(error) => return End::failed(sent, error),
            };
            let bytes = result.len() as u64;
            if bytes > most {
                return End::too_large(sent, result.len(), most);
            }
            if !gate.try_admit(bytes) {
                self.make_due();
                if gate.admit(bytes) == Admission::Closed {
                    return match self.task.cancelled.load(Relaxed) {
                        true => {
                            let text = "nobody wants its results any more".to_owned();
                            End::Failed { results: sent, permanent: true, code: codes::CANCELLED, text }
                        }
                        false => End::Dropped,
                    };
                }
            }
            let lease = self.task.lease;
            let payload = pylm_protocol::Payload(result.into_bytes());
            let record = Record::LeaseResult { lease, place: Place(vec![sent]), payload, flags: 0 };
            if self.outbox().is_some_and(|mut outbox| outbox.push_result(lease, &record)) {
                self.shared.signal();
            }
            sent += 1;
        }
        End::Done { results: sent }
    }

    /// Ends it, of which results were sent before or not.
    pub(super) fn end(&self, streamed: bool, end: End) {
        let lease = self.task.lease;
        let Some(mut outbox) = self.outbox() else { return };
        let text;
        let record = match end {
            End::Dropped => return outbox.forget_stream(lease),
            End::One(result) => {
                return outbox.push_whole(|batch| batch.lease_reply(lease, result, Payload::into_bytes));
            }
            End::Released => Record::Released { lease },
            End::Done { results } => Record::LeaseDone { lease, results },
            End::Failed { results, permanent, code, text: why } => {
                text = why;
                let flags = if permanent { PERMANENT } else { 0 };
                Record::LeaseFailed { lease, results, flags, code, text: &text }
            }
        };
        match streamed {
            true => outbox.push_last(lease, &record),
            false => outbox.push_whole(|batch| batch.push(&record)),
        }
    }

    /// The outbox, where anybody still wants to hear of this lease.
    fn outbox(&self) -> Option<MutexGuard<'_, Pending>> {
        let mut outbox = self.shared.outboxes[self.slot].lock();
        (self.parcel.run == self.shared.run()).then(|| {
            outbox.turn_to(self.parcel.run);
            outbox
        })
    }

    fn make_due(&self) {
        self.shared.outboxes[self.slot].lock().make_due();
        self.shared.signal();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::parcel::Data;
    use pylm_protocol::batch::Assign;

    fn task(number: u64, part: u64, cache: &str) -> Task {
        let assign = Assign { number, part, cache, ..Assign::default() };
        Task::new(&assign, None, Data::InFrame(0..0))
    }

    #[test]
    fn a_message_without_a_key_has_that_of_its_identity() {
        let mut key = Key::default();
        key.begin("job/");
        assert_eq!(key.of(&task(0, 10, "")), "job/0/10");
        assert_eq!(key.of(&task(7, 0, "its own")), "its own");
        assert_eq!(key.of(&task(u64::MAX, 1, "")), format!("job/{}/1", u64::MAX));
        key.begin("other/");
        assert_eq!(key.of(&task(100, 0, "")), "other/100/0");
    }
}
