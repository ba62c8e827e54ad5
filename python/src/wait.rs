//! Waiting, as Python expects it: other threads run meanwhile, and Ctrl-C ends it.

use pyo3::prelude::*;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long a signal may go unnoticed: Python's handlers run on this thread, between two waits.
const SLICE: Duration = Duration::from_millis(50);

/// Wakes a thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end. The client's own thread does the work.
///
/// # Errors
/// What a signal's handler raises, such as `KeyboardInterrupt`. The future is dropped then.
pub(crate) fn wait<F>(py: Python<'_>, future: F) -> PyResult<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Some(value) = py.detach(|| poll_for(future.as_mut(), &waker, SLICE)) {
            return Ok(value);
        }
        py.check_signals()?;
    }
}

/// As [`wait`], on a thread that Python gives no signals: only the main thread has them.
pub(crate) fn wait_idly<F>(py: Python<'_>, future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    py.detach(|| {
        loop {
            if let Some(value) = poll_for(future.as_mut(), &waker, Duration::from_secs(3600)) {
                return value;
            }
        }
    })
}

fn poll_for<F: Future>(mut future: Pin<&mut F>, waker: &Waker, slice: Duration) -> Option<F::Output> {
    let end = Instant::now() + slice;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(waker)) {
            return Some(value);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}
