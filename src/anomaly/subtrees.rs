//! Subtrees: below each first and second node, how many series there are, how many are anomalous, and how often they turn.
//!
//! Kept up to date by changes, never by a pass over all series. Time is the anomalies' own.
//!
//! * At most [`SUBTREES_MAX`] are told apart; what lies below further ones is counted together. Up to that, counts are exact.
//! * The anomalies of a day are counted in slots of five minutes, 600 bytes for a subtree that has had any.

use std::collections::HashMap;

use serde::Serialize;

use crate::{line::Timestamp, shard::Census, shard::subtrees};

/// Subtrees told apart.
const SUBTREES_MAX: usize = 16_384;

const SLOT_S: i64 = 300;
const HOUR_SLOTS: i64 = 12;
const DAY_SLOTS: i64 = 288;
const DAY_SLOTS_USIZE: usize = 288;

/// How all subtrees are.
#[derive(Debug, Default)]
pub struct Subtrees {
    by_prefix: HashMap<Box<str>, Subtree>,
    everywhere: Subtree,
    other: Subtree,
    /// The newest slot that an anomaly has opened in.
    now: Option<i64>,
}

/// How one is.
#[derive(Clone, Debug, Default)]
struct Subtree {
    series: u64,
    anomalous: u64,
    opened: Option<Box<Opened>>,
}

/// Anomalies that opened in the last day.
#[derive(Clone, Debug)]
struct Opened {
    newest: i64,
    by_slot: [u32; DAY_SLOTS_USIZE],
}

/// A subtree as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubtreeReport {
    /// A glob that its series match; "**" is all of them, and "other" what lies below further prefixes than are told apart.
    pub subtree: String,
    /// Series in memory.
    pub series: u64,
    /// Series with an open anomaly.
    pub anomalous: u64,
    /// Anomalies opened in the last hour, by their own time.
    pub opened_hour: u64,
    /// Anomalies opened in the last day.
    pub opened_day: u64,
    /// Anomalies opened in the last day, for each series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_series_and_day: Option<f64>,
}

impl Subtrees {
    /// Takes in which series have begun and ended.
    pub fn count(&mut self, census: &Census) {
        self.everywhere.add_series(census.series);
        for (prefix, &change) in &census.subtrees {
            let is_full = self.by_prefix.len() >= SUBTREES_MAX;
            match self.by_prefix.get_mut(prefix) {
                Some(subtree) => {
                    subtree.add_series(change);
                    if subtree.is_idle() {
                        self.by_prefix.remove(prefix);
                    }
                }
                None if change > 0 && !is_full => {
                    self.by_prefix.entry(prefix.clone()).or_default().add_series(change);
                }
                None => self.other.add_series(change),
            }
        }
    }

    /// All series.
    pub fn series(&self) -> u64 {
        self.everywhere.series
    }

    /// Series with an open anomaly.
    pub fn anomalous(&self) -> u64 {
        self.everywhere.anomalous
    }

    /// Series in a subtree; `None` when it is not told apart.
    pub fn series_below(&self, prefix: &str) -> Option<u64> {
        self.by_prefix.get(prefix).map(|subtree| subtree.series)
    }

    /// An anomaly has opened on the series called `name`; `turned`: it had none.
    pub fn opened(&mut self, name: &str, at: Timestamp, turned: bool) {
        let slot = at.div_euclid(SLOT_S);
        self.now = self.now.max(Some(slot));
        self.each(name, |subtree| {
            subtree.anomalous += u64::from(turned);
            subtree
                .opened
                .get_or_insert_with(|| Box::new(Opened::new(slot)))
                .add(slot);
        });
    }

    /// The last anomaly of the series called `name` has closed.
    pub fn recovered(&mut self, name: &str) {
        self.each(name, |subtree| subtree.anomalous = subtree.anomalous.saturating_sub(1));
    }

    /// All that match, those with the most anomalies in the last day first, `limit` at most; and how many match.
    pub fn report(&self, matches: impl Fn(&str) -> bool, limit: usize) -> (Vec<SubtreeReport>, usize) {
        let now = self.now.unwrap_or_default();
        let everywhere = ("**".to_owned(), &self.everywhere);
        let named = self.by_prefix.iter().map(|(prefix, subtree)| {
            let glob = if prefix.ends_with(';') {
                format!("{prefix}**")
            } else {
                format!("{prefix}.**")
            };
            (glob, subtree)
        });
        let other = (!self.other.is_idle()).then(|| ("other".to_owned(), &self.other));
        let mut reports: Vec<SubtreeReport> = [everywhere]
            .into_iter()
            .chain(named)
            .chain(other)
            .filter(|(glob, _)| matches(glob))
            .map(|(glob, subtree)| subtree.report(glob, now))
            .collect();
        let total = reports.len();
        let order = |report: &SubtreeReport| (report.opened_day, report.anomalous, report.series);
        reports.sort_by(|left, right| order(right).cmp(&order(left)).then(left.subtree.cmp(&right.subtree)));
        reports.truncate(limit);
        (reports, total)
    }

    fn each(&mut self, name: &str, mut change: impl FnMut(&mut Subtree)) {
        change(&mut self.everywhere);
        for prefix in subtrees(name).into_iter().flatten() {
            change(self.by_prefix.get_mut(prefix).unwrap_or(&mut self.other));
        }
    }
}

impl Subtree {
    fn add_series(&mut self, change: i64) {
        self.series = self.series.saturating_add_signed(change);
    }

    fn is_idle(&self) -> bool {
        self.series == 0 && self.anomalous == 0
    }

    fn report(&self, subtree: String, now: i64) -> SubtreeReport {
        let opened = |slots| {
            self.opened
                .as_ref()
                .map_or(0, |opened| opened.since(now - slots + 1, now))
        };
        let opened_day = opened(DAY_SLOTS);
        SubtreeReport {
            subtree,
            series: self.series,
            anomalous: self.anomalous,
            opened_hour: opened(HOUR_SLOTS),
            opened_day,
            per_series_and_day: (self.series > 0).then(|| ratio(opened_day, self.series)),
        }
    }
}

impl Opened {
    fn new(newest: i64) -> Self {
        Self {
            newest,
            by_slot: [0; DAY_SLOTS_USIZE],
        }
    }

    fn index(slot: i64) -> usize {
        usize::try_from(slot.rem_euclid(DAY_SLOTS)).expect("a remainder")
    }

    fn add(&mut self, slot: i64) {
        if slot - self.newest >= DAY_SLOTS {
            *self = Self::new(slot);
        }
        while self.newest < slot {
            self.newest += 1;
            self.by_slot[Self::index(self.newest)] = 0;
        }
        if slot > self.newest - DAY_SLOTS {
            self.by_slot[Self::index(slot)] += 1;
        }
    }

    fn since(&self, from: i64, to: i64) -> u64 {
        let held = from.max(self.newest - DAY_SLOTS + 1)..=to.min(self.newest);
        held.map(|slot| u64::from(self.by_slot[Self::index(slot)])).sum()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(prefixes: &[(&str, i64)], series: i64) -> Census {
        Census {
            series,
            subtrees: prefixes
                .iter()
                .map(|&(prefix, change)| (prefix.into(), change))
                .collect(),
        }
    }

    fn of(subtrees: &Subtrees, glob: &str) -> SubtreeReport {
        let (mut reports, _) = subtrees.report(|other| other == glob, 10);
        reports.pop().unwrap_or_else(|| panic!("no {glob}"))
    }

    #[test]
    fn a_subtree_knows_its_series_and_their_anomalies() {
        let mut subtrees = Subtrees::default();
        subtrees.count(&census(&[("a", 4), ("a.b", 3), ("c;", 1)], 5));
        subtrees.opened("a.b.x", 86_400, true);
        subtrees.opened("a.b.x", 86_410, false);
        subtrees.opened("a.y", 86_400 - 7200, true);
        let report = |subtree: &str, series, anomalous, opened_hour, opened_day, rate| SubtreeReport {
            subtree: subtree.to_owned(),
            series,
            anomalous,
            opened_hour,
            opened_day,
            per_series_and_day: Some(rate),
        };
        assert_eq!(of(&subtrees, "**"), report("**", 5, 2, 2, 3, 0.6));
        assert_eq!(of(&subtrees, "a.**"), report("a.**", 4, 2, 2, 3, 0.75));
        assert_eq!(of(&subtrees, "a.b.**"), report("a.b.**", 3, 1, 2, 2, 2.0 / 3.0));
        assert_eq!(of(&subtrees, "c;**"), report("c;**", 1, 0, 0, 0, 0.0));
        let (first, total) = subtrees.report(|_| true, 2);
        assert_eq!(
            first.iter().map(|report| &*report.subtree).collect::<Vec<_>>(),
            ["**", "a.**"]
        );
        assert_eq!(total, 4);

        subtrees.recovered("a.b.x");
        assert_eq!((of(&subtrees, "a.b.**").anomalous, subtrees.anomalous()), (0, 1));
        // A day later what was opened is forgotten.
        subtrees.opened("c;d=e", 2 * 86_400 + 1000, true);
        assert_eq!(
            (of(&subtrees, "a.b.**").opened_day, of(&subtrees, "**").opened_day),
            (0, 1)
        );
        subtrees.count(&census(&[("a", -3), ("a.b", -3)], -3));
        assert_eq!(subtrees.series_below("a.b"), None, "nothing is kept of what has gone");
        assert_eq!((subtrees.series_below("a"), subtrees.series()), (Some(1), 2));
    }

    #[test]
    fn there_is_a_bound_and_what_is_beyond_is_counted_together() {
        let mut subtrees = Subtrees::default();
        for number in 0..SUBTREES_MAX + 7 {
            subtrees.count(&census(&[(&format!("p{number}"), 2)], 2));
        }
        let last = format!("p{}", SUBTREES_MAX + 6);
        assert_eq!(subtrees.series_below(&last), None);
        subtrees.opened(&format!("{last}.x"), 0, true);
        let other = of(&subtrees, "other");
        assert_eq!((other.series, other.anomalous, other.opened_day), (14, 1, 1));
        assert_eq!(subtrees.report(|_| true, 10).1, SUBTREES_MAX + 2);
    }
}
