//! What two configurations make of the same lines.
//!
//! Counts of anomalies that open, by watch, detector and day, and each one that opens under one of the two alone. Two are the
//! same when series, detector and time of the sample are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
    sync::Arc,
};

use jiff::{Timestamp as Instant, tz::TimeZone};

use crate::{
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
    opened: [BTreeSet<Opening>; 2],
    /// Openings that were too many to be remembered.
    forgotten: u64,
}

/// An anomaly that has opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Opening {
    series: Arc<str>,
    detector: Arc<str>,
    timestamp: Timestamp,
    reason: String,
}

impl Opening {
    fn key(&self) -> (&str, &str, Timestamp) {
        (&self.series, &self.detector, self.timestamp)
    }
}

impl Comparison {
    /// Nothing found yet, by two configurations with their names.
    pub fn new(names: [String; 2], settings: [Arc<Settings>; 2]) -> Self {
        Self {
            names,
            settings,
            counts: BTreeMap::new(),
            opened: Default::default(),
            forgotten: 0,
        }
    }

    /// Takes in what one side (0 or 1) has found.
    pub(super) fn hear(&mut self, side: usize, event: &Event) {
        if event.change != Some(Change::Opened) {
            return;
        }
        let watches = &self.settings[side].watches;
        let watch = watches.iter().find(|watch| watch.matches(&event.series));
        let patterns = watch.map_or_else(String::new, |watch| {
            let patterns: Vec<_> = watch.globs.iter().map(crate::glob::Glob::as_str).collect();
            patterns.join(", ")
        });
        let days = self.counts.entry((patterns, Arc::clone(&event.detector))).or_default();
        days.entry(day(event.verdict.timestamp)).or_default()[side] += 1;
        if self.opened[side].len() < REMEMBERED_MAX {
            self.opened[side].insert(Opening {
                series: Arc::clone(&event.series),
                detector: Arc::clone(&event.detector),
                timestamp: event.verdict.timestamp,
                reason: event.verdict.reason.clone(),
            });
        } else {
            self.forgotten += 1;
        }
    }

    /// What opened on `side` alone.
    fn alone(&self, side: usize) -> Vec<&Opening> {
        let others: BTreeSet<_> = self.opened[1 - side].iter().map(Opening::key).collect();
        let alone = self.opened[side].iter();
        alone.filter(|opening| !others.contains(&opening.key())).collect()
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
        for (side, sign) in [(0, '+'), (1, '-')] {
            let alone = self.alone(side);
            writeln!(to, "{} with {} alone", alone.len(), self.names[side])?;
            for opening in alone.iter().take(LISTED_MAX) {
                let Opening {
                    series,
                    detector,
                    timestamp,
                    reason,
                } = opening;
                writeln!(to, "{sign} {} {series} {detector}: {reason}", time(*timestamp))?;
            }
            if alone.len() > LISTED_MAX {
                writeln!(to, "  and {} more", alone.len() - LISTED_MAX)?;
            }
        }
        if self.forgotten > 0 {
            writeln!(to, "{} more were counted, and not compared one by one", self.forgotten)?;
        }
        Ok(())
    }
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

    fn opening(series: &str, timestamp: Timestamp) -> Event {
        Event {
            series: series.into(),
            detector: "default".into(),
            change: Some(Change::Opened),
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
        comparison.hear(0, &opening("a", noon));
        comparison.hear(1, &opening("a", noon));
        comparison.hear(0, &opening("b", noon + 86_400));
        comparison.hear(1, &opening("b", noon + 86_401));
        comparison.hear(1, &opening("c", noon));
        let closing = Event {
            change: Some(Change::Closed),
            ..opening("a", noon + 60)
        };
        comparison.hear(1, &closing);
        let expected = "anomalies that open with new.toml, and with old.toml
       2        3  default on **
       1        2    2024-02-02
       1        1    2024-02-03
1 with new.toml alone
+ 2024-02-03T12:00:00Z b default: far
2 with old.toml alone
- 2024-02-03T12:00:01Z b default: far
- 2024-02-02T12:00:00Z c default: far
";
        assert_eq!(comparison.to_string(), expected);
    }
}
