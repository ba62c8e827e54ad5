//! What a journal could not read of itself.

use std::fmt;
use std::path::PathBuf;

/// Bytes of a file that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where the bytes begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// They are the journal's last: as a rule what was being written when the power failed, and was never accepted.
    pub tail: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { file, offset, bytes, tail } = self;
        let file = file.display();
        match tail {
            true => write!(formatter, "{file}: the last {bytes} bytes, from {offset} on, were not finished"),
            false => write!(formatter, "{file}: {bytes} bytes from {offset} on are damaged"),
        }
    }
}
