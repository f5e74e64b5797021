//! Messages in words, for whoever has room for a line.
//!
//! Names are hostile text and stay as they are here: to make them harmless is for whoever knows where the words go.

use std::time::Duration;

use super::{Message, Status};
use crate::{line::Timestamp, units};

/// Digits of a number that people are told.
const DIGITS: i32 = 4;

impl Message {
    /// What has happened, in a sentence without a full stop.
    pub fn headline(&self) -> String {
        let Self { series, value, .. } = self;
        let test = if self.test { "Test: " } else { "" };
        let value = number(*value);
        let expected = match self.expected {
            Some(expected) => format!("{value} where {} is expected", number(expected)),
            None => value,
        };
        match (self.status, &self.summary) {
            (Status::Firing, _) => format!("{test}{series} is anomalous: {expected}"),
            (Status::Again, _) => {
                let lasted = lasted(self.lasted_s());
                format!("{test}{series} is still anomalous, for {lasted}: {expected}")
            }
            (Status::Resolved, _) => format!("{test}{series} is well again after {}", lasted(self.lasted_s())),
            (Status::Summary, Some(summary)) => {
                let (opened, closed) = (summary.opened, summary.closed);
                format!("{test}{opened} more anomalies in {series}, {closed} of them over")
            }
            (Status::Summary, None) => format!("{test}more anomalies in {series}"),
        }
    }
}

/// A number in four digits, or all those before the point; very large and very small ones with an exponent.
pub(super) fn number(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the logarithm of a double is within 400 of 0"
    )]
    let magnitude = number.abs().log10().floor() as i32;
    if !(-4..15).contains(&magnitude) {
        return format!("{number:.3e}");
    }
    let decimals = usize::try_from(DIGITS - 1 - magnitude).unwrap_or(0);
    let text = format!("{number:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Seconds as people say them: the largest unit, and the next one.
pub(super) fn lasted(seconds: i64) -> String {
    const UNITS: [(u64, u64); 4] = [(24 * 3600, 3600), (3600, 60), (60, 1), (1, 1)];
    let seconds = seconds.unsigned_abs();
    let Some((unit, next)) = UNITS.into_iter().find(|(unit, _)| seconds >= *unit) else {
        return "0s".to_owned();
    };
    let show = |seconds: u64| units::show_duration(Duration::from_secs(seconds));
    let (whole, rest) = (seconds - seconds % unit, seconds % unit);
    let whole = if unit == 24 * 3600 {
        format!("{}d", whole / unit)
    } else {
        show(whole)
    };
    match rest - rest % next {
        0 => whole,
        rest => format!("{whole} {}", show(rest)),
    }
}

/// A time as RFC 3339 has it, in UTC.
pub(super) fn rfc3339(timestamp: Timestamp) -> String {
    let time = jiff::Timestamp::from_second(timestamp);
    let end = if timestamp < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    };
    time.unwrap_or(end).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{Summary, message::tests::message};

    #[test]
    fn a_headline_says_what_has_happened() {
        let says = |message: &Message, expected: &str| assert_eq!(message.headline(), expected);
        let mut told = message(Status::Firing, "web.load");
        (told.value, told.expected, told.opened_at, told.timestamp) = (12.5, Some(1.25), 1000, 1000);
        says(&told, "web.load is anomalous: 12.5 where 1.25 is expected");
        told.test = true;
        says(&told, "Test: web.load is anomalous: 12.5 where 1.25 is expected");
        (told.status, told.test, told.timestamp, told.expected) = (Status::Again, false, 4730, None);
        says(&told, "web.load is still anomalous, for 1h 2m: 12.5");
        told.status = Status::Resolved;
        says(&told, "web.load is well again after 1h 2m");
        (told.status, told.series) = (Status::Summary, "web.**".into());
        told.summary = Some(Summary {
            opened: 7,
            closed: 2,
            series: Vec::new(),
        });
        says(&told, "7 more anomalies in web.**, 2 of them over");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (12.5, "12.5"),
            (-0.123_456, "-0.1235"),
            (0.000_123_45, "0.0001234"),
            (99_999.4, "99999"),
            (1e12, "1000000000000"),
            (1.234_567e20, "1.235e20"),
            (1e-9, "1.000e-9"),
            (f64::MAX, "1.798e308"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn times_are_said_in_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m 59s"),
            (86_399, "23h 59m"),
            (86_400, "1d"),
            (200_000, "2d 7h"),
            (i64::MIN, "106751991167300d 15h"),
        ] {
            assert_eq!(lasted(seconds), text);
        }
        assert_eq!(rfc3339(1_700_000_000), "2023-11-14T22:13:20Z");
        assert!(rfc3339(i64::MAX).starts_with("9999-"), "{}", rfc3339(i64::MAX));
    }
}
