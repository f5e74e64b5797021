//! Anomalies: what is open now, since when, and what was before; which belong together, and how much they matter.
//!
//! An anomaly is one detector's on one series, from the verdict that opened it to the one that closed it. The board is
//! written by one task and read by many; closed anomalies are kept up to a bound, the newest. What many series have at once
//! becomes one of the [`groups`].

pub mod groups;
pub mod own_series;
mod report;
mod subtrees;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use dashmap::{DashMap, Entry};
use groups::{Counters, GroupReport, GroupSummary, Groups, Opening, Tag};
pub use report::{AnomalyReport, NoticeReport};
pub use subtrees::SubtreeReport;
use subtrees::Subtrees;

use crate::{
    detect::Verdict,
    glob::Glob,
    metrics::AnomalyMetrics,
    shard::{Census, Change, Event},
    silence::Marks,
};

/// One anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// Number; no two have the same, whatever restarts lie between them.
    pub id: u64,
    /// Name of the series.
    pub series: Arc<str>,
    /// Name of the detector.
    pub detector: Arc<str>,
    /// The verdict that opened it.
    pub opened: Verdict,
    /// The last verdict that people were told of it again by.
    pub again: Option<Verdict>,
    /// The verdict that closed it; `None` while it is open.
    pub closed: Option<Verdict>,
    /// How much it matters by itself: its score, and how rarely the series has one.
    pub rank: f64,
    /// The group it belongs to, which it may come to later.
    pub group: Tag,
}

/// An anomaly has opened, goes on, or has closed: what people are told.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Which of these.
    pub change: Change,
    /// The anomaly, as it is now.
    pub anomaly: Arc<Anomaly>,
    /// Its group, as it is now.
    pub group: Option<GroupSummary>,
    /// What people have said of it.
    pub marks: Marks,
}

/// What is open, and what was.
#[derive(Debug)]
pub struct Board {
    /// By series: those of its detectors, a few at most and never none.
    open: DashMap<Arc<str>, Vec<Arc<Anomaly>>>,
    /// The last to close last.
    closed: Mutex<VecDeque<Arc<Anomaly>>>,
    closed_max: AtomicUsize,
    last_id: AtomicU64,
    together: Mutex<Together>,
    metrics: AnomalyMetrics,
}

/// What many series have in common.
#[derive(Debug)]
struct Together {
    groups: Groups,
    subtrees: Subtrees,
    /// What the metrics know of already.
    counted: Counters,
}

/// Anomalies that were asked for.
#[derive(Debug, PartialEq)]
pub struct Selection {
    /// As many as were asked for, in the order that was.
    pub anomalies: Vec<Arc<Anomaly>>,
    /// How many there are.
    pub total: usize,
}

/// Which come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The newest.
    Newest,
    /// Those with the highest rank, and of these the newest.
    Rank,
}

/// The first of the anomalies it is shown. What it passes over costs neither a copy nor a place.
struct First {
    order: Order,
    limit: usize,
    /// By rank, if that counts, and number; `limit` at most.
    kept: BTreeMap<(u64, u64), Arc<Anomaly>>,
    /// How many it was shown.
    total: usize,
}

/// Which anomalies are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that are open.
    Open,
    /// Those that are over.
    Closed,
    /// Both.
    All,
}

impl Board {
    /// An empty board that remembers `closed_max` closed anomalies.
    pub fn new(closed_max: usize, groups: groups::Settings, metrics: AnomalyMetrics) -> Self {
        Self {
            open: DashMap::new(),
            closed: Mutex::default(),
            closed_max: AtomicUsize::new(closed_max),
            last_id: AtomicU64::new(0),
            together: Mutex::new(Together {
                groups: Groups::new(groups),
                subtrees: Subtrees::default(),
                counted: Counters::default(),
            }),
            metrics,
        }
    }

    /// Goes by other settings from now on; see [`Groups::change`] for what stays.
    pub fn change(&self, closed_max: usize, groups: groups::Settings) {
        self.closed_max.store(closed_max, Ordering::Relaxed);
        self.together().groups.change(groups);
    }

    /// Takes in which series have begun and ended.
    pub fn count(&self, census: &Census) {
        self.together().subtrees.count(census);
    }

    /// Takes in what a shard has found. Gives what people are to be told.
    pub fn record(&self, event: Event) -> Option<Notice> {
        let change = event.change?;
        let mut together = self.together();
        let anomaly = match change {
            Change::Opened => self.open(event, &mut together),
            Change::Again => self.tell_again(event)?,
            Change::Closed => self.close(event, &mut together)?,
        };
        together.tell(&self.metrics);
        let group = anomaly.group.group().and_then(|id| together.groups.summary(id));
        Some(Notice {
            change,
            anomaly,
            group,
            marks: Marks::default(),
        })
    }

    fn open(&self, event: Event, together: &mut Together) -> Arc<Anomaly> {
        let id = self.next_id();
        self.metrics.opened.with_label_values(&[&*event.detector]).inc();
        self.put(id, event.series, event.detector, event.verdict, None, together)
    }

    /// Puts an anomaly back that was open before a restart, which people have been told of, by `opened` and perhaps `again`.
    /// One that has no number gets a new one.
    pub fn resume(
        &self,
        id: Option<u64>,
        series: Arc<str>,
        detector: Arc<str>,
        opened: Verdict,
        again: Option<Verdict>,
    ) {
        let id = id.unwrap_or_else(|| self.next_id());
        self.go_on_after(id);
        let mut together = self.together();
        self.put(id, series, detector, opened, again, &mut together);
        together.tell(&self.metrics);
    }

    fn put(
        &self,
        id: u64,
        series: Arc<str>,
        detector: Arc<str>,
        opened: Verdict,
        again: Option<Verdict>,
        together: &mut Together,
    ) -> Arc<Anomaly> {
        let group = Tag::default();
        let opening = Opening {
            series: Arc::clone(&series),
            at: opened.timestamp,
            score: opened.score,
            severity: opened.severity,
            tag: group.clone(),
        };
        let rank = together.groups.open(opening, &together.subtrees);
        let anomaly = Arc::new(Anomaly {
            id,
            series,
            detector,
            opened,
            again,
            closed: None,
            rank,
            group,
        });
        let at = anomaly.opened.timestamp;
        match self.open.entry(Arc::clone(&anomaly.series)) {
            Entry::Vacant(series) => {
                series.insert(vec![Arc::clone(&anomaly)]);
                self.metrics.open.inc();
                together.subtrees.opened(&anomaly.series, at, true);
            }
            Entry::Occupied(mut series) => {
                let of_series = series.get_mut();
                if let Some(before) = of_series.iter_mut().find(|open| open.detector == anomaly.detector) {
                    *before = Arc::clone(&anomaly);
                } else {
                    of_series.push(Arc::clone(&anomaly));
                    self.metrics.open.inc();
                }
                together.subtrees.opened(&anomaly.series, at, false);
            }
        }
        anomaly
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of the newest anomaly.
    pub fn last_id(&self) -> u64 {
        self.last_id.load(Ordering::Relaxed)
    }

    /// Gives no number up to `id` to an anomaly any more: they were given before a restart.
    pub fn go_on_after(&self, id: u64) {
        self.last_id.fetch_max(id, Ordering::Relaxed);
    }

    /// Keeps the verdict with what is open of the event's series and detector, if anything is.
    fn tell_again(&self, event: Event) -> Option<Arc<Anomaly>> {
        let mut of_series = self.open.get_mut(&event.series)?;
        let open = of_series.iter_mut().find(|open| open.detector == event.detector)?;
        *open = Arc::new(Anomaly {
            again: Some(event.verdict),
            ..Anomaly::clone(open)
        });
        Some(Arc::clone(open))
    }

    /// Closes what is open of the event's series and detector, if anything is.
    fn close(&self, event: Event, together: &mut Together) -> Option<Arc<Anomaly>> {
        let mut of_series = self.open.get_mut(&event.series)?;
        let place = of_series.iter().position(|open| open.detector == event.detector)?;
        let open = of_series.swap_remove(place);
        let is_last = of_series.is_empty();
        drop(of_series);
        if is_last {
            self.open.remove_if(&event.series, |_, of_series| of_series.is_empty());
            together.subtrees.recovered(&event.series);
        }
        if let Some(group) = open.group.group() {
            together.groups.close(&event.series, event.verdict.timestamp, group);
        }
        let anomaly = Arc::new(Anomaly {
            closed: Some(event.verdict),
            ..Arc::unwrap_or_clone(open)
        });
        self.metrics.open.dec();
        self.metrics.closed.with_label_values(&[&*anomaly.detector]).inc();
        self.remember(Arc::clone(&anomaly));
        Some(anomaly)
    }

    /// Groups in the given state, the highest rank first, `limit` at most, each with up to `members` members; and how
    /// many there are.
    pub fn groups(&self, which: Which, limit: usize, members: usize) -> (Vec<GroupReport>, usize) {
        let (open, over) = (which != Which::Closed, which != Which::Open);
        self.together().groups.report(open, over, limit, members)
    }

    /// The group with this number, if it is still known.
    pub fn group(&self, id: u64) -> Option<GroupSummary> {
        self.together().groups.summary(id)
    }

    /// Subtrees whose globs match, those with the most anomalies of late first, `limit` at most; and how many match.
    pub fn subtrees(&self, matches: impl Fn(&str) -> bool, limit: usize) -> (Vec<SubtreeReport>, usize) {
        self.together().subtrees.report(matches, limit)
    }

    fn together(&self) -> MutexGuard<'_, Together> {
        self.together.lock().expect("nobody panics with the lock held")
    }

    /// Anomalies of series that match, the newest first, `limit` at most.
    pub fn select(&self, which: Which, glob: &Glob, limit: usize) -> Selection {
        self.choose(which, |anomaly| glob.matches(&anomaly.series), Order::Newest, limit)
    }

    /// Anomalies that `matches` holds for, `limit` at most.
    pub fn choose(&self, which: Which, matches: impl Fn(&Anomaly) -> bool, order: Order, limit: usize) -> Selection {
        let mut first = First::new(order, limit);
        if which != Which::Closed {
            for of_series in &self.open {
                let matching = of_series.iter().filter(|anomaly| matches(anomaly));
                matching.for_each(|anomaly| first.see(anomaly));
            }
        }
        if which != Which::Open {
            let closed = self.closed.lock().expect("nobody panics with the lock held");
            let matching = closed.iter().filter(|anomaly| matches(anomaly));
            matching.for_each(|anomaly| first.see(anomaly));
        }
        first.into()
    }

    /// The anomaly with this number, if it is open, or over and not forgotten.
    pub fn find(&self, id: u64) -> Option<Arc<Anomaly>> {
        let open = self.open.iter();
        let open = open.filter_map(|of_series| of_series.iter().find(|anomaly| anomaly.id == id).cloned());
        let closed = || {
            let closed = self.closed.lock().expect("nobody panics with the lock held");
            closed.iter().find(|anomaly| anomaly.id == id).cloned()
        };
        let mut open = open;
        open.next().or_else(closed)
    }

    /// Is the anomaly with this number, of this series, open?
    pub fn is_open(&self, id: u64, series: &str) -> bool {
        let of_series = self.open.get(series);
        of_series.is_some_and(|of_series| of_series.iter().any(|anomaly| anomaly.id == id))
    }

    /// Open anomalies that match.
    pub fn count_open(&self, matches: impl Fn(&Anomaly) -> bool) -> usize {
        let matching = |of_series: &Vec<Arc<Anomaly>>| of_series.iter().filter(|anomaly| matches(anomaly)).count();
        self.open.iter().map(|entry| matching(entry.value())).sum()
    }

    /// Anomalies of one series, open or over, the newest first, `limit` at most.
    pub fn of_series(&self, series: &str, limit: usize) -> Vec<Arc<Anomaly>> {
        let mut first = First::new(Order::Newest, limit);
        if let Some(of_series) = self.open.get(series) {
            of_series.iter().for_each(|anomaly| first.see(anomaly));
        }
        let closed = self.closed.lock().expect("nobody panics with the lock held");
        let of_series = closed.iter().filter(|anomaly| &*anomaly.series == series);
        of_series.for_each(|anomaly| first.see(anomaly));
        drop(closed);
        Selection::from(first).anomalies
    }

    /// The last that have closed, `limit` at most, in the order in which they have.
    pub fn closed_last(&self, limit: usize) -> Vec<Arc<Anomaly>> {
        let closed = self.closed.lock().expect("nobody panics with the lock held");
        closed
            .iter()
            .skip(closed.len().saturating_sub(limit))
            .cloned()
            .collect()
    }

    /// Remembers an anomaly that was over before a restart, of which nobody is to be told. To be called in the order in
    /// which they have closed.
    pub fn recall(&self, anomaly: Anomaly) {
        self.go_on_after(anomaly.id);
        self.remember(Arc::new(anomaly));
    }

    fn remember(&self, anomaly: Arc<Anomaly>) {
        let mut closed = self.closed.lock().expect("nobody panics with the lock held");
        closed.push_back(anomaly);
        while closed.len() > self.closed_max.load(Ordering::Relaxed) {
            closed.pop_front();
        }
    }
}

impl Together {
    /// Brings the metrics up to date.
    fn tell(&mut self, metrics: &AnomalyMetrics) {
        let now = self.groups.counters();
        let before = std::mem::replace(&mut self.counted, now);
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.groups.open.set(gauge(now.open));
        metrics.groups.places.set(gauge(now.places));
        metrics
            .series_anomalous
            .set(i64::try_from(self.subtrees.anomalous()).unwrap_or(i64::MAX));
        for (counter, now, before) in [
            (&metrics.groups.opened, now.opened, before.opened),
            (&metrics.groups.merged, now.merged, before.merged),
            (&metrics.groups.given_up, now.given_up, before.given_up),
            (&metrics.groups.members_unlisted, now.unlisted, before.unlisted),
            (
                &metrics.groups.places_evicted,
                now.places_evicted,
                before.places_evicted,
            ),
        ] {
            counter.inc_by(now - before);
        }
    }
}

impl First {
    fn new(order: Order, limit: usize) -> Self {
        Self {
            order,
            limit,
            kept: BTreeMap::new(),
            total: 0,
        }
    }

    fn see(&mut self, anomaly: &Arc<Anomaly>) {
        self.total += 1;
        // Numbers that are not negative are in the order of their bits.
        let rank = match self.order {
            Order::Newest => 0,
            Order::Rank => anomaly.rank.max(0.0).to_bits(),
        };
        let key = (rank, anomaly.id);
        if self.kept.len() >= self.limit {
            match self.kept.first_entry() {
                Some(last) if *last.key() < key => drop(last.remove()),
                _ => return,
            }
        }
        self.kept.insert(key, Arc::clone(anomaly));
    }
}

impl From<First> for Selection {
    fn from(first: First) -> Self {
        Self {
            anomalies: first.kept.into_values().rev().collect(),
            total: first.total,
        }
    }
}
