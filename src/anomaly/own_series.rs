//! What is anomalous as series of their own, in carbon's lines, so that it can be graphed beside what it is about:
//! `PREFIX.anomaly_rate.SUBTREE` is the share of a subtree's series that are anomalous, and `PREFIX.anomaly.SERIES` the score
//! of an open anomaly. Knows the board and no clock; costs a pass over subtrees, and over open anomalies.

use std::{collections::BTreeMap, io::Write, sync::Arc, time::Duration};

use super::{Board, Which};
use crate::{glob::Glob, line::Timestamp};

/// Open anomalies that get a line, the newest, and subtrees, those with the most anomalies of late.
const LINES_MAX: usize = 10_000;

/// Which such series there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often each gets a value (1 second to 1 day); `None`: there are none, and the stream is what was received.
    pub every: Option<Duration>,
    /// First node, or nodes, of their names.
    pub prefix: String,
    /// The share of series that are anomalous, of all and of each subtree (0 to 1).
    pub anomaly_rate: bool,
    /// The score of each series with an open anomaly, the highest of its detectors'.
    pub anomalies: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            every: None,
            prefix: "skyrelay".to_owned(),
            anomaly_rate: true,
            anomalies: false,
        }
    }
}

impl Board {
    /// The values at `now`, a line each.
    pub fn own_series(&self, settings: &Settings, now: Timestamp) -> Vec<u8> {
        let Settings {
            every: _,
            prefix,
            anomaly_rate,
            anomalies,
        } = settings;
        let mut lines = Vec::new();
        if *anomaly_rate {
            let (subtrees, _) = self.subtrees(|_| true, LINES_MAX);
            for report in subtrees.iter().filter(|report| report.series > 0) {
                let Some(below) = below(&report.subtree) else { continue };
                let dot = if below.is_empty() { "" } else { "." };
                #[expect(clippy::cast_precision_loss, reason = "numbers of series")]
                let rate = report.anomalous as f64 / report.series as f64;
                push(
                    &mut lines,
                    format_args!("{prefix}.anomaly_rate{dot}{below} {rate} {now}"),
                );
            }
        }
        if *anomalies {
            let mut scores = BTreeMap::<Arc<str>, f64>::new();
            for anomaly in self.select(Which::Open, &Glob::everything(), LINES_MAX).anomalies {
                let score = scores.entry(Arc::clone(&anomaly.series)).or_insert(f64::MIN);
                *score = score.max(anomaly.latest().score);
            }
            for (series, score) in scores.iter().filter(|(_, score)| score.is_finite()) {
                push(&mut lines, format_args!("{prefix}.anomaly.{series} {score} {now}"));
            }
        }
        lines
    }
}

/// The nodes that name the subtree of this glob; `None` of what is not told apart.
fn below(glob: &str) -> Option<&str> {
    let nodes = glob.strip_suffix("**")?;
    Some(nodes.strip_suffix(['.', ';']).unwrap_or(nodes))
}

fn push(lines: &mut Vec<u8>, line: std::fmt::Arguments<'_>) {
    writeln!(lines, "{line}").expect("a Vec takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        anomaly::groups,
        detect::Verdict,
        metrics::Metrics,
        shard::{Census, Change, Event, subtrees},
    };

    fn board() -> Board {
        let board = Board::new(10, groups::Settings::default(), Metrics::new().anomaly);
        let mut census = Census::default();
        for name in [
            "servers.web1.load",
            "servers.web1.users",
            "servers.web2.load",
            "disk;host=a",
            "lone",
        ] {
            census.series += 1;
            for prefix in subtrees(name).into_iter().flatten() {
                *census.subtrees.entry(prefix.into()).or_default() += 1;
            }
        }
        board.count(&census);
        for (series, detector, score) in [
            ("servers.web1.load", "first", 2.5),
            ("servers.web1.load", "second", 3.5),
            ("disk;host=a", "first", 1.25),
        ] {
            let verdict = Verdict {
                score,
                anomalous: true,
                ..Verdict::default()
            };
            board.record(Event {
                series: series.into(),
                detector: detector.into(),
                change: Some(Change::Opened),
                verdict,
            });
        }
        board
    }

    fn lines(settings: &Settings) -> Vec<String> {
        let text = String::from_utf8(board().own_series(settings, 1_700_000_000)).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_subtree_has_the_share_of_its_series_that_are_anomalous() {
        assert_eq!(
            lines(&Settings::default()),
            [
                "skyrelay.anomaly_rate 0.4 1700000000",
                "skyrelay.anomaly_rate.disk 1 1700000000",
                "skyrelay.anomaly_rate.servers 0.3333333333333333 1700000000",
                "skyrelay.anomaly_rate.servers.web1 0.5 1700000000",
                "skyrelay.anomaly_rate.servers.web2 0 1700000000",
            ]
        );
    }

    #[test]
    fn an_anomalous_series_has_its_highest_score() {
        let settings = Settings {
            prefix: "relays.one".to_owned(),
            anomaly_rate: false,
            anomalies: true,
            every: None,
        };
        assert_eq!(
            lines(&settings),
            [
                "relays.one.anomaly.disk;host=a 1.25 1700000000",
                "relays.one.anomaly.servers.web1.load 3.5 1700000000",
            ]
        );
    }
}
