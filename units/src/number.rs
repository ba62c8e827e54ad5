//! A decimal number with a unit, exactly.

use std::num::{IntErrorKind, ParseIntError};

/// What is wrong with the text of a whole number, in words for people.
pub fn no_number(error: &ParseIntError) -> &'static str {
    match error.kind() {
        IntErrorKind::PosOverflow => "it is too large a number",
        IntErrorKind::NegOverflow => "it is too small a number",
        _ => "it is no whole number",
    }
}

/// How a number of a kind is written.
pub(crate) struct Units {
    /// The names of units, and how many of the smallest thing each is.
    pub(crate) names: &'static [(&'static str, u64)],
    /// What a number without a unit counts.
    pub(crate) bare: u64,
}

/// Why a text is no number with a unit.
pub(crate) enum NumberError {
    Form,
    TooLarge,
}

/// How many of the smallest thing the text is; what is less than one of them is dropped.
pub(crate) fn read(text: &str, units: &Units) -> Result<u64, NumberError> {
    let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit {
        "" => units.bare,
        unit => {
            let named = units.names.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            named.ok_or(NumberError::Form)?.1
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !is_digits(fraction) || number.ends_with('.') {
        return Err(NumberError::Form);
    }
    let whole: u64 = whole.parse().map_err(|_| NumberError::TooLarge)?;
    let sum = u128::from(whole) * u128::from(unit) + part_of(fraction, unit);
    u64::try_from(sum).map_err(|_| NumberError::TooLarge)
}

/// So many of a unit as these digits behind the point are.
fn part_of(digits: &str, unit: u64) -> u128 {
    let digit = |(part, scale): (u128, u128), digit: u8| (part * 10 + u128::from(digit - b'0'), scale * 10);
    let (part, scale) = digits.bytes().take(18).fold((0, 1), digit);
    part * u128::from(unit) / scale
}

/// The number with the largest unit that leaves no fraction.
pub(crate) fn shown(value: u64, units: &Units) -> String {
    let divides = |(_, unit): &&(&str, u64)| value > 0 && value.is_multiple_of(*unit);
    match units.names.iter().filter(divides).max_by_key(|(_, unit)| *unit) {
        Some((name, unit)) => format!("{}{name}", value / unit),
        None => "0".to_owned(),
    }
}
