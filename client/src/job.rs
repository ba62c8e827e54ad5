//! The two halves of a job: one takes messages, the other gives their results.

use crate::Error;
use crate::client::Handle;
use crate::order::Reorder;
use crate::output::{Output, Unpack};
use crate::pipe::{Pipe, SendFailure};
use crate::state::backlog::Message;
use bytes::Bytes;
use pylm_protocol::strings::KEY;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use uuid::Uuid;

/// Submits the messages of a job. Dropping it finishes the job.
#[derive(Debug)]
pub struct JobSender {
    handle: Arc<Handle>,
    number: u32,
    pipe: Arc<Pipe>,
    identity: Uuid,
}

impl JobSender {
    pub(crate) fn new(handle: Arc<Handle>, number: u32, pipe: Arc<Pipe>, identity: Uuid) -> Self {
        JobSender { handle, number, pipe, identity }
    }

    /// Names the job at its node, as in [`Client::attach`](crate::Client::attach).
    pub fn identity(&self) -> Uuid {
        self.identity
    }

    /// Submits a message and returns its number: the first of a job has 0, the next 1. Waits for room in the job's window;
    /// dropped while it waits, it has submitted nothing.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a payload that the node does not take, [`Error::Cancelled`] and [`Error::Finished`] when the job
    /// takes no more, and what ended the client.
    #[inline]
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<u64, Error> {
        self.send_message(Message { payload: payload.into(), cache: None }).await
    }

    /// As [`send`](Self::send), with the key under which functions find and store what belongs to the message. Without one,
    /// every message has a key of its own.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_with(&self, payload: impl Into<Bytes>, cache_key: &str) -> Result<u64, Error> {
        self.send_message(Message { payload: payload.into(), cache: Some(cache_key.into()) }).await
    }

    #[inline]
    async fn send_message(&self, message: Message) -> Result<u64, Error> {
        match self.try_send_message(message)? {
            Ok(number) => Ok(number),
            Err(message) => {
                let (number, announce) = self.pipe.send(message).await?;
                self.handle.desk.announce(self.number, announce);
                Ok(number)
            }
        }
    }

    /// As [`send`](Self::send) where there is room now, and gives the payload back where there is none.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<Result<u64, Bytes>, Error> {
        let sent = self.try_send_message(Message { payload: payload.into(), cache: None })?;
        Ok(sent.map_err(|message| message.payload))
    }

    /// Submits a message if there is room, and gives it back if there is none.
    #[inline]
    pub(crate) fn try_send_message(&self, message: Message) -> Result<Result<u64, Message>, Error> {
        let (size, limit) = (message.payload.len() as u64, self.handle.desk.max_message());
        if size > limit {
            return Err(Error::TooLarge { size, limit });
        }
        KEY.check(message.cache.as_deref().unwrap_or_default())?;
        match self.pipe.try_send(message) {
            Ok((number, announce)) => {
                self.handle.desk.announce(self.number, announce);
                Ok(Ok(number))
            }
            Err(SendFailure::Full(message)) => Ok(Err(message)),
            Err(SendFailure::Closed(error)) => Err(error),
        }
    }

    /// Tells that no further messages follow: the results end when all that were submitted have.
    pub fn finish(self) {}

    /// Cancels the job: messages that have not ended fail with code `cancelled`.
    pub fn cancel(&self) {
        self.handle.desk.announce(self.number, self.pipe.cancel());
    }
}

impl Drop for JobSender {
    fn drop(&mut self) {
        self.handle.desk.announce(self.number, self.pipe.finish());
    }
}

/// Gives the outputs of a job. Dropping it before the last one cancels the job.
///
/// Outputs wait here up to the job's [output window](crate::JobOptions::output_window); then the job waits.
#[derive(Debug)]
pub struct JobResults {
    handle: Arc<Handle>,
    number: u32,
    pipe: Arc<Pipe>,
    unpack: Unpack,
    order: Option<Reorder>,
    is_over: bool,
    /// The job is another client's, and stays when this is dropped.
    is_attached: bool,
}

impl JobResults {
    pub(crate) fn new(handle: Arc<Handle>, number: u32, pipe: Arc<Pipe>, ordered: bool) -> Self {
        let order = ordered.then(Reorder::default);
        let unpack = Unpack::default();
        JobResults { handle, number, pipe, unpack, order, is_over: false, is_attached: false }
    }

    pub(crate) fn attached(handle: Arc<Handle>, number: u32, pipe: Arc<Pipe>) -> Self {
        let mut results = Self::new(handle, number, pipe, false);
        results.is_attached = true;
        results
    }

    /// The next output; `None` when the job is finished and every message has ended. Dropped while it waits, it loses
    /// nothing.
    ///
    /// # Errors
    /// What ended the client for good: [`Error::Refused`], [`Error::Stopped`]. A lost connection is none.
    #[inline]
    pub async fn next(&mut self) -> Result<Option<Output>, Error> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`next`](Self::next), for those who wait for several things at once: wakes the task of `context` once there may be an
    /// output. The last task that asked is woken, and no other.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    #[inline]
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Output>, Error>> {
        match self.take_next(Some(context.waker())) {
            Ok(None) if !self.is_over => Poll::Pending,
            outcome => Poll::Ready(outcome),
        }
    }

    /// The next output if there is one now. Tell the end by [`is_over`](Self::is_over).
    ///
    /// # Errors
    /// As [`next`](Self::next).
    #[inline]
    pub fn try_next(&mut self) -> Result<Option<Output>, Error> {
        self.take_next(None)
    }

    #[inline]
    fn take_next(&mut self, reader: Option<&Waker>) -> Result<Option<Output>, Error> {
        loop {
            if let Some(output) = self.next_at_hand() {
                return Ok(Some(output));
            }
            if self.is_over {
                return Ok(None);
            }
            let taken = self.pipe.try_take(reader).inspect_err(|_| self.is_over = true)?;
            self.handle.desk.announce(self.number, taken.announce);
            self.is_over = taken.over;
            match taken.deliveries {
                Some(deliveries) => self.unpack.refill(deliveries),
                None => return Ok(None),
            }
        }
    }

    #[inline]
    fn next_at_hand(&mut self) -> Option<Output> {
        let Some(order) = &mut self.order else { return self.unpack.next() };
        loop {
            if let Some(output) = order.pop() {
                return Some(output);
            }
            order.push(self.unpack.next()?);
        }
    }

    /// Whether something is there to be taken, or nothing more will come.
    pub fn is_ready(&self) -> bool {
        self.is_over || self.unpack.has_next() || self.pipe.has_news()
    }

    /// Whether there are no further outputs.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Cancels the job: messages that have not ended fail with code `cancelled`, which the next outputs tell.
    pub fn cancel(&self) {
        self.handle.desk.announce(self.number, self.pipe.cancel());
    }
}

impl Drop for JobResults {
    fn drop(&mut self) {
        if !self.is_over && !self.is_attached {
            self.cancel();
        }
    }
}
