//! The half of a job that takes messages.

use crate::errors::of_client;
use crate::payload;
use crate::pending::Pending;
use crate::process::Local;
use crate::wait::wait;
use bytes::Bytes;
use pylm_client::JobSender;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// Submits the messages of a job; any thread may.
#[pyclass(frozen, module = "pylmd")]
pub struct Sender {
    /// Gone once the job is finished.
    sender: Mutex<Option<Local<Arc<JobSender>>>>,
    identity: String,
}

impl Sender {
    pub(crate) fn new(sender: JobSender) -> Self {
        let identity = sender.identity().to_string();
        Sender { sender: Mutex::new(Some(Local::new(Arc::new(sender)))), identity }
    }

    fn get(&self, py: Python<'_>) -> PyResult<Arc<JobSender>> {
        match &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(sender) => sender.get().cloned(),
            None => Err(of_client(py, &pylm_client::Error::Finished)),
        }
    }
}

/// Submits a message, and waits for room where there is none.
///
/// # Errors
/// What the client says, and what a signal's handler raises.
fn send(py: Python<'_>, sender: &JobSender, payload: Bytes, key: Option<&str>) -> PyResult<u64> {
    let sent = match key {
        Some(key) => wait(py, sender.send_with(payload, key))?,
        None => match sender.try_send(payload) {
            Ok(Ok(number)) => return Ok(number),
            Ok(Err(payload)) => wait(py, sender.send(payload))?,
            Err(error) => Err(error),
        },
    };
    sent.map_err(|error| of_client(py, &error))
}

#[pymethods]
impl Sender {
    #[pyo3(signature = (payload, *, key=None))]
    fn send(&self, py: Python<'_>, payload: &Bound<'_, PyAny>, key: Option<&str>) -> PyResult<u64> {
        let payload = payload::read(payload)?;
        let sender = self.get(py)?;
        send(py, &sender, payload, key)
    }

    /// Submits a message where there is room, and gives its number; or else a call that waits for room.
    #[pyo3(signature = (payload, *, key=None))]
    fn begin(&self, py: Python<'_>, payload: &Bound<'_, PyAny>, key: Option<String>) -> PyResult<Py<PyAny>> {
        let payload = payload::read(payload)?;
        let sender = self.get(py)?;
        let payload = match (&key, payload) {
            (None, payload) => match sender.try_send(payload).map_err(|error| of_client(py, &error))? {
                Ok(number) => return Ok(number.into_pyobject(py)?.into_any().unbind()),
                Err(payload) => payload,
            },
            (Some(_), payload) => payload,
        };
        let sent = async move {
            match key {
                Some(key) => sender.send_with(payload, &key).await,
                None => sender.send(payload).await,
            }
        };
        let pending = Pending::new(sent, |py, sent| match sent {
            Ok(number) => Ok(number.into_pyobject(py)?.into_any().unbind()),
            Err(error) => Err(of_client(py, &error)),
        });
        Ok(Py::new(py, pending)?.into_any())
    }

    fn finish(&self) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(sender);
    }

    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        match self.get(py) {
            Ok(sender) => sender.cancel(),
            Err(error) if !error.is_instance_of::<pyo3::exceptions::PyException>(py) => return Err(error),
            // What is finished is cancelled by its results.
            Err(_) => {}
        }
        Ok(())
    }

    #[getter]
    fn identity(&self) -> &str {
        &self.identity
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (kind, _value, _traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<Bound<'_, PyAny>>,
        _value: Option<Bound<'_, PyAny>>,
        _traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        if kind.is_some() {
            self.cancel(py)?;
        }
        self.finish();
        Ok(())
    }
}
