//! What one line says.

use super::{Timestamp, is_blank, number};

/// Values beyond this in magnitude are not analysed: their squares, summed over a window, must stay finite.
const MAGNITUDE_MAX: f64 = 1e140;

/// One parsed line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The series it belongs to; tags and all. UTF-8 when the line passed the scan.
    pub name: &'a [u8],
    /// Finite, at most 1e140 in magnitude.
    pub value: f64,
    /// When it was measured, by its sender.
    pub timestamp: Timestamp,
}

/// Why a line is not analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// Nothing but white space.
    Empty,
    /// Other than three fields.
    Fields,
    /// A value that is no number.
    Value,
    /// A timestamp that is no number, or not finite.
    Timestamp,
    /// A value of `nan`, which carbon drops without a word.
    Nan,
    /// A value that is infinite, or too large to sum squares of.
    Infinite,
}

impl LineError {
    /// Would carbon log and drop this line, rather than take it?
    pub fn is_malformed(self) -> bool {
        !matches!(self, Self::Nan | Self::Infinite)
    }
}

/// Parses `line`, without its newline. A timestamp of -1 stands for `received`, the time of arrival.
///
/// # Errors
/// When the line has no three fields, its value or timestamp is no number, or the value is not finite.
pub fn parse(line: &[u8], received: Timestamp) -> Result<Sample<'_>, LineError> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(LineError::Fields);
    };
    let text = text.trim_start_matches(is_blank);
    let name_bytes = text.find(is_blank).unwrap_or(text.len());
    let (name, fields) = text.as_bytes().split_at(name_bytes);
    if name.is_empty() {
        return Err(LineError::Empty);
    }
    let (value, timestamp) = parse_fields(fields, received)?;
    Ok(Sample { name, value, timestamp })
}

/// Parses what stands behind a name: white space, a value, white space, a timestamp, perhaps white space.
///
/// # Errors
/// As for [`parse`].
pub fn parse_fields(fields: &[u8], received: Timestamp) -> Result<(f64, Timestamp), LineError> {
    parse_usual(fields).map_or_else(|| parse_any(fields, received), Ok)
}

/// Single blanks, a short decimal, digits, and perhaps a carriage return: nearly every line, in one pass.
fn parse_usual(fields: &[u8]) -> Option<(f64, Timestamp)> {
    let (value, rest) = number::take_decimal(fields.strip_prefix(b" ")?)?;
    let timestamp = rest.strip_prefix(b" ")?;
    let timestamp = timestamp.strip_suffix(b"\r").unwrap_or(timestamp);
    Some((value, number::parse_digits(timestamp)?))
}

/// Any fields, by Python's rules.
fn parse_any(fields: &[u8], received: Timestamp) -> Result<(f64, Timestamp), LineError> {
    let (value, timestamp) = split(fields).ok_or(LineError::Fields)?;
    let value = number::parse(value).ok_or(LineError::Value)?;
    let timestamp = parse_timestamp(timestamp, received)?;
    if value.is_nan() {
        Err(LineError::Nan)
    } else if value.abs() > MAGNITUDE_MAX {
        Err(LineError::Infinite)
    } else {
        Ok((value, timestamp))
    }
}

/// Is the line one that carbon takes apart and then fails on, because its timestamp is not finite?
pub(super) fn has_unbounded_timestamp(text: &str) -> bool {
    let mut fields = text.split(is_blank).filter(|field| !field.is_empty());
    let (Some(_), Some(value), Some(timestamp), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    number::parse(value.as_bytes()).is_some()
        && number::parse(timestamp.as_bytes()).is_some_and(|timestamp| !timestamp.is_finite())
}

/// The two fields by Python's rules.
fn split(fields: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = std::str::from_utf8(fields).ok()?;
    let mut fields = text.split(is_blank).filter(|field| !field.is_empty());
    match (fields.next(), fields.next(), fields.next()) {
        (Some(value), Some(timestamp), None) => Some((value.as_bytes(), timestamp.as_bytes())),
        _ => None,
    }
}

/// Whole seconds, truncated towards zero; -1 is the time of arrival.
fn parse_timestamp(text: &[u8], received: Timestamp) -> Result<Timestamp, LineError> {
    if let Some(seconds) = number::parse_digits(text) {
        return Ok(seconds);
    }
    let seconds = number::parse(text)
        .filter(|seconds| seconds.is_finite())
        .ok_or(LineError::Timestamp)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "truncation is carbon's rule, and the cast saturates"
    )]
    match seconds as i64 {
        -1 => Ok(received),
        seconds => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn takes(line: &str, name: &str, value: f64, timestamp: Timestamp) {
        let sample = parse(line.as_bytes(), 1_800_000_000).unwrap_or_else(|error| panic!("{line:?}: {error:?}"));
        assert_eq!(sample.name, name.as_bytes(), "{line:?}");
        assert_eq!(sample.value.to_bits(), value.to_bits(), "{line:?}");
        assert_eq!(sample.timestamp, timestamp, "{line:?}");
    }

    #[track_caller]
    fn rejects(line: &str, error: LineError) {
        assert_eq!(parse(line.as_bytes(), 0), Err(error), "{line:?}");
    }

    #[test]
    fn lines_that_carbon_takes() {
        takes("cpu.user 12.5 1700000000", "cpu.user", 12.5, 1_700_000_000);
        takes("cpu.user 12.5 1700000000\r", "cpu.user", 12.5, 1_700_000_000);
        takes("  a\t 1\x0b\u{a0}2 \r", "a", 1.0, 2);
        takes("a\u{1c}1\u{2003}2\u{85}", "a", 1.0, 2);
        takes("a;k=v;l=w 1 2", "a;k=v;l=w", 1.0, 2);
        takes("a 1_000 1.7e9", "a", 1000.0, 1_700_000_000);
        takes("a 1 1700000000.9", "a", 1.0, 1_700_000_000);
        takes("a 1 -7", "a", 1.0, -7);
        takes("h\u{e9}.\u{1f600} .5 0", "h\u{e9}.\u{1f600}", 0.5, 0);
        takes("a 1 1e300", "a", 1.0, i64::MAX);
    }

    #[test]
    fn minus_one_is_now() {
        takes("a 1 -1", "a", 1.0, 1_800_000_000);
        takes("a 1 -1.9", "a", 1.0, 1_800_000_000);
    }

    #[test]
    fn lines_that_carbon_drops() {
        rejects("", LineError::Empty);
        rejects(" \t\r", LineError::Empty);
        rejects("cpu.user", LineError::Fields);
        rejects("cpu.user 12.5", LineError::Fields);
        rejects("cpu.user 12.5 1 2", LineError::Fields);
        rejects("a 0x10 1", LineError::Value);
        rejects("a 1,5 1", LineError::Value);
        rejects("a one 1", LineError::Value);
        rejects("a 1 soon", LineError::Timestamp);
    }

    #[test]
    fn values_that_cannot_be_analysed() {
        rejects("a nan 1", LineError::Nan);
        rejects("a -NaN 1", LineError::Nan);
        rejects("a inf 1", LineError::Infinite);
        rejects("a 1e400 1", LineError::Infinite);
        rejects("a -1e308 1", LineError::Infinite);
        rejects("a nan 1 2", LineError::Fields);
    }

    #[test]
    fn a_timestamp_that_is_not_finite_makes_poison_of_three_fields_only() {
        for text in ["a 1 nan", "a nan nan", "a 1 -inf\r", "a\u{a0}1 1e400", " a 1 Infinity "] {
            assert!(has_unbounded_timestamp(text), "{text:?}");
        }
        for text in ["a 1 2", "a 1 nan 2", "a nan", "a x nan", "nan nan 1", "", "a 1 nano"] {
            assert!(!has_unbounded_timestamp(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_usual_way_agrees_with_any(fields in r" [0-9.-]{1,22} [0-9]{1,20}\r?|[ \t][0-9a-f._+ -]{0,30}") {
            if let Some(usual) = parse_usual(fields.as_bytes()) {
                prop_assert_eq!(parse_any(fields.as_bytes(), 7), Ok(usual));
            }
        }
    }
}
