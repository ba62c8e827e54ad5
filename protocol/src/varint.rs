//! LEB128 integers, and a reader over bytes that never reads past their end.

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end in the middle of a value.
    #[error("the bytes end in the middle of a value")]
    Truncated,
    /// An integer is longer than ten bytes, or larger than its field holds.
    #[error("an integer does not fit its field")]
    Overflow,
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// A batch does not begin with the mark of this protocol's version.
    #[error("not a batch of version {} of the native protocol", crate::MAJOR)]
    NotABatch,
    /// A record of a type that this version does not know, and that may not be skipped.
    #[error("unknown record type {0:#04x}")]
    UnknownRecord(u8),
    /// A record refers to an attachment that is not there.
    #[error("an attachment is missing")]
    Attachments,
    /// A field of a PalmMessage has another wire type than its number says.
    #[error("field {0} has a wrong wire type")]
    WireType(u32),
    /// A value that its field does not allow.
    #[error("a value is not allowed in its field")]
    Value,
    /// A string is longer than it may be.
    #[error(transparent)]
    TooLong(#[from] crate::strings::TooLong),
}

/// Appends `value` to `out`.
#[inline]
pub fn write(value: u64, out: &mut Vec<u8>) {
    if value < 0x80 {
        out.push(value as u8);
    } else {
        let mut head = Head::default();
        head.varint(value);
        out.extend_from_slice(head.as_bytes());
    }
}

/// The most bytes of a [`Head`].
const HEAD: usize = 128;

/// A few integers that are written together, before anything is appended to a batch. There is room for twelve.
pub(crate) struct Head {
    bytes: [u8; HEAD + 8],
    end: usize,
}

impl Default for Head {
    #[inline]
    fn default() -> Self {
        Head { bytes: [0; HEAD + 8], end: 0 }
    }
}

impl Head {
    /// Appends a byte.
    #[inline]
    pub(crate) fn octet(&mut self, octet: u8) {
        debug_assert!(self.end < HEAD, "a head of too many integers");
        // What is past its end is cut off here: so the compiler sees that no index is, and leaves its own check out.
        self.bytes[self.end % HEAD] = octet;
        self.end += 1;
    }

    /// Appends an integer.
    #[inline]
    pub(crate) fn varint(&mut self, mut value: u64) {
        if value < 0x80 {
            return self.octet(value as u8);
        }
        if value < 1 << 56 {
            let octets = len(value);
            // All but the last have the bit that says that more follow.
            let more = MORE & ((1 << (8 * (octets - 1))) - 1);
            let at = self.end % HEAD;
            self.bytes[at..at + 8].copy_from_slice(&(spread(value) | more).to_le_bytes());
            self.end += octets;
            return;
        }
        while value >= 0x80 {
            self.octet(value as u8 | 0x80);
            value >>= 7;
        }
        self.octet(value as u8);
    }

    /// How many bytes were written.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end
    }

    /// What was written.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.end]
    }
}

/// The top bit of each of eight bytes.
const MORE: u64 = 0x8080_8080_8080_8080;

/// Puts each seven bits of `value`, which has 56, into a byte of its own.
#[inline]
fn spread(value: u64) -> u64 {
    let value = (value & 0x0000_0000_0fff_ffff) | (value & 0x00ff_ffff_f000_0000) << 4;
    let value = (value & 0x0000_3fff_0000_3fff) | (value & 0x0fff_c000_0fff_c000) << 2;
    (value & 0x007f_007f_007f_007f) | (value & 0x3f80_3f80_3f80_3f80) << 1
}

/// Puts seven bits of each of eight bytes, whose top bits are zero, together.
#[inline]
fn gather(bytes: u64) -> u64 {
    let value = (bytes & 0x007f_007f_007f_007f) | (bytes & 0x7f00_7f00_7f00_7f00) >> 1;
    let value = (value & 0x0000_3fff_0000_3fff) | (value & 0x3fff_0000_3fff_0000) >> 2;
    (value & 0x0000_0000_0fff_ffff) | (value & 0x0fff_ffff_0000_0000) >> 4
}

/// The most bytes that an integer takes.
pub(crate) const LONGEST: usize = 10;

/// The number of bytes that [`write()`] appends for `value`.
#[inline]
pub fn len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// A cursor over bytes.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A cursor at the first of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// Whether all has been read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next byte.
    #[inline]
    pub fn octet(&mut self) -> Result<u8, DecodeError> {
        let octet = *self.bytes.get(self.at).ok_or(DecodeError::Truncated)?;
        self.at += 1;
        Ok(octet)
    }

    /// The next integer.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.bytes.get(self.at) {
            Some(&only) if only < 0x80 => {
                self.at += 1;
                return Ok(u64::from(only));
            }
            _ => {}
        }
        // Eight bytes at once hold all but the longest.
        if let Some(chunk) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*chunk);
            let last = !word & MORE;
            if last != 0 {
                self.at += last.trailing_zeros() as usize / 8 + 1;
                return Ok(gather(word & (last ^ (last - 1)) & !MORE));
            }
        }
        self.slow_varint()
    }

    /// The next integer, byte by byte.
    #[cold]
    fn slow_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let octet = self.octet()?;
            let group = u64::from(octet & 0x7f);
            if shift == 63 && group > 1 {
                return Err(DecodeError::Overflow);
            }
            value |= group << shift;
            if octet < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Overflow)
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], DecodeError> {
        let count = usize::try_from(count).map_err(|_| DecodeError::Truncated)?;
        let end = self.at.checked_add(count).ok_or(DecodeError::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(DecodeError::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    /// How many bytes were read.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Goes on at that place; `None` where there is none.
    #[inline]
    pub(crate) fn skip_to(&mut self, position: usize) -> Option<()> {
        (position <= self.bytes.len()).then(|| self.at = position)
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }

    /// A length, and that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let count = self.varint()?;
        self.take(count)
    }

    /// A length, and that many bytes of UTF-8.
    #[inline]
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::NotUtf8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_integer_survives(value: u64) {
            let mut out = Vec::new();
            write(value, &mut out);
            prop_assert_eq!(out.len(), len(value));
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.bytes().is_ok() && !reader.is_empty() {}
        }
    }

    #[test]
    fn integers_past_64_bits_are_refused() {
        assert_eq!(Reader::new(&[0xff; 10]).varint(), Err(DecodeError::Overflow));
        assert_eq!(Reader::new(&[0x80; 11]).varint(), Err(DecodeError::Overflow));
        let mut largest = [0xff; 10];
        largest[9] = 1;
        assert_eq!(Reader::new(&largest).varint(), Ok(u64::MAX));
    }
}
