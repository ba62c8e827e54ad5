//! The tables of a cluster's file: known keys with values of the right kind, each with its place.

use super::finding::{Findings, Place};
use super::keys::{Key, Kind};
use pylm_protocol::nearest;
use pylm_units::{ByteSize, TimeSpan};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table, with its settings in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The last part of its name: `first` of `[node.first]`.
    pub(crate) name: String,
    /// Where it begins.
    pub(crate) place: Place,
    pub(crate) settings: Vec<Setting>,
    /// Whether something in it was not understood, so that what is not here may have been meant.
    pub(crate) has_gaps: bool,
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) key: &'static Key,
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What stands behind a key.
#[derive(Debug)]
pub(crate) enum Value {
    Switch(bool),
    Number(u64),
    Text(String),
    List(Vec<Item>),
}

/// A text, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) text: String,
    pub(crate) place: Place,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key.name == key)
    }

    pub(crate) fn is(&self, key: &str) -> bool {
        self.get(key).is_some_and(|setting| matches!(setting.value, Value::Switch(true)))
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        match self.get(key)?.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&self, key: &str) -> &[Item] {
        match self.get(key).map(|setting| &setting.value) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// The place of a key of this table, or of the table where it is not there.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        self.get(key).map_or_else(|| self.place.clone(), |setting| setting.place.clone())
    }
}

/// Reads tables out of the file's text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    pub(crate) findings: &'a mut Findings,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, findings: &'a mut Findings) -> Self {
        Reader { text, findings }
    }

    /// The place of what has this span.
    pub(crate) fn place(&self, span: &Range<usize>, key: impl Into<String>) -> Place {
        let before = self.text.as_bytes().iter().take(span.start);
        Place { line: 1 + before.filter(|byte| **byte == b'\n').count(), key: key.into() }
    }

    /// The table with this name and its known keys; `tables` are names that are read elsewhere.
    pub(crate) fn table(
        &mut self,
        path: &str,
        place: Place,
        table: &DeTable<'_>,
        keys: &'static [Key],
        tables: &[&'static str],
    ) -> Table {
        let name = path.rsplit('.').next().unwrap_or_default().to_owned();
        let mut read = Table { name, place, settings: Vec::new(), has_gaps: false };
        for (name, value) in in_order(table) {
            let full = if path.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{path}.{}", name.get_ref())
            };
            let place = self.place(&name.span(), full);
            if tables.contains(&name.get_ref().as_ref()) {
                continue;
            }
            let Some(key) = keys.iter().find(|key| key.name == name.get_ref()) else {
                read.has_gaps = true;
                self.unknown(
                    name.get_ref(),
                    place,
                    keys.iter().map(|key| key.name).chain(tables.iter().copied()),
                );
                continue;
            };
            match self.value(key.kind, &place, value) {
                Some(value) => read.settings.push(Setting { key, place, value }),
                None => {
                    read.has_gaps = true;
                    let cause = "this value cannot stand here";
                    self.findings.error("wrong-value", place, cause, format!("write {}", wanted(key.kind)));
                }
            }
        }
        read
    }

    fn unknown(&mut self, name: &str, place: Place, known: impl Iterator<Item = &'static str>) {
        let remedy = match nearest(name, known) {
            _ if name == "config" => "write the keys of that file here".to_owned(),
            Some(near) => format!("did you mean `{near}`?"),
            None => "docs/cluster.md and `pylmd --help` have those that there are".to_owned(),
        };
        self.findings.error("unknown-key", place, "there is no such key", remedy);
    }

    fn value(&self, kind: Kind, place: &Place, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let item = |text: String, span| Item { text, place: self.place(&span, place.key.clone()) };
        match (kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(switch)) => Some(Value::Switch(*switch)),
            (Kind::Number, DeValue::Integer(number)) => {
                u64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Number)
            }
            (Kind::Text, single) => scalar(single).map(Value::Text),
            (Kind::Time, single) => {
                scalar(single).filter(|text| text.parse::<TimeSpan>().is_ok()).map(Value::Text)
            }
            (Kind::Size, single) => {
                scalar(single).filter(|text| text.parse::<ByteSize>().is_ok()).map(Value::Text)
            }
            (Kind::List | Kind::Table, DeValue::Array(values)) => {
                let read = |value: &Spanned<DeValue<'_>>| Some(item(scalar(value.get_ref())?, value.span()));
                values.iter().map(read).collect::<Option<_>>().map(Value::List)
            }
            (Kind::Table, DeValue::Table(table)) => {
                let mut pairs = Vec::new();
                self.pairs("", place, table, &mut pairs)?;
                Some(Value::List(pairs))
            }
            (Kind::List | Kind::Table, single) => {
                Some(Value::List(vec![item(scalar(single)?, value.span())]))
            }
            _ => None,
        }
    }

    /// `a.b=value` for each value in a table of tables.
    fn pairs(&self, prefix: &str, place: &Place, table: &DeTable<'_>, pairs: &mut Vec<Item>) -> Option<()> {
        for (name, value) in in_order(table) {
            let path = format!("{prefix}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) => self.pairs(&format!("{path}."), place, inner, pairs)?,
                single => {
                    let place = self.place(&name.span(), format!("{}.{path}", place.key));
                    pairs.push(Item { text: format!("{path}={}", scalar(single)?), place });
                }
            }
        }
        Some(())
    }
}

/// The entries of a table as they stand in the file, which decides on ports and drawings.
pub(crate) fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(switch) => Some(switch.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Switch => "true or false",
        Kind::Number => "a whole number that is not negative",
        Kind::Time => "a length of time in quotes, like '500ms' or '5s', or a number of seconds",
        Kind::Size => "a size in quotes, like '64MiB', or a number of bytes",
        Kind::Text => "a text in quotes",
        Kind::List => "a list of texts",
        Kind::Table => "a table of keys and values",
    }
}
