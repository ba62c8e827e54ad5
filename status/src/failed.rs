//! A message that took down every host, as a node keeps it.
//!
//! The list is JSON; one message is a line of JSON, and behind it its payload.

use serde::{Deserialize, Serialize};

/// The reserved key of the cache whose value lists them; the key of one is this, a slash and its id.
pub const FAILED_KEY: &str = "failed";

/// What is told of such a message. What a node does not tell is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailedMessage {
    /// Names it: its job, its number there, and which part of it.
    pub id: String,
    /// What it calls.
    pub function: String,
    /// The stage of the call that failed; pylm's clients may give it any number.
    pub stage: i64,
    /// The `pipeline` field.
    pub pipeline: String,
    /// The `client` field.
    pub client: String,
    /// Its cache key; empty where it was given none.
    pub cache: String,
    /// One of the protocol's codes.
    pub code: String,
    /// What happened, for people.
    pub text: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The size of its payload.
    pub bytes: u64,
}

impl FailedMessage {
    /// Splits the value of one into its line, and where its payload begins.
    pub fn split(value: &[u8]) -> (&[u8], usize) {
        let end = value.iter().position(|&byte| byte == b'\n').unwrap_or(value.len());
        (&value[..end], (end + 1).min(value.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_in_one_form_and_what_is_not_told_is_empty() {
        let message =
            FailedMessage { id: "a".into(), stage: -1, bytes: u64::MAX, ..FailedMessage::default() };
        let written = serde_json::to_string(&message).unwrap_or_default();
        let fields =
            r#""function":"","stage":-1,"pipeline":"","client":"","cache":"","code":"","text":"","at":0"#;
        assert_eq!(written, format!(r#"{{"id":"a",{fields},"bytes":18446744073709551615}}"#));
        assert_eq!(serde_json::from_str::<FailedMessage>(&written).ok(), Some(message));
        assert_eq!(serde_json::from_str::<FailedMessage>("{}").ok(), Some(FailedMessage::default()));
    }

    #[test]
    fn the_payload_is_what_stands_behind_the_first_line() {
        assert_eq!(FailedMessage::split(b"{}\none\ntwo"), (&b"{}"[..], 3));
        assert_eq!(FailedMessage::split(b"{}\n"), (&b"{}"[..], 3));
        assert_eq!(FailedMessage::split(b"{}"), (&b"{}"[..], 2));
    }
}
