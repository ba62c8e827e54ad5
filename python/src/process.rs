//! What only the process that made it may use.
//!
//! A forked child has a copy of a client's memory, but not its thread: whatever it asked of the client would never be done, and a
//! lock that another thread held at that moment stays locked for ever.

use crate::errors;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// To be called in a child, right after the fork.
#[pyfunction]
pub fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Something of a client. In a forked child it cannot be used, and is left alone when it is dropped.
pub(crate) struct Local<T> {
    /// Always there until the drop.
    value: Option<T>,
    generation: u32,
}

impl<T> Local<T> {
    pub(crate) fn new(value: T) -> Self {
        Local { value: Some(value), generation: GENERATION.load(Ordering::Relaxed) }
    }

    /// # Errors
    /// `ForkedError` in a forked child.
    #[inline]
    pub(crate) fn get(&self) -> PyResult<&T> {
        self.value.as_ref().filter(|_| self.is_own()).ok_or_else(errors::forked)
    }

    /// # Errors
    /// As [`get`](Self::get).
    #[inline]
    pub(crate) fn get_mut(&mut self) -> PyResult<&mut T> {
        let is_own = self.is_own();
        self.value.as_mut().filter(|_| is_own).ok_or_else(errors::forked)
    }

    #[inline]
    pub(crate) fn is_own(&self) -> bool {
        self.generation == GENERATION.load(Ordering::Relaxed)
    }
}

impl<T> Drop for Local<T> {
    fn drop(&mut self) {
        if !self.is_own() {
            std::mem::forget(self.value.take());
        }
    }
}
