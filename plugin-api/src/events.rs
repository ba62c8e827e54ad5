//! Carries `tracing` and `log` events, and panics, from inside the plugin to the host's log.
#![allow(unsafe_code)]

use std::fmt::{self, Write as _};
use std::sync::OnceLock;

use tracing_core::field::{Field, Visit};
use tracing_core::span;
use tracing_core::{Dispatch, Event, Level, LevelFilter, Metadata, Subscriber};

use crate::abi::{HostV1, RawEvent, RawField, RawValue};

/// The host that started this plugin first. A file that is loaded once has one set of globals, however often it starts.
static HOST: OnceLock<&'static HostV1> = OnceLock::new();

/// Sends every event of this plugin to the host from now on.
pub(crate) fn forward_to(host: &'static HostV1) {
    if HOST.set(host).is_err() || host.in_process {
        return;
    }
    // Where the plugin has set up a log of its own, that choice stands.
    let _ = tracing_core::dispatcher::set_global_default(Dispatch::new(Forward(host)));
    if log::set_logger(Box::leak(Box::new(Forward(host)))).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}

/// Reports a panic, at the moment it happens.
pub(crate) fn panic(text: &str, place: &str, thread: &str) {
    let Some(host) = HOST.get() else { return };
    let fields = [
        RawField { name: "place".into(), value: RawValue::Text(place.into()) },
        RawField { name: "thread".into(), value: RawValue::Text(thread.into()) },
    ];
    let message = format!("panicked: {text}");
    send(host, Site { callsite: 0, level: 1, target: "panic", file: "", line: 0 }, &message, &fields);
}

/// Sends what `tracing` and `log` report to one host.
struct Forward(&'static HostV1);

struct Site<'a> {
    callsite: usize,
    level: u8,
    target: &'a str,
    file: &'a str,
    line: u32,
}

fn enabled(host: &HostV1, level: u8, target: &str) -> bool {
    // SAFETY: the host's data belongs to its functions.
    unsafe { (host.enabled)(host.data, level, target.into()) }
}

fn send(host: &HostV1, site: Site<'_>, message: &str, fields: &[RawField<'_>]) {
    let event = RawEvent {
        callsite: site.callsite,
        level: site.level,
        target: site.target.into(),
        file: site.file.into(),
        line: site.line,
        message: message.into(),
        fields: fields.into(),
    };
    // SAFETY: the host's data belongs to its functions.
    unsafe { (host.event)(host.data, &event) }
}

fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && enabled(self.0, number(*metadata.level()), metadata.target())
    }

    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing_core::Interest {
        // The host's filter may change at any time.
        tracing_core::Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn event(&self, event: &Event<'_>) {
        let mut values = Values::default();
        event.record(&mut values);
        let fields: Vec<RawField<'_>> = values
            .fields
            .iter()
            .map(|(name, value)| RawField { name: (*name).into(), value: value.raw() })
            .collect();
        let metadata = event.metadata();
        let site = Site {
            callsite: std::ptr::from_ref(metadata).addr(),
            level: number(*metadata.level()),
            target: metadata.target(),
            file: metadata.file().unwrap_or_default(),
            line: metadata.line().unwrap_or_default(),
        };
        send(self.0, site, &values.message, &fields);
    }

    // Spans stay inside the plugin: the host knows which message is being worked on.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl log::Log for Forward {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        enabled(self.0, metadata.level() as u8, metadata.target())
    }

    fn log(&self, record: &log::Record<'_>) {
        if !log::Log::enabled(self, record.metadata()) {
            return;
        }
        let site = Site {
            callsite: 0,
            level: record.level() as u8,
            target: record.target(),
            file: record.file().unwrap_or_default(),
            line: record.line().unwrap_or_default(),
        };
        send(self.0, site, &record.args().to_string(), &[]);
    }

    fn flush(&self) {}
}

/// The message and the other fields of an event.
#[derive(Default)]
struct Values {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

enum Value {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl Value {
    fn raw(&self) -> RawValue<'_> {
        match self {
            Value::Signed(value) => RawValue::Signed(*value),
            Value::Unsigned(value) => RawValue::Unsigned(*value),
            Value::Float(value) => RawValue::Float(*value),
            Value::Bool(value) => RawValue::Bool(*value),
            Value::Text(value) => RawValue::Text(value.as_str().into()),
        }
    }
}

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.fields.push((field.name(), Value::Text(format!("{value:?}"))));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.fields.push((field.name(), Value::Text(value.to_owned())));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), Value::Signed(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), Value::Unsigned(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), Value::Float(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), Value::Bool(value)));
    }
}
