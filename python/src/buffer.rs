//! Python's buffer protocol, in both directions.
#![allow(unsafe_code)]

use crate::payload::LARGE;
use bytes::Bytes;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// Buffers whose messages have ended, to be given back by a thread that holds the interpreter's lock.
static RETURNED: Mutex<Vec<PyUntypedBuffer>> = Mutex::new(Vec::new());

/// The bytes of any object with a contiguous buffer. One that can change is copied.
///
/// # Errors
/// As [`crate::payload::read`].
pub(crate) fn read(object: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let py = object.py();
    give_back(py);
    let buffer = PyUntypedBuffer::get(object).map_err(|_| no_payload(object))?;
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("a payload has to be contiguous; send bytes(payload)"));
    }
    let (start, length) = (buffer.buf_ptr().cast::<u8>().cast_const(), buffer.len_bytes());
    if length == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the buffer is contiguous, and stays where it is for as long as `buffer` holds it; nobody writes to it while this
    // thread, which holds the lock, copies it.
    let bytes = unsafe { std::slice::from_raw_parts(start, length) };
    if length < LARGE || !buffer.readonly() {
        return Ok(Bytes::copy_from_slice(bytes));
    }
    Ok(Bytes::from_owner(Held::new(buffer, start, length)))
}

fn no_payload(object: &Bound<'_, PyAny>) -> PyErr {
    let class = object.get_type().name().map_or_else(|_| "this".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("a payload is bytes, str, or an object with a buffer, not {class}"))
}

/// A buffer that a message is made of.
struct Held {
    buffer: Option<PyUntypedBuffer>,
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the bytes are those of a buffer that says that it is read-only, and live as long as `buffer`; which thread reads them
// does not matter.
unsafe impl Send for Held {}

impl Held {
    fn new(buffer: PyUntypedBuffer, start: *const u8, length: usize) -> Self {
        let start = NonNull::new(start.cast_mut()).unwrap_or(NonNull::dangling());
        Held { buffer: Some(buffer), start, length }
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `buffer` holds these bytes until the drop.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Held {
    /// Mostly on the client's thread, which never waits for the interpreter.
    fn drop(&mut self) {
        RETURNED.lock().unwrap_or_else(PoisonError::into_inner).extend(self.buffer.take());
    }
}

/// Gives buffers back whose messages have ended.
pub(crate) fn give_back(py: Python<'_>) {
    let returned = std::mem::take(&mut *RETURNED.lock().unwrap_or_else(PoisonError::into_inner));
    returned.into_iter().for_each(|buffer| buffer.release(py));
}

/// A result's bytes, as Python's buffer protocol gives them away.
#[pyclass(frozen, module = "pylmd._native", name = "_Payload")]
struct Payload(Bytes);

#[pymethods]
impl Payload {
    #[allow(clippy::missing_safety_doc)]
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: i32) -> PyResult<()> {
        let (start, length) = (slf.get().0.as_ptr(), slf.get().0.len());
        let length = ffi::Py_ssize_t::try_from(length)?;
        // SAFETY: `view` is the caller's to be filled; the bytes never change, and live as long as `slf`, which the view holds.
        let outcome =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start.cast_mut().cast(), length, 1, flags) };
        if outcome == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// A `memoryview` of a result, which keeps it.
///
/// # Errors
/// `MemoryError`.
pub(crate) fn view(py: Python<'_>, payload: Bytes) -> PyResult<Bound<'_, PyAny>> {
    let payload = Bound::new(py, Payload(payload))?;
    Ok(PyMemoryView::from(payload.as_any())?.into_any())
}
