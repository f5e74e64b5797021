//! What two configurations make of the same lines.
//!
//! Counts of anomalies that open, by watch, detector and day, and each one that one of the two has alone. Two of the same
//! detector on the same series are the same when they are open at the same time; where one begins later, that is said.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    sync::Arc,
};

use jiff::{Timestamp as Instant, tz::TimeZone};

use crate::{
    detect::duration,
    line::Timestamp,
    shard::{Change, Event, Settings},
};

/// Anomalies that are remembered one by one. Further ones are counted, and not compared.
const REMEMBERED_MAX: usize = 1_000_000;

/// Differences that are listed, of each side.
const LISTED_MAX: usize = 1_000;

/// Two configurations, and what they have found so far.
#[derive(Debug)]
pub struct Comparison {
    names: [String; 2],
    settings: [Arc<Settings>; 2],
    counts: BTreeMap<(String, Arc<str>), BTreeMap<String, [u64; 2]>>,
    /// Anomalies of each detector on each series, in the order of their times.
    found: BTreeMap<Key, [Vec<Found>; 2]>,
    /// How many these are, of each side.
    remembered: [usize; 2],
    /// Anomalies that were too many to be remembered.
    forgotten: u64,
}

/// Series and detector.
type Key = (Arc<str>, Arc<str>);

/// An anomaly.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    opened: Timestamp,
    /// `None`: it is open.
    closed: Option<Timestamp>,
    reason: String,
}

impl Found {
    /// Is there a time at which both are open?
    fn overlaps(&self, other: &Self) -> bool {
        let ends = |one: &Self, other: &Self| one.closed.is_some_and(|closed| closed < other.opened);
        !ends(self, other) && !ends(other, self)
    }
}

/// How the two sides differ.
#[derive(Debug, Default)]
struct Differences<'a> {
    /// What only one side has found.
    alone: [Vec<Difference<'a>>; 2],
    /// What both have found, and the first at another time.
    moved: Vec<Difference<'a>>,
}

/// An anomaly that only one side has found, or one that the first has found so many seconds later (or, below 0, earlier).
#[derive(Debug)]
struct Difference<'a> {
    series: &'a str,
    detector: &'a str,
    found: &'a Found,
    later_s: i64,
}

impl Comparison {
    /// Nothing found yet, by two configurations with their names.
    pub fn new(names: [String; 2], settings: [Arc<Settings>; 2]) -> Self {
        Self {
            names,
            settings,
            counts: BTreeMap::new(),
            found: BTreeMap::new(),
            remembered: [0; 2],
            forgotten: 0,
        }
    }

    /// Takes in what one side (0 or 1) has found.
    pub(super) fn hear(&mut self, side: usize, event: &Event) {
        let at = event.verdict.timestamp;
        let key = || (Arc::clone(&event.series), Arc::clone(&event.detector));
        match event.change {
            Some(Change::Opened) => self.count(side, event),
            Some(Change::Closed) => {
                let of_both = self.found.get_mut(&key());
                if let Some(found) = of_both.and_then(|of_both| of_both[side].last_mut()) {
                    found.closed.get_or_insert(at);
                }
                return;
            }
            Some(Change::Again) | None => return,
        }
        if self.remembered[side] < REMEMBERED_MAX {
            self.remembered[side] += 1;
            self.found.entry(key()).or_default()[side].push(Found {
                opened: at,
                closed: None,
                reason: event.verdict.reason.clone(),
            });
        } else {
            self.forgotten += 1;
        }
    }

    fn count(&mut self, side: usize, event: &Event) {
        let watches = &self.settings[side].watches;
        let watch = watches.iter().find(|watch| watch.matches(&event.series));
        let patterns = watch.map_or_else(String::new, |watch| {
            let patterns: Vec<_> = watch.globs.iter().map(crate::glob::Glob::as_str).collect();
            patterns.join(", ")
        });
        let days = self.counts.entry((patterns, Arc::clone(&event.detector))).or_default();
        days.entry(day(event.verdict.timestamp)).or_default()[side] += 1;
    }

    /// Each anomaly of one side meets one of the other at most, in the order of their times.
    fn differences(&self) -> Differences<'_> {
        let mut differences = Differences::default();
        for ((series, detector), of_both) in &self.found {
            let mut sides = [of_both[0].iter().peekable(), of_both[1].iter().peekable()];
            let difference = |found, later_s| Difference {
                series,
                detector,
                found,
                later_s,
            };
            loop {
                let [first, second] = &mut sides;
                let side = match (first.peek(), second.peek()) {
                    (Some(one), Some(other)) if one.overlaps(other) => {
                        let later_s = one.opened - other.opened;
                        if later_s != 0 {
                            differences.moved.push(difference(*one, later_s));
                        }
                        first.next();
                        second.next();
                        continue;
                    }
                    (Some(one), Some(other)) => usize::from(other.opened < one.opened),
                    (Some(_), None) => 0,
                    (None, Some(_)) => 1,
                    (None, None) => break,
                };
                let found = sides[side].next().expect("it was just looked at");
                differences.alone[side].push(difference(found, 0));
            }
        }
        differences
    }
}

impl Display for Comparison {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.names;
        writeln!(to, "anomalies that open with {first}, and with {second}")?;
        for ((patterns, detector), days) in &self.counts {
            let sum = |side: usize| days.values().map(|sides| sides[side]).sum::<u64>();
            writeln!(to, "{:>8} {:>8}  {detector} on {patterns}", sum(0), sum(1))?;
            for (day, [first, second]) in days {
                writeln!(to, "{first:>8} {second:>8}    {day}")?;
            }
        }
        let Differences { alone, moved } = self.differences();
        for (side, sign) in [(0, '+'), (1, '-')] {
            writeln!(to, "{} with {} alone", alone[side].len(), self.names[side])?;
            list(to, sign, &alone[side])?;
        }
        if !moved.is_empty() {
            writeln!(to, "{} with both, at another time with {first}", moved.len())?;
            list(to, '~', &moved)?;
        }
        if self.forgotten > 0 {
            writeln!(to, "{} more were counted, and not compared one by one", self.forgotten)?;
        }
        Ok(())
    }
}

fn list(to: &mut fmt::Formatter<'_>, sign: char, differences: &[Difference<'_>]) -> fmt::Result {
    for difference in differences.iter().take(LISTED_MAX) {
        let Difference {
            series,
            detector,
            found,
            later_s,
        } = *difference;
        let (opened, reason) = (time(found.opened), &found.reason);
        let moved = match later_s {
            0 => String::new(),
            1.. => format!(", {} later", duration(later_s)),
            _ => format!(", {} earlier", duration(-later_s)),
        };
        writeln!(to, "{sign} {opened} {series} {detector}{moved}: {reason}")?;
    }
    if differences.len() > LISTED_MAX {
        writeln!(to, "  and {} more", differences.len() - LISTED_MAX)?;
    }
    Ok(())
}

fn day(timestamp: Timestamp) -> String {
    format_time(timestamp, "%Y-%m-%d")
}

fn time(timestamp: Timestamp) -> String {
    format_time(timestamp, "%Y-%m-%dT%H:%M:%SZ")
}

/// Times beyond the calendar stay seconds.
fn format_time(timestamp: Timestamp, form: &str) -> String {
    Instant::from_second(timestamp).map_or_else(
        |_| timestamp.to_string(),
        |instant| instant.to_zoned(TimeZone::UTC).strftime(form).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Verdict;

    fn event(series: &str, change: Change, timestamp: Timestamp) -> Event {
        Event {
            series: series.into(),
            detector: "default".into(),
            change: Some(change),
            verdict: Verdict {
                timestamp,
                reason: "far".to_owned(),
                ..Verdict::default()
            },
        }
    }

    #[test]
    fn what_differs_is_counted_by_day_and_listed() {
        let settings = || Arc::new(Settings::default());
        let names = ["new.toml".to_owned(), "old.toml".to_owned()];
        let mut comparison = Comparison::new(names, [settings(), settings()]);
        let noon = 1_706_875_200;
        let lasts = |comparison: &mut Comparison, side, series, from: Timestamp, until: Timestamp| {
            comparison.hear(side, &event(series, Change::Opened, noon + from));
            comparison.hear(side, &event(series, Change::Again, noon + from));
            comparison.hear(side, &event(series, Change::Closed, noon + until));
        };
        // The same.
        lasts(&mut comparison, 0, "a", 0, 60);
        lasts(&mut comparison, 1, "a", 0, 90);
        // Twice on one side, once on the other; once later, once earlier.
        lasts(&mut comparison, 0, "b", 86_400, 86_500);
        lasts(&mut comparison, 0, "b", 86_600, 86_700);
        lasts(&mut comparison, 1, "b", 86_460, 86_650);
        comparison.hear(0, &event("c", Change::Opened, noon + 60));
        lasts(&mut comparison, 1, "c", 30, 100);
        lasts(&mut comparison, 1, "d", 0, 60);
        // Before the one that the other side has.
        lasts(&mut comparison, 0, "e", 0, 60);
        comparison.hear(1, &event("e", Change::Opened, noon + 61));
        let expected = "anomalies that open with new.toml, and with old.toml
       5        5  default on **
       3        4    2024-02-02
       2        1    2024-02-03
2 with new.toml alone
+ 2024-02-03T12:03:20Z b default: far
+ 2024-02-02T12:00:00Z e default: far
2 with old.toml alone
- 2024-02-02T12:00:00Z d default: far
- 2024-02-02T12:01:01Z e default: far
2 with both, at another time with new.toml
~ 2024-02-03T12:00:00Z b default, 60s earlier: far
~ 2024-02-02T12:01:00Z c default, 30s later: far
";
        assert_eq!(comparison.to_string(), expected);
    }
}
