//! What passes between a job's two halves and the client's thread: messages one way, outputs the other, in batches.

use crate::Error;
use crate::state::backlog::Message;
use crate::state::job::Delivery;
use crate::state::window::{Load, Window};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use tokio::sync::Notify;
use uuid::Uuid;

/// Locks what is never left half changed, so that a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A job, between the application and the client's thread.
#[derive(Debug)]
pub(crate) struct Pipe {
    intake: Mutex<Intake>,
    /// There is room for further messages, or never will be.
    room: Notify,
    outbox: Mutex<Outbox>,
}

/// Messages on their way to the client's thread.
#[derive(Debug)]
struct Intake {
    queue: Vec<Message>,
    window: Window,
    /// The window is counted from the oldest message that has not ended, not over those that have not.
    ordered: bool,
    next: u64,
    oldest: u64,
    /// Messages taken from the application that have not ended.
    not_ended: Load,
    finished: bool,
    cancelled: bool,
    /// Why nothing more is taken.
    closed: Option<Error>,
    /// The client's thread was told to look here, and has not yet.
    announced: bool,
    /// Those that wait for room.
    waiting: usize,
}

/// Outputs on their way to the application.
#[derive(Debug)]
struct Outbox {
    parcels: VecDeque<Parcel>,
    /// What the application holds of the last parcel.
    held: Option<Receipt>,
    /// How far the application has come in the node's count.
    taken: (Uuid, u64),
    /// What it has taken since the client's thread looked.
    taken_load: Load,
    /// From how much on the client's thread is to look.
    report_from: Load,
    closed: Option<Result<(), Error>>,
    /// Who waits for outputs, or for the news that none will come.
    reader: Option<Waker>,
}

/// The outputs of one turn.
#[derive(Debug)]
struct Parcel {
    deliveries: Vec<Delivery>,
    receipt: Receipt,
}

/// What is acknowledged when a parcel was taken.
#[derive(Debug, Clone, Copy)]
struct Receipt {
    epoch: Uuid,
    /// How many outputs of the epoch have come with this parcel and those before it.
    outputs: u64,
    load: Load,
}

/// Whether the client's thread has to be told that there is something to do.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announce(pub(crate) bool);

/// What the client's thread finds in the intake.
#[derive(Debug)]
pub(crate) struct Intent {
    pub(crate) messages: Vec<Message>,
    pub(crate) finished: bool,
    pub(crate) cancelled: bool,
}

impl Pipe {
    pub(crate) fn new(window: Window, ordered: bool, outputs: Window) -> Self {
        Pipe {
            intake: Mutex::new(Intake {
                queue: Vec::new(),
                window,
                ordered,
                next: 0,
                oldest: 0,
                not_ended: Load::default(),
                finished: false,
                cancelled: false,
                closed: None,
                announced: false,
                waiting: 0,
            }),
            room: Notify::new(),
            outbox: Mutex::new(Outbox {
                parcels: VecDeque::new(),
                held: None,
                taken: (Uuid::nil(), 0),
                taken_load: Load::default(),
                report_from: outputs.part(4),
                closed: None,
                reader: None,
            }),
        }
    }

    // The application's side.

    /// Puts a message in and returns its number; gives it back when there is no room.
    #[inline]
    pub(crate) fn try_send(&self, message: Message) -> Result<(u64, Announce), SendFailure> {
        let mut intake = lock(&self.intake);
        if let Some(error) = intake.refusal() {
            return Err(SendFailure::Closed(error));
        }
        if !intake.has_room(message.payload.len() as u64) {
            return Err(SendFailure::Full(message));
        }
        let number = intake.next;
        intake.next += 1;
        intake.not_ended.add(message.payload.len());
        intake.queue.push(message);
        Ok((number, intake.announce()))
    }

    /// As [`try_send`](Self::try_send), waiting for room. `announce` is called with what it returned.
    pub(crate) async fn send(&self, mut message: Message) -> Result<(u64, Announce), Error> {
        loop {
            match self.try_send(message) {
                Ok(sent) => return Ok(sent),
                Err(SendFailure::Closed(error)) => return Err(error),
                Err(SendFailure::Full(back)) => message = back,
            }
            let _waiting = Waiting::new(&self.intake);
            let mut room = std::pin::pin!(self.room.notified());
            // Registers before the second look, so that no room made meanwhile goes unnoticed.
            room.as_mut().enable();
            let blocked = {
                let intake = lock(&self.intake);
                intake.refusal().is_none() && !intake.has_room(message.payload.len() as u64)
            };
            if blocked {
                room.await;
            }
        }
    }

    pub(crate) fn finish(&self) -> Announce {
        let mut intake = lock(&self.intake);
        intake.finished = true;
        self.room.notify_waiters();
        intake.announce()
    }

    pub(crate) fn cancel(&self) -> Announce {
        let mut intake = lock(&self.intake);
        intake.cancelled = true;
        self.room.notify_waiters();
        intake.announce()
    }

    /// Takes the next outputs; none when there are none now, and `reader` is woken once there may be. There is one reader at a time.
    /// What was taken before counts as done with.
    pub(crate) fn try_take(&self, reader: Option<&Waker>) -> Result<Taken, Error> {
        let mut outbox = lock(&self.outbox);
        let report = outbox.put_away();
        if let Some(parcel) = outbox.parcels.pop_front() {
            outbox.held = Some(parcel.receipt);
            return Ok(Taken { deliveries: Some(parcel.deliveries), announce: report, over: false });
        }
        match &outbox.closed {
            Some(Err(error)) => Err(error.clone()),
            Some(Ok(())) => Ok(Taken { deliveries: None, announce: report, over: true }),
            None => {
                if let Some(reader) = reader {
                    outbox.reader = Some(reader.clone());
                }
                Ok(Taken { deliveries: None, announce: report, over: false })
            }
        }
    }

    /// Whether [`try_take`](Self::try_take) has something to say.
    pub(crate) fn has_news(&self) -> bool {
        let outbox = lock(&self.outbox);
        !outbox.parcels.is_empty() || outbox.closed.is_some()
    }

    // The client's thread's side.

    /// Takes what the application wants; `into` gives its room for the next messages.
    pub(crate) fn intent(&self, into: Vec<Message>) -> Intent {
        let mut intake = lock(&self.intake);
        intake.announced = false;
        Intent {
            messages: std::mem::replace(&mut intake.queue, into),
            finished: intake.finished,
            cancelled: intake.cancelled,
        }
    }

    /// How far the application has taken the outputs, in which epoch.
    pub(crate) fn taken(&self) -> (Uuid, u64) {
        lock(&self.outbox).taken
    }

    /// Messages have ended, and `oldest` is the oldest that has not.
    pub(crate) fn release(&self, freed: Load, oldest: u64) {
        let mut intake = lock(&self.intake);
        intake.not_ended.messages -= freed.messages;
        intake.not_ended.bytes -= freed.bytes;
        intake.oldest = oldest;
        // Not for each message's room: the application would wake up for every single one.
        if intake.waiting > 0 && intake.has_room_to_speak_of() {
            self.room.notify_waiters();
        }
    }

    /// Passes outputs on, which are the last until that count of the epoch.
    pub(crate) fn deliver(&self, deliveries: Vec<Delivery>, bytes: usize, epoch: Uuid, outputs: u64) {
        let mut outbox = lock(&self.outbox);
        outbox.enter(epoch);
        if deliveries.is_empty() {
            outbox.count_in(outputs);
            return;
        }
        let load = Load { messages: deliveries.len() as u64, bytes: bytes as u64 };
        outbox.parcels.push_back(Parcel { deliveries, receipt: Receipt { epoch, outputs, load } });
        wake(outbox);
    }

    /// Takes no further messages, and returns those that were not looked at.
    pub(crate) fn close_intake(&self, why: Error) -> Vec<Message> {
        let mut intake = lock(&self.intake);
        intake.closed.get_or_insert(why);
        self.room.notify_waiters();
        std::mem::take(&mut intake.queue)
    }

    /// Nothing more will come: all has ended, or can never end.
    pub(crate) fn close_outbox(&self, how: Result<(), Error>) {
        let mut outbox = lock(&self.outbox);
        outbox.closed.get_or_insert(how);
        wake(outbox);
    }
}

/// Wakes the reader, once it can lock what has changed.
fn wake(mut outbox: MutexGuard<'_, Outbox>) {
    let reader = outbox.reader.take();
    drop(outbox);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// Why a message was not taken.
#[derive(Debug)]
pub(crate) enum SendFailure {
    Full(Message),
    Closed(Error),
}

/// What [`Pipe::try_take`] found.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) deliveries: Option<Vec<Delivery>>,
    pub(crate) announce: Announce,
    /// Nothing is there, and nothing will come.
    pub(crate) over: bool,
}

impl Intake {
    fn refusal(&self) -> Option<Error> {
        match &self.closed {
            Some(error) => Some(error.clone()),
            None if self.cancelled => Some(Error::Cancelled),
            None if self.finished => Some(Error::Finished),
            None => None,
        }
    }

    /// What the window counts.
    #[inline]
    fn under_way(&self) -> Load {
        match self.ordered {
            true => Load { messages: self.next - self.oldest, bytes: self.not_ended.bytes },
            false => self.not_ended,
        }
    }

    #[inline]
    fn has_room(&self, bytes: u64) -> bool {
        self.window.admits(self.under_way(), bytes)
    }

    fn has_room_to_speak_of(&self) -> bool {
        let under_way = self.under_way();
        let quarter = self.window.part(4);
        under_way.messages == 0
            || (under_way.messages + quarter.messages <= self.window.messages
                && under_way.bytes + quarter.bytes <= self.window.bytes)
    }

    fn announce(&mut self) -> Announce {
        Announce(!std::mem::replace(&mut self.announced, true))
    }
}

impl Outbox {
    /// Counts what the application held as taken.
    fn put_away(&mut self) -> Announce {
        if let Some(receipt) = self.held.take() {
            if receipt.epoch == self.taken.0 {
                self.taken.1 = receipt.outputs;
            }
            self.taken_load.messages += receipt.load.messages;
            self.taken_load.bytes += receipt.load.bytes;
        }
        let report = self.taken_load.reaches(self.report_from);
        if report {
            self.taken_load = Load::default();
        }
        Announce(report)
    }

    /// Counts anew in another epoch.
    fn enter(&mut self, epoch: Uuid) {
        if self.taken.0 != epoch {
            self.taken = (epoch, 0);
        }
    }

    /// Counts outputs that leave nothing to deliver: they are taken with what came before them.
    fn count_in(&mut self, outputs: u64) {
        let epoch = self.taken.0;
        let last = self.parcels.back_mut().map(|parcel| &mut parcel.receipt).or(self.held.as_mut());
        match last {
            Some(receipt) if receipt.epoch == epoch => receipt.outputs = outputs,
            // What waits is of an earlier epoch, in which nothing is acknowledged any more.
            _ => self.taken.1 = outputs,
        }
    }
}

/// Counts one of those that wait for room, for as long as it lives.
struct Waiting<'a>(&'a Mutex<Intake>);

impl<'a> Waiting<'a> {
    fn new(intake: &'a Mutex<Intake>) -> Self {
        lock(intake).waiting += 1;
        Waiting(intake)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(self.0).waiting -= 1;
    }
}
