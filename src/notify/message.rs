//! What people are told: one anomaly at one moment, in a form that outlives the relay.
//!
//! A message owns all that it says and knows nothing of where it goes. As JSON it is what `json-lines` writes and what
//! waits on disk for a channel that is down, so a field that comes later has to have a default. Numbers are finite: JSON
//! has no others.

#[cfg(test)]
pub(crate) mod tests;
mod votes;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
pub use votes::{MessageVote, Votes};

use crate::{
    anomaly::{Anomaly, groups::GroupSummary},
    detect::Severity,
    line::Timestamp,
    silence::{Acknowledgement, Marks},
};

/// One thing that people are told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// What has happened.
    #[serde(rename = "event")]
    pub status: Status,
    /// Made up by `skyrelay test-alert`: the series is fine.
    #[serde(default, skip_serializing_if = "is_false")]
    pub test: bool,
    /// Name of the `[[alert]]` that it goes by.
    pub route: Arc<str>,
    /// Number of the anomaly, as in the API.
    pub id: u64,
    /// The same for all messages on one anomaly and different for any other, whatever restarts there are between: 16
    /// hexadecimal digits. What receivers that merge messages by a key are to be given as that key.
    pub fingerprint: String,
    /// Time of the sample that opened the anomaly (seconds since 1970).
    pub opened_at: Timestamp,
    /// Time of the sample that closed it; `None` while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// How much the anomaly matters by itself: its score, and how rarely the series has one.
    pub rank: f64,
    /// What it is part of, as of now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<MessageGroup>,
    /// Silences in force on it, by number, as in the API. One that was told before it was silenced is told to be over all the
    /// same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silenced: Vec<String>,
    /// Who has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<MessageAcknowledgement>,
    /// Name of the series. Hostile text: it may hold whatever a sender likes, but for spaces and control characters.
    pub series: Arc<str>,
    /// Time of the sample that is told of: the newest that matters (seconds since 1970).
    pub timestamp: Timestamp,
    /// Value of that sample.
    pub value: f64,
    /// Name of the detector.
    pub detector: Arc<str>,
    /// How far the sample is out of the ordinary: 1.0 is where an anomaly begins, whatever the detector.
    pub score: f64,
    /// How much the anomaly matters, for detectors that tell. A resolved one has that of its beginning.
    #[serde(default, with = "severity", skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The value that was expected, for detectors that predict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// The lowest value that would have been usual; `None`: however low, or the detector cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    /// The highest value that would have been usual; `None`: however high, or the detector cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    /// What the detector went by, in words. Of a message that sums others up, the whole of it.
    pub reason: String,
    /// The votes of the verdict, for detectors that vote.
    #[serde(default, skip_serializing_if = "Votes::is_empty")]
    pub votes: Votes,
    /// Where to look further, if the configuration says so.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// What it stands for, of a message that sums others up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

/// What has happened to an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// It has opened.
    #[serde(rename = "open")]
    Firing,
    /// It is still open, and people are told once more.
    #[serde(rename = "again")]
    Again,
    /// It is over. Told only where its beginning was told.
    #[serde(rename = "close")]
    Resolved,
    /// There were more anomalies than the channel is to be given; [`Message::summary`] counts them. Its series is a glob.
    #[serde(rename = "summary")]
    Summary,
}

/// The group of an anomaly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageGroup {
    /// Number, as in the API.
    pub id: u64,
    /// A glob that all its members match.
    pub place: Arc<str>,
    /// Time of the first anomalous sample (seconds since 1970).
    pub since: Timestamp,
    /// Series that belong to it.
    pub members: usize,
    /// How much it matters.
    pub rank: f64,
}

/// That somebody has seen an anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAcknowledgement {
    /// Who.
    pub author: String,
    /// What they say of it; may be empty.
    pub reason: String,
    /// When (seconds since 1970).
    pub at: Timestamp,
}

/// Where to look further.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The page of the series at this relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The series in Graphite, or whatever else draws it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<String>,
}

/// What is not told one by one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Anomalies that have opened.
    pub opened: u64,
    /// How many of them are over by now.
    pub closed: u64,
    /// Some of their series, the first ones first.
    pub series: Vec<Arc<str>>,
}

impl Message {
    /// That `anomaly`, of which people have said `marks`, is at this, for the alert called `route`.
    pub(super) fn of(
        status: Status,
        anomaly: &Anomaly,
        group: Option<&GroupSummary>,
        marks: &Marks,
        route: &Arc<str>,
    ) -> Self {
        let (opened_at, verdict) = (anomaly.opened.timestamp, anomaly.latest());
        Self {
            status,
            test: false,
            route: Arc::clone(route),
            id: anomaly.id,
            fingerprint: fingerprint(&anomaly.series, &anomaly.detector, opened_at),
            opened_at,
            closed_at: anomaly.closed.as_ref().map(|closed| closed.timestamp),
            rank: two_digits(anomaly.rank),
            group: group.map(MessageGroup::from),
            silenced: marks.silenced.clone(),
            acknowledged: marks.acknowledged.as_deref().map(MessageAcknowledgement::from),
            series: Arc::clone(&anomaly.series),
            timestamp: verdict.timestamp,
            value: finite(verdict.value),
            detector: Arc::clone(&anomaly.detector),
            score: finite(verdict.score),
            severity: verdict.severity.or(anomaly.opened.severity),
            expected: verdict.expected.filter(|value| value.is_finite()),
            lower: verdict.lower.filter(|value| value.is_finite()),
            upper: verdict.upper.filter(|value| value.is_finite()),
            reason: verdict.reason.clone(),
            votes: Votes(verdict.votes.iter().map(MessageVote::named).collect()),
            links: Links::default(),
            summary: None,
        }
    }

    /// How long the anomaly had lasted by the sample that is told of (seconds).
    pub fn lasted_s(&self) -> i64 {
        self.timestamp.saturating_sub(self.opened_at).max(0)
    }

    /// Is the anomaly open, as far as this says?
    pub fn is_open(&self) -> bool {
        matches!(self.status, Status::Firing | Status::Again)
    }
}

/// Identifies an anomaly, whatever its number: 64 bits of a hash that is the same in every process.
pub fn fingerprint(series: &str, detector: &str, opened_at: Timestamp) -> String {
    let parts = [series.as_bytes(), b"\0", detector.as_bytes(), &opened_at.to_le_bytes()];
    // FNV-1a: keys are short, and who could choose names that collide could as well send any name.
    let hash = parts
        .iter()
        .copied()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

impl Status {
    /// In a word, as receivers of alerts have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Again => "again",
            Self::Resolved => "resolved",
            Self::Summary => "summary",
        }
    }
}

impl From<&GroupSummary> for MessageGroup {
    fn from(group: &GroupSummary) -> Self {
        Self {
            id: group.id,
            place: Arc::clone(&group.place),
            since: group.since,
            members: group.members,
            rank: group.rank,
        }
    }
}

impl From<&Acknowledgement> for MessageAcknowledgement {
    fn from(said: &Acknowledgement) -> Self {
        Self {
            author: said.author.clone(),
            reason: said.reason.clone(),
            at: said.at,
        }
    }
}

impl Links {
    fn is_empty(&self) -> bool {
        self.page.is_none() && self.graph.is_none()
    }
}

/// A severity by its name; the detectors know no formats.
mod severity {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Severity};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        clippy::ref_option,
        reason = "this is how it is called"
    )]
    pub(super) fn serialize<S: Serializer>(severity: &Option<Severity>, serializer: S) -> Result<S::Ok, S::Error> {
        severity.map(Severity::name).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Severity>, D::Error> {
        let Some(name) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let known = [Severity::Info, Severity::Warning, Severity::Critical].into_iter();
        let mut named = known.filter(|severity| severity.name() == name);
        named.next().map(Some).ok_or_else(|| super::unknown_severity(&name))
    }
}

fn unknown_severity<E: serde::de::Error>(name: &str) -> E {
    E::custom(format_args!("{name:?} is no severity"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "this is how it is called")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Beyond all numbers is the largest.
fn finite(number: f64) -> f64 {
    if number.is_nan() {
        0.0
    } else {
        number.clamp(f64::MIN, f64::MAX)
    }
}

fn two_digits(number: f64) -> f64 {
    (finite(number) * 100.0).round() / 100.0
}
