//! What the board shows and tells of anomalies that open and close.

use super::*;
use crate::{line::Timestamp, metrics::Metrics};

fn event(series: &str, change: Change, timestamp: Timestamp) -> Event {
    Event {
        series: series.into(),
        detector: "default".into(),
        change: Some(change),
        verdict: Verdict {
            timestamp,
            value: 1.0,
            score: 1.0,
            anomalous: change != Change::Closed,
            alert: change != Change::Closed,
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
    let board = Board::new(10, groups::Settings::default(), metrics.anomaly.clone());
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
fn people_are_told_again_of_what_goes_on() {
    let metrics = Metrics::new();
    let board = Board::new(10, groups::Settings::default(), metrics.anomaly.clone());
    assert!(board.record(event("a", Change::Again, 5)).is_none());
    board.record(event("a", Change::Opened, 10)).unwrap();
    let notice = board.record(event("a", Change::Again, 20)).unwrap();
    assert_eq!(serde_json::to_value(notice.report()).unwrap()["event"], "again");
    assert_eq!((notice.anomaly.id, notice.anomaly.latest().timestamp), (1, 20));
    assert_eq!(ids(&board, Which::Open), [1]);
    assert_eq!((metrics.anomaly.open.get(), notice.anomaly.opened.timestamp), (1, 10));
    let notice = board.record(event("a", Change::Closed, 30)).unwrap();
    assert_eq!(notice.anomaly.latest().timestamp, 30);
}

#[test]
fn the_past_is_bounded_and_answers_too() {
    let board = Board::new(2, groups::Settings::default(), Metrics::new().anomaly);
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
    let board = Board::new(10, groups::Settings::default(), metrics.anomaly.clone());
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
    let board = Board::new(10, groups::Settings::default(), metrics.anomaly.clone());
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
    let board = Board::new(2, groups::Settings::default(), Metrics::new().anomaly);
    let notice = board.record(event("a", Change::Opened, 7)).unwrap();
    assert_eq!(
        serde_json::to_string(&notice.report()).unwrap(),
        r#"{"event":"open","id":1,"opened_at":7,"rank":2.0,"series":"a","timestamp":7,"value":1.0,"detector":"default","score":1.0,"anomalous":true,"alert":true,"reason":""}"#
    );
}

#[test]
fn what_matters_most_can_come_first() {
    let board = Board::new(10, groups::Settings::default(), Metrics::new().anomaly);
    for (number, score) in (0..).zip([2.0, 40.0, 3.0, 40.0, 1.5]) {
        let mut event = event(&format!("s{number}"), Change::Opened, 1000 + number);
        event.verdict.score = score;
        board.record(event);
    }
    let ids = |limit| {
        let selection = board.choose(Which::Open, |anomaly| &*anomaly.series != "s2", Order::Rank, limit);
        assert_eq!(selection.total, 4);
        selection.anomalies.iter().map(|anomaly| anomaly.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(9), [4, 2, 1, 5]);
    assert_eq!(ids(2), [4, 2]);
    assert_eq!(ids(0), [0_u64; 0]);
}
