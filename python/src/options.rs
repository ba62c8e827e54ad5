//! How a job is to be done, as Python says it.

use pylm_client::JobOptions;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDelta, PyDeltaAccess};
use std::time::Duration;

/// The options of a job, checked.
#[pyclass(frozen, module = "pylmd._native")]
pub struct Options(pub(crate) JobOptions);

/// How many seconds a number or a `timedelta` says.
pub(crate) fn duration(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let seconds = match value.cast::<PyDelta>() {
        Ok(delta) => {
            f64::from(delta.get_days()) * 86_400.0
                + f64::from(delta.get_seconds())
                + f64::from(delta.get_microseconds()) / 1e6
        }
        Err(_) => value
            .extract::<f64>()
            .map_err(|_| PyTypeError::new_err(format!("{name} is a number of seconds or a timedelta")))?,
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(PyValueError::new_err(format!("{name} is more than 0 seconds, not {seconds}"))),
    }
}

/// A count of at least `least` that fits.
fn count<T: TryFrom<i128>>(name: &str, value: i128, least: i128) -> PyResult<T> {
    let fits = if value >= least { T::try_from(value).ok() } else { None };
    fits.ok_or_else(|| PyValueError::new_err(format!("{name} is a number from {least} on, not {value}")))
}

#[pymethods]
impl Options {
    #[new]
    #[pyo3(signature = (*, timeout=None, deadline=None, retries=0, priority=0, ordered=false, pipeline=None, window=None, window_bytes=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        timeout: Option<Bound<'_, PyAny>>,
        deadline: Option<Bound<'_, PyAny>>,
        retries: i128,
        priority: i128,
        ordered: bool,
        pipeline: Option<String>,
        window: Option<i128>,
        window_bytes: Option<i128>,
    ) -> PyResult<Self> {
        let timeout = timeout.map(|value| duration("timeout", &value)).transpose()?;
        let deadline = deadline.map(|value| duration("deadline", &value)).transpose()?;
        let mut options = JobOptions::new()
            .timeout(timeout)
            .deadline(deadline)
            .retries(count("retries", retries, 0)?)
            .priority(count("priority", priority, 0)?)
            .ordered(ordered);
        if let Some(pipeline) = pipeline {
            options = options.pipeline(pipeline);
        }
        if window.is_some() || window_bytes.is_some() {
            let messages = count("window", window.unwrap_or(32_768), 1)?;
            let bytes = count("window_bytes", window_bytes.unwrap_or(64 << 20), 1)?;
            options = options.window(messages, bytes).output_window(messages, bytes);
        }
        Ok(Options(options))
    }
}
