//! What a plugin logs, on its way into the host's log.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use crate::abi::{HostV1, RStr, RawEvent, RawField, RawValue};

/// Where a plugin's events go. Called on the thread that logs; [`current`](super::current) says what that thread runs.
pub trait Events: Send + Sync + 'static {
    /// Whether an event of this level (1 error to 5 trace) and target is wanted. Must be fast.
    fn enabled(&self, level: u8, target: &str) -> bool;

    /// Takes an event.
    fn event(&self, event: &Event<'_>);
}

/// One event.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    raw: &'a RawEvent<'a>,
}

impl<'a> Event<'a> {
    /// An address that is the same for all events of one place in the plugin; 0 where that is not known.
    pub fn callsite(&self) -> usize {
        self.raw.callsite
    }

    /// From 1 (error) to 5 (trace).
    pub fn level(&self) -> u8 {
        self.raw.level
    }

    /// The event's target, often a module.
    pub fn target(&self) -> &'a str {
        self.raw.target.as_str()
    }

    /// The source file, or nothing.
    pub fn file(&self) -> &'a str {
        self.raw.file.as_str()
    }

    /// The line in that file, or 0.
    pub fn line(&self) -> u32 {
        self.raw.line
    }

    /// The text.
    pub fn message(&self) -> &'a str {
        self.raw.message.as_str()
    }

    /// The other fields.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = EventField<'a>> {
        self.raw.fields.as_slice().iter().map(|RawField { name, value }| EventField {
            name: name.as_str(),
            value: match value {
                RawValue::Signed(value) => Value::Signed(*value),
                RawValue::Unsigned(value) => Value::Unsigned(*value),
                RawValue::Float(value) => Value::Float(*value),
                RawValue::Bool(value) => Value::Bool(*value),
                RawValue::Text(value) => Value::Text(value.as_str()),
            },
        })
    }
}

/// A field of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventField<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: Value<'a>,
}

/// A value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// An `i64`.
    Signed(i64),
    /// A `u64`.
    Unsigned(u64),
    /// An `f64`.
    Float(f64),
    /// A `bool`.
    Bool(bool),
    /// Text, or what `Debug` makes of another type.
    Text(&'a str),
}

/// The table that a plugin gets at start. It stays for the rest of the process, as the plugin's threads do.
pub(super) fn table(events: Arc<dyn Events>, in_process: bool) -> &'static HostV1 {
    let data: &'static Arc<dyn Events> = Box::leak(Box::new(events));
    Box::leak(Box::new(HostV1 { data: std::ptr::from_ref(data).cast(), enabled, event, in_process }))
}

/// The host's events behind the pointer.
///
/// # Safety
///
/// `data` came from `table`.
unsafe fn events(data: *const ()) -> &'static dyn Events {
    // SAFETY: `table` leaked it.
    unsafe { &**data.cast::<Arc<dyn Events>>() }
}

unsafe extern "C" fn enabled(data: *const (), level: u8, target: RStr<'_>) -> bool {
    // SAFETY: the plugin passes on what it was given.
    let events = unsafe { events(data) };
    panic::catch_unwind(AssertUnwindSafe(|| events.enabled(level, target.as_str()))).unwrap_or_else(forget)
}

unsafe extern "C" fn event(data: *const (), raw: &RawEvent<'_>) {
    // SAFETY: the plugin passes on what it was given.
    let events = unsafe { events(data) };
    panic::catch_unwind(AssertUnwindSafe(|| events.event(&Event { raw }))).unwrap_or_else(forget);
}

fn forget<T: Default>(payload: Box<dyn std::any::Any + Send>) -> T {
    std::mem::forget(payload);
    T::default()
}
