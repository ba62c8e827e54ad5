//! How long the strings are that peers bring: everybody keeps them, writes them into logs, and shows them.

use std::borrow::Cow;

/// How long a kind of string may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// What it is.
    pub what: &'static str,
    /// The most bytes that it may have.
    pub most: usize,
    /// What is longer is cut, as it is for people to read, and not refused.
    is_cut: bool,
}

/// Names: of peers, sessions, functions and topics, and codes.
pub const NAME: Bound = Bound { what: "name", most: 1 << 10, is_cut: false };

/// What a message calls, stage by stage.
pub const CALL: Bound = Bound { what: "list of functions", most: 64 << 10, is_cut: false };

/// Keys of the cache.
pub const KEY: Bound = Bound { what: "cache key", most: 4 << 10, is_cut: false };

/// What is said to people: the texts of errors, and of whoever panicked.
pub const TEXT: Bound = Bound { what: "text", most: 64 << 10, is_cut: true };

/// What a text that was cut ends with.
const CUT: &str = " … (cut)";

/// A string is longer than its kind may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {what} of {length} bytes: at most {most} are allowed; give a shorter one")]
pub struct TooLong {
    what: &'static str,
    length: usize,
    most: usize,
}

impl Bound {
    /// Whether `text` may be sent.
    ///
    /// # Errors
    /// When it is longer than others take.
    pub fn check(self, text: &str) -> Result<(), TooLong> {
        self.check_length(text.len())
    }

    /// As [`check`](Self::check), for bytes that are to become a string.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    #[inline]
    pub fn check_length(self, length: usize) -> Result<(), TooLong> {
        let Bound { what, most, .. } = self;
        if length <= most { Ok(()) } else { Err(TooLong { what, length, most }) }
    }

    /// The text as it is sent: one that is for people is cut, with a mark that says so.
    #[inline]
    pub fn fit(self, text: &str) -> Cow<'_, str> {
        if text.len() <= self.most || !self.is_cut { Cow::Borrowed(text) } else { self.cut(text) }
    }

    #[cold]
    fn cut(self, text: &str) -> Cow<'_, str> {
        let end = text.floor_char_boundary(self.most.saturating_sub(CUT.len()));
        Cow::Owned(format!("{}{CUT}", &text[..end]))
    }

    /// The text as it was received.
    #[inline]
    pub(crate) fn take(self, text: &str) -> Result<&str, TooLong> {
        if self.is_cut {
            return Ok(&text[..text.floor_char_boundary(self.most)]);
        }
        self.check(text).map(|()| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_is_too_long_is_refused_with_a_sentence() {
        assert_eq!(NAME.check(&"x".repeat(1024)), Ok(()));
        let refused = NAME.check(&"x".repeat(1025)).unwrap_err().to_string();
        assert_eq!(refused, "a name of 1025 bytes: at most 1024 are allowed; give a shorter one");
        assert!(KEY.take(&"k".repeat(5000)).is_err());
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_with_a_mark() {
        assert_eq!(TEXT.fit("short"), "short");
        let long = "ö".repeat(4 << 20);
        let fitting = TEXT.fit(&long);
        assert!(
            fitting.len() <= TEXT.most && fitting.len() > TEXT.most - 16 && fitting.ends_with("ö … (cut)")
        );
        assert_eq!(TEXT.take(&fitting), Ok(&*fitting));
        assert!(TEXT.take(&long).unwrap().len() <= TEXT.most);
    }

    proptest! {
        #[test]
        fn what_fits_is_taken_as_it_is(text: String) {
            let fitting = TEXT.fit(&text);
            prop_assert_eq!(TEXT.take(&fitting), Ok(&*text));
        }
    }
}
