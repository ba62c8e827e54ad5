//! Moments, as grants and audit lines write them: `2027-01-31T12:00:00Z`, in UTC.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
/// The last day of the year 9999, in days since 1970.
const LAST: u64 = 2_932_896;

/// A second, counted from the beginning of 1970, until the end of the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date(u64);

/// A text is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no moment; write it as in 2027-01-31T12:00:00Z, or 2027-01-31")]
pub struct DateError(String);

impl Date {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self::of(SystemTime::now())
    }

    /// The second of this time; what is before 1970 counts as its beginning.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        Date(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().min(LAST * DAY))
    }

    /// So much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Date(self.0.saturating_add(time.as_secs()).min(LAST * DAY))
    }

    /// How long it is until then; none where it has passed.
    #[must_use]
    pub fn until(self, later: Date) -> Option<Duration> {
        later.0.checked_sub(self.0).filter(|&left| left > 0).map(Duration::from_secs)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / DAY, self.0 % DAY);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        read(text).map(Date).ok_or_else(|| DateError(text.to_owned()))
    }
}

impl TryFrom<String> for Date {
    type Error = DateError;

    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> String {
        date.to_string()
    }
}

fn read(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let number =
        |text: &str| text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let three = |text: &str, sign| -> Option<[u64; 3]> {
        let mut parts = text.split(sign).map(number);
        let all = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(all)
    };
    let ([year, month, day], [hour, minute, second]) =
        (three(date, '-')?, three(time.strip_suffix('Z')?, ':')?);
    if !(1970..=9999).contains(&year) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(year, month, day);
    // A day that is none comes out as another.
    (civil(days) == (year, month, day)).then_some(days * DAY + hour * 3600 + minute * 60 + second)
}

/// Days since 1970, in the Gregorian calendar; years begin with March, so that leap days are their last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.saturating_sub(1);
    (year * 365 + year / 4 - year / 100 + year / 400 + of_year).saturating_sub(719_468)
}

/// Year, month and day of a day.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let of_400 = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_400 + of_400 / 4 - of_400 / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + of_400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (second, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Date(second).to_string(), text);
            assert_eq!(text.parse::<Date>().unwrap(), Date(second));
        }
        assert_eq!("2027-01-31".parse::<Date>(), "2027-01-31T00:00:00Z".parse());
        for wrong in [
            "",
            "2027",
            "2027-02-29",
            "2027-00-01",
            "2027-13-01",
            "2027-01-00",
            "2027-1-1T24:00:00Z",
            "2027-01-01T00:00:00",
        ] {
            assert!(wrong.parse::<Date>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(second in 0..=LAST * DAY) {
            prop_assert_eq!(Date(second).to_string().parse::<Date>().unwrap(), Date(second));
        }

        #[test]
        fn whatever_is_read_does_no_harm(text in "[0-9TZ:+-]{0,24}") {
            let _ = text.parse::<Date>();
        }
    }
}
