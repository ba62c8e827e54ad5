//! A job as an iterator: pulls messages from a Python iterator, and gives what becomes of them.
//!
//! All on the thread that asks for the next one, as `map` does it: a source needs no lock of its own, what it raises comes out where
//! it is used, and one that is slow holds nothing up that is there already.

use crate::bell::Bell;
use crate::errors::{in_use, message_failed, of_client};
use crate::output::to_python;
use crate::payload;
use crate::process::Local;
use crate::wait::wait;
use bytes::Bytes;
use pylm_client::{Event, JobResults, JobSender, Output, Place};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyType};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, TryLockError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How long the source may go on being asked while something is there to be given.
const PATIENCE: Duration = Duration::from_millis(1);

/// What the iterator gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Give {
    /// Every output.
    Outputs,
    /// Results; the first failure is raised, and ends the job.
    Results,
    /// Results, and exceptions in the place of those that failed.
    ResultsAndFailures,
}

/// An iterator over what becomes of the messages of a job.
#[pyclass(frozen, module = "pylmd._native")]
pub struct Stream(Mutex<Flow>);

struct Flow {
    /// Gone when it is exhausted, or was never there.
    source: Option<Py<PyIterator>>,
    /// Gone when no further messages follow.
    sender: Option<Local<JobSender>>,
    /// Gone when the job is over.
    results: Option<Local<JobResults>>,
    /// What was pulled, and had no room.
    waiting: Option<Bytes>,
    /// Messages that were pulled and have not ended.
    open: u64,
    /// How many of them there are at most.
    most: u64,
    give: Give,
    is_ordered: bool,
    view: bool,
    /// The results of the message whose turn it is, where they come in order.
    gathered: Vec<(Place, Bytes)>,
    /// Results to be given next.
    ready: VecDeque<Bytes>,
    /// What is to be raised next.
    failure: Option<PyErr>,
}

impl Stream {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        source: Option<Bound<'_, PyIterator>>,
        sender: Option<JobSender>,
        results: JobResults,
        most: u64,
        give: Give,
        is_ordered: bool,
        view: bool,
    ) -> Self {
        Stream(Mutex::new(Flow {
            source: source.map(Bound::unbind),
            sender: sender.map(Local::new),
            results: Some(Local::new(results)),
            waiting: None,
            open: 0,
            most,
            give,
            is_ordered,
            view,
            gathered: Vec::new(),
            ready: VecDeque::new(),
            failure: None,
        }))
    }
}

#[pymethods]
impl Stream {
    /// `Stream[bytes]` and `Stream[memoryview]` are for type checkers.
    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, _payload: Bound<'py, PyAny>) -> Bound<'py, PyType> {
        class.clone()
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut flow = match self.0.try_lock() {
            Ok(flow) => flow,
            Err(TryLockError::Poisoned(flow)) => flow.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(in_use("this iterator")),
        };
        // What goes wrong here goes wrong for all of the job: dropping its halves cancels it.
        let next = flow.next(py);
        let ended = if matches!(next, Ok(Some(_))) { None } else { Some(flow.end()) };
        drop(flow);
        // Outside of the lock, since a source that is thrown away may run anything.
        drop(ended);
        next
    }

    /// At most `most` values for an event loop, or nothing once all have come. An empty list is none now; `bell` rings with
    /// `token` once there may be some.
    fn take<'py>(
        &self,
        py: Python<'py>,
        most: usize,
        bell: &Bell,
        token: u64,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let mut flow = match self.0.try_lock() {
            Ok(flow) => flow,
            Err(TryLockError::Poisoned(flow)) => flow.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(in_use("this iterator")),
        };
        let mut values = Vec::new();
        flow.take(py, most, &bell.waker(token), &mut values)?;
        if values.is_empty() && flow.results.is_none() {
            return Ok(None);
        }
        drop(flow);
        PyList::new(py, values).map(Some)
    }

    /// Cancels the job: what has not ended fails with code `cancelled`, which the next outputs tell.
    fn cancel(&self) -> PyResult<()> {
        match self.0.try_lock() {
            Ok(flow) => flow.results.as_ref().map_or(Ok(()), |results| results.get().map(JobResults::cancel)),
            Err(_) => Err(in_use("this iterator")),
        }
    }

    /// Ends the iterator; a job that is not over is cancelled.
    fn close(&self) -> PyResult<()> {
        let ended = match self.0.try_lock() {
            Ok(mut flow) => flow.end(),
            Err(_) => return Err(in_use("this iterator")),
        };
        drop(ended);
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.0.try_lock() {
            Ok(flow) => flow.source.as_ref().map_or(Ok(()), |source| visit.call(source)),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        let source = self.0.try_lock().ok().and_then(|mut flow| flow.source.take());
        drop(source);
    }
}

/// What a flow needs no more.
type Ended = (Option<Py<PyIterator>>, Option<Local<JobSender>>, Option<Local<JobResults>>);

impl Flow {
    fn next<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            self.fill(py)?;
            if let Some(payload) = self.ready.pop_front() {
                return payload::write(py, payload, self.view).map(Some);
            }
            let Some(output) = self.next_output(py)? else { return Ok(None) };
            if output.is_end() {
                self.open = self.open.saturating_sub(1);
            }
            if let Some(value) = self.on_output(py, output)? {
                return Ok(Some(value));
            }
        }
    }

    /// Pulls messages until enough are open, the source is exhausted, or it takes its time while something else is there.
    fn fill(&mut self, py: Python<'_>) -> PyResult<()> {
        // In batches, so that the client's thread is not woken for each.
        if self.source.is_none() || self.open > self.most - self.most / 4 {
            return Ok(());
        }
        let begin = Instant::now();
        while self.open < self.most {
            if self.waiting.is_none() {
                self.waiting = self.pull(py)?;
            }
            let (Some(payload), Some(sender)) = (self.waiting.take(), &self.sender) else { return Ok(()) };
            match sender.get()?.try_send(payload).map_err(|error| of_client(py, &error))? {
                Ok(_) => self.open += 1,
                Err(payload) => {
                    self.waiting = Some(payload);
                    return Ok(());
                }
            }
            if begin.elapsed() > PATIENCE && self.has_something()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The next message of the source; at its end the job is finished.
    fn pull(&mut self, py: Python<'_>) -> PyResult<Option<Bytes>> {
        let Some(source) = &self.source else { return Ok(None) };
        match source.bind(py).clone().next() {
            Some(item) => payload::read(&item?).map(Some),
            None => {
                (self.source, self.sender) = (None, None);
                Ok(None)
            }
        }
    }

    /// Whether there is something to be given without a wait. What is found is worked on.
    fn has_something(&mut self) -> PyResult<bool> {
        if !self.ready.is_empty() {
            return Ok(true);
        }
        match &self.results {
            Some(results) => Ok(results.get()?.is_ready()),
            None => Ok(false),
        }
    }

    fn next_output(&mut self, py: Python<'_>) -> PyResult<Option<Output>> {
        let Some(results) = &mut self.results else { return Ok(None) };
        let results = results.get_mut()?;
        let output = match results.try_next() {
            Ok(None) if !results.is_over() => wait(py, poll_fn(|context| results.poll_next(context)))?,
            at_hand => at_hand,
        };
        output.map_err(|error| of_client(py, &error))
    }

    fn take<'py>(
        &mut self,
        py: Python<'py>,
        most: usize,
        waker: &Waker,
        values: &mut Vec<Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let mut context = Context::from_waker(waker);
        while values.len() < most {
            if let Some(payload) = self.ready.pop_front() {
                values.push(payload::write(py, payload, self.view)?);
                continue;
            }
            if let Some(failure) = self.failure.take() {
                if values.is_empty() {
                    drop(self.end());
                    return Err(failure);
                }
                // After what came before it.
                self.failure = Some(failure);
                return Ok(());
            }
            let Some(results) = &mut self.results else { return Ok(()) };
            match results.get_mut()?.poll_next(&mut context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(None)) => self.results = None,
                Poll::Ready(Err(error)) => self.failure = Some(of_client(py, &error)),
                Poll::Ready(Ok(Some(output))) => match self.on_output(py, output) {
                    Ok(value) => values.extend(value),
                    Err(error) => self.failure = Some(error),
                },
            }
        }
        Ok(())
    }

    fn on_output<'py>(&mut self, py: Python<'py>, output: Output) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.give == Give::Outputs {
            return to_python(py, output, self.view).map(Some);
        }
        match output.event {
            Event::Result { payload, .. } if !self.is_ordered => {
                payload::write(py, payload, self.view).map(Some)
            }
            Event::Result { place, payload } => {
                self.gathered.push((place, payload));
                Ok(None)
            }
            Event::Done { .. } => {
                if self.gathered.len() == 1 {
                    let only = self.gathered.pop().map(|(_, payload)| payload::write(py, payload, self.view));
                    return only.transpose();
                }
                self.gathered.sort_by(|one, other| one.0.cmp(&other.0));
                self.ready.extend(self.gathered.drain(..).map(|(_, payload)| payload));
                Ok(None)
            }
            Event::Failed { code, text, submitted } => {
                self.gathered.clear();
                let payload = payload::write(py, submitted.payload, false)?;
                let failure = message_failed(py, &code, &text, output.number, payload)?;
                match self.give {
                    Give::ResultsAndFailures => Ok(Some(failure)),
                    _ => Err(PyErr::from_value(failure)),
                }
            }
        }
    }

    fn end(&mut self) -> Ended {
        self.ready.clear();
        self.gathered.clear();
        (self.source.take(), self.sender.take(), self.results.take())
    }
}
