//! Series through the product's own engine, as `skyrelay backtest` feeds it, and the alerts that it gives.
//!
//! Each series is judged by one detector with the settings that it has when nothing is configured. What counts is what
//! people would have been told: verdicts with `alert`, as emitted.

use std::{fmt::Write as _, io::Write as _};

use serde::Deserialize;
use skyrelay::{
    backtest::{self, Input, Options},
    detect::{Definition, Kind},
    shard::{Settings, Unanalysed, Verbosity},
};

use crate::labelled::{Series, Set};

/// Longest line (bytes).
const MAX_LINE_BYTES: usize = 16_384;

/// An alert.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alert {
    /// The sample, by its place in the series.
    pub(crate) place: usize,
    /// The channels that have told of it, for detectors that have some: votes that say so.
    pub(crate) channels: Vec<String>,
}

/// A verdict as a backtest prints it.
#[derive(Deserialize)]
struct Row {
    series: String,
    timestamp: i64,
    alert: bool,
    #[serde(default)]
    votes: serde_json::Map<String, serde_json::Value>,
}

/// The alerts on each series of `set`, in the order of the series; on all cores.
pub(crate) fn alerts(set: &Set, kind: &Kind) -> Vec<Vec<Alert>> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut alerts = vec![Vec::new(); set.series.len()];
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                // Neighbours are of one category, and of one length.
                let part = (worker..set.series.len()).step_by(threads);
                scope.spawn(move || part.map(|at| (at, replay(&set.series[at], kind))).collect::<Vec<_>>())
            })
            .collect();
        for worker in workers {
            for (at, of_series) in worker.join().expect("a replay that panics has failed") {
                alerts[at] = of_series;
            }
        }
    });
    alerts
}

fn replay(series: &Series, kind: &Kind) -> Vec<Alert> {
    let mut lines = String::new();
    for (timestamp, value) in &series.points {
        writeln!(lines, "{} {value} {timestamp}", series.name).expect("memory takes it");
    }
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    file.write_all(lines.as_bytes()).expect("a temporary file takes it");
    let settings = Settings {
        detectors: vec![Definition {
            name: "default".into(),
            kind: kind.clone(),
        }],
        ..Settings::default()
    };
    let inputs = [Input::File(file.path().to_owned())];
    let mut verdicts = Vec::new();
    let options = Options::new(Verbosity::Changes, MAX_LINE_BYTES);
    let summary = backtest::run(settings, options, &inputs, &mut verdicts, None, &mut |_| {})
        .expect("a backtest of a readable file runs");
    assert_eq!(summary.lines, series.points.len() as u64, "{}: lines", series.name);
    let paused = summary.tally.unanalysed(Unanalysed::Paused);
    assert_eq!(paused, 0, "{}: the detector has panicked", series.name);
    let rows = serde_json::Deserializer::from_slice(&verdicts).into_iter::<Row>();
    rows.map(|row| row.expect("a backtest prints verdicts"))
        .filter(|row| row.alert)
        .map(|row| {
            assert_eq!(row.series, series.name);
            Alert {
                place: series.place(row.timestamp).expect("verdicts are about samples"),
                channels: row
                    .votes
                    .into_iter()
                    .filter(|(_, vote)| vote["told"] == 1.0)
                    .map(|(name, _)| name)
                    .collect(),
            }
        })
        .collect()
}
