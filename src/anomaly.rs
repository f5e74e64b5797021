//! Anomalies: what is open now, since when, and what was before.
//!
//! An anomaly is one detector's on one series, from the verdict that opened it to the one that closed it. The board is
//! written by one task and read by many; closed anomalies are kept up to a bound, the newest.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::DashMap;
use serde::Serialize;

use crate::{
    detect::Verdict,
    glob::Glob,
    line::Timestamp,
    metrics::AnomalyMetrics,
    report::VerdictReport,
    shard::{Change, Event},
};

/// One anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// Number, counted from the start of the relay.
    pub id: u64,
    /// Name of the series.
    pub series: Arc<str>,
    /// Name of the detector.
    pub detector: Arc<str>,
    /// The verdict that opened it.
    pub opened: Verdict,
    /// The verdict that closed it; `None` while it is open.
    pub closed: Option<Verdict>,
}

/// An anomaly has opened or closed: what people are told.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Which of the two.
    pub change: Change,
    /// The anomaly, as it is now.
    pub anomaly: Arc<Anomaly>,
}

/// What is open, and what was.
#[derive(Debug)]
pub struct Board {
    /// By series: those of its detectors, a few at most and never none.
    open: DashMap<Arc<str>, Vec<Arc<Anomaly>>>,
    /// The last to close last.
    closed: Mutex<VecDeque<Arc<Anomaly>>>,
    closed_max: usize,
    last_id: AtomicU64,
    metrics: AnomalyMetrics,
}

/// Anomalies that were asked for.
#[derive(Debug, PartialEq)]
pub struct Selection {
    /// The newest first, as many as were asked for.
    pub anomalies: Vec<Arc<Anomaly>>,
    /// How many there are.
    pub total: usize,
}

/// The newest of the anomalies it is shown. What it passes over costs neither a copy nor a place.
struct Newest {
    limit: usize,
    /// By number, `limit` at most.
    kept: BTreeMap<u64, Arc<Anomaly>>,
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
    pub fn new(closed_max: usize, metrics: AnomalyMetrics) -> Self {
        Self {
            open: DashMap::new(),
            closed: Mutex::default(),
            closed_max,
            last_id: AtomicU64::new(0),
            metrics,
        }
    }

    /// Takes in what a shard has found. Gives what people are to be told.
    pub fn record(&self, event: Event) -> Option<Notice> {
        let change = event.change?;
        let anomaly = match change {
            Change::Opened => self.open(event),
            Change::Closed => self.close(event)?,
        };
        Some(Notice { change, anomaly })
    }

    fn open(&self, event: Event) -> Arc<Anomaly> {
        let anomaly = Arc::new(Anomaly {
            id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1,
            series: event.series,
            detector: event.detector,
            opened: event.verdict,
            closed: None,
        });
        self.metrics.opened.with_label_values(&[&*anomaly.detector]).inc();
        let mut of_series = self.open.entry(Arc::clone(&anomaly.series)).or_default();
        if let Some(before) = of_series.iter_mut().find(|open| open.detector == anomaly.detector) {
            *before = Arc::clone(&anomaly);
        } else {
            of_series.push(Arc::clone(&anomaly));
            self.metrics.open.inc();
        }
        anomaly
    }

    /// Closes what is open of the event's series and detector, if anything is.
    fn close(&self, event: Event) -> Option<Arc<Anomaly>> {
        let mut of_series = self.open.get_mut(&event.series)?;
        let place = of_series.iter().position(|open| open.detector == event.detector)?;
        let open = of_series.swap_remove(place);
        drop(of_series);
        self.open.remove_if(&event.series, |_, of_series| of_series.is_empty());
        let anomaly = Arc::new(Anomaly {
            closed: Some(event.verdict),
            ..Arc::unwrap_or_clone(open)
        });
        self.metrics.open.dec();
        self.metrics.closed.with_label_values(&[&*anomaly.detector]).inc();
        self.remember(Arc::clone(&anomaly));
        Some(anomaly)
    }

    /// Anomalies of series that match, the newest first, `limit` at most.
    pub fn select(&self, which: Which, glob: &Glob, limit: usize) -> Selection {
        let mut newest = Newest::new(limit);
        if which != Which::Closed {
            for of_series in self.open.iter().filter(|entry| glob.matches(entry.key())) {
                of_series.iter().for_each(|anomaly| newest.see(anomaly));
            }
        }
        if which != Which::Open {
            let closed = self.closed.lock().expect("nobody panics with the lock held");
            let matching = closed.iter().filter(|anomaly| glob.matches(&anomaly.series));
            matching.for_each(|anomaly| newest.see(anomaly));
        }
        newest.into()
    }

    /// Anomalies of one series, open or over, the newest first, `limit` at most.
    pub fn of_series(&self, series: &str, limit: usize) -> Vec<Arc<Anomaly>> {
        let mut newest = Newest::new(limit);
        if let Some(of_series) = self.open.get(series) {
            of_series.iter().for_each(|anomaly| newest.see(anomaly));
        }
        let closed = self.closed.lock().expect("nobody panics with the lock held");
        let of_series = closed.iter().filter(|anomaly| &*anomaly.series == series);
        of_series.for_each(|anomaly| newest.see(anomaly));
        drop(closed);
        Selection::from(newest).anomalies
    }

    fn remember(&self, anomaly: Arc<Anomaly>) {
        let mut closed = self.closed.lock().expect("nobody panics with the lock held");
        closed.push_back(anomaly);
        while closed.len() > self.closed_max {
            closed.pop_front();
        }
    }
}

impl Newest {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: BTreeMap::new(),
            total: 0,
        }
    }

    fn see(&mut self, anomaly: &Arc<Anomaly>) {
        self.total += 1;
        if self.kept.len() >= self.limit {
            match self.kept.first_entry() {
                Some(oldest) if *oldest.key() < anomaly.id => drop(oldest.remove()),
                _ => return,
            }
        }
        self.kept.insert(anomaly.id, Arc::clone(anomaly));
    }
}

impl From<Newest> for Selection {
    fn from(newest: Newest) -> Self {
        Self {
            anomalies: newest.kept.into_values().rev().collect(),
            total: newest.total,
        }
    }
}

impl Anomaly {
    /// The verdict it was opened with or, once it is over, closed with.
    pub fn latest(&self) -> &Verdict {
        self.closed.as_ref().unwrap_or(&self.opened)
    }

    /// The form of the API: the verdict that opened it, and how long it has lasted.
    pub fn report(&self) -> AnomalyReport<'_> {
        AnomalyReport {
            id: self.id,
            state: if self.closed.is_some() { "closed" } else { "open" },
            opened_at: self.opened.timestamp,
            closed_at: self.closed.as_ref().map(|verdict| verdict.timestamp),
            verdict: VerdictReport::new(&self.series, &self.detector, &self.opened),
        }
    }
}

impl Notice {
    /// The form of the log: the verdict that opened or closed the anomaly.
    pub fn report(&self) -> NoticeReport<'_> {
        let Self { change, anomaly } = self;
        NoticeReport {
            event: match change {
                Change::Opened => "open",
                Change::Closed => "close",
            },
            id: anomaly.id,
            opened_at: anomaly.opened.timestamp,
            verdict: VerdictReport::new(&anomaly.series, &anomaly.detector, anomaly.latest()),
        }
    }
}

/// An anomaly as the API shows it.
#[derive(Serialize)]
pub struct AnomalyReport<'a> {
    id: u64,
    state: &'static str,
    opened_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
    #[serde(flatten)]
    verdict: VerdictReport<'a>,
}

/// A notice as the log shows it.
#[derive(Serialize)]
pub struct NoticeReport<'a> {
    event: &'static str,
    id: u64,
    opened_at: Timestamp,
    #[serde(flatten)]
    verdict: VerdictReport<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn event(series: &str, change: Change, timestamp: Timestamp) -> Event {
        Event {
            series: series.into(),
            detector: "default".into(),
            change: Some(change),
            verdict: Verdict {
                timestamp,
                value: 1.0,
                score: 1.0,
                anomalous: change == Change::Opened,
                alert: change == Change::Opened,
                reason: String::new(),
                ..Verdict::default()
            },
        }
    }

    fn ids(board: &Board, which: Which) -> Vec<u64> {
        let selection = board.select(which, &Glob::everything(), 10);
        selection.anomalies.iter().map(|anomaly| anomaly.id).collect()
    }

    #[test]
    fn an_anomaly_lasts_from_open_to_close() {
        let metrics = Metrics::new();
        let board = Board::new(10, metrics.anomaly.clone());
        board.record(event("a", Change::Opened, 10)).unwrap();
        board.record(event("b", Change::Opened, 20)).unwrap();
        assert_eq!(ids(&board, Which::Open), [2, 1]);
        let notice = board.record(event("a", Change::Closed, 30)).unwrap();
        assert_eq!(
            (notice.anomaly.opened.timestamp, notice.anomaly.latest().timestamp),
            (10, 30)
        );
        assert_eq!(
            (ids(&board, Which::Open), ids(&board, Which::Closed)),
            (vec![2], vec![1])
        );
        assert_eq!(ids(&board, Which::All), [2, 1]);
        assert_eq!(metrics.anomaly.open.get(), 1);
        assert!(board.record(event("a", Change::Closed, 40)).is_none());
    }

    #[test]
    fn the_past_is_bounded_and_answers_too() {
        let board = Board::new(2, Metrics::new().anomaly);
        for timestamp in 0..5 {
            board.record(event("a", Change::Opened, timestamp));
            board.record(event("a", Change::Closed, timestamp));
        }
        assert_eq!(ids(&board, Which::Closed), [5, 4]);
        let selection = board.select(Which::All, &Glob::everything(), 1);
        assert_eq!((selection.anomalies.len(), selection.total), (1, 2));
    }

    #[test]
    fn of_many_that_are_open_the_newest_come_and_all_are_counted() {
        let metrics = Metrics::new();
        let board = Board::new(10, metrics.anomaly.clone());
        for number in 1..=10_000 {
            board.record(event(&format!("{}.{number}", number % 10), Change::Opened, number));
        }
        board.record(event("5.9995", Change::Closed, 10_001)).unwrap();
        let select = |which, pattern, limit| {
            let selection = board.select(which, &Glob::new(pattern).unwrap(), limit);
            let ids: Vec<u64> = selection.anomalies.iter().map(|anomaly| anomaly.id).collect();
            (ids, selection.total)
        };
        let newest = |count: u64| (10_000 - count..=10_000).rev().filter(|&id| id != 9995).collect();
        assert_eq!(select(Which::Open, "**", 100), (newest(100), 9999));
        assert_eq!(select(Which::All, "5.*", 3), (vec![9995, 9985, 9975], 1000));
        assert_eq!(select(Which::Open, "5.*", 2), (vec![9985, 9975], 999));
        assert_eq!(select(Which::Closed, "**", 2), (vec![9995], 1));
        assert_eq!(select(Which::Open, "**", 0), (vec![], 9999));
        assert_eq!(select(Which::Open, "**", 20_000).0.len(), 9999);
        assert_eq!(metrics.anomaly.open.get(), 9999);
    }

    #[test]
    fn a_series_has_an_anomaly_for_each_detector_and_its_past() {
        let metrics = Metrics::new();
        let board = Board::new(10, metrics.anomaly.clone());
        let by = |detector: &str, change, timestamp| Event {
            detector: detector.into(),
            ..event("a", change, timestamp)
        };
        board.record(by("one", Change::Opened, 1)).unwrap();
        board.record(by("two", Change::Opened, 2)).unwrap();
        board.record(event("b", Change::Opened, 3)).unwrap();
        board.record(by("one", Change::Closed, 4)).unwrap();
        board.record(by("one", Change::Opened, 5)).unwrap();
        let ids = |series, limit| -> Vec<u64> {
            let of_series = board.of_series(series, limit);
            of_series.iter().map(|anomaly| anomaly.id).collect()
        };
        assert_eq!(
            (ids("a", 10), ids("b", 10), ids("c", 10)),
            (vec![4, 2, 1], vec![3], vec![])
        );
        assert_eq!(ids("a", 1), [4]);
        assert_eq!(metrics.anomaly.open.get(), 3);
        assert!(board.record(by("three", Change::Closed, 6)).is_none());
        for detector in ["one", "two"] {
            board.record(by(detector, Change::Closed, 7)).unwrap();
        }
        assert_eq!((ids("a", 10), metrics.anomaly.open.get()), (vec![4, 2, 1], 1));
        assert!(board.open.get("a").is_none(), "nothing is kept for a series at rest");
    }

    #[test]
    fn the_log_shows_the_verdict_and_the_event() {
        let board = Board::new(2, Metrics::new().anomaly);
        let notice = board.record(event("a", Change::Opened, 7)).unwrap();
        assert_eq!(
            serde_json::to_string(&notice.report()).unwrap(),
            r#"{"event":"open","id":1,"opened_at":7,"series":"a","timestamp":7,"value":1.0,"detector":"default","score":1.0,"anomalous":true,"alert":true,"reason":""}"#
        );
    }
}
