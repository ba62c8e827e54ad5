//! Bytes into messages, by their format.

use crate::arguments::Format;
use bytes::{Bytes, BytesMut};
use memchr::memchr;
use std::io::{self, Read};

/// Bytes that are read at a time.
const BLOCK: usize = 64 << 10;

/// What was found in the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Message(Bytes),
    /// A message of that many bytes, which is more than may be, was passed over.
    TooLarge(u64),
}

/// Splits what a reader gives into messages of at most `limit` bytes.
#[derive(Debug)]
pub(crate) struct Splitter<R> {
    reader: R,
    format: Format,
    limit: u64,
    block: Box<[u8]>,
    /// What was read and belongs to no message yet.
    buffer: BytesMut,
    /// Bytes of the buffer in which there is no end of a message.
    searched: usize,
    is_ended: bool,
    /// What was read of a message that is too large.
    passing_over: Option<u64>,
}

impl<R: Read> Splitter<R> {
    pub(crate) fn new(reader: R, format: Format, limit: u64) -> Self {
        Splitter {
            reader,
            format,
            limit,
            block: vec![0; BLOCK].into_boxed_slice(),
            buffer: BytesMut::new(),
            searched: 0,
            is_ended: false,
            passing_over: None,
        }
    }

    /// The next message; `None` behind the last.
    ///
    /// # Errors
    /// What the reader tells, and `UnexpectedEof` when it ends inside of a frame.
    pub(crate) fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        match self.format {
            Format::Lines => self.until(b'\n'),
            Format::Null => self.until(0),
            Format::Frames => self.frame(),
            Format::EachFile => self.whole(),
        }
    }

    fn until(&mut self, end: u8) -> io::Result<Option<Piece>> {
        loop {
            if let Some(found) = memchr(end, &self.buffer[self.searched..]) {
                let mut message = self.buffer.split_to(self.searched + found + 1);
                message.truncate(message.len() - 1);
                self.searched = 0;
                return Ok(Some(self.piece(message)));
            }
            self.searched = self.buffer.len();
            if self.searched as u64 > self.limit {
                *self.passing_over.get_or_insert(0) += self.searched as u64;
                self.buffer.clear();
                self.searched = 0;
            }
            if !self.fill()? {
                // The last message need not be ended.
                let is_rest = !self.buffer.is_empty() || self.passing_over.is_some();
                let rest = self.buffer.split();
                self.searched = 0;
                return Ok(is_rest.then(|| self.piece(rest)));
            }
        }
    }

    fn piece(&mut self, message: BytesMut) -> Piece {
        let passed_over = self.passing_over.take();
        let size = passed_over.unwrap_or(0) + message.len() as u64;
        if size > self.limit { Piece::TooLarge(size) } else { Piece::Message(message.freeze()) }
    }

    fn frame(&mut self) -> io::Result<Option<Piece>> {
        const PREFIX: usize = 4;
        let length = loop {
            if let Some(prefix) = self.buffer.first_chunk::<PREFIX>() {
                break u32::from_be_bytes(*prefix) as usize;
            }
            if !self.fill()? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut_short()) };
            }
        };
        let _ = self.buffer.split_to(PREFIX);
        if length as u64 > self.limit {
            self.pass_over(length)?;
            return Ok(Some(Piece::TooLarge(length as u64)));
        }
        self.buffer.reserve(length.saturating_sub(self.buffer.len()));
        while self.buffer.len() < length {
            if !self.fill()? {
                return Err(cut_short());
            }
        }
        Ok(Some(Piece::Message(self.buffer.split_to(length).freeze())))
    }

    fn pass_over(&mut self, length: usize) -> io::Result<()> {
        let mut left = length;
        loop {
            let passed = left.min(self.buffer.len());
            let _ = self.buffer.split_to(passed);
            left -= passed;
            if left == 0 {
                return Ok(());
            }
            if !self.fill()? {
                return Err(cut_short());
            }
        }
    }

    fn whole(&mut self) -> io::Result<Option<Piece>> {
        if self.is_ended {
            return Ok(None);
        }
        let mut passed_over = 0;
        while self.fill()? {
            if self.buffer.len() as u64 > self.limit || passed_over > 0 {
                passed_over += self.buffer.len() as u64;
                self.buffer.clear();
            }
        }
        match passed_over {
            0 => Ok(Some(Piece::Message(self.buffer.split().freeze()))),
            size => Ok(Some(Piece::TooLarge(size))),
        }
    }

    /// Reads more; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        while !self.is_ended {
            match self.reader.read(&mut self.block) {
                // Copied behind what is there, so that a message that waits keeps only its neighbours in memory with it.
                Ok(read) => {
                    self.buffer.extend_from_slice(&self.block[..read]);
                    self.is_ended = read == 0;
                    return Ok(!self.is_ended);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it ends inside of a frame")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn pieces(bytes: &[u8], drip: usize, format: Format, limit: u64) -> io::Result<Vec<Piece>> {
        let mut splitter = Splitter::new(Drip(bytes, drip), format, limit);
        std::iter::from_fn(|| splitter.next_piece().transpose()).collect()
    }

    fn expected(messages: &[Vec<u8>], limit: u64) -> Vec<Piece> {
        let piece = |message: &Vec<u8>| match message.len() as u64 {
            size if size > limit => Piece::TooLarge(size),
            _ => Piece::Message(message.clone().into()),
        };
        messages.iter().map(piece).collect()
    }

    /// Bytes in which line ends, zeros and long runs are frequent.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(b'\n'), Just(0), Just(b'a'), any::<u8>()], 0..12)
    }

    fn without(messages: Vec<Vec<u8>>, end: u8) -> Vec<Vec<u8>> {
        messages
            .into_iter()
            .map(|message| message.into_iter().filter(|&byte| byte != end).collect())
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_written_as_messages_is_read_as_the_same(
            messages in prop::collection::vec(message(), 0..20), drip in 1usize..30, limit in 0u64..16,
        ) {
            for (format, end) in [(Format::Lines, b'\n'), (Format::Null, 0)] {
                let messages = without(messages.clone(), end);
                let mut bytes: Vec<u8> = messages.iter().flat_map(|message| [&message[..], &[end]].concat()).collect();
                prop_assert_eq!(pieces(&bytes, drip, format, limit)?, expected(&messages, limit));
                // The last end may be missing, unless there is nothing before it.
                if messages.last().is_some_and(|last| !last.is_empty()) {
                    bytes.pop();
                    prop_assert_eq!(pieces(&bytes, drip, format, limit)?, expected(&messages, limit));
                }
            }
        }

        #[test]
        fn frames_are_read_as_they_were_written(
            messages in prop::collection::vec(message(), 0..20), drip in 1usize..30, limit in 0u64..16,
        ) {
            let bytes: Vec<u8> = messages
                .iter()
                .flat_map(|message| [&(message.len() as u32).to_be_bytes()[..], message].concat())
                .collect();
            prop_assert_eq!(pieces(&bytes, drip, Format::Frames, limit)?, expected(&messages, limit));
        }

        #[test]
        fn a_frame_that_is_cut_short_is_an_error(message in message(), cut in 1usize..16) {
            let mut bytes = [&(message.len() as u32).to_be_bytes()[..], &message].concat();
            bytes.truncate(bytes.len().saturating_sub(cut).max(1));
            let error = pieces(&bytes, 5, Format::Frames, 5).unwrap_err();
            prop_assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }

        #[test]
        fn a_whole_file_is_one_message(bytes in message(), drip in 1usize..30, limit in 0u64..16) {
            let pieces = pieces(&bytes, drip, Format::EachFile, limit)?;
            prop_assert_eq!(pieces, expected(&[bytes], limit));
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let endless = io::repeat(b'x').take(300 << 20);
        let mut splitter = Splitter::new(endless, Format::Lines, 1 << 20);
        assert_eq!(splitter.next_piece().unwrap(), Some(Piece::TooLarge(300 << 20)));
        assert!(splitter.buffer.capacity() < 4 << 20);
        assert_eq!(splitter.next_piece().unwrap(), None);
    }
}
