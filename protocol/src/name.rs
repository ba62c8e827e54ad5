//! Names that can be used: of what is called, and of what is only shown.

use crate::visible::{is_hidden, visible};
use std::fmt;
use std::ops::Deref;

/// The longest name, in bytes: a node's is a topic too, and pylm's peers subscribe to no longer ones.
pub const LONGEST_NAME: usize = 255;

/// A name that somebody chose, and that everybody can write.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing.
    #[error("it is empty; choose a name")]
    Empty,
    /// It is too long.
    #[error("it has {0} bytes; a name has {LONGEST_NAME} at most")]
    Long(usize),
    /// It holds a character that does something to others, or spaces only.
    #[error("it has {0}, which nobody can see; leave it out")]
    Hidden(String),
    /// It cannot stand in a call, SERVER.FUNCTION.
    #[error(
        "{0:?} cannot stand in a call, SERVER.FUNCTION; use letters, digits, - and _, and no - at the beginning"
    )]
    Uncallable(char),
    /// `_` alone.
    #[error("_ alone is the cache's name in calls; choose another one")]
    Reserved,
}

impl Name {
    /// The name of a node, a function or a plugin, which stands before or behind the dot of calls and settings.
    ///
    /// # Errors
    /// When nobody could call it.
    pub fn callable(text: &str) -> Result<Name, NameError> {
        let name = Name::shown(text)?;
        match text.chars().enumerate().find(|(place, letter)| !is_callable(*place, *letter)) {
            Some((_, letter)) => Err(NameError::Uncallable(letter)),
            None if text == "_" => Err(NameError::Reserved),
            None => Ok(name),
        }
    }

    /// The name of a worker host, a topic or a session, which stands by itself.
    ///
    /// # Errors
    /// When it would not be seen, or not be what is seen.
    pub fn shown(text: &str) -> Result<Name, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > LONGEST_NAME {
            return Err(NameError::Long(text.len()));
        }
        if let Some(hidden) = text.chars().find(|letter| is_hidden(*letter)) {
            return Err(NameError::Hidden(visible(hidden.encode_utf8(&mut [0; 4])).to_string()));
        }
        if text.trim().is_empty() {
            return Err(NameError::Hidden("spaces only".into()));
        }
        Ok(Name(text.to_owned()))
    }
}

fn is_callable(place: usize, letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || (letter == '-' && place > 0)
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_calls_is_letters_digits_and_two_signs() {
        for text in ["server", "server2", "a-b", "_x", "ключ", "鍵"] {
            assert!(Name::callable(text).is_ok(), "{text}");
        }
        let long = "n".repeat(300);
        for text in
            ["", " ", "_", "-x", "a.b", "a b", "a,b", "a=b", "a/b", "a:b", "*", "a\"b", "%20", "a\nb", &long]
        {
            assert!(Name::callable(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_only_shown_can_be_seen() {
        for text in ["worker-node1.example-17", "my host", "a=b", "<b>"] {
            assert!(Name::shown(text).is_ok(), "{text}");
        }
        for (text, why) in [
            ("", "empty"),
            ("  ", "spaces"),
            ("a\u{1b}[31m", "\\u{1b}"),
            ("two\nlines", "\\n"),
            ("\u{202e}a", "\\u{202e}"),
        ] {
            let error = Name::shown(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
