//! Quiet hours: times of the week, by the clocks on a wall, at which nobody is told.
//!
//! A span belongs to the day on which it begins, so `fri 22:00-06:00` is the night from Friday to Saturday. Clocks that are
//! put forward or back move its ends with them.

use jiff::{
    Timestamp as Instant, ToSpan,
    civil::{Date, Weekday},
    tz::{AmbiguousOffset, TimeZone},
};

use crate::line::Timestamp;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// Spans that follow each other so that there is no time between them: a week's worth of them is always.
const CHAIN_MAX: usize = 16;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// When it is quiet.
#[derive(Clone, Debug, PartialEq)]
pub struct Quiet {
    /// None: never.
    pub spans: Vec<Span>,
    /// Whose clocks they go by.
    pub zone: TimeZone,
}

/// A time of each day, or of some days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Those that it begins on, a bit each, Monday the lowest.
    days: u8,
    /// Minutes since midnight (0 to 1439).
    from: u16,
    /// Minutes since midnight (0 to 1440); of the next day when that is not after `from`.
    until: u16,
}

impl Default for Quiet {
    /// Never.
    fn default() -> Self {
        Self {
            spans: Vec::new(),
            zone: TimeZone::UTC,
        }
    }
}

impl Quiet {
    /// When it ends to be quiet, if it is at `now`.
    pub(super) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let mut end = None;
        for _ in 0..CHAIN_MAX {
            let Some(later) = self.end_of_span(end.unwrap_or(now)) else {
                break;
            };
            end = Some(later);
        }
        end
    }

    /// The latest end of those that it is the time of.
    fn end_of_span(&self, now: Timestamp) -> Option<Timestamp> {
        if self.spans.is_empty() {
            return None;
        }
        let today = Instant::from_second(now).ok()?.to_zoned(self.zone.clone()).date();
        let yesterday = today.yesterday().ok()?;
        let begun = self.spans.iter().flat_map(|span| [(span, yesterday), (span, today)]);
        let ends = begun.filter_map(|(span, day)| {
            let (from, until) = span.on(day, &self.zone)?;
            (from <= now && now < until).then_some(until)
        });
        ends.max()
    }
}

impl Span {
    /// When it begins and ends, if it begins on `day`.
    fn on(self, day: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let bit = 1 << day.weekday().to_monday_zero_offset();
        if self.days & bit == 0 {
            return None;
        }
        let at = |minutes: u16| {
            let midnight = day.at(0, 0, 0, 0);
            let time = midnight.checked_add(i64::from(minutes).minutes()).ok()?;
            let meant = zone.to_ambiguous_timestamp(time);
            let Ok(instant) = (match meant.offset() {
                // The clocks skip it: they show what is later from the moment on at which they do.
                AmbiguousOffset::Gap { .. } => return skip_before(meant.later().ok()?, zone),
                // Of two that they show it at, the first one.
                AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => meant.earlier(),
            }) else {
                return None;
            };
            Some(instant.as_second())
        };
        let next_day = if self.until <= self.from { DAY_MINUTES } else { 0 };
        Some((at(self.from)?, at(self.until + next_day)?))
    }

    /// The span that `text` says: days, as in `sat-sun` or `mon,wed`, a time, as in `22:00-06:30`, or both.
    ///
    /// # Errors
    /// What was expected, for the end of a message.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected days, a time, or both, such as \"sat-sun\", \"22:00-07:00\" or \"mon-fri 18:00-08:00\"";
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, time) = match words.as_slice() {
            [time] if time.contains(':') => (None, Some(*time)),
            [days] => (Some(*days), None),
            [days, time] => (Some(*days), Some(*time)),
            _ => return Err(EXPECTED.to_owned()),
        };
        let days = days.map_or(Some(0x7f), parse_days);
        let time = time.map_or(Some((0, DAY_MINUTES)), |time| {
            let (from, until) = time.split_once('-')?;
            Some((minutes(from).filter(|from| *from < DAY_MINUTES)?, minutes(until)?))
        });
        match (days, time) {
            (Some(days), Some((from, until))) if from != until => Ok(Self { days, from, until }),
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

impl std::fmt::Display for Span {
    /// As [`Span::parse`] reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.days != 0x7f {
            let days = (0..7).filter(|day| self.days & (1 << day) != 0);
            let names: Vec<&str> = days.map(|day| DAYS[day].0).collect();
            write!(f, "{} ", names.join(","))?;
        }
        let [from, until] = [self.from, self.until].map(|minutes| (minutes / 60, minutes % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, until.0, until.1)
    }
}

/// The last time at which clocks were put forward or back, up to this.
fn skip_before(time: Instant, zone: &TimeZone) -> Option<Timestamp> {
    let after = time.checked_add(1.second()).ok()?;
    Some(zone.preceding(after).next()?.timestamp().as_second())
}

fn parse_days(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // From Saturday to Monday there are three.
        for step in 0..=(last + 7 - first) % 7 {
            days |= 1 << ((first + step) % 7);
        }
    }
    Some(days)
}

/// Minutes since midnight.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, most: u16| -> Option<u16> {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| is_number && *number <= most)
    };
    let time = number(hours, 24)? * 60 + number(minutes, 59)?;
    (time <= DAY_MINUTES).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(spans: &[&str], zone: &str) -> Quiet {
        Quiet {
            spans: spans.iter().map(|span| Span::parse(span).unwrap()).collect(),
            zone: TimeZone::get(zone).unwrap(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse::<Instant>().unwrap().as_second()
    }

    #[track_caller]
    fn ends(quiet: &Quiet, now: &str, end: Option<&str>) {
        assert_eq!(quiet.until(at(now)), end.map(at), "{now}");
    }

    #[test]
    fn nights_and_weekends() {
        let nights = quiet(&["22:00-06:30"], "UTC");
        ends(&nights, "2024-05-15T21:59:59Z", None);
        ends(&nights, "2024-05-15T22:00:00Z", Some("2024-05-16T06:30:00Z"));
        ends(&nights, "2024-05-16T06:29:59Z", Some("2024-05-16T06:30:00Z"));
        ends(&nights, "2024-05-16T06:30:00Z", None);
        // Monday to Friday nights, and the weekend: from Friday evening to Monday morning in one go.
        let off = quiet(&["mon-fri 18:00-08:00", "sat-sun", "mon 00:00-08:00"], "UTC");
        ends(&off, "2024-05-17T18:00:00Z", Some("2024-05-20T08:00:00Z"));
        ends(&off, "2024-05-16T18:00:00Z", Some("2024-05-17T08:00:00Z"));
        ends(&off, "2024-05-20T12:00:00Z", None);
        ends(&Quiet::default(), "2024-05-20T12:00:00Z", None);
        // Always is as long as one can see.
        assert!(quiet(&["mon-sun"], "UTC").until(at("2024-05-20T12:00:00Z")) > Some(at("2024-05-27T12:00:00Z")));
    }

    #[test]
    fn clocks_on_the_wall_decide() {
        let nights = quiet(&["22:00-06:00"], "Europe/Berlin");
        ends(&nights, "2024-01-15T21:30:00Z", Some("2024-01-16T05:00:00Z"));
        ends(&nights, "2024-07-15T20:30:00Z", Some("2024-07-16T04:00:00Z"));
        // The night in which the clocks go forward is an hour shorter.
        ends(&nights, "2024-03-30T21:00:00Z", Some("2024-03-31T04:00:00Z"));
        // 02:30 does not exist in it: at 01:00 UTC clocks show 03:00, which is after it.
        let early = quiet(&["sun 02:30-03:30"], "Europe/Berlin");
        ends(&early, "2024-03-31T00:59:59Z", None);
        ends(&early, "2024-03-31T01:00:00Z", Some("2024-03-31T01:30:00Z"));
        ends(&early, "2024-03-31T01:29:59Z", Some("2024-03-31T01:30:00Z"));
        ends(&early, "2024-03-31T01:30:00Z", None);
        let until_then = quiet(&["01:00-02:30"], "Europe/Berlin");
        ends(&until_then, "2024-03-31T00:30:00Z", Some("2024-03-31T01:00:00Z"));
        ends(&until_then, "2024-03-31T01:00:00Z", None);
        ends(&quiet(&["02:00-03:00"], "Europe/Berlin"), "2024-03-31T01:00:00Z", None);
        // The night in which they go back is an hour longer, and 02:00 to 03:00 two hours.
        ends(&nights, "2024-10-26T21:00:00Z", Some("2024-10-27T05:00:00Z"));
        let twice = quiet(&["sun 02:00-03:00"], "Europe/Berlin");
        ends(&twice, "2024-10-26T23:59:59Z", None);
        ends(&twice, "2024-10-27T00:00:00Z", Some("2024-10-27T02:00:00Z"));
        ends(&twice, "2024-10-27T01:30:00Z", Some("2024-10-27T02:00:00Z"));
        // Around the year, also where there is another rule: 24:00 on the day of the change in Santiago does not exist.
        let santiago = quiet(&["sat 22:00-24:00"], "America/Santiago");
        ends(&santiago, "2024-09-08T02:30:00Z", Some("2024-09-08T04:00:00Z"));
        ends(&santiago, "2024-09-08T04:00:00Z", None);
    }

    #[test]
    fn spans_are_read_and_shown() {
        for (text, shown) in [
            ("22:00-07:00", "22:00-07:00"),
            ("sat-sun", "sat,sun 00:00-24:00"),
            ("sat-mon 00:00-24:00", "mon,sat,sun 00:00-24:00"),
            ("Mon,wed-thu 08:30-09:00", "mon,wed,thu 08:30-09:00"),
            ("mon-sun 01:00-02:00", "01:00-02:00"),
        ] {
            let span = Span::parse(text).unwrap();
            assert_eq!(span.to_string(), shown);
            assert_eq!(Span::parse(shown).unwrap(), span);
        }
        for text in [
            "",
            "22-7",
            "22:00",
            "22:00-22:00",
            "24:00-01:00",
            "22:00-24:01",
            "7:00-8:00",
            "day 07:00-08:00",
            "mon-",
            "mon 07:00-08:00 tue",
            "07:00-08:00 mon",
            "+1:00-02:00",
        ] {
            let error = Span::parse(text).unwrap_err();
            assert!(error.contains("such as \"sat-sun\""), "{text}: {error}");
        }
    }
}
