//! Numbers of bytes.

use crate::UnitError;
use crate::number::{NumberError, Units, read, shown};
use std::fmt;
use std::str::FromStr;

const FORM: &str = "a size like 100kB, 64MiB or 1GiB; a number alone counts bytes";
const UNITS: Units = Units {
    names: &[
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ],
    bare: 1,
};

/// A number of bytes, at most 1 PiB: `1000`, `100kB`, `64MiB`, `1.5GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// The largest.
    pub const MAX: Self = ByteSize(1 << 50);

    /// So many bytes, or the most there may be.
    pub const fn new(bytes: u64) -> Self {
        if bytes > Self::MAX.0 { Self::MAX } else { ByteSize(bytes) }
    }

    /// Reads one that is not zero.
    ///
    /// # Errors
    /// As the types' [`FromStr`], and for zero.
    pub fn positive(text: &str) -> Result<Self, UnitError> {
        text.parse().and_then(|size: ByteSize| if size.0 == 0 { Err(UnitError::Zero) } else { Ok(size) })
    }

    /// How many bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// How many bytes, or as many as this machine can address.
    pub fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match read(text, &UNITS) {
            Ok(bytes) if bytes <= Self::MAX.0 => Ok(ByteSize(bytes)),
            Ok(_) | Err(NumberError::TooLarge) => Err(UnitError::TooLarge(Self::MAX.to_string())),
            Err(NumberError::Form) => Err(UnitError::Form(FORM)),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&shown(self.0, &UNITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<u64, UnitError> {
        text.parse().map(ByteSize::bytes)
    }

    #[test]
    fn sizes_have_units_and_bare_numbers_are_bytes() {
        assert_eq!(read("1000"), Ok(1_000));
        assert_eq!(read("100kB"), Ok(100_000));
        assert_eq!(read("256MiB"), Ok(256 << 20));
        assert_eq!(read("1.5gib"), Ok(3 << 29));
        assert_eq!(read("0"), Ok(0));
        for wrong in ["", "MiB", "64 MiB", "64M", "-1", "1e9", "0x10"] {
            assert!(matches!(read(wrong), Err(UnitError::Form(_))), "{wrong}");
        }
        for large in ["1025TiB", "18446744073709551615", "99999999999999999999TiB"] {
            assert_eq!(read(large), Err(UnitError::TooLarge("1024TiB".into())), "{large}");
        }
        assert_eq!(ByteSize::positive("0kB"), Err(UnitError::Zero));
        assert_eq!(ByteSize::new(128 << 20).to_string(), "128MiB");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(bytes in 0..=ByteSize::MAX.0) {
            prop_assert_eq!(read(&ByteSize(bytes).to_string()), Ok(bytes));
        }
    }
}
