//! What a line says, read plainly: Python's `split` and `float`, written out.

use std::sync::LazyLock;

use regex::Regex;
use skyrelay::line::{LineError, Poison, Timestamp};

/// What Python's `str.split` parts fields by.
const BLANKS: &[char] = &[
    '\t', '\n', '\x0b', '\x0c', '\r', '\x1c', '\x1d', '\x1e', '\x1f', ' ', '\u{85}', '\u{a0}', '\u{1680}', '\u{2000}',
    '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}', '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}',
    '\u{200a}', '\u{2028}', '\u{2029}', '\u{202f}', '\u{205f}', '\u{3000}',
];

/// What Python's `float` takes, of ASCII.
static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    let digits = "[0-9](?:_?[0-9])*";
    let number = format!(r"(?:{digits}(?:\.(?:{digits})?)?|\.{digits})(?:e[+-]?{digits})?");
    Regex::new(&format!("^(?i:[+-]?(?:inf|infinity|nan|{number}))$")).unwrap()
});

/// A sample, or why there is none.
pub(crate) type Read<'a> = Result<(&'a str, f64, Timestamp), LineError>;

/// What the line is to be held back for, if for anything but its length.
pub(crate) fn poison(line: &[u8]) -> Option<Poison> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Some(Poison::NotUtf8);
    };
    let [_, value, timestamp] = fields(text)[..] else {
        return None;
    };
    let is_unbounded = float(value).is_some() && float(timestamp).is_some_and(|timestamp| !timestamp.is_finite());
    is_unbounded.then_some(Poison::TimestampNotFinite)
}

/// What the line says.
pub(crate) fn read(line: &[u8], received: Timestamp) -> Read<'_> {
    let text = std::str::from_utf8(line).map_err(|_| LineError::Fields)?;
    let fields = fields(text);
    let &[name, value, timestamp] = &fields[..] else {
        return Err(if fields.is_empty() {
            LineError::Empty
        } else {
            LineError::Fields
        });
    };
    let value = float(value).ok_or(LineError::Value)?;
    let timestamp = seconds(timestamp, received).ok_or(LineError::Timestamp)?;
    if value.is_nan() {
        Err(LineError::Nan)
    } else if value.abs() > 1e140 {
        Err(LineError::Infinite)
    } else {
        Ok((name, value, timestamp))
    }
}

pub(crate) fn fields(text: &str) -> Vec<&str> {
    text.split(BLANKS).filter(|field| !field.is_empty()).collect()
}

fn float(text: &str) -> Option<f64> {
    FLOAT.is_match(text).then(|| text.replace('_', "").parse().unwrap())
}

/// Whole seconds; up to 18 digits are exact, where Python's would be rounded from 2^53 on.
#[expect(clippy::cast_possible_truncation, reason = "as carbon does, but for the ends")]
fn seconds(text: &str, received: Timestamp) -> Option<Timestamp> {
    let is_exact = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = match text.parse() {
        Ok(seconds) if is_exact => seconds,
        _ => float(text).filter(|seconds| seconds.is_finite())?.trunc() as Timestamp,
    };
    Some(if seconds == -1 { received } else { seconds })
}
