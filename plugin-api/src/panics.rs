//! Contains panics inside the plugin: a host cannot, since each side has a standard library of its own.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use crate::abi::{RawFailure, RawFailureKind};
use crate::events;

thread_local! {
    /// The last panic of this thread: what it said, and where.
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

struct Panic {
    text: String,
    place: String,
}

/// Runs a piece of the plugin's code; a panic becomes a failure with its text and place.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, RawFailure> {
    // What the closure borrowed is either dropped or never used again after a panic.
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(describe)
}

#[cold]
fn describe(payload: Box<dyn Any + Send>) -> RawFailure {
    let text = text_of(&*payload);
    // The payload's own drop may panic as well.
    if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    // A panic that was resumed calls no hook, so that the last place may belong to another one.
    let place = LAST.take().filter(|last| last.text == text).map(|last| last.place);
    let text = match place {
        Some(place) => format!("panicked at {place}: {text}"),
        None => format!("panicked: {text}"),
    };
    RawFailure::new(RawFailureKind::Panicked, text)
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a value that is no text".to_owned(),
    }
}

/// Makes every panic of this plugin known to the host, also those in threads of its own.
pub(crate) fn install_hook(in_process: bool) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            record(info);
            if in_process {
                previous(info);
            }
        }));
    });
}

fn record(info: &PanicHookInfo<'_>) {
    let text = text_of(info.payload());
    let place = match info.location() {
        Some(location) => format!("{}:{}", location.file(), location.line()),
        None => "an unknown place".to_owned(),
    };
    let thread = std::thread::current();
    events::panic(&text, &place, thread.name().unwrap_or("unnamed"));
    // A thread that is ending has no such variable any more; its panic is in the log at least.
    let _ = LAST.try_with(|last| last.replace(Some(Panic { text, place })));
}
