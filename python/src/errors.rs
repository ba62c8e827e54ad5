//! The client's errors as Python exceptions; their classes are in `pylmd/_errors.py`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

/// The exception of the class `name`, made of `arguments`.
fn make<'py>(
    py: Python<'py>,
    name: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    static CLASSES: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let classes = CLASSES.get_or_try_init(py, || PyModule::import(py, "pylmd._errors").map(Bound::unbind))?;
    classes.bind(py).getattr(name)?.call1(arguments)
}

fn error<'py>(py: Python<'py>, name: &str, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyErr {
    make(py, name, arguments).map_or_else(|error| error, PyErr::from_value)
}

/// What ended a call.
pub(crate) fn of_client(py: Python<'_>, cause: &pylm_client::Error) -> PyErr {
    use pylm_client::Error;
    let class = match cause {
        Error::Failed { code, text } => return error(py, "message_failed", (code, text)),
        Error::Address { .. }
        | Error::NotNative { .. }
        | Error::Version { .. }
        | Error::Refused { .. }
        | Error::NotAdmitted(_) => "ConnectError",
        Error::NoAnswer { .. } => "NoAnswerError",
        Error::Cancelled => "JobCancelledError",
        Error::Finished => "JobFinishedError",
        Error::NoSuchJob | Error::JobInUse | Error::JobIncomplete => "AttachError",
        Error::TooLarge { .. } | Error::TooLong(_) => "TooLargeError",
        Error::CacheRefused(_) | Error::CacheNotGranted(_) => "CacheRefusedError",
        Error::Stopped => "ClosedError",
        // `System`, and what later versions add.
        _ => "Error",
    };
    error(py, class, (cause.to_string(),))
}

/// An access file is none, or cannot be used.
pub(crate) fn not_admitted(py: Python<'_>, cause: &pylm_client::FileError) -> PyErr {
    error(py, "ConnectError", (cause.to_string(),))
}

/// A value of the exception that tells that a message failed.
///
/// # Errors
/// Those of Python: there is no memory, or the package is not whole.
pub(crate) fn message_failed<'py>(
    py: Python<'py>,
    code: &str,
    text: &str,
    number: u64,
    payload: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    make(py, "message_failed", (code, text, number, payload))
}

/// A message had more results, or fewer, than the one that a call returns.
pub(crate) fn result_count(py: Python<'_>, results: usize) -> PyErr {
    error(py, "ResultCountError", (results,))
}

/// A child uses what its parent has made.
pub(crate) fn forked() -> PyErr {
    Python::attach(|py| error(py, "ForkedError", ()))
}

/// What one thread does, another wants to do at the same time.
pub(crate) fn in_use(what: &str) -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err(format!(
        "{what} is in use by another thread, or by its own source"
    ))
}
