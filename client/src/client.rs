//! A client: one connection to a node, for any number of jobs and cache calls.

use crate::Error;
use crate::cache::Cache;
use crate::desk::{Desk, Order, Status};
use crate::job::{JobResults, JobSender};
use crate::options::{ClientOptions, JobOptions};
use crate::output::Event;
use crate::pipe::Pipe;
use crate::state::job::{JobTerms, milliseconds};
use crate::state::session::Introduction;
use crate::thread::{ClientThread, FirstConnection};
use bytes::Bytes;
use pylm_protocol::Address;
use pylm_protocol::strings::{CALL, NAME};
use pylm_transport::{Poller, Security};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

/// Cache calls under way at once; the node allows some more.
const OPEN_CALLS: usize = 256;

/// For a patience that no clock can count.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A connection to a node, kept up by a thread of its own. Clones share it.
///
/// When the last clone and the last half of a job are dropped, what has not ended is cancelled.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) handle: Arc<Handle>,
}

/// The client's thread, for as long as somebody needs it.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) desk: Arc<Desk>,
    pub(crate) calls: Semaphore,
    pub(crate) session: Option<String>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Refused only where the thread has ended already.
        let _ = self.desk.order(Order::Stop(None));
    }
}

impl Client {
    /// Connects to a node and waits for its greeting.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] when the node does not answer within the patience of `options`, [`Error::Address`] when its
    /// address is none, [`Error::NotNative`], [`Error::Version`] and [`Error::Refused`] when the two do not fit, and
    /// [`Error::System`] when this process may have no more threads or descriptors.
    pub async fn connect(options: ClientOptions) -> Result<Client, Error> {
        let address = Address::of_peer(&options.address)
            .map_err(|error| Error::address(&options.address, error.cause()))?
            .to_string();
        NAME.check(&options.name)?;
        NAME.check(&options.software)?;
        let poller = Poller::new().map_err(Error::system("make a poller"))?;
        let desk = Arc::new(Desk::new(poller.waker()));
        let security = options.access.as_ref().map_or(Ok(Security::None), |access| {
            Security::client(*access.node_key.as_bytes(), *access.secret_key.as_bytes())
        });
        let security = security.map_err(Error::system("use the key of the access file"))?;
        let introduction = Introduction {
            peer: Uuid::new_v4(),
            name: options.name,
            software: options.software,
            max_message: options.max_message,
            address,
        };
        let (reply, greeted) = oneshot::channel();
        let now = Instant::now();
        let until = now.checked_add(options.patience).unwrap_or(now + FOR_EVER);
        let first = FirstConnection { until, patience: options.patience, reply };
        // Stops the thread when this future is dropped before the node has greeted, too.
        let (calls, session) = (Semaphore::new(OPEN_CALLS), options.session);
        let handle = Handle { desk: Arc::clone(&desk), calls, session };
        let thread = ClientThread::new(introduction, security, poller, desk, first)?;
        std::thread::Builder::new()
            .name("pylm-client".into())
            .spawn(move || thread.run())
            .map_err(Error::system("start the client's thread"))?;
        greeted.await.map_err(|_| Error::Stopped)??;
        Ok(Client { handle: Arc::new(handle) })
    }

    /// Opens a job: a stream of messages for `function`, which is `server.function`, or several of those separated by spaces
    /// for a call in stages. Nothing waits here: what goes wrong is told by the halves.
    pub fn job(&self, function: &str, options: JobOptions) -> (JobSender, JobResults) {
        let identity = Uuid::new_v4();
        let terms = JobTerms {
            identity,
            attach: false,
            pipeline: options
                .pipeline
                .clone()
                .or_else(|| self.handle.session.clone())
                .unwrap_or_else(|| identity.to_string()),
            function: function.into(),
            timeout: options.timeout.map_or(0, milliseconds),
            deadline: options.deadline.and_then(|time| Instant::now().checked_add(time)),
            priority: u64::from(options.priority),
            retries: u64::from(options.retries),
            outputs: options.outputs,
        };
        let (number, pipe) = self.open(terms, &options);
        let sender = JobSender::new(Arc::clone(&self.handle), number, Arc::clone(&pipe), identity);
        let results = JobResults::new(Arc::clone(&self.handle), number, pipe, options.ordered);
        (sender, results)
    }

    /// Takes over a job whose client has gone without its results: gives what is still to come, of the messages that had not
    /// ended for that client, under their numbers. Of `options`, the output window counts. Dropping the results leaves the
    /// job to whoever attaches next; [`cancel`](JobResults::cancel) cancels it.
    ///
    /// A message that fails is not given back, as only the client that submitted it has it. Where the node may have lost messages that
    /// it cannot name, the last that the results give is [`Error::JobIncomplete`](crate::Error::JobIncomplete).
    pub fn attach(&self, job: Uuid, options: JobOptions) -> JobResults {
        let terms = JobTerms {
            identity: job,
            attach: true,
            pipeline: String::new(),
            function: String::new(),
            timeout: 0,
            deadline: None,
            priority: 0,
            retries: 0,
            outputs: options.outputs,
        };
        let (number, pipe) = self.open(terms, &options);
        JobResults::attached(Arc::clone(&self.handle), number, pipe)
    }

    fn open(&self, terms: JobTerms, options: &JobOptions) -> (u32, Arc<Pipe>) {
        let number = self.handle.desk.job_number();
        let pipe = Arc::new(Pipe::new(options.window, options.ordered, options.outputs));
        let checked = NAME.check(&terms.pipeline).and_then(|()| CALL.check(&terms.function));
        let open = || self.handle.desk.order(Order::Open(number, Box::new(terms), Arc::clone(&pipe)));
        if let Err(error) = checked.map_err(Error::from).and_then(|()| open()) {
            pipe.close_intake(error.clone());
            pipe.close_outbox(Err(error));
        }
        (number, pipe)
    }

    /// Sends one message and returns its results, in the order of their places.
    ///
    /// # Errors
    /// [`Error::Failed`] when the message fails, and what a job's halves may tell.
    pub async fn eval(&self, function: &str, payload: impl Into<Bytes>) -> Result<Vec<Bytes>, Error> {
        let (sender, mut outputs) = self.job(function, JobOptions::new());
        sender.send(payload).await?;
        sender.finish();
        let mut results = Vec::new();
        while let Some(output) = outputs.next().await? {
            match output.event {
                Event::Result { place, payload } => results.push((place, payload)),
                Event::Done { .. } => {}
                Event::Failed { code, text, .. } => {
                    return Err(Error::Failed { code: code.into(), text: text.into() });
                }
            }
        }
        results.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(results.into_iter().map(|(_, payload)| payload).collect())
    }

    /// The node's cache.
    pub fn cache(&self) -> Cache<'_> {
        Cache::new(&self.handle)
    }

    /// Whether client and node are in touch, now.
    pub fn status(&self) -> Status {
        self.handle.desk.status()
    }

    /// The largest payload that the node takes, in bytes.
    pub fn max_message(&self) -> u64 {
        self.handle.desk.max_message()
    }

    /// Ends the client, even while clones and jobs of it remain: cancels what has not ended, and waits until the node has
    /// read that, half a second at most. A program that ends right after dropping a client may end before that.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.handle.desk.order(Order::Stop(Some(done))).is_ok() {
            // An error is what is waited for: the thread drops its half at its end.
            let _ = closed.await;
        }
    }
}
