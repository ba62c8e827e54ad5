//! A connection to a node.

use crate::errors::{self, of_client};
use crate::lanes::{Lane, Reader};
use crate::options::{Options, duration};
use crate::payload::{read, write};
use crate::pending::Pending;
use crate::process::Local;
use crate::sender::Sender;
use crate::stream::{Give, Stream};
use crate::wait::wait;
use bytes::Bytes;
use pylm_client::{AccessFile, ClientOptions, Event, JobOptions, Place, Status, Uuid};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::path::PathBuf;

/// Messages that are open of a job at most, where nothing else is said; the client's own window.
const WINDOW: u64 = 32_768;

/// A client of one node, and where that is; any thread may use it.
#[pyclass(frozen, module = "pylmd._native")]
pub struct Client(Local<pylm_client::Client>, String);

/// Where a node is unless it is told otherwise.
fn default_address() -> String {
    pylm_client::DEFAULT_ADDRESS.to_owned()
}

/// How a message has ended.
enum End {
    Done(Vec<(Place, Bytes)>),
    Failed { code: Box<str>, text: Box<str>, payload: Bytes },
}

/// Sends one message, and waits for its end.
async fn call(
    client: &pylm_client::Client,
    function: &str,
    payload: Bytes,
    options: JobOptions,
) -> Result<End, pylm_client::Error> {
    let (sender, mut outputs) = client.job(function, options);
    sender.send(payload).await?;
    sender.finish();
    let mut results = Vec::new();
    while let Some(output) = outputs.next().await? {
        match output.event {
            Event::Result { place, payload } => results.push((place, payload)),
            Event::Done { .. } => break,
            Event::Failed { code, text, submitted } => {
                return Ok(End::Failed { code, text, payload: submitted.payload });
            }
        }
    }
    results.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(End::Done(results))
}

fn client_options(
    py: Python<'_>,
    address: Option<String>,
    access: Option<PathBuf>,
    name: String,
    software: String,
    patience: &Bound<'_, PyAny>,
    max_message: Option<u64>,
) -> PyResult<ClientOptions> {
    let patience = duration("patience", patience)?;
    let options = match (address, access) {
        (Some(_), Some(_)) => {
            return Err(PyValueError::new_err(
                "an access file says where its node is: leave the address out",
            ));
        }
        (None, Some(file)) => AccessFile::load(&file).map(ClientOptions::with_access),
        (address, None) => ClientOptions::found(address.unwrap_or_else(default_address)),
    };
    let options = options.map_err(|error| errors::not_admitted(py, &error))?;
    let options = options.name(name).software(software).patience(patience);
    Ok(match max_message {
        Some(bytes) => options.max_message(bytes),
        None => options,
    })
}

/// What an iterator gives, as Python names it.
fn give_of(name: &str) -> Give {
    match name {
        "outputs" => Give::Outputs,
        "results" => Give::Results,
        _ => Give::ResultsAndFailures,
    }
}

/// The results of a message that was called.
fn results_of(py: Python<'_>, end: Result<End, pylm_client::Error>) -> PyResult<Vec<(Place, Bytes)>> {
    match end.map_err(|error| of_client(py, &error))? {
        End::Done(results) => Ok(results),
        End::Failed { code, text, payload } => {
            let payload = PyBytes::new(py, &payload).into_any();
            Err(PyErr::from_value(errors::message_failed(py, &code, &text, 0, payload)?))
        }
    }
}

/// The only one of the results of a message.
fn only<'py>(py: Python<'py>, mut results: Vec<(Place, Bytes)>, view: bool) -> PyResult<Bound<'py, PyAny>> {
    match (results.pop(), results.len()) {
        (Some((_, only)), 0) => write(py, only, view),
        (last, others) => Err(errors::result_count(py, others + usize::from(last.is_some()))),
    }
}

fn list(py: Python<'_>, results: Vec<(Place, Bytes)>, view: bool) -> PyResult<Bound<'_, PyAny>> {
    let all = PyList::empty(py);
    for (_, payload) in results {
        all.append(write(py, payload, view)?)?;
    }
    Ok(all.into_any())
}

impl Client {
    fn results(
        &self,
        py: Python<'_>,
        function: &str,
        payload: &Bound<'_, PyAny>,
        options: &Options,
    ) -> PyResult<Vec<(Place, Bytes)>> {
        let payload = read(payload)?;
        let end = wait(py, call(self.0.get()?, function, payload, options.0.clone()))?;
        results_of(py, end)
    }
}

#[pymethods]
impl Client {
    #[staticmethod]
    #[pyo3(signature = (address, *, access, name, software, patience, max_message))]
    fn connect(
        py: Python<'_>,
        address: Option<String>,
        access: Option<PathBuf>,
        name: String,
        software: String,
        patience: &Bound<'_, PyAny>,
        max_message: Option<u64>,
    ) -> PyResult<Self> {
        let options = client_options(py, address, access, name, software, patience, max_message)?;
        let address = options.address().to_owned();
        let client = wait(py, pylm_client::Client::connect(options))?;
        client.map(|client| Client(Local::new(client), address)).map_err(|error| of_client(py, &error))
    }

    /// As `connect`, for an event loop.
    #[staticmethod]
    #[pyo3(signature = (address, *, access, name, software, patience, max_message))]
    fn begin_connect(
        py: Python<'_>,
        address: Option<String>,
        access: Option<PathBuf>,
        name: String,
        software: String,
        patience: &Bound<'_, PyAny>,
        max_message: Option<u64>,
    ) -> PyResult<Pending> {
        let options = client_options(py, address, access, name, software, patience, max_message)?;
        let address = options.address().to_owned();
        Ok(Pending::new(pylm_client::Client::connect(options), move |py, client| match client {
            Ok(client) => Ok(Py::new(py, Client(Local::new(client), address))?.into_any()),
            Err(error) => Err(of_client(py, &error)),
        }))
    }

    /// The only result of a message.
    fn call<'py>(
        &self,
        py: Python<'py>,
        function: &str,
        payload: &Bound<'py, PyAny>,
        options: &Options,
        view: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        only(py, self.results(py, function, payload, options)?, view)
    }

    /// All results of a message, in the order of their places.
    fn call_all<'py>(
        &self,
        py: Python<'py>,
        function: &str,
        payload: &Bound<'py, PyAny>,
        options: &Options,
        view: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        list(py, self.results(py, function, payload, options)?, view)
    }

    /// As `call` and `call_all`, for an event loop.
    #[pyo3(signature = (function, payload, options, *, every, view))]
    fn begin_call(
        &self,
        function: String,
        payload: &Bound<'_, PyAny>,
        options: &Options,
        every: bool,
        view: bool,
    ) -> PyResult<Pending> {
        let (client, payload, options) = (self.0.get()?.clone(), read(payload)?, options.0.clone());
        let called = async move { call(&client, &function, payload, options).await };
        Ok(Pending::new(called, move |py, end| {
            let results = results_of(py, end)?;
            if every { list(py, results, view) } else { only(py, results, view) }.map(Bound::unbind)
        }))
    }

    /// A job that takes its messages from an iterable; `give` is one of `outputs`, `results` and `failures`.
    #[pyo3(signature = (function, source, options, *, buffersize, give, ordered, view))]
    #[allow(clippy::too_many_arguments)]
    fn stream(
        &self,
        function: &str,
        source: &Bound<'_, PyAny>,
        options: &Options,
        buffersize: Option<i64>,
        give: &str,
        ordered: bool,
        view: bool,
    ) -> PyResult<Stream> {
        let most = match buffersize.map(u64::try_from) {
            None => WINDOW,
            Some(Ok(most)) if most > 0 => most,
            Some(_) => return Err(PyValueError::new_err("buffersize is a number from 1 on, or None")),
        };
        let give = give_of(give);
        let source = source.try_iter()?;
        let (sender, results) = self.0.get()?.job(function, options.0.clone());
        Ok(Stream::new(Some(source), Some(sender), results, most, give, ordered, view))
    }

    /// A job in two halves.
    #[pyo3(signature = (function, options, *, give, ordered, view))]
    fn open(
        &self,
        function: &str,
        options: &Options,
        give: &str,
        ordered: bool,
        view: bool,
    ) -> PyResult<(Sender, Stream)> {
        let (sender, results) = self.0.get()?.job(function, options.0.clone());
        Ok((Sender::new(sender), Stream::new(None, None, results, 1, give_of(give), ordered, view)))
    }

    /// What is still to come of a job whose client has gone.
    fn attach(&self, job: &str, options: &Options, view: bool) -> PyResult<Stream> {
        let job = Uuid::parse_str(job)
            .map_err(|_| PyValueError::new_err(format!("{job:?} is no job: give the identity of one")))?;
        let results = self.0.get()?.attach(job, options.0.clone());
        Ok(Stream::new(None, None, results, 1, Give::Outputs, false, view))
    }

    /// A job for single messages, each with a future.
    fn lane(&self, function: &str, options: &Options, reader: &Reader) -> PyResult<Lane> {
        let (sender, results) = self.0.get()?.job(function, options.0.clone());
        Ok(reader.add(sender, results))
    }

    fn cache_get<'py>(&self, py: Python<'py>, key: &str) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let value = wait(py, self.0.get()?.cache().get(key))?;
        Ok(value.map_err(|error| of_client(py, &error))?.map(|value| PyBytes::new(py, &value)))
    }

    fn cache_set(&self, py: Python<'_>, key: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
        let value = read(value)?;
        let cache = self.0.get()?.cache();
        wait(py, cache.set(key, value))?.map_err(|error| of_client(py, &error))
    }

    fn cache_delete(&self, py: Python<'_>, key: &str) -> PyResult<bool> {
        wait(py, self.0.get()?.cache().delete(key))?.map_err(|error| of_client(py, &error))
    }

    /// As `cache_get`, for an event loop.
    fn begin_get(&self, key: String) -> PyResult<Pending> {
        let client = self.0.get()?.clone();
        let value = async move { client.cache().get(&key).await };
        Ok(Pending::new(value, |py, value| match value {
            Ok(Some(value)) => Ok(PyBytes::new(py, &value).into_any().unbind()),
            Ok(None) => Ok(py.None()),
            Err(error) => Err(of_client(py, &error)),
        }))
    }

    /// As `cache_set`, for an event loop.
    fn begin_set(&self, key: String, value: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (client, value) = (self.0.get()?.clone(), read(value)?);
        let key = async move { client.cache().set(&key, value).await };
        Ok(Pending::new(key, |py, key| match key {
            Ok(key) => Ok(key.into_pyobject(py)?.into_any().unbind()),
            Err(error) => Err(of_client(py, &error)),
        }))
    }

    /// As `cache_delete`, for an event loop.
    fn begin_delete(&self, key: String) -> PyResult<Pending> {
        let client = self.0.get()?.clone();
        let was_there = async move { client.cache().delete(&key).await };
        Ok(Pending::new(was_there, |py, was_there| match was_there {
            Ok(was_there) => Ok(was_there.into_pyobject(py)?.to_owned().into_any().unbind()),
            Err(error) => Err(of_client(py, &error)),
        }))
    }

    /// As `close`, for an event loop.
    fn begin_close(&self) -> PyResult<Pending> {
        let client = self.0.get()?.clone();
        Ok(Pending::new(async move { client.close().await }, |py, ()| Ok(py.None())))
    }

    #[getter]
    fn status(&self) -> PyResult<&'static str> {
        Ok(match self.0.get()?.status() {
            Status::Connecting => "connecting",
            Status::Connected => "connected",
            Status::Reconnecting => "reconnecting",
            _ => "stopped",
        })
    }

    #[getter]
    fn address(&self) -> &str {
        &self.1
    }

    #[getter]
    fn max_message(&self) -> PyResult<u64> {
        Ok(self.0.get()?.max_message())
    }

    /// Ends the client; what has not ended is cancelled. In a forked child there is nothing to end.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.0.get() {
            Ok(client) => wait(py, client.clone().close()),
            Err(_) => Ok(()),
        }
    }
}
