//! Those of Skyline's nine algorithms that are formulas, written in the language, against the ones that are built in, on series
//! made up and on those of the vectors.
//!
//! `histogram_bins` and `ks_test` are none: they count how many samples lie where, in bins between the extremes, and in
//! two distributions that are compared. A model asks for them by `detector('…')`.

use std::io::Write as _;

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

use super::{
    super::{series::Past, term::is_true},
    plainly::live,
    *,
};
use crate::{
    detect::{Context, Detect, Observation, Outcome, skyline},
    window::{Point, Scratch, Window},
};

/// The mean of the last three samples; the last one while there are fewer.
const TAIL: &str = "let tail = if count(3) < 3 then value else mean(3);";

const FORMULAS: [(&str, &str); 7] = [
    // The oldest hour, from 23 hours and a second ago on.
    (
        "first_hour_average",
        "abs(tail - mean('3599s', '82801s')) > 3 * stddev('3599s', '82801s')",
    ),
    // All but the newest, which is the only one of this second.
    (
        "mean_subtraction_cumulation",
        "abs(value - mean('86399s', '1s')) > 3 * stddev('86399s', '1s')",
    ),
    ("stddev_from_average", "abs(tail - mean('24h')) > 3 * stddev('24h')"),
    (
        "stddev_from_moving_average",
        "abs(value - ewma(50)) > 3 * ew_stddev(50)",
    ),
    // With the deviation of all samples (ddof 0).
    (
        "grubbs",
        "let n = count('24h');
        let t = t_quantile(1 - 0.05 / (2 * n), n - 2);
        let limit = (n - 1) / sqrt(n) * sqrt(t * t / (n - 2 + t * t));
        (tail - mean('24h')) / (stddev('24h') * sqrt((n - 1) / n)) > limit",
    ),
    // On average the last three lie one step back, where steps are alike.
    (
        "least_squares",
        "let residual = abs(tail - (line('24h') - slope('24h') * (age() / '1s')));
        residual > 3 * line_stddev('24h') and residual >= 0.5 and line_stddev('24h') >= 0.5",
    ),
    (
        "median_absolute_deviation",
        "abs(value - median('24h')) / mad('24h') > 6",
    ),
];

/// Three days at five minutes, with gaps: noise about a daily wave, with spikes, steps and flat hours.
fn points(seed: u64) -> Vec<Point> {
    let mut random = seed;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(random >> 40).unwrap()) / f64::from(1 << 24)
    };
    let (mut timestamp, mut step) = (1_700_000_000, 0.0);
    let mut points = Vec::new();
    for place in 0..900_u32 {
        timestamp += if next() < 0.003 { 7000 } else { 300 };
        let wave = (f64::from(place) * std::f64::consts::TAU / 288.0).sin();
        if next() < 0.004 {
            step = 20.0 * next();
        }
        let spike = if next() < 0.02 { 60.0 * (next() - 0.4) } else { 0.0 };
        let is_flat = place % 200 > 170;
        let value = if is_flat {
            7.0 + spike
        } else {
            10.0 + 3.0 * wave + 4.0 * next() + step + spike
        };
        points.push(Point {
            timestamp,
            value: (value * 8.0).round() / 8.0,
        });
    }
    points
}

/// How many votes were compared, and how many of these were for an anomaly.
#[derive(Clone, Copy, Debug, Default)]
struct Compared {
    votes: usize,
    odd: usize,
}

/// Has the formula and the algorithm called `name` judge `points`.
#[track_caller]
fn compare(name: &str, model: &Model, points: &[Point], compared: &mut Compared) {
    let mut skyline = skyline::Engine::new(skyline::Settings {
        algorithms: vec![name.parse().unwrap()],
        consensus: 1,
        boring_samples: u32::MAX,
        ..skyline::Settings::default()
    });
    let mut state = skyline::State::default();
    let (mut window, mut scratch) = (Window::with_statistics(SPAN_S), Scratch::default());
    let mut past = Past::new(model, |_| None);
    let (mut times, mut begin) = ([0; 3], None);
    for &point in points {
        let pushed = window.push(point, &mut scratch, |old| Detect::expire(&mut skyline, &mut state, old));
        if pushed.is_err() {
            continue;
        }
        times = [times[1], times[2], point.timestamp];
        let begin = *begin.get_or_insert(point.timestamp);
        let sample = Context {
            window: &window,
            now: point.timestamp,
            said: &[],
        };
        let seen = Detect::observe(&mut skyline, &mut state, &sample);
        let verdict = Detect::explain(&mut skyline, &mut state, &sample, Observation { ..seen });
        let finding = verdict.votes[0].finding;
        past.follow(model, &window);
        let holds = model.program.run(&mut live(model, &mut past, &window, &mut Vec::new()));
        let (Some(statistic), Some(threshold)) = (finding.statistic, finding.threshold) else {
            assert!(!is_true(holds), "{name}: nothing to go by");
            continue;
        };
        let is_comparable = match name {
            "least_squares" => times[1] - times[0] == times[2] - times[1],
            // All samples ever count for the one, and those of the window for the other.
            "stddev_from_moving_average" => point.timestamp - begin < SPAN_S,
            _ => true,
        };
        let is_close = (statistic - threshold).abs() <= 1e-9 * threshold.max(1e-3);
        if is_comparable && !is_close {
            assert_eq!(
                is_true(holds),
                finding.outcome == Outcome::True,
                "{name} at {point:?}: {finding:?}"
            );
            compared.votes += 1;
            compared.odd += usize::from(is_true(holds));
        }
    }
}

fn formula(formula: &str) -> Model {
    model(&format!("{TAIL} {formula}"))
}

#[test]
fn formulas_vote_as_the_algorithms_do() {
    for (name, source) in FORMULAS {
        let (model, mut compared) = (formula(source), Compared::default());
        for seed in 1..=4 {
            compare(name, &model, &points(seed), &mut compared);
        }
        assert!(compared.votes > 800 && compared.odd > 3, "{name}: {compared:?}");
    }
}

/// The series of the vectors, which are data beside the project.
fn vectors() -> Option<Vec<Vec<Point>>> {
    let data = std::env::var_os("SKYRELAY_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let mut series = Vec::new();
    for folder in ["nab", "synthetic"] {
        for entry in fs::read_dir(data.join("skyline_vectors").join(folder)).ok()? {
            let mut text = String::new();
            let file = File::open(entry.unwrap().path()).unwrap();
            GzDecoder::new(file).read_to_string(&mut text).unwrap();
            let point = |row: &str| {
                let mut fields = row.split(',').map(|field| field.parse::<f64>().unwrap());
                #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
                let timestamp = fields.next().unwrap() as i64;
                let value = fields.next().unwrap();
                Point { timestamp, value }
            };
            series.push(text.lines().skip(1).map(point).collect());
        }
    }
    Some(series)
}

#[test]
fn formulas_vote_as_the_algorithms_do_on_the_vectors() {
    let Some(series) = vectors() else {
        // Past the harness, which keeps what a test that passes has printed.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no skyline_vectors under $SKYRELAY_DATA or ../shared/data"
        );
        return;
    };
    for (name, source) in FORMULAS {
        let (model, mut compared) = (formula(source), Compared::default());
        for points in &series {
            compare(name, &model, points, &mut compared);
        }
        eprintln!("{name}: {compared:?}");
        assert!(compared.votes > 3_000 && compared.odd > 20, "{name}: {compared:?}");
    }
}
