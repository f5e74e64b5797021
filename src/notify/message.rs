//! What people are told: one anomaly at one moment, in a form that outlives the relay.
//!
//! A message owns all that it says and knows nothing of where it goes. As JSON it is what `json-lines` writes and what
//! waits on disk for a channel that is down, so a field that comes later has to have a default. Numbers are finite: JSON
//! has no others.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

use crate::{
    anomaly::{Anomaly, groups::GroupSummary},
    detect::{Outcome, Severity, Vote},
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

/// Votes by the name of the algorithm, or of the detector, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Votes(pub Vec<(String, MessageVote)>);

/// A vote, and on what grounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageVote {
    /// The vote; `None`: the algorithm returned nothing.
    pub vote: Option<bool>,
    /// It could not be computed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub failed: bool,
    /// What the vote was decided by, where it is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic: Option<f64>,
    /// What the statistic was held against, where it is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The quantities behind the statistic, by name; those that are not defined are left out.
    #[serde(flatten)]
    pub details: BTreeMap<String, f64>,
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

impl MessageVote {
    fn named(vote: &Vote) -> (String, Self) {
        let finding = vote.finding;
        let details = vote.details.iter().filter(|(_, value)| value.is_finite());
        let vote_of = Self {
            vote: match finding.outcome {
                Outcome::True => Some(true),
                Outcome::False => Some(false),
                Outcome::Nothing | Outcome::Failed => None,
            },
            failed: finding.outcome == Outcome::Failed,
            statistic: finding.statistic.filter(|value| value.is_finite()),
            threshold: finding.threshold.filter(|value| value.is_finite()),
            details: details.map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        };
        (vote.name.clone().into_owned(), vote_of)
    }
}

impl Votes {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Votes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, vote) in &self.0 {
            map.serialize_entry(name, vote)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Votes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Votes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("votes by name")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Votes, A::Error> {
                let mut votes = Vec::new();
                while let Some(vote) = map.next_entry()? {
                    votes.push(vote);
                }
                Ok(Votes(votes))
            }
        }
        deserializer.deserialize_map(Visitor)
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::detect::{Finding, Verdict};

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
}
