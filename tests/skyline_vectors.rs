//! The nine against vectors worked out with scipy, pandas and statsmodels from the original's definitions.
//!
//! The vectors are data beside the project: looked for where `SKYRELAY_DATA` points, or in `../shared/data`. Where they
//! are absent the test says so, loudly, and nothing else checks the nine against another implementation.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::{self, File},
    io::{Read, Write as _},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use serde_json::Value;
use skyrelay::{
    backtest::{self, Input, Options},
    detect::{Definition, Kind, skyline},
    shard::{Settings, Verbosity},
};

/// Statistics agree to this share of themselves, or of the values' own scale.
const TOLERANCE: f64 = 1e-9;
/// Fits and the Dickey-Fuller test are conditioned worse.
const TOLERANCE_FIT: f64 = 1e-6;
const TOLERANCE_SCALE: f64 = 1e-12;

/// Columns and where a verdict has them: algorithm, quantity, tolerance.
const STATISTICS: [(&str, &str, &str, f64); 24] = [
    ("tail_avg", "stddev_from_average", "tail", TOLERANCE),
    ("median", "median_absolute_deviation", "median", TOLERANCE),
    ("mad", "median_absolute_deviation", "deviation", TOLERANCE),
    ("mad_ratio", "median_absolute_deviation", "statistic", TOLERANCE),
    ("mean", "stddev_from_average", "mean", TOLERANCE),
    ("std_pop", "grubbs", "deviation", TOLERANCE),
    ("std_sample", "stddev_from_average", "deviation", TOLERANCE),
    ("grubbs_z", "grubbs", "statistic", TOLERANCE),
    ("grubbs_limit", "grubbs", "threshold", TOLERANCE),
    ("fha_n", "first_hour_average", "samples", 0.0),
    ("fha_mean", "first_hour_average", "mean", TOLERANCE),
    ("fha_std", "first_hour_average", "deviation", TOLERANCE),
    ("ewma50", "stddev_from_moving_average", "mean", TOLERANCE),
    ("ewmstd50", "stddev_from_moving_average", "deviation", TOLERANCE),
    ("msc_dev", "mean_subtraction_cumulation", "difference", TOLERANCE),
    ("msc_std", "mean_subtraction_cumulation", "deviation", TOLERANCE),
    ("ls_slope", "least_squares", "slope", TOLERANCE_FIT),
    ("ls_tail", "least_squares", "residual", TOLERANCE_FIT),
    ("ls_std", "least_squares", "deviation", TOLERANCE_FIT),
    ("hist_count", "histogram_bins", "statistic", 0.0),
    ("ks_ref_n", "ks_test", "reference_samples", 0.0),
    ("ks_d", "ks_test", "distance", TOLERANCE),
    ("ks_p", "ks_test", "statistic", TOLERANCE),
    ("adf_p", "ks_test", "adf_p", TOLERANCE_FIT),
];

#[test]
fn the_nine_agree_with_the_vectors() {
    let Some(files) = vector_files() else {
        // Past the harness, which keeps what a test that passes has printed.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no skyline_vectors under $SKYRELAY_DATA or ../shared/data"
        );
        return;
    };
    assert!(!files.is_empty(), "the directory of vectors is empty");
    let (mut rows, mut statistics) = (0, 0);
    for file in &files {
        let (file_rows, file_statistics) = check(file);
        rows += file_rows;
        statistics += file_statistics;
    }
    eprintln!("{} series, {rows} rows, {statistics} statistics", files.len());
    assert!(rows > 10_000, "only {rows} rows were checked");
    assert!(statistics > 10 * rows, "only {statistics} statistics were checked");
}

fn vector_files() -> Option<Vec<PathBuf>> {
    let data = std::env::var_os("SKYRELAY_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let mut files = Vec::new();
    for directory in fs::read_dir(data.join("skyline_vectors")).ok()? {
        let path = directory.unwrap().path();
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    files.sort();
    Some(files)
}

/// Rows, and statistics in them, that were found to agree.
fn check(file: &Path) -> (usize, usize) {
    let mut text = String::new();
    GzDecoder::new(File::open(file).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<HashMap<&str, &str>> = lines
        .map(|line| header.iter().copied().zip(line.split(',')).collect())
        .collect();
    let strict = verdicts(file, &rows, false);
    let published = verdicts(file, &rows, true);
    assert_eq!(
        (strict.len(), published.len()),
        (rows.len(), rows.len()),
        "{}",
        file.display()
    );
    let scale = rows
        .iter()
        .map(|row| row["value"].parse::<f64>().unwrap().abs())
        .fold(0.0, f64::max);
    let (mut checked, mut statistics) = (0, 0);
    for (place, row) in rows.iter().enumerate().filter(|(_, row)| !row["n"].is_empty()) {
        let at = format!("{} row {place}", file.display());
        let verdict = &strict[place];
        for algorithm in skyline::Algorithm::ALL {
            let vote = &verdict["votes"][algorithm.name()]["vote"];
            let expected = match row[algorithm.name()] {
                "1" => Value::Bool(true),
                "0" => Value::Bool(false),
                "N" => Value::Null,
                other => panic!("{at}: outcome {other}"),
            };
            assert_eq!(*vote, expected, "{at}: {} in {verdict:#}", algorithm.name());
        }
        assert_eq!(
            verdict["anomalous"],
            row["anomalous_strict"] == "1",
            "{at}: strict {verdict:#}"
        );
        assert_eq!(
            published[place]["anomalous"],
            row["anomalous_published"] == "1",
            "{at}: published"
        );
        assert_eq!(
            verdict["votes"]["ks_test"]["failed"] == true,
            row["error"] == "1",
            "{at}: failed"
        );
        let boring = verdict["reason"].as_str().unwrap().ends_with("values are equal");
        assert_eq!(boring, row["boring"] == "1", "{at}: boring");
        for (column, algorithm, quantity, tolerance) in STATISTICS {
            let Ok(expected) = row[column].parse::<f64>() else {
                continue;
            };
            let vote = &verdict["votes"][algorithm];
            let actual = vote[quantity]
                .as_f64()
                .unwrap_or_else(|| panic!("{at}: no {column} in {vote}"));
            let error = (actual - expected).abs();
            assert!(
                error <= tolerance * expected.abs() + TOLERANCE_SCALE * scale.max(1e-300),
                "{at}: {column} is {actual:e}, expected {expected:e}"
            );
            statistics += 1;
        }
        checked += 1;
    }
    (checked, statistics)
}

/// The verdict at every row, from carbon lines.
fn verdicts(file: &Path, rows: &[HashMap<&str, &str>], published_votes: bool) -> Vec<Value> {
    let mut lines = String::new();
    for row in rows {
        writeln!(lines, "vector {} {}", row["value"], row["unix_ts"]).unwrap();
    }
    let input = std::env::temp_dir().join(format!(
        "skyrelay-vector-{}-{}.lines",
        std::process::id(),
        file.file_stem().unwrap().to_str().unwrap()
    ));
    fs::write(&input, lines).unwrap();
    let kind = Kind::Skyline(skyline::Settings {
        published_votes,
        ..skyline::Settings::default()
    });
    let settings = Settings {
        detectors: vec![Definition {
            name: "default".into(),
            kind,
        }],
        ..Settings::default()
    };
    let mut out = Vec::new();
    let inputs = [Input::File(input.clone())];
    let options = Options::new(Verbosity::EverySample, 16_384);
    backtest::run(settings, options, &inputs, &mut out, None, &mut |_| {}).unwrap();
    fs::remove_file(input).unwrap();
    String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
