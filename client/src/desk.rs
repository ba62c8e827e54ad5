//! Where the application leaves what it wants of the client's thread.

use crate::Error;
use crate::pipe::{Announce, Pipe, lock};
use crate::state::calls::{CacheAnswer, CacheCall};
use crate::state::job::JobTerms;
use pylm_protocol::DEFAULT_MAX_MESSAGE;
use pylm_transport::Waker;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Whoever waits for the cache's answer.
pub(crate) type CacheWaiter = oneshot::Sender<CacheAnswer>;

/// What the client's thread is to do.
pub(crate) enum Order {
    /// Open a job.
    Open(u32, Box<JobTerms>, Arc<Pipe>),
    /// Look into a job's pipe.
    Look(u32),
    /// Ask the cache.
    Call(CacheCall, CacheWaiter),
    /// Say goodbye and end; the sender is dropped when that is done.
    Stop(Option<oneshot::Sender<()>>),
}

/// Whether the client and its node are in touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The node has not greeted yet.
    Connecting,
    /// Messages and results flow.
    Connected,
    /// The connection was lost. The client tries to get another, and then goes on where it was.
    Reconnecting,
    /// The client has stopped, or the node has refused it for good.
    Stopped,
}

/// The orders, and what the client's thread lets everybody know.
#[derive(Debug)]
pub(crate) struct Desk {
    orders: Mutex<Orders>,
    /// Whether the client's thread sleeps, so that it has to be woken.
    asleep: AtomicBool,
    waker: Waker,
    status: AtomicU8,
    max_message: AtomicU64,
    next_job: AtomicU32,
}

#[derive(Default)]
struct Orders {
    queue: Vec<Order>,
    /// Why no orders are taken any more.
    closed: Option<Error>,
}

impl std::fmt::Debug for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orders").field("queue", &self.queue.len()).field("closed", &self.closed).finish()
    }
}

impl Desk {
    pub(crate) fn new(waker: Waker) -> Self {
        Desk {
            orders: Mutex::default(),
            asleep: AtomicBool::new(false),
            waker,
            status: AtomicU8::new(0),
            max_message: AtomicU64::new(DEFAULT_MAX_MESSAGE),
            next_job: AtomicU32::new(0),
        }
    }

    pub(crate) fn order(&self, order: Order) -> Result<(), Error> {
        {
            let mut orders = lock(&self.orders);
            if let Some(error) = &orders.closed {
                return Err(error.clone());
            }
            orders.queue.push(order);
        }
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.waker.wake().map_err(Error::system("wake the client's thread"))?;
        }
        Ok(())
    }

    /// Passes on that there is something in a job's pipe. Where nobody looks any more, the pipe itself says so.
    pub(crate) fn announce(&self, job: u32, announce: Announce) {
        if announce.0 {
            let _ = self.order(Order::Look(job));
        }
    }

    /// A number that no job of this client has had.
    pub(crate) fn job_number(&self) -> u32 {
        self.next_job.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn status(&self) -> Status {
        match self.status.load(Ordering::Relaxed) {
            0 => Status::Connecting,
            1 => Status::Connected,
            2 => Status::Reconnecting,
            _ => Status::Stopped,
        }
    }

    /// The largest payload that the node takes, in bytes.
    pub(crate) fn max_message(&self) -> u64 {
        self.max_message.load(Ordering::Relaxed)
    }

    // The client's thread's side.

    pub(crate) fn set_status(&self, status: Status) {
        let number = match status {
            Status::Connecting => 0,
            Status::Connected => 1,
            Status::Reconnecting => 2,
            Status::Stopped => 3,
        };
        self.status.store(number, Ordering::Relaxed);
    }

    pub(crate) fn set_max_message(&self, bytes: u64) {
        self.max_message.store(bytes, Ordering::Relaxed);
    }

    /// Takes the orders, in exchange for an empty vector.
    pub(crate) fn take(&self, into: &mut Vec<Order>) {
        std::mem::swap(&mut lock(&self.orders).queue, into);
    }

    /// Tells that the client's thread is about to sleep; whether there is something to do instead.
    pub(crate) fn lie_down(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        let is_busy = !lock(&self.orders).queue.is_empty();
        if is_busy {
            self.get_up();
        }
        is_busy
    }

    pub(crate) fn get_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Takes no further orders, and returns the last ones.
    pub(crate) fn close(&self, why: &Error) -> Vec<Order> {
        self.set_status(Status::Stopped);
        let mut orders = lock(&self.orders);
        orders.closed.get_or_insert_with(|| why.clone());
        std::mem::take(&mut orders.queue)
    }
}
