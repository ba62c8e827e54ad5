//! The thread that owns the files: it takes what has come together, writes it, and waits once for the disk.

use crate::cleaner::{Cleaner, Step};
use crate::encoder::Encoder;
use crate::frame::{FRAME_HEADER, Kind, Span};
use crate::index::{Index, Slot};
use crate::record::Record;
use crate::segments::Segments;
use crate::status::Shared;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

/// What the node sends to the writer.
#[derive(Debug)]
pub(crate) enum Order {
    /// To be written; what it costs in the queue.
    Append(Vec<Record>, u64),
    /// To be finished and ended.
    Close,
}

/// Why something is not durable.
#[derive(Debug)]
enum Failure {
    /// It was not written, or not all of it. It can be tried again at the same place.
    Write(io::Error),
    /// The disk did not confirm it: nobody knows what is there, and a second try at the same place would prove nothing.
    Sync(io::Error),
}

/// The writer.
pub(crate) struct Writer {
    pub(crate) orders: Receiver<Order>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) waker: Box<dyn Fn() + Send>,
    pub(crate) segments: Segments,
    pub(crate) index: Index,
    /// The sequence number of the next record.
    pub(crate) next: u64,
    pub(crate) cleaner: Cleaner,
    /// How long to wait after a failure.
    pub(crate) retry: Duration,
    /// How much is written at once at the most, beyond the first batch.
    pub(crate) group: u64,
    /// What came in while something could not be written.
    pub(crate) backlog: VecDeque<Order>,
    pub(crate) closing: bool,
    /// When a spare segment is tried for again.
    pub(crate) spare_at: Instant,
    /// Room to write in.
    pub(crate) room: Vec<u8>,
}

impl Writer {
    /// Works until it is closed or abandoned.
    pub(crate) fn run(mut self) {
        let mut written = 0;
        self.prepare();
        while !self.is_over() {
            let (records, cost) = self.gather();
            if self.is_over() {
                return;
            }
            let step = match self.cleaner.is_due(&self.segments, &self.index) {
                true => self.cleaner.step(&self.segments, &self.index, written),
                false => Step::default(),
            };
            written = cost;
            let is_empty = records.is_empty() && step.records.is_empty();
            if !is_empty && !self.commit(&step.records, &records) {
                return;
            }
            self.shared.queued.fetch_sub(cost, Ordering::AcqRel);
            if let Err(error) = self.tidy(&step) {
                self.tell(Some(format!("cannot give up an old segment: {error}")));
                self.pause();
            } else {
                self.prepare();
            }
            if !records.is_empty() {
                (self.waker)();
            }
            if self.closing && records.is_empty() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.shared.abandoned.load(Ordering::Acquire)
    }

    /// Waits for something to do, and takes all that has come together.
    fn gather(&mut self) -> (Vec<Record>, u64) {
        let (mut records, mut cost) = (Vec::new(), 0);
        let mut may_wait = !self.closing && !self.cleaner.is_due(&self.segments, &self.index);
        while cost < self.group {
            let order = match self.backlog.pop_front() {
                Some(order) => Some(order),
                None if may_wait => self.wait(),
                None => self.orders.try_recv().map_err(|end| self.note_end(end)).ok(),
            };
            may_wait = false;
            match order {
                Some(Order::Append(batch, bytes)) if records.is_empty() => {
                    (records, cost) = (batch, cost + bytes)
                }
                Some(Order::Append(batch, bytes)) => {
                    records.extend(batch);
                    cost += bytes;
                }
                Some(Order::Close) => self.closing = true,
                None => break,
            }
        }
        (records, cost)
    }

    fn note_end(&mut self, end: TryRecvError) {
        self.closing |= end == TryRecvError::Disconnected;
    }

    /// Waits for an order; not for ever, while something is wrong.
    fn wait(&mut self) -> Option<Order> {
        let outcome = match self.shared.troubled.load(Ordering::Acquire) {
            true => self.orders.recv_timeout(self.retry),
            false => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        self.closing |= matches!(outcome, Err(RecvTimeoutError::Disconnected));
        outcome.ok()
    }

    /// Writes until it is durable; false when nobody waits for that any more.
    fn commit(&mut self, moved: &[Record], records: &[Record]) -> bool {
        loop {
            let failure = match self.try_commit(moved, records) {
                Ok(()) => return true,
                Err(failure) => failure,
            };
            let error = match failure {
                Failure::Write(error) => error,
                Failure::Sync(error) => {
                    self.segments.seal();
                    error
                }
            };
            self.tell(Some(format!("cannot write: {error}")));
            if self.closing || !self.pause() {
                return false;
            }
        }
    }

    /// Waits before something is tried again, and keeps what comes in meanwhile; false when nobody waits for it any more.
    fn pause(&mut self) -> bool {
        let end = Instant::now() + self.retry;
        while !self.closing {
            match self.orders.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Order::Close) | Err(RecvTimeoutError::Disconnected) => self.closing = true,
                Ok(order) => self.backlog.push_back(order),
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        !self.is_over()
    }

    fn try_commit(&mut self, moved: &[Record], records: &[Record]) -> Result<(), Failure> {
        let segments = &mut self.segments;
        // There is no active segment at first, and after a failure; then this makes one of the usual size.
        segments.reserve(FRAME_HEADER as u64, self.next).map_err(Failure::Write)?;
        let mut is_new = false;
        let (number, spans) = loop {
            let Some(active) = &mut segments.active else {
                return Err(Failure::Write(io::Error::other("there is no segment to write to")));
            };
            let mut encoder = Encoder::new(&active.seal, active.at, std::mem::take(&mut self.room));
            encoder.push(Kind::Moved, self.next, self.next, moved);
            encoder.push(Kind::New, self.next, self.next, records);
            let length = encoder.length();
            if active.at + length + FRAME_HEADER as u64 > active.length && !is_new {
                self.room = encoder.into_parts().1;
                segments.reserve(length + FRAME_HEADER as u64, self.next).map_err(Failure::Write)?;
                is_new = true;
                continue;
            }
            encoder.finish();
            let outcome = active.file.write(active.at, encoder.slices()).map_err(Failure::Write);
            let outcome = outcome.and_then(|()| active.file.sync().map_err(Failure::Sync));
            let (spans, room) = encoder.into_parts();
            self.room = room;
            outcome?;
            active.at += length;
            break (active.number, spans);
        };
        self.take_note(number, moved, records, spans);
        Ok(())
    }

    /// It is on disk.
    fn take_note(&mut self, segment: u64, moved: &[Record], records: &[Record], spans: Vec<Span>) {
        let moved = moved.iter().map(|record| (record, Kind::Moved));
        let records_of = records.iter().map(|record| (record, Kind::New));
        for ((record, kind), span) in moved.chain(records_of).zip(spans) {
            self.index.apply_open(record, Slot { segment, span }, kind);
        }
        self.next += records.len() as u64;
        self.shared.durable.store(self.next, Ordering::Release);
    }

    /// Gives up old segments in which nothing is alive any more.
    fn tidy(&mut self, step: &Step) -> io::Result<()> {
        if let (true, Some(oldest)) = (step.complete, self.segments.sealed.front()) {
            let number = oldest.number;
            if self.index.alive.of(number).records > 0 {
                let lost = self.index.forget_segment(number);
                tracing::error!(
                    segment = number,
                    lost,
                    "a segment of the journal can no longer be read: put aside"
                );
                self.segments.put_oldest_aside()?;
            }
        }
        while let Some(oldest) = self.segments.sealed.front()
            && self.index.alive.of(oldest.number).records == 0
        {
            self.segments.retire_oldest()?;
        }
        Ok(())
    }

    /// Makes room for what comes, and tells how things are.
    fn prepare(&mut self) {
        let now = Instant::now();
        if now >= self.spare_at {
            let trouble = self.segments.ensure_spare().err();
            // After a failure only: a spare that has just come into use is to be followed by another at once.
            self.spare_at = trouble.as_ref().map_or(now, |_| now + self.retry);
            self.tell(trouble.map(|error| format!("there is no room for another segment: {error}")));
        }
        self.shared.disk_bytes.store(self.segments.bytes(), Ordering::Relaxed);
        self.shared.alive_bytes.store(self.index.alive.bytes(), Ordering::Relaxed);
    }

    fn tell(&self, trouble: Option<String>) {
        match &trouble {
            Some(trouble) if self.shared.set_trouble(Some(trouble.clone())) => {
                tracing::warn!(trouble, "the journal takes no new messages for now");
            }
            None if self.shared.set_trouble(None) => tracing::info!("the journal takes messages again"),
            _ => return,
        }
        (self.waker)();
    }
}
