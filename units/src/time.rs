//! Lengths of time.

use crate::UnitError;
use crate::number::{NumberError, Units, read, shown};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const FORM: &str = "a length of time like 500ms, 5s, 2m or 1h; a number alone counts seconds";
const UNITS: Units = Units {
    names: &[
        ("ns", 1),
        ("us", SECOND / 1_000_000),
        ("ms", SECOND / 1_000),
        ("s", SECOND),
        ("min", 60 * SECOND),
        // Behind the other name, as the last of equals is the one that is written.
        ("m", 60 * SECOND),
        ("h", 3_600 * SECOND),
        ("d", 86_400 * SECOND),
    ],
    bare: SECOND,
};

/// A length of time, of at most a hundred years: `500ms`, `1.5s`, `2m`, `1h`, `7d`; a bare number counts seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(Duration);

impl TimeSpan {
    /// No time at all.
    pub const ZERO: Self = TimeSpan(Duration::ZERO);
    /// The longest.
    pub const MAX: Self = TimeSpan(Duration::from_secs(36_500 * 86_400));

    /// So many seconds, or the longest there is.
    pub const fn from_secs(seconds: u64) -> Self {
        if seconds > Self::MAX.0.as_secs() { Self::MAX } else { TimeSpan(Duration::from_secs(seconds)) }
    }

    /// Reads one that is not zero.
    ///
    /// # Errors
    /// As the types' [`FromStr`], and for zero.
    pub fn positive(text: &str) -> Result<Self, UnitError> {
        text.parse()
            .and_then(|time: TimeSpan| if time == Self::ZERO { Err(UnitError::Zero) } else { Ok(time) })
    }

    /// Reads one whose bare numbers count microseconds.
    ///
    /// # Errors
    /// As the types' [`FromStr`].
    pub fn microseconds(text: &str) -> Result<Self, UnitError> {
        let units = Units { bare: SECOND / 1_000_000, ..UNITS };
        let form = "a length of time like 50us or 1ms; a number alone counts microseconds";
        parsed(text, &units, form)
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

fn parsed(text: &str, units: &Units, form: &'static str) -> Result<TimeSpan, UnitError> {
    let too_long = || UnitError::TooLarge(format!("{} (100 years)", TimeSpan::MAX));
    match read(text, units).map(Duration::from_nanos) {
        Ok(time) if time <= TimeSpan::MAX.0 => Ok(TimeSpan(time)),
        Ok(_) | Err(NumberError::TooLarge) => Err(too_long()),
        Err(NumberError::Form) => Err(UnitError::Form(form)),
    }
}

impl From<TimeSpan> for Duration {
    fn from(time: TimeSpan) -> Self {
        time.0
    }
}

/// Anything longer than the longest becomes that.
impl From<Duration> for TimeSpan {
    fn from(time: Duration) -> Self {
        TimeSpan(time.min(Self::MAX.0))
    }
}

impl FromStr for TimeSpan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parsed(text, &UNITS, FORM)
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The longest is 3.2e18 ns.
        f.pad(&shown(u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX), &UNITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Duration, UnitError> {
        text.parse().map(TimeSpan::duration)
    }

    #[test]
    fn lengths_of_time_have_units_and_bare_numbers_are_seconds() {
        assert_eq!(read("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(read("5"), Ok(Duration::from_secs(5)));
        assert_eq!(read("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(read("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(read("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(read("50us"), Ok(Duration::from_micros(50)));
        assert_eq!(read("36500d"), Ok(TimeSpan::MAX.duration()));
        assert_eq!(TimeSpan::microseconds("50").map(TimeSpan::duration), Ok(Duration::from_micros(50)));
        assert_eq!(TimeSpan::microseconds("1ms").map(TimeSpan::duration), Ok(Duration::from_millis(1)));
        for wrong in ["", "s", "5 s", "5x", "-1s", "1.2.3s", "1e5s", ".5s", "5.", "5.s", "٣s", "inf", "nan"]
        {
            assert!(matches!(read(wrong), Err(UnitError::Form(_))), "{wrong}");
        }
        for long in ["36501d", "18446744073709551615", "99999999999999999999999s"] {
            assert!(matches!(read(long), Err(UnitError::TooLarge(_))), "{long}");
        }
        assert_eq!(TimeSpan::positive("0s"), Err(UnitError::Zero));
    }

    #[test]
    fn the_largest_unit_without_a_fraction_is_written() {
        for text in ["0", "500ms", "5s", "90s", "2m", "1h", "1d", "1ns", "36500d"] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(nanos in 0..=TimeSpan::MAX.0.as_nanos() as u64) {
            let time = TimeSpan::from(Duration::from_nanos(nanos));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn no_text_panics_and_no_time_is_too_long_for_a_clock(text in "[0-9.]{0,30}[a-zµ]{0,3}") {
            if let Ok(time) = text.parse::<TimeSpan>() {
                prop_assert!(std::time::Instant::now().checked_add(time.duration() * 2).is_some());
            }
        }
    }
}
