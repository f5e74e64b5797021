//! Labelled series: what was measured, and when people say that something was wrong.
//!
//! Read from `detection/dev` under `$SKYRELAY_DATA`, or under `../shared/data` beside the project: for each set
//! `meta.json`, `labels.json` and the series, packed. Knows nothing of detectors and scores.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

/// The sets, in the order in which they are shown.
pub(crate) const SETS: [&str; 3] = ["nab", "kpi", "cloudmon"];

/// Share of each series that is not scored: detectors may learn from it.
const PROBATION: f64 = 0.15;

/// A set of series that were labelled in one way.
#[derive(Debug)]
pub(crate) struct Set {
    /// Name of the set.
    pub(crate) name: &'static str,
    /// How late an alert may be and still count for a window (samples).
    pub(crate) slack_points: usize,
    /// The series, by name.
    pub(crate) series: Vec<Series>,
}

/// A labelled series.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Its name: `category/series`.
    pub(crate) name: String,
    /// Times (seconds since 1970) and values, in the order of the file: times may repeat and step back.
    pub(crate) points: Vec<(i64, f64)>,
    /// First and last sample of each window, in order, without overlap.
    pub(crate) windows: Vec<(usize, usize)>,
    /// Samples at the beginning that are not scored.
    pub(crate) probation: usize,
}

impl Series {
    /// The sample that a verdict at `timestamp` is about. Samples that do not advance the time are not judged, so it is the
    /// first with that time.
    pub(crate) fn place(&self, timestamp: i64) -> Option<usize> {
        self.points.iter().position(|&(at, _)| at == timestamp)
    }

    /// The time that is scored (days).
    pub(crate) fn scored_days(&self) -> f64 {
        let times = || self.points[self.probation..].iter().map(|&(at, _)| at);
        let (begin, end) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        to_days(end - begin)
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans of years are exact in seconds")]
fn to_days(seconds: i64) -> f64 {
    seconds as f64 / 86_400.0
}

/// Where the sets are; `None` when they are not there.
pub(crate) fn directory() -> Option<PathBuf> {
    let data = std::env::var_os("SKYRELAY_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    Some(data.join("detection/dev")).filter(|directory| directory.is_dir())
}

/// Reads the set called `name` from `directory`.
///
/// # Panics
/// When a file is missing or is not what the set's README says.
pub(crate) fn read(directory: &Path, name: &'static str) -> Set {
    let directory = directory.join(name);
    let meta: serde_json::Value = parse(&directory.join("meta.json"));
    let labels: BTreeMap<String, Vec<(i64, i64)>> = parse(&directory.join("labels.json"));
    let cap = meta["probation_cap"].as_u64().map(to_usize);
    let series = labels
        .into_iter()
        .map(|(name, labels)| {
            let points = read_points(&directory.join(format!("{name}.gz")));
            let place = |wanted: i64, place: Option<usize>| {
                place.unwrap_or_else(|| panic!("{name}: no sample at {wanted}, which a label names"))
            };
            let windows = labels
                .into_iter()
                .map(|(begin, end)| {
                    let first = points.iter().position(|&(at, _)| at == begin);
                    let last = points.iter().rposition(|&(at, _)| at == end);
                    (place(begin, first), place(end, last))
                })
                .collect();
            let probation = share_of(points.len()).min(cap.unwrap_or(usize::MAX));
            Series {
                name,
                points,
                windows,
                probation,
            }
        })
        .collect();
    Set {
        name,
        slack_points: to_usize(meta["slack_points"].as_u64().expect("meta.json has slack_points")),
        series,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of a count"
)]
fn share_of(count: usize) -> usize {
    (PROBATION * count as f64) as usize
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).expect("counts are small")
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_points(path: &Path) -> Vec<(i64, f64)> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| GzDecoder::new(file).read_to_string(&mut text))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let point = |line: &str| -> Option<(i64, f64)> {
        let (at, value) = line.split_once(',')?;
        Some((at.parse().ok()?, value.parse().ok()?))
    };
    text.lines()
        .skip(1)
        .map(|line| point(line).unwrap_or_else(|| panic!("{}: {line} is not time,value", path.display())))
        .collect()
}
