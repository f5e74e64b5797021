//! Round numbers and round times along the axes.

use jiff::{
    Timestamp as Instant, ToSpan,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

use crate::line::Timestamp;

/// Ticks of an axis, however close they come to each other.
const TICKS_MAX: usize = 50;

/// Prefixes of the powers of 1000 from 10^-12 on.
const PREFIXES: [&str; 10] = ["p", "n", "µ", "m", "", "k", "M", "G", "T", "P"];

/// The power of 1000 that the first of them stands for.
const SMALLEST_PREFIX: i32 = -4;

/// Seconds of the steps below a day.
const SECONDS: [i64; 17] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
];

const DAY_S: i64 = 86_400;

/// From one tick of a time axis to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Seconds(i64),
    Days(i64),
    Months(i32),
    Years(i32),
}

/// Round numbers from `low` to `high`, some `count` of them, with their labels. `high` is above `low`, both are finite.
pub(super) fn of_values(low: f64, high: f64, count: usize) -> Vec<(f64, String)> {
    let step = round_step(low, high, count);
    if !(step.is_normal() && step > 0.0) {
        return vec![(low, format!("{low:e}"))];
    }
    let first = (low / step).ceil();
    let mut ticks: Vec<f64> = (0..TICKS_MAX)
        .map(|place| (first + small(place)) * step)
        .take_while(|value| value.is_finite() && *value <= high + step * 1e-9)
        .collect();
    // Where numbers are further apart than steps.
    ticks.dedup();
    let largest = ticks.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    ticks
        .into_iter()
        .map(|value| (value, label(value, step, largest)))
        .collect()
}

/// 1, 2 or 5 times a power of ten.
fn round_step(low: f64, high: f64, count: usize) -> f64 {
    // Halves: the whole may be too large for a number.
    let raw = 2.0 * ((high / 2.0 - low / 2.0) / small(count.max(1)));
    let power = 10_f64.powf(raw.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|round| raw <= round * power);
    round.unwrap_or(10.0) * power
}

#[expect(clippy::cast_precision_loss, reason = "few")]
fn small(count: usize) -> f64 {
    count as f64
}

/// The power of ten below `number`, which is above 0.
#[expect(clippy::cast_possible_truncation, reason = "it lies within -324 to 308")]
fn power_of_ten(number: f64) -> i32 {
    (number.log10() + 1e-9).floor() as i32
}

fn digits(power: i32) -> usize {
    usize::try_from(-power).unwrap_or(0)
}

/// `value` as one of the ticks that lie `step` apart, the largest being `largest`: plain where that is short, else with a
/// prefix, or with a power of ten.
fn label(value: f64, step: f64, largest: f64) -> String {
    if value == 0.0 || largest == 0.0 {
        return "0".to_owned();
    }
    let (top, fine) = (power_of_ten(largest), power_of_ten(step));
    let plainly = |digits: usize| format!("{value:.digits$}");
    if (-3..4).contains(&top) && digits(fine) <= 6 {
        return plainly(digits(fine));
    }
    let group = top.div_euclid(3);
    let prefix = usize::try_from(group - SMALLEST_PREFIX)
        .ok()
        .and_then(|place| PREFIXES.get(place));
    if let Some(prefix) = prefix
        && digits(fine - 3 * group) <= 4
    {
        let scaled = value / 1000_f64.powi(group);
        let text = format!("{scaled:.*}", digits(fine - 3 * group));
        return text + prefix;
    }
    if (0..12).contains(&top) && digits(fine) <= 6 {
        return plainly(digits(fine));
    }
    format!("{value:.*e}", digits(fine - top).min(16))
}

/// `value` by itself, with five digits.
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let step = 10_f64.powi(power_of_ten(value.abs()) - 4);
    let text = label(value, step, value.abs());
    // Zeros behind the point say nothing by themselves.
    let end = text.find(|char: char| !(char.is_ascii_digit() || char == '.' || char == '-'));
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    };
    format!("{digits}{unit}")
}

/// Round times of the clocks of `zone` from `from` to `until`, `count` of them and one more at most, with their labels. None
/// beyond the calendar.
pub(super) fn of_times(from: Timestamp, until: Timestamp, zone: &TimeZone, count: usize) -> Vec<(Timestamp, String)> {
    ticks(from, until, zone, count).unwrap_or_default()
}

fn ticks(from: Timestamp, until: Timestamp, zone: &TimeZone, count: usize) -> Option<Vec<(Timestamp, String)>> {
    let step = Step::of(until.saturating_sub(from), count.clamp(1, TICKS_MAX));
    let begin = zone.to_datetime(Instant::from_second(from).ok()?);
    Instant::from_second(until).ok()?;
    let mut clock = step.floor(begin)?;
    let mut ticks: Vec<(Timestamp, String)> = Vec::new();
    // The first may lie before the beginning, and the hour that daylight saving time leaves out gives none.
    for _ in 0..2 * TICKS_MAX {
        let zoned = clock.to_zoned(zone.clone()).ok()?;
        let timestamp = zoned.timestamp().as_second();
        if timestamp > until {
            break;
        }
        if timestamp >= from && ticks.last().is_none_or(|(last, _)| timestamp > *last) {
            ticks.push((timestamp, step.label(zoned.datetime())));
        }
        let Some(next) = step.behind(clock) else { break };
        clock = next;
    }
    Some(ticks)
}

impl Step {
    /// The smallest that fits no more than `count` times into `span_s`.
    fn of(span_s: i64, count: usize) -> Self {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let fits = |step_s: i64| span_s / step_s <= count;
        let seconds = SECONDS.into_iter().filter(|step_s| fits(*step_s)).map(Self::Seconds);
        let days = [1, 2, 7, 14]
            .into_iter()
            .filter(|days| fits(days * DAY_S))
            .map(Self::Days);
        let months = [1, 3, 6]
            .into_iter()
            .filter(|months| fits(i64::from(*months) * 30 * DAY_S))
            .map(Self::Months);
        let years = (0..4).flat_map(|power| [1, 2, 5].map(|round| round * 10_i32.pow(power)));
        let years = years
            .filter(|years| fits(i64::from(*years) * 365 * DAY_S))
            .map(Self::Years);
        seconds
            .chain(days)
            .chain(months)
            .chain(years)
            .next()
            .unwrap_or(Self::Years(10_000))
    }

    /// The last round time up to `clock`.
    fn floor(self, clock: DateTime) -> Option<DateTime> {
        let date = clock.date();
        match self {
            Self::Seconds(step) => {
                let time = clock.time();
                let second = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
                date.to_datetime(Time::midnight())
                    .checked_add((second / step * step).seconds())
                    .ok()
            }
            Self::Days(step) => {
                // A Monday.
                let monday = Date::constant(1970, 1, 5);
                let days = i64::from(monday.until(date).ok()?.get_days());
                let back = days.rem_euclid(step);
                Some(date.checked_sub(back.days()).ok()?.to_datetime(Time::midnight()))
            }
            Self::Months(step) => {
                let month = (i32::from(date.month()) - 1) / step * step + 1;
                let date = Date::new(date.year(), i8::try_from(month).ok()?, 1).ok()?;
                Some(date.to_datetime(Time::midnight()))
            }
            Self::Years(step) => {
                let year = i32::from(date.year()).div_euclid(step) * step;
                let date = Date::new(i16::try_from(year).ok()?, 1, 1).ok()?;
                Some(date.to_datetime(Time::midnight()))
            }
        }
    }

    fn behind(self, clock: DateTime) -> Option<DateTime> {
        let span = match self {
            Self::Seconds(step) => step.seconds(),
            Self::Days(step) => step.days(),
            Self::Months(step) => step.months(),
            Self::Years(step) => step.years(),
        };
        clock.checked_add(span).ok()
    }

    fn label(self, clock: DateTime) -> String {
        let form = match self {
            Self::Seconds(step) if step < 60 => "%H:%M:%S",
            // The day, where it begins.
            Self::Seconds(_) if clock.time() != Time::midnight() => "%H:%M",
            Self::Seconds(_) | Self::Days(_) => "%-d %b",
            Self::Months(_) => "%b %Y",
            Self::Years(_) => "%Y",
        };
        clock.strftime(form).to_string()
    }
}

/// `timestamp` on the clocks of `zone`; seconds where there is no calendar.
pub fn time(timestamp: Timestamp, zone: &TimeZone) -> String {
    Instant::from_second(timestamp).map_or_else(
        |_| timestamp.to_string(),
        |instant| zone.to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// What `zone` is called.
pub fn zone_name(zone: &TimeZone) -> String {
    match zone.iana_name() {
        Some(name) => name.to_owned(),
        None => zone
            .to_fixed_offset()
            .map_or_else(|_| String::new(), |offset| offset.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn values(low: f64, high: f64, expected: &[&str]) {
        let labels: Vec<_> = of_values(low, high, 5).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, expected);
    }

    #[test]
    fn values_are_round_and_short() {
        values(0.0, 10.0, &["0", "2", "4", "6", "8", "10"]);
        values(-0.3, 0.3, &["-0.2", "0", "0.2"]);
        values(0.0, 1500.0, &["0", "500", "1000", "1500"]);
        values(0.0, 15_000.0, &["0", "5k", "10k", "15k"]);
        values(
            1_000_000.0,
            1_000_000.4,
            &["1000000.0", "1000000.1", "1000000.2", "1000000.3", "1000000.4"],
        );
        values(0.0, 3e-6, &["0", "1µ", "2µ", "3µ"]);
        values(1.2e9, 2.9e9, &["1.5G", "2.0G", "2.5G"]);
        values(
            0.0,
            1e200,
            &["0", "2.0e199", "4.0e199", "6.0e199", "8.0e199", "1.0e200"],
        );
    }

    #[test]
    fn no_numbers_are_too_large_too_small_or_too_close() {
        for (low, high) in [
            (-f64::MAX, f64::MAX),
            (0.0, f64::MIN_POSITIVE / 8.0),
            (1e16, 1e16 + 4.0),
            (1.0, 1.0 + f64::EPSILON),
        ] {
            let ticks = of_values(low, high, 5);
            assert!((1..=12).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
            assert!(ticks.iter().all(|(value, _)| value.is_finite()), "{ticks:?}");
            assert!(ticks.iter().all(|(_, label)| label.len() < 25), "{ticks:?}");
        }
    }

    #[test]
    fn a_number_by_itself_has_five_digits() {
        for (value, text) in [
            (12.5, "12.5"),
            (0.0, "0"),
            (-1234.5678, "-1234.6"),
            (123_456.0, "123.46k"),
            (2_000_000.0, "2M"),
            (1e-9, "1n"),
            (3.0, "3"),
            (9.999_999, "10"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[track_caller]
    fn times(from: Timestamp, span_s: i64, name: &str, expected: &[&str]) {
        let ticks = of_times(from, from + span_s, &zone(name), 8);
        let labels: Vec<_> = ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, expected);
    }

    #[test]
    fn times_are_round_on_the_clocks_of_the_zone() {
        // 2023-11-14 22:13:20 UTC
        let begin = 1_700_000_000;
        times(
            begin,
            30,
            "UTC",
            &[
                "22:13:20", "22:13:25", "22:13:30", "22:13:35", "22:13:40", "22:13:45", "22:13:50",
            ],
        );
        times(
            begin,
            24 * 3600,
            "UTC",
            &["15 Nov", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"],
        );
        times(
            begin,
            3600,
            "Asia/Kolkata",
            &["03:50", "04:00", "04:10", "04:20", "04:30", "04:40"],
        );
        times(begin, 20 * 86_400, "UTC", &["20 Nov", "27 Nov", "4 Dec"]);
        times(
            begin,
            200 * 86_400,
            "UTC",
            &[
                "Dec 2023", "Jan 2024", "Feb 2024", "Mar 2024", "Apr 2024", "May 2024", "Jun 2024",
            ],
        );
        times(
            begin,
            10 * 365 * 86_400,
            "UTC",
            &["2024", "2026", "2028", "2030", "2032"],
        );
    }

    #[test]
    fn clocks_that_are_changed_give_each_hour_once() {
        // Berlin, 31 March 2024, from 02:00 to 03:00 at 01:00 UTC; and back on 27 October.
        times(
            1_711_846_800 - 7200,
            4 * 3600,
            "Europe/Berlin",
            &[
                "31 Mar", "00:30", "01:00", "01:30", "03:00", "03:30", "04:00", "04:30", "05:00",
            ],
        );
        let ticks = of_times(1_729_980_000, 1_729_980_000 + 5 * 3600, &zone("Europe/Berlin"), 8);
        assert!(ticks.is_sorted_by(|(one, _), (other, _)| one < other), "{ticks:?}");
        assert!(ticks.len() >= 4, "{ticks:?}");
    }

    #[test]
    fn no_time_is_too_far() {
        assert_eq!(of_times(10_000_000_000_000, 10_000_000_000_100, &TimeZone::UTC, 8), []);
        assert!(of_times(-300_000_000_000, 250_000_000_000, &TimeZone::UTC, 8).len() <= 9);
        assert_eq!(time(10_000_000_000_000, &TimeZone::UTC), "10000000000000");
        assert_eq!(time(1_700_000_000, &zone("Europe/Berlin")), "2023-11-14 23:13:20");
        assert_eq!(zone_name(&zone("Europe/Berlin")), "Europe/Berlin");
        assert_eq!(zone_name(&TimeZone::UTC), "UTC");
    }
}
