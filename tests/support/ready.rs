//! How a program says that it is ready, and what it tells of itself: ours on a socket for that, others in a line.

use std::collections::BTreeMap;

use serde_json::Value;

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

    /// What one of our programs has said on the socket for that; `None` where it is not ready by that.
    #[must_use]
    pub fn heard(said: &[u8]) -> Option<Self> {
        let lines = || said.split(|&byte| byte == b'\n');
        lines().find(|&line| line == b"READY=1")?;
        let json = lines().find_map(|line| line.strip_prefix(b"X_PYLMD="))?;
        let fields: BTreeMap<String, Value> = serde_json::from_slice(json).ok()?;
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(Self(fields.into_iter().map(|(key, value)| (key, text(value))).collect()))
    }

    /// Whether there is such a field.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
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
    fn what_is_heard_is_for_programs() {
        let ready = Ready::heard(b"READY=1\nX_PYLMD={\"db\":\"tcp://h:1\",\"slots\":2}").unwrap();
        assert_eq!((ready.field("db"), ready.field("slots")), ("tcp://h:1".to_owned(), "2".to_owned()));
        assert_eq!(Ready::heard(b"STOPPING=1"), None);
    }

    #[test]
    fn a_line_without_the_word_is_not_ready() {
        assert_eq!(Ready::parse("INFO pylmd: already=1 there"), None);
    }
}
