//! The lines of a worker host's own log: each says which host it is from, and that it is a line of the log, to the parent that
//! passes it on.

use super::LogFormat;
use crate::supervisor::LOG_MARK;
use std::io::{self, Write};
use std::sync::Arc;

/// The child of a supervisor, as its log knows it.
#[derive(Debug, Clone, Copy)]
pub struct Child<'a> {
    /// The host's name.
    pub name: &'a str,
    /// What it logs is passed on to a terminal.
    pub is_terminal: bool,
}

/// What is put into each line.
#[derive(Debug)]
pub(super) struct Mark {
    name: String,
    format: LogFormat,
}

impl Mark {
    /// For a host of this name.
    pub(super) fn new(name: &str, format: LogFormat) -> Self {
        let name = match format {
            LogFormat::Text => format!(" host={name:?}"),
            LogFormat::Json => format!("\"host\":{},", serde_json::Value::from(name)),
        };
        Mark { name, format }
    }

    fn put_into(&self, line: &[u8]) -> Vec<u8> {
        let at = match self.format {
            LogFormat::Text => line.trim_ascii_end().len(),
            LogFormat::Json => line.len().min(1),
        };
        let (before, behind) = line.split_at(at);
        [&[LOG_MARK], before, self.name.as_bytes(), behind].concat()
    }
}

/// Writes lines, each in one go, with a mark in it where there is one.
pub(super) struct Marked<W> {
    pub(super) out: W,
    pub(super) mark: Option<Arc<Mark>>,
}

impl<W: Write> Write for Marked<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &self.mark {
            None => self.out.write(line),
            Some(mark) => self.out.write_all(&mark.put_into(line)).map(|()| line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_which_host_it_is_from() {
        let text = Mark::new("a-1", LogFormat::Text).put_into(b"INFO ready n=1\n");
        assert_eq!(text, b"\x1eINFO ready n=1 host=\"a-1\"\n");
        let json = Mark::new("a\"1", LogFormat::Json).put_into(b"{\"level\":\"INFO\"}\n");
        assert_eq!(json, b"\x1e{\"host\":\"a\\\"1\",\"level\":\"INFO\"}\n");
    }
}
