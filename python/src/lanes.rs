//! Single messages with a future each: `submit`.
//!
//! Messages of one function and one set of options share a job, the *lane*. One *reader*, a thread of Python, waits for the ends of
//! all lanes and resolves the futures. No call of Python happens while a lane is locked, as it could run anything.

use crate::errors::{message_failed, of_client, result_count};
use crate::payload::{read, write};
use crate::process::Local;
use crate::wait::wait_idly;
use bytes::Bytes;
use pylm_client::{Error, Event, JobResults, JobSender, Place};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Messages of a lane that have not ended, at most, and bytes of them; the client's own window.
const MOST: (usize, usize) = (32_768, 64 << 20);
/// Ends that the reader takes at once.
const BATCH: usize = 1024;
/// How long a signal may go unnoticed while `submit` waits for room.
const SLICE: Duration = Duration::from_millis(50);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message that has not ended.
struct Open {
    future: Py<PyAny>,
    /// The future gets a list of all results, not the only one.
    all: bool,
    size: usize,
    results: Vec<(Place, Bytes)>,
}

/// A message that has ended.
struct Ended {
    open: Open,
    number: u64,
    how: How,
}

enum How {
    Done,
    Failed {
        code: Box<str>,
        text: Box<str>,
        payload: Bytes,
    },
    /// The client has ended, and with it all of the lane.
    Broken(Error),
}

struct Messages {
    /// Gone once the lane is closed.
    sender: Option<Local<JobSender>>,
    /// Gone once the job is over.
    results: Option<Local<JobResults>>,
    open: HashMap<u64, Open>,
    /// Bytes of payload of `open`.
    bytes: usize,
    /// What callbacks of the reader submit, which cannot wait for it, while there is no room.
    overflow: VecDeque<(Bytes, Open)>,
}

struct Shared {
    messages: Mutex<Messages>,
    room: Condvar,
}

/// The job of one function with one set of options. Thrown away, it takes no further messages.
#[pyclass(frozen, module = "pylmd._native")]
pub struct Lane(Local<Arc<Shared>>);

impl Drop for Lane {
    fn drop(&mut self) {
        if let Ok(shared) = self.0.get() {
            let sender = lock(&shared.messages).sender.take();
            drop(sender);
        }
    }
}

#[derive(Default)]
struct Lanes {
    lanes: Vec<Arc<Shared>>,
    is_closed: bool,
    waiting: Option<Waker>,
}

/// Waits for the ends of all lanes of a client.
#[pyclass(frozen, module = "pylmd._native")]
pub struct Reader(Mutex<Lanes>);

impl Messages {
    fn has_room(&self, size: usize) -> bool {
        self.open.is_empty() || (self.open.len() < MOST.0 && self.bytes + size <= MOST.1)
    }

    /// Submits a message, or gives it back where the client has no room.
    fn send(&mut self, payload: Bytes, open: Open) -> Result<Option<(Bytes, Open)>, Refused> {
        let Some(sender) = &self.sender else { return Err(Refused::Client(Error::Finished)) };
        match sender.get().map_err(Refused::Python)?.try_send(payload) {
            Ok(Ok(number)) => {
                self.bytes += open.size;
                self.open.insert(number, open);
                Ok(None)
            }
            Ok(Err(payload)) => Ok(Some((payload, open))),
            Err(error) => Err(Refused::Client(error)),
        }
    }

    fn send_overflow(&mut self) {
        while let Some((payload, open)) = self.overflow.pop_front() {
            match self.send(payload, open) {
                Ok(None) => {}
                Ok(Some(back)) => return self.overflow.push_front(back),
                // The results tell what has become of the lane.
                Err(_) => return,
            }
        }
    }

    fn end(&mut self, number: u64, how: How, into: &mut Vec<Ended>) {
        if let Some(open) = self.open.remove(&number) {
            self.bytes -= open.size;
            into.push(Ended { open, number, how });
        }
    }

    fn end_all(&mut self, error: &Error, into: &mut Vec<Ended>) {
        self.results = None;
        self.bytes = 0;
        let open = self.open.drain();
        let overflow = self.overflow.drain(..).map(|(_, open)| (0, open));
        into.extend(open.chain(overflow).map(|(number, open)| Ended {
            open,
            number,
            how: How::Broken(error.clone()),
        }));
    }

    /// Takes what has ended. Whether more may come.
    fn take(&mut self, context: &mut Context<'_>, into: &mut Vec<Ended>) -> bool {
        while into.len() < BATCH {
            let Some(results) = &mut self.results else { return false };
            let Ok(results) = results.get_mut() else { return false };
            match results.poll_next(context) {
                Poll::Pending => return true,
                Poll::Ready(Err(error)) => self.end_all(&error, into),
                Poll::Ready(Ok(None)) => self.end_all(&Error::Finished, into),
                Poll::Ready(Ok(Some(output))) => match output.event {
                    Event::Result { place, payload } => {
                        if let Some(open) = self.open.get_mut(&output.number) {
                            open.results.push((place, payload));
                        }
                    }
                    Event::Done { .. } => self.end(output.number, How::Done, into),
                    Event::Failed { code, text, submitted } => {
                        let how = How::Failed { code, text, payload: submitted.payload };
                        self.end(output.number, how, into);
                    }
                },
            }
        }
        true
    }
}

/// Why a message was not submitted.
enum Refused {
    Client(Error),
    Python(PyErr),
}

#[pymethods]
impl Lane {
    /// Submits a message whose end resolves `future`. Waits for room, unless it is the reader's thread that submits.
    fn submit(
        &self,
        py: Python<'_>,
        payload: &Bound<'_, PyAny>,
        future: Py<PyAny>,
        all: bool,
        is_reader: bool,
    ) -> PyResult<()> {
        let shared = self.0.get()?;
        let mut payload = read(payload)?;
        let size = payload.len();
        let mut open = Open { future, all, size, results: Vec::new() };
        loop {
            let mut messages = lock(&shared.messages);
            if is_reader || messages.has_room(size) {
                match messages.send(payload, open) {
                    Ok(None) => return Ok(()),
                    Ok(Some(back)) if is_reader => {
                        messages.overflow.push_back(back);
                        return Ok(());
                    }
                    Ok(Some(back)) => (payload, open) = back,
                    Err(refused) => {
                        drop(messages);
                        return Err(match refused {
                            Refused::Client(error) => of_client(py, &error),
                            Refused::Python(error) => error,
                        });
                    }
                }
            }
            drop(messages);
            py.detach(|| shared.wait_for_room(size));
            py.check_signals()?;
        }
    }
}

impl Shared {
    fn wait_for_room(&self, size: usize) {
        let messages = lock(&self.messages);
        let is_full = |messages: &mut Messages| !messages.has_room(size) && messages.sender.is_some();
        drop(self.room.wait_timeout_while(messages, SLICE, is_full));
    }
}

impl Reader {
    /// Makes a lane of a job.
    pub(crate) fn add(&self, sender: JobSender, results: JobResults) -> Lane {
        let messages = Messages {
            sender: Some(Local::new(sender)),
            results: Some(Local::new(results)),
            open: HashMap::new(),
            bytes: 0,
            overflow: VecDeque::new(),
        };
        let shared = Arc::new(Shared { messages: Mutex::new(messages), room: Condvar::new() });
        let mut lanes = lock(&self.0);
        lanes.lanes.push(Arc::clone(&shared));
        let waiting = lanes.waiting.take();
        drop(lanes);
        waiting.inspect(|waker| waker.wake_by_ref());
        Lane(Local::new(shared))
    }

    /// What has ended, or nothing once the reader is closed.
    fn poll(&self, context: &mut Context<'_>) -> Poll<Vec<Ended>> {
        let mut ended = Vec::new();
        let mut lanes = lock(&self.0);
        lanes.waiting = Some(context.waker().clone());
        lanes.lanes.retain(|lane| {
            let mut messages = lock(&lane.messages);
            let goes_on = messages.take(context, &mut ended);
            messages.send_overflow();
            drop(messages);
            lane.room.notify_all();
            goes_on
        });
        let is_over = lanes.is_closed && lanes.lanes.is_empty();
        if ended.is_empty() && !is_over { Poll::Pending } else { Poll::Ready(ended) }
    }
}

#[pymethods]
impl Reader {
    #[new]
    fn new() -> Self {
        Reader(Mutex::default())
    }

    /// Takes what has ended: triples of future, value and exception. An empty list is the end: the reader is closed, and so are its lanes.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for ended in wait_idly(py, poll_fn(|context| self.poll(context))) {
            let (future, outcome) = ended.into_outcome(py);
            match outcome {
                Ok(value) => list.append((future, value, py.None()))?,
                Err(error) => list.append((future, py.None(), error.into_value(py)))?,
            }
        }
        Ok(list)
    }

    /// Lets the reader end once its lanes have.
    fn close(&self) {
        let mut lanes = lock(&self.0);
        lanes.is_closed = true;
        let waiting = lanes.waiting.take();
        let all = lanes.lanes.clone();
        drop(lanes);
        for lane in all {
            let sender = lock(&lane.messages).sender.take();
            drop(sender);
        }
        waiting.inspect(|waker| waker.wake_by_ref());
    }
}

impl Ended {
    fn into_outcome(self, py: Python<'_>) -> (Py<PyAny>, PyResult<Bound<'_, PyAny>>) {
        let Ended { open, number, how } = self;
        let Open { future, all, mut results, .. } = open;
        let outcome = match how {
            How::Broken(error) => Err(of_client(py, &error)),
            How::Failed { code, text, payload } => {
                let payload = PyBytes::new(py, &payload).into_any();
                message_failed(py, &code, &text, number, payload)
                    .and_then(|failure| Err(PyErr::from_value(failure)))
            }
            How::Done if all => {
                results.sort_by(|one, other| one.0.cmp(&other.0));
                let payloads = results.into_iter().map(|(_, payload)| PyBytes::new(py, &payload));
                PyList::new(py, payloads.collect::<Vec<_>>()).map(Bound::into_any)
            }
            How::Done => match (results.pop(), results.len()) {
                (Some((_, only)), 0) => write(py, only, false),
                (last, others) => Err(result_count(py, others + usize::from(last.is_some()))),
            },
        };
        (future, outcome)
    }
}
