//! What an event loop awaits: a future of the client, polled by the loop.

use crate::bell::Bell;
use crate::errors::in_use;
use crate::process::Local;
use pyo3::prelude::*;
use std::pin::Pin;
use std::sync::{Mutex, TryLockError};
use std::task::{Context, Poll};

/// Makes Python's answer of what a future gave.
type Answer = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// What gives an answer in the end.
type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A call that is under way. Closed or thrown away, it is given up.
#[pyclass(frozen, module = "pylmd._native")]
pub struct Pending(Mutex<Option<Local<Call>>>);

impl Pending {
    /// A call whose outcome `answer` makes Python's of.
    pub(crate) fn new<F, A>(future: F, answer: A) -> Self
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        A: FnOnce(Python<'_>, F::Output) -> PyResult<Py<PyAny>> + Send + 'static,
    {
        let future = async move {
            let outcome = future.await;
            let answer: Answer = Box::new(move |py| answer(py, outcome));
            answer
        };
        Pending(Mutex::new(Some(Local::new(Box::pin(future)))))
    }
}

#[pymethods]
impl Pending {
    /// The answer in a tuple, or nothing as long as there is none; `bell` then rings with `token` once there may be.
    fn poll(&self, py: Python<'_>, bell: &Bell, token: u64) -> PyResult<Option<(Py<PyAny>,)>> {
        let mut place = match self.0.try_lock() {
            Ok(place) => place,
            Err(TryLockError::Poisoned(place)) => place.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(in_use("this call")),
        };
        let Some(future) = &mut *place else { return Err(in_use("this call")) };
        let waker = bell.waker(token);
        match future.get_mut()?.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => Ok(None),
            Poll::Ready(answer) => {
                *place = None;
                drop(place);
                answer(py).map(|answer| Some((answer,)))
            }
        }
    }

    /// Gives the call up.
    fn close(&self) {
        let future = self.0.try_lock().ok().and_then(|mut place| place.take());
        drop(future);
    }
}
