//! Verdicts as people and programs read them: the one JSON form of backtest, log and API.

mod markup;

use std::io;

pub use markup::{cut, markup, plain};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::ser::{CompactFormatter, Formatter};

use crate::{
    detect::{Outcome, Severity, Verdict, Vote},
    shard::Event,
};

/// A verdict on a series. Fields that a detector cannot give are absent.
#[derive(Serialize)]
pub struct VerdictReport<'a> {
    series: &'a str,
    timestamp: i64,
    value: f64,
    detector: &'a str,
    score: f64,
    anomalous: bool,
    alert: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper: Option<f64>,
    reason: &'a str,
    #[serde(skip_serializing_if = "Votes::is_empty")]
    votes: Votes<'a>,
}

struct Votes<'a>(&'a [Vote]);

#[derive(Serialize)]
struct VoteReport<'a> {
    /// `null` when the algorithm returned nothing.
    vote: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistic: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    #[serde(flatten)]
    details: Details<'a>,
}

struct Details<'a>(&'a [(&'static str, f64)]);

/// JSON as usual, whose strings hold nothing that a terminal would obey or an editor would hide.
struct Plain(CompactFormatter);

/// Writes `value` as JSON. Names of series are hostile text: whatever is not to be seen in them is escaped.
///
/// # Errors
/// Those of `out`, and what `value` cannot be told as JSON for.
pub fn write_json(out: &mut impl io::Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(
        out,
        Plain(CompactFormatter),
    ))
}

impl Formatter for Plain {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(place) = rest.find(is_unseen) {
            let (seen, unseen) = rest.split_at(place);
            let mut others = unseen.chars();
            let first = others.next().expect("just found");
            self.0.write_string_fragment(writer, seen)?;
            write!(writer, "\\u{:04x}", u32::from(first))?;
            rest = others.as_str();
        }
        self.0.write_string_fragment(writer, rest)
    }
}

/// Controls (of which JSON escapes the lower ones itself), and what turns or breaks the lines of a text.
pub(crate) fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl<'a> VerdictReport<'a> {
    /// The report on `verdict`, given by `detector` on `series`.
    pub fn new(series: &'a str, detector: &'a str, verdict: &'a Verdict) -> Self {
        Self {
            series,
            timestamp: verdict.timestamp,
            value: verdict.value,
            detector,
            score: verdict.score,
            anomalous: verdict.anomalous,
            alert: verdict.alert,
            severity: verdict.severity.map(Severity::name),
            expected: verdict.expected,
            lower: verdict.lower,
            upper: verdict.upper,
            reason: &verdict.reason,
            votes: Votes(&verdict.votes),
        }
    }
}

impl VerdictReport<'_> {
    /// Without the votes, which are most of it.
    #[must_use]
    pub fn without_votes(self) -> Self {
        Self {
            votes: Votes(&[]),
            ..self
        }
    }
}

impl<'a> From<&'a Event> for VerdictReport<'a> {
    fn from(event: &'a Event) -> Self {
        Self::new(&event.series, &event.detector, &event.verdict)
    }
}

impl Votes<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Votes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|vote| {
            let finding = vote.finding;
            let report = VoteReport {
                vote: match finding.outcome {
                    Outcome::True => Some(true),
                    Outcome::False => Some(false),
                    Outcome::Nothing | Outcome::Failed => None,
                },
                failed: finding.outcome == Outcome::Failed,
                statistic: finding.statistic,
                threshold: finding.threshold,
                details: Details(&vote.details),
            };
            (&*vote.name, report)
        }))
    }
}

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Finding;

    #[test]
    fn json_holds_nothing_that_is_not_to_be_seen() {
        let text = "a\u{1b}[2J\u{7f}\u{9b}31m \"\\ \u{202e}gnp.exe\u{2066}\u{feff} ünï\u{2028}☃";
        let mut json = Vec::new();
        write_json(&mut json, &text).unwrap();
        let json = String::from_utf8(json).unwrap();
        assert_eq!(
            json,
            r#""a\u001b[2J\u007f\u009b31m \"\\ \u202egnp.exe\u2066\ufeff ünï\u2028☃""#
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn a_verdict_reads_as_agreed() {
        let vote = |name: &'static str, outcome, statistic| Vote {
            name: name.into(),
            finding: Finding {
                outcome,
                statistic,
                threshold: Some(3.5),
            },
            details: vec![("mean", 2.0)],
        };
        let verdict = Verdict {
            timestamp: 1_700_000_000,
            value: 12.5,
            score: 1.5,
            anomalous: true,
            alert: true,
            severity: Some(Severity::Warning),
            expected: Some(2.5),
            lower: None,
            upper: Some(6.0),
            reason: "3 of 3 algorithms, 2 needed".to_owned(),
            votes: vec![
                vote("grubbs", Outcome::True, Some(4.25)),
                vote("median_absolute_deviation", Outcome::Nothing, None),
                vote("ks_test", Outcome::Failed, Some(0.25)),
            ],
        };
        let report = VerdictReport::new("servers.web1.load", "classic", &verdict);
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            concat!(
                r#"{"series":"servers.web1.load","timestamp":1700000000,"value":12.5,"detector":"classic","score":1.5,"#,
                r#""anomalous":true,"alert":true,"severity":"warning","expected":2.5,"upper":6.0,"#,
                r#""reason":"3 of 3 algorithms, 2 needed","votes":{"#,
                r#""grubbs":{"vote":true,"statistic":4.25,"threshold":3.5,"mean":2.0},"#,
                r#""median_absolute_deviation":{"vote":null,"threshold":3.5,"mean":2.0},"#,
                r#""ks_test":{"vote":null,"failed":true,"statistic":0.25,"threshold":3.5,"mean":2.0}}}"#,
            )
        );
    }
}
