//! What a message holds survives as JSON, and what JSON does not have is not said.

use super::*;
use std::collections::BTreeMap;

use crate::detect::{Finding, Outcome, Verdict, Vote};

/// A message with all that one can hold.
pub(crate) fn message(status: Status, series: &str) -> Message {
    let (opened_at, detector) = (1_700_000_000, "default");
    let is_over = status == Status::Resolved;
    Message {
        status,
        test: false,
        route: "ops".into(),
        id: 7,
        fingerprint: fingerprint(series, detector, opened_at),
        opened_at,
        closed_at: is_over.then_some(opened_at + 600),
        rank: 3.25,
        group: Some(MessageGroup {
            id: 2,
            place: "servers.**".into(),
            since: opened_at - 60,
            members: 3,
            rank: 12.5,
        }),
        silenced: vec!["3".to_owned()],
        acknowledged: Some(MessageAcknowledgement {
            author: "kim".to_owned(),
            reason: "being looked at".to_owned(),
            at: opened_at + 30,
        }),
        series: series.into(),
        timestamp: if is_over { opened_at + 600 } else { opened_at },
        value: 93.5,
        detector: detector.into(),
        score: 2.5,
        severity: Some(Severity::Warning),
        expected: Some(12.0),
        lower: Some(4.5),
        upper: Some(20.0),
        reason: "level is 93.5, expected 12".to_owned(),
        votes: Votes(vec![
            (
                "grubbs".to_owned(),
                MessageVote {
                    vote: Some(true),
                    failed: false,
                    statistic: Some(4.25),
                    threshold: Some(3.5),
                    details: [("mean".to_owned(), 2.0)].into(),
                },
            ),
            (
                "a_later_one".to_owned(),
                MessageVote {
                    vote: None,
                    failed: true,
                    statistic: None,
                    threshold: None,
                    details: BTreeMap::new(),
                },
            ),
        ]),
        links: Links {
            page: Some("https://relay.example.com/#/series/a".to_owned()),
            graph: None,
        },
        summary: None,
    }
}

#[test]
fn a_message_survives_as_json() {
    for status in [Status::Firing, Status::Again, Status::Resolved] {
        let message = message(status, "servers.web1.load");
        let json = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&json).unwrap(), message, "{json}");
    }
    let summary = Message {
        summary: Some(Summary {
            opened: 5,
            closed: 2,
            series: vec!["a".into()],
        }),
        severity: None,
        group: None,
        silenced: Vec::new(),
        acknowledged: None,
        votes: Votes::default(),
        links: Links::default(),
        test: true,
        ..message(Status::Summary, "**")
    };
    let json = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Message>(&json).unwrap(), summary, "{json}");
    let wrong = json.replace("\"summary\"", "\"sumary\"");
    assert!(serde_json::from_str::<Message>(&wrong).is_err());
    let wrong = r#"{"severity":"bad"}"#;
    assert!(
        serde_json::from_str::<Message>(wrong)
            .unwrap_err()
            .to_string()
            .contains("no severity")
    );
}

#[test]
fn numbers_that_json_does_not_have_are_not_said() {
    let verdict = Verdict {
        timestamp: 5,
        value: 1.0,
        score: f64::INFINITY,
        upper: Some(f64::INFINITY),
        votes: vec![Vote {
            name: "grubbs".into(),
            finding: Finding {
                outcome: Outcome::True,
                statistic: Some(f64::NAN),
                threshold: Some(1.0),
            },
            details: vec![("mean", f64::INFINITY), ("least", 1.0)],
        }],
        ..Verdict::default()
    };
    let anomaly = Anomaly {
        id: 1,
        series: "a".into(),
        detector: "d".into(),
        opened: verdict,
        again: None,
        closed: None,
        rank: f64::NAN,
        group: crate::anomaly::groups::Tag::default(),
    };
    let message = Message::of(Status::Firing, &anomaly, None, &Marks::default(), &"ops".into());
    let json = serde_json::to_string(&message).unwrap();
    assert_eq!(serde_json::from_str::<Message>(&json).unwrap(), message, "{json}");
    assert_eq!((message.score, message.upper, message.rank), (f64::MAX, None, 0.0));
    let (_, vote) = &message.votes.0[0];
    assert_eq!((vote.statistic, vote.details.len()), (None, 1));
}

#[test]
fn a_fingerprint_is_of_one_anomaly() {
    let first = fingerprint("a.b", "default", 1_700_000_000);
    // Written down: what waits on disk, and what is open elsewhere, is known by it.
    assert_eq!(first, "e5a7192c152daf56");
    assert_eq!(first, fingerprint("a.b", "default", 1_700_000_000));
    for other in [
        fingerprint("a.b", "default", 1_700_000_001),
        fingerprint("a", "bdefault", 1_700_000_000),
        fingerprint("a.bd", "efault", 1_700_000_000),
    ] {
        assert_ne!(first, other);
    }
}
