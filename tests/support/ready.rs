//! The line by which a program says that it is ready: its word, and its fields.

use std::collections::BTreeMap;

/// The fields (`key=value`, or `key="a value"`) of a ready line.
#[derive(Debug, PartialEq, Eq)]
pub struct Ready(BTreeMap<String, String>);

impl Ready {
    /// The fields after the word ` ready `, or `None` where the line has no such word.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (_, mut rest) = line.split_once(" ready ")?;
        let mut fields = BTreeMap::new();
        while let Some((before, after)) = rest.split_once('=') {
            let key = before.split_whitespace().next_back().unwrap_or_default();
            let (value, left) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => after.split_once(' ').unwrap_or((after, "")),
            };
            fields.insert(key.to_owned(), value.to_owned());
            rest = left;
        }
        Some(Self(fields))
    }

    /// One field.
    ///
    /// # Panics
    /// Where the line does not have it.
    #[must_use]
    #[track_caller]
    pub fn field(&self, key: &str) -> String {
        self.0.get(key).cloned().unwrap_or_else(|| panic!("the ready line has no {key}, but {:?}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Ready;

    #[test]
    fn fields_are_read_with_and_without_quotes() {
        let line = r#"2026-01-01T00:00:00Z  INFO pylmd: ready name="a server" db=tcp://127.0.0.1:41 pub="tcp://h:1""#;
        let ready = Ready::parse(line).unwrap();
        assert_eq!(ready.field("name"), "a server");
        assert_eq!(ready.field("db"), "tcp://127.0.0.1:41");
        assert_eq!(ready.field("pub"), "tcp://h:1");
    }

    #[test]
    fn a_line_without_the_word_is_not_ready() {
        assert_eq!(Ready::parse("INFO pylmd: already=1 there"), None);
    }
}
