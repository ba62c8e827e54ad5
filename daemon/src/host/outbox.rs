//! What a slot has to say, packed by the slot itself, until the thread that moves messages fetches it.

use super::untaken::Packed;
use pylm_protocol::{BatchWriter, Record};
use pylm_transport::{Frame, Frames};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The outbox of one slot.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<Pending>);

/// What waits in an outbox.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The node's run whose leases this is about, as the host counts them.
    run: u32,
    /// Whole leases.
    whole: BatchWriter,
    ends: u64,
    /// Results of one lease that has not ended.
    stream: BatchWriter,
    stream_lease: u64,
    full: Vec<Packed>,
    /// Leases that yielded results and will not end.
    forgotten: Vec<u64>,
    /// The slot has ended a parcel: what is packed need not wait for more.
    is_due: bool,
    busy: Duration,
    done: u64,
}

/// What was fetched from an outbox.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// What is to be sent, in order.
    pub(super) packed: Vec<Packed>,
    /// Leases whose results need not be kept any more.
    pub(super) forgotten: Vec<u64>,
    /// The time that `done` leases took.
    pub(super) busy: Duration,
    /// How many leases were run.
    pub(super) done: u64,
}

impl Outbox {
    /// The outbox, for the slot to put something in.
    pub(super) fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches what is due, or all that there is, for this run of the node; what belongs to others is dropped.
    pub(super) fn fetch(&self, run: u32, all: bool, into: &mut Fetched) {
        let mut pending = self.lock();
        if pending.run != run {
            pending.turn_to(run);
        }
        if pending.is_due || all {
            pending.is_due = false;
            pending.pack_whole();
            pending.pack_stream();
        }
        into.packed.append(&mut pending.full);
        into.forgotten.append(&mut pending.forgotten);
        into.busy += std::mem::take(&mut pending.busy);
        into.done += std::mem::take(&mut pending.done);
    }
}

impl Pending {
    /// Drops what belongs to another run than this.
    pub(super) fn turn_to(&mut self, run: u32) {
        if self.run != run {
            *self = Pending { run, busy: self.busy, done: self.done, ..Pending::default() };
        }
    }

    /// Adds the record, which `write` puts into the batch, that ends a lease of which nothing else was sent.
    #[inline]
    pub(super) fn push_whole(&mut self, write: impl FnOnce(&mut BatchWriter)) {
        write(&mut self.whole);
        self.ends += 1;
        if self.whole.is_full() {
            self.pack_whole();
        }
    }

    /// Adds one of several results of a lease; says whether a batch is full, and worth to be fetched.
    pub(super) fn push_result(&mut self, lease: u64, result: &Record<'_>) -> bool {
        self.stream_lease = lease;
        self.stream.push(result);
        let is_full = self.stream.is_full();
        if is_full {
            self.pack_stream();
        }
        is_full
    }

    /// Adds the end of a lease of which results were added before.
    pub(super) fn push_last(&mut self, lease: u64, end: &Record<'_>) {
        self.stream.push(end);
        let frames = frames(&mut self.stream);
        self.full.push(Packed { frames, ends: 1, stream: Some(lease) });
    }

    /// Takes back what was added of a lease that will not end.
    pub(super) fn forget_stream(&mut self, lease: u64) {
        self.stream.take();
        self.full.retain(|packed| packed.stream != Some(lease));
        self.forgotten.push(lease);
    }

    /// Lets what is packed be fetched, as nothing more is coming for now.
    pub(super) fn make_due(&mut self) {
        self.is_due = true;
    }

    /// Takes note of the time that some leases took.
    pub(super) fn account(&mut self, busy: Duration, done: u64) {
        self.busy += busy;
        self.done += done;
    }

    fn pack_whole(&mut self) {
        if !self.whole.is_empty() {
            let frames = frames(&mut self.whole);
            self.full.push(Packed { frames, ends: std::mem::take(&mut self.ends), stream: None });
        }
    }

    fn pack_stream(&mut self) {
        if !self.stream.is_empty() {
            let frames = frames(&mut self.stream);
            self.full.push(Packed { frames, ends: 0, stream: Some(self.stream_lease) });
        }
    }
}

/// The frames of a batch, which is empty then.
pub(super) fn frames(writer: &mut BatchWriter) -> Frames {
    let (batch, attachments) = writer.take();
    let mut frames = Frames::with_capacity(1 + attachments.len());
    frames.push(Frame::from_vec(batch));
    frames.extend(attachments.into_iter().map(Frame::from_bytes));
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylm_protocol::{Payload, Place};

    fn done(lease: u64) -> Record<'static> {
        Record::LeaseDone { lease, results: 0 }
    }

    fn fetch(outbox: &Outbox, run: u32, all: bool) -> Vec<(u64, Option<u64>)> {
        let mut fetched = Fetched::default();
        outbox.fetch(run, all, &mut fetched);
        fetched.packed.iter().map(|packed| (packed.ends, packed.stream)).collect()
    }

    #[test]
    fn what_is_packed_waits_until_it_is_due() {
        let outbox = Outbox::default();
        outbox.lock().push_whole(|batch| batch.push(&done(1)));
        outbox.lock().push_whole(|batch| batch.push(&done(2)));
        assert_eq!(fetch(&outbox, 0, false), []);
        outbox.lock().make_due();
        assert_eq!(fetch(&outbox, 0, false), [(2, None)]);
        outbox.lock().push_whole(|batch| batch.push(&done(3)));
        assert_eq!(fetch(&outbox, 0, true), [(1, None)]);
    }

    #[test]
    fn results_of_a_stream_go_apart_and_before_its_end() {
        let outbox = Outbox::default();
        let result =
            Record::LeaseResult { lease: 9, place: Place(vec![0]), payload: Payload::default(), flags: 0 };
        outbox.lock().push_whole(|batch| batch.push(&done(1)));
        outbox.lock().push_result(9, &result);
        assert_eq!(fetch(&outbox, 0, true), [(1, None), (0, Some(9))]);
        outbox.lock().push_result(9, &result);
        outbox.lock().push_last(9, &done(9));
        assert_eq!(fetch(&outbox, 0, false), [(1, Some(9))]);
    }

    #[test]
    fn what_belongs_to_another_run_is_dropped() {
        let outbox = Outbox::default();
        outbox.lock().turn_to(1);
        outbox.lock().push_whole(|batch| batch.push(&done(1)));
        assert_eq!(fetch(&outbox, 2, true), []);
        outbox.lock().turn_to(1);
        outbox.lock().turn_to(2);
        outbox.lock().push_whole(|batch| batch.push(&done(2)));
        assert_eq!(fetch(&outbox, 2, true), [(1, None)]);
    }
}
