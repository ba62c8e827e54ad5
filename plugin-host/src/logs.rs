//! A plugin's events as `tracing` events of this process.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use pylm_plugin_api::host::{self, Event, Events, Value};
use tracing_core::callsite::{self, Identifier};
use tracing_core::field::{FieldSet, Value as FieldValue};
use tracing_core::{Callsite, Interest, Kind, Level, LevelFilter, Metadata, dispatcher};

/// The fields that the host adds; the plugin's own follow.
const OURS: [&str; 5] = ["message", "plugin", "function", "client", "number"];

/// How many targets of `log` are told apart: they may be made up at run time, and each is kept for ever.
const TARGETS: usize = 1024;

/// Takes the events of one plugin.
pub(crate) struct Logs {
    plugin: String,
}

impl Logs {
    pub(crate) fn new(plugin: &str) -> Logs {
        Logs { plugin: plugin.to_owned() }
    }
}

impl Events for Logs {
    fn enabled(&self, level: u8, target: &str) -> bool {
        let level = level_of(level);
        level <= LevelFilter::current() && {
            let anonymous = FieldSet::new(&OURS, Identifier(&ANONYMOUS));
            let metadata =
                Metadata::new("plugin event", target, level, None, None, None, anonymous, Kind::EVENT);
            dispatcher::get_default(|dispatch| dispatch.enabled(&metadata))
        }
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = metadata_of(event);
        dispatcher::get_default(|dispatch| {
            if !dispatch.enabled(metadata) {
                return;
            }
            host::current(|current| {
                let message = event.message();
                let function = current.map(|current| current.name);
                let client = current.and_then(|current| current.message).map(|(client, _)| client);
                let number = current.and_then(|current| current.message).map(|(_, number)| number);
                let own: Vec<Box<dyn FieldValue>> = event.fields().map(|field| boxed(field.value)).collect();
                let mut values: Vec<Option<&dyn FieldValue>> = vec![
                    Some(&message),
                    Some(&self.plugin),
                    function.as_ref().map(|function| function as &dyn FieldValue),
                    client.as_ref().map(|client| client as &dyn FieldValue),
                    number.as_ref().map(|number| number as &dyn FieldValue),
                ];
                values.extend(own.iter().map(|value| Some(&**value)));
                values.resize(metadata.fields().len(), None);
                let values = metadata.fields().value_set_all(&values);
                dispatch.event(&tracing_core::Event::new(metadata, &values));
            });
        });
    }
}

fn boxed(value: Value<'_>) -> Box<dyn FieldValue> {
    match value {
        Value::Signed(value) => Box::new(value),
        Value::Unsigned(value) => Box::new(value),
        Value::Float(value) => Box::new(value),
        Value::Bool(value) => Box::new(value),
        Value::Text(value) => Box::new(value.to_owned()),
    }
}

fn level_of(level: u8) -> Level {
    match level {
        0 | 1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

/// A place in a plugin that logs.
struct Site(OnceLock<Metadata<'static>>);

/// Stands for all of them while only the filter is asked.
static ANONYMOUS: Site = Site(OnceLock::new());

impl Callsite for Site {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.0.get_or_init(|| {
            let fields = FieldSet::new(&OURS, Identifier(&ANONYMOUS));
            Metadata::new("plugin event", "plugin", Level::TRACE, None, None, None, fields, Kind::EVENT)
        })
    }
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Callsite(usize),
    Target(String, u8, usize),
}

/// The metadata of an event's place, made once and kept.
fn metadata_of(event: &Event<'_>) -> &'static Metadata<'static> {
    static SITES: OnceLock<RwLock<HashMap<Key, &'static Metadata<'static>>>> = OnceLock::new();
    let sites = SITES.get_or_init(Default::default);
    let key = match event.callsite() {
        0 => Key::Target(event.target().to_owned(), event.level(), event.fields().len()),
        callsite => Key::Callsite(callsite),
    };
    if let Some(metadata) = sites.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return metadata;
    }
    let mut sites = sites.write().unwrap_or_else(PoisonError::into_inner);
    let (key, target) = match key {
        Key::Target(_, level, fields) if sites.len() > TARGETS => {
            (Key::Target("plugin".to_owned(), level, fields), "plugin")
        }
        key => (key, event.target()),
    };
    sites.entry(key).or_insert_with(|| keep(event, target))
}

fn keep(event: &Event<'_>, target: &str) -> &'static Metadata<'static> {
    let text = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let named = |name: &str| match OURS.contains(&name) {
        true => text(&format!("own.{name}")),
        false => text(name),
    };
    let names: Vec<&'static str> =
        OURS.into_iter().chain(event.fields().map(|field| named(field.name))).collect();
    let site: &'static Site = Box::leak(Box::new(Site(OnceLock::new())));
    let known_file = Some(event.file()).filter(|file| !file.is_empty()).map(text);
    let known_line = Some(event.line()).filter(|line| *line > 0);
    let fields = FieldSet::new(Box::leak(names.into_boxed_slice()), Identifier(site));
    let target = text(target);
    let level = level_of(event.level());
    let metadata =
        Metadata::new("plugin event", target, level, known_file, known_line, None, fields, Kind::EVENT);
    let metadata = site.0.get_or_init(|| metadata);
    callsite::register(site);
    metadata
}
