//! What is sent: how large, how much of it at a time, for how long.

use clap::Args;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// A number of bytes, as `16`, `64KiB` or `1MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Size(pub usize);

const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unit = UNITS.iter().find_map(|(name, bytes)| Some((text.strip_suffix(name)?, *bytes)));
        let (number, unit) = unit.unwrap_or((text.strip_suffix('B').unwrap_or(text), 1));
        let number: Option<usize> = number.trim().parse().ok();
        match number.and_then(|number| number.checked_mul(unit)) {
            Some(bytes) if bytes >= NUMBER_BYTES => Ok(Size(bytes)),
            _ => Err("it is a number of bytes of at least 8, as in 16, 64KiB or 1MiB"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes)) {
            Some((name, bytes)) => write!(f, "{} {name}", self.0 / bytes),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// The bytes at the front of each payload that hold its slot.
pub const NUMBER_BYTES: usize = size_of::<u64>();

/// What a client does, given to it on its command line.
#[derive(Debug, Clone, Copy, PartialEq, Args)]
pub struct Workload {
    /// Bytes of each payload
    #[arg(long)]
    pub size: usize,
    /// Messages under way
    #[arg(long)]
    pub window: usize,
    /// Seconds to measure
    #[arg(long)]
    pub seconds: f64,
    /// Note the time of each message
    #[arg(long)]
    pub latency: bool,
}

impl Workload {
    /// With as many messages under way as both bounds allow, and one at least.
    pub fn bounded(size: Size, window: u32, window_bytes: Size, seconds: f64) -> Self {
        let window = (window as usize).min(window_bytes.0 / size.0).max(1);
        Workload { size: size.0, window, seconds, latency: false }
    }

    /// One message at a time, each timed.
    pub fn one_at_a_time(size: Size, seconds: f64) -> Self {
        Workload { size: size.0, window: 1, seconds, latency: true }
    }

    /// As arguments of a client.
    pub fn to_arguments(self) -> Vec<String> {
        let mut arguments = vec![
            format!("--size={}", self.size),
            format!("--window={}", self.window),
            format!("--seconds={}", self.seconds),
        ];
        if self.latency {
            arguments.push("--latency".into());
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, bytes) in [("16", 16), ("100B", 100), ("64KiB", 65536), ("1 MiB", 1 << 20)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
            assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }
        for text in ["", "7", "x", "1kb", "99999999999999999999GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_window_is_bounded_in_bytes_and_never_empty() {
        let window = |size| Workload::bounded(Size(size), 2_000, Size(16 << 20), 1.0).window;
        assert_eq!([window(16), window(64 << 10), window(1 << 20), window(1 << 30)], [2_000, 256, 16, 1]);
    }
}
