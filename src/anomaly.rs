//! Anomalies: what is open now, since when, and what was before.
//!
//! An anomaly is one detector's on one series, from the verdict that opened it to the one that closed it. The board is
//! written by one task and read by many; closed anomalies are kept up to a bound, the newest.

use std::{
    collections::VecDeque,
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
    pub anomaly: Anomaly,
}

/// What is open, and what was.
#[derive(Debug)]
pub struct Board {
    open: DashMap<Key, Anomaly>,
    /// The newest last.
    closed: Mutex<VecDeque<Anomaly>>,
    closed_max: usize,
    last_id: AtomicU64,
    metrics: AnomalyMetrics,
}

/// Series and detector.
type Key = (Arc<str>, Arc<str>);

/// Anomalies that were asked for.
#[derive(Debug, PartialEq)]
pub struct Selection {
    /// The newest first, as many as were asked for.
    pub anomalies: Vec<Anomaly>,
    /// How many there are.
    pub total: usize,
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
        let key = (Arc::clone(&event.series), Arc::clone(&event.detector));
        let detector = [&*event.detector];
        let anomaly = match change {
            Change::Opened => {
                let anomaly = Anomaly {
                    id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1,
                    series: event.series,
                    detector: Arc::clone(&event.detector),
                    opened: event.verdict,
                    closed: None,
                };
                self.metrics.opened.with_label_values(&detector).inc();
                self.open.insert(key, anomaly.clone());
                anomaly
            }
            Change::Closed => {
                let (_, mut anomaly) = self.open.remove(&key)?;
                anomaly.closed = Some(event.verdict);
                self.metrics.closed.with_label_values(&detector).inc();
                self.remember(anomaly.clone());
                anomaly
            }
        };
        self.metrics
            .open
            .set(i64::try_from(self.open.len()).unwrap_or(i64::MAX));
        Some(Notice { change, anomaly })
    }

    /// Anomalies of series that match, the newest first, `limit` at most.
    pub fn select(&self, which: Which, glob: &Glob, limit: usize) -> Selection {
        let mut anomalies = Vec::new();
        if which != Which::Closed {
            let open = self.open.iter().filter(|entry| glob.matches(&entry.key().0));
            anomalies.extend(open.map(|entry| entry.value().clone()));
        }
        if which != Which::Open {
            let closed = self.closed.lock().expect("nobody panics with the lock held");
            anomalies.extend(closed.iter().filter(|anomaly| glob.matches(&anomaly.series)).cloned());
        }
        anomalies.sort_unstable_by_key(|anomaly| std::cmp::Reverse(anomaly.id));
        let total = anomalies.len();
        anomalies.truncate(limit);
        Selection { anomalies, total }
    }

    /// Anomalies of one series, open or over, the newest first, `limit` at most.
    pub fn of_series(&self, series: &str, limit: usize) -> Vec<Anomaly> {
        let open = self.open.iter().filter(|entry| &*entry.key().0 == series);
        let mut anomalies: Vec<Anomaly> = open.map(|entry| entry.value().clone()).collect();
        let closed = self.closed.lock().expect("nobody panics with the lock held");
        anomalies.extend(closed.iter().filter(|anomaly| &*anomaly.series == series).cloned());
        drop(closed);
        anomalies.sort_unstable_by_key(|anomaly| std::cmp::Reverse(anomaly.id));
        anomalies.truncate(limit);
        anomalies
    }

    fn remember(&self, anomaly: Anomaly) {
        let mut closed = self.closed.lock().expect("nobody panics with the lock held");
        closed.push_back(anomaly);
        while closed.len() > self.closed_max {
            closed.pop_front();
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
                votes: Vec::new(),
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
    fn the_log_shows_the_verdict_and_the_event() {
        let board = Board::new(2, Metrics::new().anomaly);
        let notice = board.record(event("a", Change::Opened, 7)).unwrap();
        assert_eq!(
            serde_json::to_string(&notice.report()).unwrap(),
            r#"{"event":"open","id":1,"opened_at":7,"series":"a","timestamp":7,"value":1.0,"detector":"default","score":1.0,"anomalous":true,"alert":true,"reason":""}"#
        );
    }
}
