//! The node's side of a journal: it appends, and asks what is durable.

use crate::cleaner::Cleaner;
use crate::disk::Disk;
use crate::error::Error;
use crate::folder::Folder;
use crate::record::Record;
use crate::recovered::Recovered;
use crate::replay::Replay;
use crate::segments::Segments;
use crate::status::{Shared, Status};
use crate::writer::{Order, Writer};
use signal_hook::consts::SIGXFSZ;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a segment is, in bytes.
    pub segment_bytes: u64,
    /// How much may wait to be durable before [`Journal::is_full`] says so, in bytes.
    pub queue_bytes: u64,
    /// How long to wait before something that failed is tried again.
    pub retry: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options { segment_bytes: 64 << 20, queue_bytes: 64 << 20, retry: Duration::from_secs(1) }
    }
}

/// The smallest segment.
const SEGMENT: u64 = 1 << 10;

/// A journal that is open.
///
/// Dropping it is what a crash of the node is: what is not durable may be lost. [`Journal::close`] waits for all.
#[derive(Debug)]
pub struct Journal {
    orders: Option<Sender<Order>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    next: u64,
    queue_bytes: u64,
}

/// What a journal was told and could not write before it was closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the last {records} records could not be written to the journal: {reason}")]
pub struct Unwritten {
    /// How many records.
    pub records: u64,
    /// Why.
    pub reason: String,
}

impl Journal {
    /// Opens the journal in `folder`, which is made if need be, for a run of the node; and gives back what earlier runs have left.
    ///
    /// `waker` is called by the journal's thread whenever [`Journal::durable`] or [`Journal::is_full`] may have changed: it should
    /// wake the thread that asks them. A signal handler is installed for SIGXFSZ, which would end the process when a file reaches
    /// its limit.
    pub fn open(
        folder: &Path,
        run: Uuid,
        options: &Options,
        waker: impl Fn() + Send + 'static,
    ) -> Result<(Journal, Recovered), Error> {
        Journal::open_on(Disk::default(), folder, run, options, Box::new(waker))
    }

    pub(crate) fn open_on(
        disk: Disk,
        path: &Path,
        run: Uuid,
        options: &Options,
        waker: Box<dyn Fn() + Send>,
    ) -> Result<(Journal, Recovered), Error> {
        let failed = |error| Error::folder(path, error);
        signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map_err(failed)?;
        let folder = Folder::take(path, true)?;
        let mut replay = Replay::read(&folder)?;
        let mut recovered = Recovered::collect(&mut replay)?;
        for damage in &replay.damage {
            tracing::warn!("{damage}");
        }
        let size = options.segment_bytes.max(SEGMENT);
        let segments = Segments::new(folder, disk, size, &replay.segments)?;
        let (orders, receiver) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        shared.durable.store(replay.next, Ordering::Release);
        let writer = Writer {
            orders: receiver,
            shared: Arc::clone(&shared),
            waker,
            segments,
            index: replay.index,
            next: replay.next,
            cleaner: Cleaner::default(),
            retry: options.retry,
            group: size / 8,
            backlog: VecDeque::new(),
            closing: false,
            spare_at: Instant::now(),
            room: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("journal".into());
        let thread = thread.spawn(move || writer.run()).map_err(failed)?;
        let mut journal = Journal {
            orders: Some(orders),
            shared,
            thread: Some(thread),
            next: replay.next,
            queue_bytes: options.queue_bytes,
        };
        journal.append(vec![Record::Started { run }]);
        journal.append(std::mem::take(&mut recovered.mended));
        Ok((journal, recovered))
    }

    /// Hands records over to be written. They are durable when [`Journal::durable`] has reached what this returns.
    ///
    /// Never waits, and takes records also when [`Journal::is_full`]: ends and acknowledgements have to be kept all the same, and
    /// are what makes room. It is new messages that should not be accepted then.
    pub fn append(&mut self, records: Vec<Record>) -> u64 {
        if records.is_empty() {
            return self.next;
        }
        self.next += records.len() as u64;
        let cost = records.iter().map(Record::cost).sum();
        self.shared.queued.fetch_add(cost, Ordering::AcqRel);
        let order = Order::Append(records, cost);
        if self.orders.as_ref().is_none_or(|orders| orders.send(order).is_err()) {
            self.shared.set_trouble(Some("the journal's thread has ended: start the node again".into()));
        }
        self.next
    }

    /// What [`Journal::append`] returned up to here is durable.
    pub fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// Whether no new messages should be accepted: too much waits to be written, or the disk takes nothing.
    pub fn is_full(&self) -> bool {
        self.shared.troubled.load(Ordering::Acquire)
            || self.shared.queued.load(Ordering::Acquire) >= self.queue_bytes
    }

    /// Why the disk takes nothing, where it does not.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        Status {
            durable: self.durable(),
            queued_bytes: self.shared.queued.load(Ordering::Acquire),
            disk_bytes: self.shared.disk_bytes.load(Ordering::Relaxed),
            alive_bytes: self.shared.alive_bytes.load(Ordering::Relaxed),
            trouble: self.trouble(),
        }
    }

    /// Waits until all is durable, or cannot be made so.
    pub fn close(mut self) -> Result<(), Unwritten> {
        if let Some(orders) = self.orders.take() {
            // A thread that has ended has told why.
            let _ = orders.send(Order::Close);
        }
        if let Some(thread) = self.thread.take() {
            // A panic of it leaves something unwritten.
            let _ = thread.join();
        }
        match self.next - self.durable() {
            0 => Ok(()),
            records => {
                let reason = self.trouble().unwrap_or_else(|| "its thread has ended".into());
                Err(Unwritten { records, reason })
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Release);
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It lets go of the folder, which may be opened again at once.
            let _ = thread.join();
        }
    }
}
