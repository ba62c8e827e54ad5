//! What a job gives to Python: one value for each thing that happens to a message.

use crate::payload::write;
use pylm_client::{Event, Output, Place};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple, PyType};

/// One result of a message. No place of a message comes twice.
#[pyclass(frozen, module = "pylmd", get_all)]
pub struct Result {
    /// Which message of the job it is of: the first has 0.
    number: u64,
    /// Where it stands among the results of its message, the same in every run of it.
    place: Py<PyTuple>,
    /// Its bytes.
    payload: Py<PyAny>,
}

/// A message is done: all its results have come.
#[pyclass(frozen, module = "pylmd", get_all)]
pub struct Done {
    /// Which message of the job it is: the first has 0.
    number: u64,
    /// How many results it had.
    results: u64,
}

/// A message has failed, for good.
#[pyclass(frozen, module = "pylmd", get_all)]
pub struct Failed {
    /// Which message of the job it is: the first has 0.
    number: u64,
    /// Why, in one word of the protocol, such as `failed` or `timeout`.
    code: Py<PyString>,
    /// What happened.
    text: Py<PyString>,
    /// What was submitted, to be kept, repaired, or submitted again.
    payload: Py<PyBytes>,
    /// Its cache key, where it had one.
    key: Option<Py<PyString>>,
}

/// A place, as numbers from the outermost on.
pub(crate) fn place<'py>(py: Python<'py>, place: &Place) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, &place.0)
}

/// One output as Python sees it.
///
/// # Errors
/// `MemoryError`.
pub(crate) fn to_python(py: Python<'_>, output: Output, view: bool) -> PyResult<Bound<'_, PyAny>> {
    let number = output.number;
    Ok(match output.event {
        Event::Result { place: at, payload } => {
            let payload = write(py, payload, view)?.unbind();
            Bound::new(py, Result { number, place: place(py, &at)?.unbind(), payload })?.into_any()
        }
        Event::Done { results } => Bound::new(py, Done { number, results })?.into_any(),
        Event::Failed { code, text, submitted } => {
            let failed = Failed {
                number,
                code: PyString::new(py, &code).unbind(),
                text: PyString::new(py, &text).unbind(),
                payload: PyBytes::new(py, &submitted.payload).unbind(),
                key: submitted.cache.map(|key| PyString::new(py, &key).unbind()),
            };
            Bound::new(py, failed)?.into_any()
        }
    })
}

#[pymethods]
impl Result {
    /// `Result[bytes]` and `Result[memoryview]` are for type checkers.
    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, _payload: Bound<'py, PyAny>) -> Bound<'py, PyType> {
        class.clone()
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("number", "place", "payload")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (place, payload) = (self.place.bind(py).repr()?, self.payload.bind(py).repr()?);
        Ok(format!("Result(number={}, place={place}, payload={payload})", self.number))
    }
}

#[pymethods]
impl Done {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("number", "results")
    }

    fn __repr__(&self) -> String {
        format!("Done(number={}, results={})", self.number, self.results)
    }
}

#[pymethods]
impl Failed {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("number", "code", "text", "payload")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (code, text) = (self.code.bind(py).repr()?, self.text.bind(py).repr()?);
        Ok(format!("Failed(number={}, code={code}, text={text})", self.number))
    }
}
