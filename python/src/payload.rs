//! Payloads on their way over the border.

use crate::buffer;
use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyString};

/// From how many bytes on a payload is not copied. What is smaller is copied faster than it is counted.
pub(crate) const LARGE: usize = 16 << 10;

/// The bytes of a payload: `bytes`, text as UTF-8, or anything with a contiguous buffer. Large ones that cannot change are not
/// copied, but kept until their message has ended.
///
/// # Errors
/// `TypeError` for anything else, and `BufferError` for a buffer that is not contiguous.
#[inline]
pub(crate) fn read(object: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        let whole = bytes.as_bytes();
        return Ok(if whole.len() < LARGE {
            Bytes::copy_from_slice(whole)
        } else {
            Bytes::from_owner(PyBackedBytes::from(bytes.clone()))
        });
    }
    if let Ok(text) = object.cast::<PyString>() {
        let text = PyBackedStr::try_from(text.clone())?;
        return Ok(if text.len() < LARGE {
            Bytes::copy_from_slice(text.as_bytes())
        } else {
            Bytes::from_owner(text)
        });
    }
    buffer::read(object)
}

/// A result for Python: `bytes`, or a `memoryview` of what the client has.
///
/// # Errors
/// `MemoryError`.
#[inline]
pub(crate) fn write<'py>(py: Python<'py>, payload: Bytes, view: bool) -> PyResult<Bound<'py, PyAny>> {
    if view { buffer::view(py, payload) } else { Ok(PyBytes::new(py, &payload).into_any()) }
}
