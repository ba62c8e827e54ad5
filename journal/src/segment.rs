//! A segment: one file of the journal, with a head that says which one it is, and frames behind that.
//!
//! ```text
//! segment = head head *frame            ; the head twice, so that one damaged sector of bytes does not cost the file
//! head    = magic version crc number first salt
//! ```
//!
//! `magic` is 8 bytes, `version` and `crc` 4, `number` and `first` 8, `salt` 16, integers the lowest byte first. `number`
//! orders the segments. What older segments hold from sequence number `first` on does not count: it was written again here,
//! because the disk did not confirm it there.

use crate::frame::{HIGHEST, Seal};
use crc32fast::Hasher;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"pylmjrnl";

/// The version of the format: it changes when an older program could not read what a newer one wrote.
pub(crate) const VERSION: u32 = 2;

/// The oldest version that can be read; it lacks `Rerun` records and deadlines.
const OLDEST: u32 = 1;

const HEAD: usize = 48;

/// Where the first frame begins.
pub(crate) const FRAMES: u64 = 2 * HEAD as u64;

/// What a segment's head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its place among the segments.
    pub(crate) number: u64,
    /// The sequence number of its first new record.
    pub(crate) first: u64,
    /// What makes its frames its own.
    pub(crate) salt: [u8; 16],
}

/// Why a head could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHead {
    /// Neither of the two is what was written.
    Damaged,
    /// It is of a version that this program does not know.
    Version(u32),
}

impl Head {
    /// What frames of this segment are checked by.
    pub(crate) fn seal(&self) -> Seal {
        Seal::new(&self.salt)
    }

    /// Both copies.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(2 * HEAD);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        head.extend_from_slice(&self.number.to_le_bytes());
        head.extend_from_slice(&self.first.to_le_bytes());
        head.extend_from_slice(&self.salt);
        let crc = crc(&head);
        head[12..16].copy_from_slice(&crc.to_le_bytes());
        head.extend_from_within(..);
        head
    }

    /// Reads the first bytes of a segment.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Head, BadHead> {
        let mut outcome = Err(BadHead::Damaged);
        for copy in bytes.chunks_exact(HEAD).take(2) {
            outcome = Head::decode_one(copy);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn decode_one(bytes: &[u8]) -> Result<Head, BadHead> {
        let integer =
            |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u64::from_le_bytes(*bytes));
        let half =
            |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_le_bytes(*bytes));
        if !bytes.starts_with(MAGIC) || half(12) != Some(crc(bytes)) {
            return Err(BadHead::Damaged);
        }
        let version = half(8).ok_or(BadHead::Damaged)?;
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(BadHead::Version(version));
        }
        let salt = bytes.get(32..).and_then(<[u8]>::first_chunk).ok_or(BadHead::Damaged)?;
        let (number, first) = integer(16).zip(integer(24)).ok_or(BadHead::Damaged)?;
        if first > HIGHEST {
            return Err(BadHead::Damaged);
        }
        Ok(Head { number, first, salt: *salt })
    }
}

/// The CRC of a head, but for the bytes that hold it.
fn crc(head: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&head[..12]);
    hasher.update(&head[16..]);
    hasher.finalize()
}

/// The path of a segment.
pub(crate) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.segment"))
}

/// The number of the segment that a file's name stands for.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".segment").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().filter(|&number| number <= HIGHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_two_heads_is_enough() {
        let head = Head { number: 7, first: 1 << 40, salt: *b"0123456789abcdef" };
        let bytes = head.encode();
        assert_eq!(bytes.len() as u64, FRAMES);
        for flipped in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[flipped] ^= 0x10;
            assert_eq!(Head::decode(&bytes), Ok(head.clone()), "{flipped}");
            bytes[(flipped + HEAD) % (2 * HEAD)] ^= 0x10;
            assert!(Head::decode(&bytes).is_err(), "{flipped}");
        }
        assert_eq!(Head::decode(&bytes[..HEAD - 1]), Err(BadHead::Damaged));
        assert_eq!(Head::decode(&[]), Err(BadHead::Damaged));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(
            path(Path::new("/j"), 255).file_name().and_then(|name| number_of(name.to_str()?)),
            Some(255)
        );
        let behind_all = "ffffffffffffffff.segment";
        let others = ["lock", "spare", "ff.segment", "00000000000000ff.damaged", "000000000000ggff.segment"];
        for other in others.into_iter().chain([behind_all]) {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
