//! Those of Skyline's nine algorithms that are formulas, written in the language, against the ones that are built in.

use super::{
    super::{
        series::{Live, Past},
        term::is_true,
        tests::plainly::NOBODY,
    },
    *,
};
use crate::{
    detect::{Context, Detect, Observation, Outcome, skyline},
    window::{Point, Scratch, Window},
};

/// The mean of the last three samples; the last one while there are fewer.
const TAIL: &str = "let tail = if count(3) < 3 then value else mean(3);";

const FORMULAS: [(&str, &str); 5] = [
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

#[test]
fn formulas_vote_as_the_algorithms_do() {
    for (name, formula) in FORMULAS {
        let model = model(&format!("{TAIL} {formula}"));
        let algorithm: skyline::Algorithm = name.parse().unwrap();
        let (mut compared, mut odd) = (0, 0);
        for seed in 1..=4 {
            let mut skyline = skyline::Engine::new(skyline::Settings {
                algorithms: vec![algorithm],
                consensus: 1,
                boring_samples: u32::MAX,
                ..skyline::Settings::default()
            });
            let mut state = skyline::State::default();
            let (mut window, mut scratch) = (Window::with_statistics(SPAN_S), Scratch::default());
            let mut past = Past::new(&model, |_| None);
            for point in points(seed) {
                let pushed = window.push(point, &mut scratch, |old| Detect::expire(&mut skyline, &mut state, old));
                pushed.unwrap();
                let sample = Context {
                    window: &window,
                    now: point.timestamp,
                    said: &[],
                };
                let seen = Detect::observe(&mut skyline, &mut state, &sample);
                let verdict = Detect::explain(&mut skyline, &mut state, &sample, Observation { ..seen });
                let finding = verdict.votes[0].finding;
                past.follow(&model, &window);
                let mut live = Live {
                    model: &model,
                    past: &mut past,
                    window: &window,
                    local: 0,
                    company: NOBODY,
                    scratch: &mut Vec::new(),
                };
                let holds = model.program.run(&mut live);
                let (Some(statistic), Some(threshold)) = (finding.statistic, finding.threshold) else {
                    assert!(!is_true(holds), "{name}: nothing to go by");
                    continue;
                };
                if (statistic - threshold).abs() > 1e-9 * threshold.max(1e-3) {
                    assert_eq!(
                        is_true(holds),
                        finding.outcome == Outcome::True,
                        "{name} at {point:?}: {finding:?}"
                    );
                    compared += 1;
                    odd += usize::from(is_true(holds));
                }
            }
        }
        assert!(
            compared > 800 && odd > 5,
            "{name}: {compared} compared, {odd} of them odd"
        );
    }
}
