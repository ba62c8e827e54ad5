//! The variables of the environment that stand for flags.

use super::{Kind, SettingsError, flag, kind, switch};
use clap::Arg;
use pylm_protocol::nearest;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// The variables with a prefix that are not empty.
pub(super) struct Variables {
    prefix: String,
    values: BTreeMap<String, OsString>,
}

/// Variables that are read elsewhere, without the prefix: where plugins are looked for.
const OTHERS: [&str; 1] = ["PLUGIN_PATH"];

impl Variables {
    pub(super) fn new(prefix: &str, all: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let own = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            (name.starts_with(prefix) && !value.is_empty()).then_some((name, value))
        };
        Variables { prefix: prefix.to_owned(), values: all.into_iter().filter_map(own).collect() }
    }

    /// The variable of the flag with this long name, and its value.
    pub(super) fn of(&self, long: &str) -> Option<(&str, &OsStr)> {
        let (name, value) = self.values.get_key_value(&self.name(long))?;
        Some((name, value))
    }

    /// Refuses variables that belong to no flag of these long names.
    pub(super) fn check<'a>(&self, longs: impl Iterator<Item = &'a str>) -> Result<(), SettingsError> {
        let others = OTHERS.iter().map(|other| format!("{}{other}", self.prefix));
        let known: Vec<String> = longs.map(|long| self.name(long)).chain(others).collect();
        let is_unknown = |name: &&String| !known.contains(name) && !is_of_an_orchestrator(name);
        match self.values.keys().find(is_unknown) {
            None => Ok(()),
            Some(name) => {
                let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
                Err(SettingsError::UnknownVariable { name: name.clone(), nearest })
            }
        }
    }

    fn name(&self, long: &str) -> String {
        format!("{}{}", self.prefix, long.to_uppercase().replace('-', "_"))
    }
}

/// Whether Kubernetes or Docker sets such a variable, for a service that is called as the prefix is.
fn is_of_an_orchestrator(name: &str) -> bool {
    let is_port = |(_, port): (&str, &str)| port.starts_with(|digit: char| digit.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split_once("_PORT_").is_some_and(is_port)
}

/// The flags that a variable stands for.
pub(super) fn flags(
    long: &str,
    arg: &Arg,
    name: &str,
    value: &OsStr,
) -> Result<Vec<OsString>, SettingsError> {
    let not_allowed = |why: &str| SettingsError::Value { place: name.to_owned(), why: why.to_owned() };
    match kind(arg) {
        Kind::Switch => match value.to_str() {
            Some("1" | "true") => Ok(vec![switch(long)]),
            Some("0" | "false") => Ok(Vec::new()),
            _ => Err(not_allowed("it is either true or false")),
        },
        Kind::One => Ok(vec![flag(long, value)]),
        Kind::List => {
            let text = value.to_str().ok_or_else(|| not_allowed("it must be UTF-8"))?;
            let separator = if text.contains('\n') { '\n' } else { ',' };
            let values = text.split(separator).map(str::trim).filter(|value| !value.is_empty());
            Ok(values.map(|value| flag(long, value)).collect())
        }
    }
}
