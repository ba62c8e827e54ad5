//! Configuration: the author's own type, read from `KEY=VALUE` settings.

mod nearest;
mod reader;

use std::fmt::Write as _;

use serde::de::{DeserializeOwned, Deserializer};

/// One key of a plugin's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// What is written before the `=`.
    pub name: &'static str,
    /// The Rust type of its value, as the author wrote it.
    pub kind: &'static str,
    /// The default, as the author wrote it; empty where there is none.
    pub default: &'static str,
    /// Whether the plugin does not start without it.
    pub required: bool,
    /// What it is for.
    pub help: &'static str,
}

/// The configuration of a plugin. `#[config]` on a struct implements it:
///
/// ```
/// use pylm_plugin_api::prelude::*;
///
/// #[config]
/// struct Settings {
///     /// How many results to let pass.
///     #[config(default = 30)]
///     after: u64,
///     /// Where to write what was seen; nowhere if not set.
///     log: Option<String>,
/// }
/// # fn main() {}
/// ```
///
/// Numbers, `bool`, text, `char`, enums without fields (by name), `Option`, and lists (separated by commas) can be written
/// as settings, and every type that serde reads from one of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no configuration",
    label = "not marked",
    note = "write `#[config]` above the struct"
)]
pub trait Config: DeserializeOwned {
    /// The keys, in the order in which they are declared.
    const KEYS: &'static [Key];
}

/// What a field of a configuration can be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no setting",
    label = "cannot be read from a setting",
    note = "a setting is a number, `bool`, text, `char`, an enum without fields, an `Option` or a list of these; write `#[config]` above an enum of yours"
)]
pub trait Setting: Sized {
    #[doc(hidden)]
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Setting for T {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer)
    }
}

/// Reads one field.
///
/// # Errors
///
/// As the type says what it is not.
pub fn setting<'de, T: Setting, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// The configuration of a plugin that takes none.
#[derive(serde::Deserialize)]
pub struct NoConfig {}

impl Config for NoConfig {
    const KEYS: &'static [Key] = &[];
}

/// What is wrong with the settings, in one sentence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigError(pub(crate) String);

/// Reads the configuration; refuses keys that are unknown, given twice, or missing.
pub(crate) fn read<C: Config>(settings: &[(&str, &str)]) -> Result<C, ConfigError> {
    for (index, (name, _)) in settings.iter().enumerate() {
        if !C::KEYS.iter().any(|key| key.name == *name) {
            return Err(ConfigError(unknown(name, C::KEYS)));
        }
        if settings[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(ConfigError(format!("setting {name:?} is given twice")));
        }
    }
    if let Some(key) =
        C::KEYS.iter().find(|key| key.required && !settings.iter().any(|(name, _)| *name == key.name))
    {
        return Err(ConfigError(format!("setting {:?} ({}) is required", key.name, key.kind)));
    }
    C::deserialize(reader::Settings(settings)).map_err(|error| ConfigError(error.to_string()))
}

fn unknown(name: &str, keys: &[Key]) -> String {
    let mut text = format!("unknown setting {name:?}");
    let known = || keys.iter().map(|key| key.name);
    let _ = match nearest::nearest(name, known()) {
        Some(near) => write!(text, ", did you mean {near:?}?"),
        None if keys.is_empty() => write!(text, ", the plugin takes none"),
        None => write!(text, ", known are {}", known().collect::<Vec<_>>().join(", ")),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Sample {
        count: u8,
        names: Vec<String>,
        mode: Option<Mode>,
        ratio: Option<f64>,
    }

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Fast,
    }

    impl Config for Sample {
        const KEYS: &'static [Key] = &[
            Key { name: "count", kind: "u8", default: "", required: true, help: "" },
            Key { name: "names", kind: "Vec<String>", default: "", required: true, help: "" },
            Key { name: "mode", kind: "Option<Mode>", default: "", required: false, help: "" },
            Key { name: "ratio", kind: "Option<f64>", default: "", required: false, help: "" },
        ];
    }

    fn refused(settings: &[(&str, &str)]) -> String {
        read::<Sample>(settings).unwrap_err().0
    }

    #[test]
    fn settings_become_the_authors_type() {
        let read = read::<Sample>(&[("names", "a,b"), ("count", "7"), ("mode", "fast")]).unwrap();
        let names = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(read, Sample { count: 7, names, mode: Some(Mode::Fast), ratio: None });
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        assert_eq!(refused(&[("cuont", "1")]), r#"unknown setting "cuont", did you mean "count"?"#);
        assert_eq!(refused(&[("zzz", "1")]), r#"unknown setting "zzz", known are count, names, mode, ratio"#);
    }

    #[test]
    fn a_missing_or_repeated_key_is_named() {
        assert_eq!(refused(&[("count", "1")]), r#"setting "names" (Vec<String>) is required"#);
        assert_eq!(refused(&[("count", "1"), ("count", "1")]), r#"setting "count" is given twice"#);
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named_with_its_key() {
        let text = refused(&[("count", "many"), ("names", "")]);
        assert_eq!(text, r#"setting "count" is "many", which is no whole number"#);
        let text = refused(&[("count", "256"), ("names", "")]);
        assert_eq!(text, r#"setting "count" is "256", which is not a u8: it is out of its range"#);
        let text = refused(&[("count", "1"), ("names", ""), ("ratio", "half")]);
        assert_eq!(text, r#"setting "ratio" is "half", which is no number; write it as in 0.5"#);
        let text = refused(&[("count", "1"), ("names", ""), ("mode", "slow")]);
        assert!(text.starts_with(r#"setting "mode" is "slow": unknown variant"#), "{text}");
    }
}
