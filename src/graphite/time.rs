//! Times as Graphite writes them.
//!
//! Seconds since 1970; `now`; a day (`20240131`, `01/31/24`, `today`, `yesterday`, `tomorrow`) with a time of day in
//! front of it or not (`18:30`, `noon`, `midnight`, `teatime`); and behind each of them, or alone, offsets such as `-24h` or
//! `+1d6h`. A month is 30 days long and a year 365.

use jiff::{
    SignedDuration,
    civil::{Date, Time},
    tz::TimeZone,
};

use crate::line::Timestamp;

/// Times beyond this are nobody's (seconds before or after 1970; year 4,300).
const SECONDS_MAX: i64 = 1 << 36;

/// The time zone called `name`.
///
/// # Errors
/// When there is none.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("{name:?} is no time zone, such as \"Europe/Berlin\""))
}

/// The zone of times that are given without one.
pub fn utc() -> TimeZone {
    TimeZone::UTC
}

/// The time that `text` tells (seconds since 1970), on clocks of `zone` that now show `now`.
///
/// # Errors
/// When it tells none.
pub fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let unknown = || format!("{text:?} is no time, such as \"-24h\", \"now\", \"1700000000\" or \"18:30_20240131\"");
    let short: String = text
        .trim()
        .chars()
        .filter(|character| !['_', ',', ' '].contains(character))
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let seconds = if !short.is_empty() && short.bytes().all(|byte| byte.is_ascii_digit()) && day(&short).is_none() {
        short.parse().ok()
    } else {
        let offset_at = short.find(['+', '-']).unwrap_or(short.len());
        let (reference, offsets) = short.split_at(offset_at);
        reference_time(reference, now, zone)
            .zip(offset(offsets))
            .and_then(|(reference, offset)| reference.checked_add(offset))
    };
    seconds
        .filter(|seconds: &i64| seconds.unsigned_abs() <= SECONDS_MAX.unsigned_abs())
        .ok_or_else(unknown)
}

/// The time that offsets are counted from.
fn reference_time(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if text.is_empty() || text == "now" {
        return Some(now);
    }
    let (time, rest) = time_of_day(text);
    let today = jiff::Timestamp::from_second(now).ok()?.to_zoned(zone.clone()).date();
    let date = match rest {
        "" | "today" => today,
        "yesterday" => today.yesterday().ok()?,
        "tomorrow" => today.tomorrow().ok()?,
        other => day(other)?,
    };
    let time = time.unwrap_or(Time::midnight());
    let zoned = zone.to_zoned(date.to_datetime(time)).ok()?;
    Some(zoned.timestamp().as_second())
}

/// The time of day that `text` begins with, and what is behind it.
fn time_of_day(text: &str) -> (Option<Time>, &str) {
    let words = [("midnight", 0), ("noon", 12), ("teatime", 16)];
    for (word, hour) in words {
        if let Some(rest) = text.strip_prefix(word) {
            return (Time::new(hour, 0, 0, 0).ok(), rest);
        }
    }
    let clock = || {
        let (hour, behind) = text.split_once(':')?;
        let (minute, rest) = behind.split_at_checked(2)?;
        let time = Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
        Some((time, rest))
    };
    match clock() {
        Some((time, rest)) => (Some(time), rest),
        None => (None, text),
    }
}

/// The day that `text` is: `YYYYMMDD`, `MM/DD/YY` or `MM/DD/YYYY`.
fn day(text: &str) -> Option<Date> {
    let mut parts = text.split('/');
    if let (Some(month), Some(day), Some(year), None) = (parts.next(), parts.next(), parts.next(), parts.next()) {
        let year: i16 = year.parse().ok()?;
        // Two digits are of 1970 to 2069.
        let year = match year {
            0..70 => year + 2000,
            70..100 => year + 1900,
            _ => year,
        };
        return Date::new(year, month.parse().ok()?, day.parse().ok()?).ok();
    }
    let is_day = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) && text >= "1901";
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<i8>().ok();
    if !is_day {
        return None;
    }
    Date::new(text.get(..4)?.parse().ok()?, part(4..6)?, part(6..8)?).ok()
}

/// The sum of offsets such as `-1d12h` (seconds).
fn offset(text: &str) -> Option<i64> {
    let mut rest = text;
    let (mut sign, mut sum) = (1_i64, SignedDuration::ZERO);
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix('-') {
            (sign, rest) = (-1, behind);
        } else if let Some(behind) = rest.strip_prefix('+') {
            (sign, rest) = (1, behind);
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at(letters);
        let seconds = number.parse::<i64>().ok()?.checked_mul(unit_s(unit)?)?;
        sum = sum.checked_add(SignedDuration::from_secs(sign * seconds))?;
        rest = behind;
    }
    Some(sum.as_secs())
}

/// The length of a unit (seconds).
fn unit_s(unit: &str) -> Option<i64> {
    const UNITS: [(&[&str], i64); 7] = [
        (&["s", "sec", "secs", "second", "seconds"], 1),
        (&["min", "mins", "minute", "minutes"], 60),
        (&["h", "hour", "hours"], 3_600),
        (&["d", "day", "days"], 86_400),
        (&["w", "week", "weeks"], 604_800),
        (&["mon", "month", "months"], 2_592_000),
        (&["y", "year", "years"], 31_536_000),
    ];
    UNITS
        .into_iter()
        .find(|(names, _)| names.contains(&unit))
        .map(|(_, seconds)| seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Friday 2024-02-02 03:04:05 UTC.
    const NOW: i64 = 1_706_843_045;
    const MIDNIGHT: i64 = NOW - (3 * 3600 + 4 * 60 + 5);

    #[track_caller]
    fn is(text: &str, expected: i64) {
        assert_eq!(parse(text, NOW, &utc()), Ok(expected), "{text}");
    }

    #[test]
    fn what_graphite_takes_is_taken() {
        is("1700000000", 1_700_000_000);
        is("now", NOW);
        is("-1h", NOW - 3600);
        is("now-90min", NOW - 5400);
        is("now - 1 day", NOW - 86_400);
        is("-1d12h", NOW - 129_600);
        is("+30s", NOW + 30);
        is("-2mon", NOW - 5_184_000);
        is("today", MIDNIGHT);
        is("midnight", MIDNIGHT);
        is("yesterday", MIDNIGHT - 86_400);
        is("noon_yesterday", MIDNIGHT - 43_200);
        is("20240201", MIDNIGHT - 86_400);
        is("18:30_20240201", MIDNIGHT - 86_400 + 66_600);
        is("02/01/24", MIDNIGHT - 86_400);
        is("20240201+1h", MIDNIGHT - 82_800);
        // Not a day, so seconds.
        is("20249901", 20_249_901);
    }

    #[test]
    fn what_is_no_time_says_so() {
        for text in [
            "-",
            "-5",
            "-5m",
            "h",
            "soon",
            "25:00",
            "-1h-",
            "1e5",
            "99999999999999999999",
            "-99999999999y",
            "13/41/24",
            "ü",
        ] {
            let error = parse(text, NOW, &utc()).expect_err(text);
            assert!(error.contains("is no time"), "{error}");
        }
        assert!(zone("Europe/Nowhere").is_err());
    }

    #[test]
    fn days_begin_where_the_clocks_are() {
        let berlin = zone("Europe/Berlin").unwrap();
        assert_eq!(parse("today", NOW, &berlin), Ok(MIDNIGHT - 3600));
        assert_eq!(parse("12:00_20240701", NOW, &berlin), Ok(1_719_828_000));
    }
}
