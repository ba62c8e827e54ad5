//! The same client for programs without async: calls block, and results are an iterator.
//!
//! ```no_run
//! # fn example() -> Result<(), pylm_client::Error> {
//! use pylm_client::blocking::Client;
//! use pylm_client::{ClientOptions, DEFAULT_ADDRESS, JobOptions};
//!
//! let client = Client::connect(ClientOptions::new(DEFAULT_ADDRESS))?;
//! let (sender, results) = client.job("server.shout", JobOptions::new());
//! // Written on one thread and read on another, so that neither waits for the other for ever.
//! let writer = std::thread::spawn(move || (0..1_000_000).try_for_each(|number: u32| sender.send(number.to_string()).map(drop)));
//! for output in results {
//!     println!("{:?}", output?);
//! }
//! writer.join().expect("the writer does not panic")?;
//! # Ok(())
//! # }
//! ```

use crate::state::backlog::Message;
use crate::{ClientOptions, Error, JobOptions, Output, Status};
use bytes::Bytes;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use uuid::Uuid;

/// As [`crate::Client`].
#[derive(Debug, Clone)]
pub struct Client {
    inner: crate::Client,
}

impl Client {
    /// As [`crate::Client::connect`].
    ///
    /// # Errors
    /// As there.
    pub fn connect(options: ClientOptions) -> Result<Client, Error> {
        Ok(Client { inner: wait(crate::Client::connect(options))? })
    }

    /// As [`crate::Client::job`].
    pub fn job(&self, function: &str, options: JobOptions) -> (JobSender, JobResults) {
        let (sender, results) = self.inner.job(function, options);
        (JobSender { inner: sender }, JobResults { inner: results, failed: false })
    }

    /// As [`crate::Client::attach`].
    pub fn attach(&self, job: Uuid, options: JobOptions) -> JobResults {
        JobResults { inner: self.inner.attach(job, options), failed: false }
    }

    /// As [`crate::Client::eval`].
    ///
    /// # Errors
    /// As there.
    pub fn eval(&self, function: &str, payload: impl Into<Bytes>) -> Result<Vec<Bytes>, Error> {
        wait(self.inner.eval(function, payload))
    }

    /// The node's cache.
    pub fn cache(&self) -> Cache<'_> {
        Cache { inner: self.inner.cache() }
    }

    /// As [`crate::Client::status`].
    pub fn status(&self) -> Status {
        self.inner.status()
    }

    /// As [`crate::Client::max_message`].
    pub fn max_message(&self) -> u64 {
        self.inner.max_message()
    }

    /// As [`crate::Client::close`].
    pub fn close(self) {
        wait(self.inner.close());
    }
}

/// As [`crate::JobSender`]; one half of a job may be blocking and the other async.
#[derive(Debug)]
pub struct JobSender {
    inner: crate::JobSender,
}

impl From<crate::JobSender> for JobSender {
    fn from(inner: crate::JobSender) -> Self {
        JobSender { inner }
    }
}

impl JobSender {
    /// As [`crate::JobSender::send`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn send(&self, payload: impl Into<Bytes>) -> Result<u64, Error> {
        match self.inner.try_send_message(Message { payload: payload.into(), cache: None })? {
            Ok(number) => Ok(number),
            Err(message) => wait(self.inner.send(message.payload)),
        }
    }

    /// As [`crate::JobSender::send_with`].
    ///
    /// # Errors
    /// As there.
    pub fn send_with(&self, payload: impl Into<Bytes>, cache_key: &str) -> Result<u64, Error> {
        wait(self.inner.send_with(payload, cache_key))
    }

    /// As [`crate::JobSender::identity`].
    pub fn identity(&self) -> Uuid {
        self.inner.identity()
    }

    /// As [`crate::JobSender::finish`].
    pub fn finish(self) {
        self.inner.finish();
    }

    /// As [`crate::JobSender::cancel`].
    pub fn cancel(&self) {
        self.inner.cancel();
    }
}

/// As [`crate::JobResults`]. Ends after the last output, or after the first error.
#[derive(Debug)]
pub struct JobResults {
    inner: crate::JobResults,
    failed: bool,
}

impl JobResults {
    /// The next output if there is one now.
    ///
    /// # Errors
    /// As [`crate::JobResults::next`].
    pub fn try_next(&mut self) -> Result<Option<Output>, Error> {
        self.inner.try_next()
    }

    /// Whether there are no further outputs.
    pub fn is_over(&self) -> bool {
        self.inner.is_over()
    }

    /// As [`crate::JobResults::cancel`].
    pub fn cancel(&self) {
        self.inner.cancel();
    }
}

impl Iterator for JobResults {
    type Item = Result<Output, Error>;

    #[inline]
    fn next(&mut self) -> Option<Result<Output, Error>> {
        if self.failed {
            return None;
        }
        let output = match self.inner.try_next() {
            Ok(None) => wait(self.inner.next()),
            at_hand => at_hand,
        };
        self.failed = output.is_err();
        output.transpose()
    }
}

/// As [`crate::Cache`].
#[derive(Debug, Clone, Copy)]
pub struct Cache<'a> {
    inner: crate::Cache<'a>,
}

impl Cache<'_> {
    /// As [`crate::Cache::get`].
    ///
    /// # Errors
    /// As there.
    pub fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        wait(self.inner.get(key))
    }

    /// As [`crate::Cache::set`].
    ///
    /// # Errors
    /// As there.
    pub fn set(&self, key: &str, value: impl Into<Bytes>) -> Result<String, Error> {
        wait(self.inner.set(key, value))
    }

    /// As [`crate::Cache::delete`].
    ///
    /// # Errors
    /// As there.
    pub fn delete(&self, key: &str) -> Result<bool, Error> {
        wait(self.inner.delete(key))
    }
}

/// Wakes a thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread. Nothing here needs a runtime: the client's own thread does the work.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
