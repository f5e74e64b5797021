//! Series in the order of their names, a page at a time, and how many there are of each condition.
//!
//! A shard keeps no order, so a page is what comes first of all that is shown it: each look costs a match for a series, and a
//! report for those alone that belong on the page.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::{
    Analysis, Shard,
    event::{Condition, SeriesReport},
    series::Series,
};
use crate::glob::Glob;

/// Which series are to be listed.
#[derive(Clone, Debug)]
pub struct Listing {
    /// What names match.
    pub glob: Glob,
    /// Only those in this condition; `None`: in any.
    pub condition: Option<Condition>,
    /// Only names behind this one.
    pub after: Option<Arc<str>>,
    /// Series on the page.
    pub limit: usize,
}

/// The first of those that were looked at.
#[derive(Debug, Default)]
pub struct Page {
    /// By name.
    pub series: BTreeMap<Arc<str>, SeriesReport>,
    /// How many match, on the page or not.
    pub total: usize,
    /// Are there some behind the page?
    pub more: bool,
}

impl Shard {
    /// Puts series on a page, looking at `budget` slots from `slot` on. Gives the slot to go on at, until all have been
    /// looked at.
    pub fn list(&self, listing: &Listing, slot: usize, budget: usize, page: &mut Page) -> Option<usize> {
        let end = (slot + budget).min(self.table.slot_count());
        for slot in slot..end {
            let Some(series) = self.table.get(slot).filter(|series| listing.glob.matches(&series.name)) else {
                continue;
            };
            let fits = |wanted| wanted == self.condition(slot, series);
            if listing.condition.is_none_or(fits) {
                page.total += 1;
                page.put(listing, series, || self.report(slot, series, false));
            }
        }
        (end < self.table.slot_count()).then_some(end)
    }

    /// Counts series by their condition, in the order of [`Condition::ALL`], looking at `budget` slots from `slot` on. Gives
    /// the slot to go on at, until all have been looked at.
    pub fn count(&self, slot: usize, budget: usize, counts: &mut [usize; Condition::ALL.len()]) -> Option<usize> {
        let end = (slot + budget).min(self.table.slot_count());
        for slot in slot..end {
            if let Some(series) = self.table.get(slot) {
                counts[self.condition(slot, series) as usize] += 1;
            }
        }
        (end < self.table.slot_count()).then_some(end)
    }

    fn condition(&self, slot: usize, series: &Series) -> Condition {
        match &series.analysis {
            Analysis::Unwatched(_) => Condition::Unwatched,
            Analysis::Paused => Condition::Paused,
            Analysis::Watched(watched) => {
                let court = self.former(slot).map_or(&self.court, |former| &former.court);
                let heard = watched.judges.iter().filter(|judge| judge.heard);
                Condition::of(heard.map(|judge| court.engines[judge.detector].standing(&judge.state, &watched.window)))
            }
        }
    }
}

impl Page {
    fn put(&mut self, listing: &Listing, series: &Series, report: impl FnOnce() -> SeriesReport) {
        if listing.after.as_ref().is_some_and(|after| series.name <= *after) {
            return;
        }
        let is_full = self.series.len() >= listing.limit;
        if is_full && self.series.last_key_value().is_none_or(|(last, _)| series.name > *last) {
            self.more = true;
            return;
        }
        self.series.insert(Arc::clone(&series.name), report());
        if self.series.len() > listing.limit {
            self.series.pop_last();
            self.more = true;
        }
    }

    /// The name to go on behind; `None`: there are no more.
    pub fn next(&self) -> Option<Arc<str>> {
        let last = self
            .series
            .range::<str, _>((Bound::Unbounded, Bound::Unbounded))
            .next_back();
        last.filter(|_| self.more).map(|(name, _)| Arc::clone(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        detect::Standing,
        shard::{SeriesState, Settings, Shared, Verbosity},
    };

    fn shard_with(names: &[&str]) -> Shard {
        let mut shard = Shard::new(
            Arc::new(Settings::default()),
            Verbosity::Changes,
            Arc::<Shared>::default(),
        );
        for (hash, name) in (0..).zip(names) {
            shard.begin(hash, name.as_bytes(), 0).unwrap();
        }
        shard
    }

    fn listed(shard: &Shard, glob: &str, after: Option<&str>, limit: usize) -> (Vec<String>, usize, Option<Arc<str>>) {
        let listing = Listing {
            glob: Glob::new(glob).unwrap(),
            condition: None,
            after: after.map(Arc::from),
            limit,
        };
        let mut page = Page::default();
        let mut slot = Some(0);
        while let Some(from) = slot {
            slot = shard.list(&listing, from, 2, &mut page);
        }
        (
            page.series.keys().map(ToString::to_string).collect(),
            page.total,
            page.next(),
        )
    }

    #[test]
    fn pages_follow_each_other_in_the_order_of_names() {
        let shard = shard_with(&["d", "a", "e.x", "c", "b"]);
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (names, total, next) = listed(&shard, "**", after.as_deref(), 2);
            assert_eq!(total, 5);
            all.extend(names);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(all, ["a", "b", "c", "d", "e.x"]);
        assert_eq!(
            listed(&shard, "*", None, 9),
            (["a", "b", "c", "d"].map(str::to_owned).into(), 4, None)
        );
        assert_eq!(listed(&shard, "**", None, 0).1, 5);
    }

    #[test]
    fn every_series_has_one_condition() {
        let shard = shard_with(&["a", "b", "c"]);
        let mut counts = [0; Condition::ALL.len()];
        assert_eq!(shard.count(0, 2, &mut counts), Some(2));
        assert_eq!(shard.count(2, 2, &mut counts), None);
        assert_eq!(
            (counts[Condition::WarmingUp as usize], counts.iter().sum::<usize>()),
            (3, 3)
        );
        let (report, _) = shard.look_up(0, "a").unwrap();
        assert_eq!(report.condition(), Condition::WarmingUp);
        let SeriesState::Watched { detectors, .. } = report.state else {
            panic!("it is watched")
        };
        assert_ne!(detectors[0].standing, Standing::Analysed);
    }
}
