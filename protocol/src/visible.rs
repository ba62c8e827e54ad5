//! Text of somebody else, as it may be shown: on a terminal, in a line of a log, in a metric.
//!
//! Names and errors come from peers and plugins. What moves a cursor, changes a colour, begins a line or turns the direction of
//! writing is shown as its code, so that nothing looks like something else.

use std::fmt::{self, Write as _};

/// The text with a code in place of each character that is not to be seen.
pub fn visible(text: &str) -> Visible<'_> {
    Visible { text, keeps_lines: false }
}

/// As [`visible`], but with its line ends and tabs as they are.
pub fn visible_lines(text: &str) -> Visible<'_> {
    Visible { text, keeps_lines: true }
}

/// See [`visible`].
#[derive(Debug, Clone, Copy)]
pub struct Visible<'a> {
    text: &'a str,
    keeps_lines: bool,
}

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_kept = |letter: char| self.keeps_lines && matches!(letter, '\n' | '\t');
        let mut rest = self.text;
        while let Some(at) = rest.find(|letter| is_hidden(letter) && !is_kept(letter)) {
            let (before, from) = rest.split_at(at);
            f.write_str(before)?;
            let mut letters = from.chars();
            for code in letters.next().into_iter().flat_map(char::escape_default) {
                f.write_char(code)?;
            }
            rest = letters.as_str();
        }
        f.write_str(rest)
    }
}

/// Whether a character is seen only by what it does to others.
pub(crate) fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(letter, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_something_to_a_terminal_is_shown_as_its_code() {
        for (text, shown) in [
            ("plain, ключ, 鍵, é", "plain, ключ, 鍵, é"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("two\nlines\r\t", "two\\nlines\\r\\t"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ] {
            assert_eq!(visible(text).to_string(), shown);
        }
        assert_eq!(visible_lines("a\n\tb\u{1b}").to_string(), "a\n\tb\\u{1b}");
    }
}
