//! Anomalies and notices as JSON.

use serde::Serialize;

use super::{Anomaly, Notice, groups::GroupSummary};
use crate::{detect::Verdict, line::Timestamp, report::VerdictReport, shard::Change, silence::Marks};

impl Anomaly {
    /// The last verdict that people were told of it by.
    pub fn latest(&self) -> &Verdict {
        self.closed.as_ref().or(self.again.as_ref()).unwrap_or(&self.opened)
    }

    /// The form of the API: the verdict that opened it, and how long it has lasted.
    pub fn report(&self, marks: Marks) -> AnomalyReport<'_> {
        AnomalyReport {
            id: self.id,
            state: if self.closed.is_some() { "closed" } else { "open" },
            rank: two_digits(self.rank),
            group: self.group.group(),
            opened_at: self.opened.timestamp,
            closed_at: self.closed.as_ref().map(|verdict| verdict.timestamp),
            marks,
            verdict: VerdictReport::new(&self.series, &self.detector, &self.opened),
        }
    }
}

impl Notice {
    /// The form of the log: the verdict that people are told of.
    pub fn report(&self) -> NoticeReport<'_> {
        let Self {
            change,
            anomaly,
            group,
            marks,
        } = self;
        NoticeReport {
            event: match change {
                Change::Opened => "open",
                Change::Again => "again",
                Change::Closed => "close",
            },
            id: anomaly.id,
            opened_at: anomaly.opened.timestamp,
            rank: two_digits(anomaly.rank),
            group: group.as_ref(),
            marks,
            verdict: VerdictReport::new(&anomaly.series, &anomaly.detector, anomaly.latest()),
        }
    }
}

/// An anomaly as the API shows it.
#[derive(Serialize)]
pub struct AnomalyReport<'a> {
    id: u64,
    state: &'static str,
    rank: f64,
    /// Number of its group.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<u64>,
    opened_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
    #[serde(flatten)]
    marks: Marks,
    #[serde(flatten)]
    verdict: VerdictReport<'a>,
}

impl AnomalyReport<'_> {
    /// Without the votes, which are most of it.
    #[must_use]
    pub fn without_votes(self) -> Self {
        Self {
            verdict: self.verdict.without_votes(),
            ..self
        }
    }
}

/// A notice as the log shows it.
#[derive(Serialize)]
pub struct NoticeReport<'a> {
    event: &'static str,
    id: u64,
    opened_at: Timestamp,
    rank: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a GroupSummary>,
    #[serde(flatten)]
    marks: &'a Marks,
    #[serde(flatten)]
    verdict: VerdictReport<'a>,
}

impl NoticeReport<'_> {
    /// What has happened, in a word.
    pub fn event(&self) -> &'static str {
        self.event
    }
}

/// Ranks are compared, not computed with.
pub(super) fn two_digits(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
