//! What is written: results in the format of the messages, in as few writes as their readers allow.

use crate::arguments::Format;
use indicatif::ProgressBar;
use std::io::{self, IsTerminal, Write};

/// Bytes that are gathered before they are written, if more are at hand.
const GATHER: usize = 64 << 10;

/// Gathers payloads for a writer.
#[derive(Debug)]
pub(crate) struct Output<W> {
    writer: W,
    format: Format,
    gathered: Vec<u8>,
    /// To be taken off the terminal while something is written there.
    bar: Option<ProgressBar>,
}

impl Output<io::StdoutLock<'static>> {
    /// Results on standard output.
    pub(crate) fn standard(format: Format, bar: Option<ProgressBar>) -> Self {
        let writer = io::stdout().lock();
        let bar = bar.filter(|_| writer.is_terminal());
        Output { writer, format, gathered: Vec::with_capacity(GATHER), bar }
    }
}

impl<W: Write> Output<W> {
    /// To another writer.
    pub(crate) fn new(writer: W, format: Format) -> Self {
        Output { writer, format, gathered: Vec::new(), bar: None }
    }

    /// Where it writes.
    pub(crate) fn writer(&self) -> &W {
        &self.writer
    }

    /// Writes a payload, sooner or later.
    #[inline]
    pub(crate) fn push(&mut self, payload: &[u8]) -> io::Result<()> {
        if self.format == Format::Frames {
            let length = u32::try_from(payload.len()).map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidData, "a result of 4 GiB and more does not fit a frame")
            })?;
            self.gathered.extend_from_slice(&length.to_be_bytes());
        }
        self.gathered.extend_from_slice(payload);
        match self.format {
            Format::Lines => self.gathered.push(b'\n'),
            Format::Null => self.gathered.push(0),
            Format::Frames | Format::EachFile => {}
        }
        if self.gathered.len() >= GATHER { self.flush() } else { Ok(()) }
    }

    /// Writes what was gathered.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let (writer, gathered) = (&mut self.writer, &self.gathered);
        let mut write = || writer.write_all(gathered).and_then(|()| writer.flush());
        let outcome = match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
        self.gathered.clear();
        self.gathered.shrink_to(4 * GATHER);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_written_in_the_format_of_the_messages() {
        let written = |format| {
            let mut bytes = Vec::new();
            let mut output = Output::new(&mut bytes, format);
            ["ab", "", "c"].iter().for_each(|payload| output.push(payload.as_bytes()).unwrap());
            output.flush().unwrap();
            bytes
        };
        assert_eq!(written(Format::Lines), b"ab\n\nc\n");
        assert_eq!(written(Format::Null), b"ab\0\0c\0");
        assert_eq!(written(Format::Frames), b"\0\0\0\x02ab\0\0\0\0\0\0\0\x01c");
        assert_eq!(written(Format::EachFile), b"abc");
    }
}
