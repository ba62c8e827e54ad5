//! The configuration file: TOML whose keys are the long names of flags.

use super::{Kind, SettingsError, flag, kind, switch};
use clap::Arg;
use pylm_protocol::nearest;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A configuration file whose keys are all known.
pub(super) struct File {
    pub(super) path: PathBuf,
    keys: Table,
}

impl File {
    /// Reads the file; its keys must be among `flags`.
    pub(super) fn read(path: &Path, flags: &[(&str, &Arg)]) -> Result<Self, SettingsError> {
        let path = path.to_owned();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return Err(SettingsError::Unreadable { path, error }),
        };
        let keys: Table = match text.parse() {
            Ok(keys) => keys,
            Err(error) => {
                let why = error.to_string().trim_end().to_owned();
                return Err(SettingsError::NotToml { path, why });
            }
        };
        if let Some(key) = keys.keys().find(|key| flags.iter().all(|(long, _)| long != key)) {
            let nearest = nearest(key, flags.iter().map(|(long, _)| *long)).map(str::to_owned);
            return Err(SettingsError::UnknownKey { path, key: key.clone(), nearest });
        }
        Ok(File { path, keys })
    }

    /// The flags that the key named `long` stands for; `None` where it is not there.
    pub(super) fn take(&mut self, long: &str, arg: &Arg) -> Result<Option<Vec<OsString>>, SettingsError> {
        let Some(value) = self.keys.remove(long) else { return Ok(None) };
        let wrong = |why: &str| SettingsError::Value {
            place: format!("`{long}` in {}", self.path.display()),
            why: why.to_owned(),
        };
        let flags = match kind(arg) {
            Kind::Switch => match value {
                Value::Boolean(true) => vec![switch(long)],
                Value::Boolean(false) => Vec::new(),
                _ => return Err(wrong("it is either true or false")),
            },
            Kind::One => vec![flag(long, scalar(&value).ok_or_else(|| wrong("it is a single value"))?)],
            Kind::List => {
                let values =
                    list(&value).ok_or_else(|| wrong("it is a list of values, or a table of them"))?;
                values.into_iter().map(|value| flag(long, value)).collect()
            }
        };
        Ok(Some(flags))
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Table(_) => None,
        other => Some(other.to_string()),
    }
}

fn list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(values) => values.iter().map(scalar).collect(),
        Value::Table(table) => {
            let mut pairs = Vec::new();
            flatten("", table, &mut pairs)?;
            Some(pairs)
        }
        single => scalar(single).map(|value| vec![value]),
    }
}

/// `a.b=value` for each value in a table of tables.
fn flatten(prefix: &str, table: &Table, pairs: &mut Vec<String>) -> Option<()> {
    for (key, value) in table {
        match value {
            Value::Table(inner) => flatten(&format!("{prefix}{key}."), inner, pairs)?,
            Value::Array(_) => return None,
            value => pairs.push(format!("{prefix}{key}={}", scalar(value)?)),
        }
    }
    Some(())
}
