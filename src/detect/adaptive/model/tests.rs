//! What the model makes of series.
#![expect(clippy::float_cmp, reason = "what is the same is the same")]

use proptest::prelude::*;

use super::*;
use crate::{
    detect::adaptive::{Direction, Floor, policy::Silence},
    save::{Damaged, Save, Saved},
};

/// A model, and what it was shown.
struct Bench {
    model: Model,
    basis: Basis,
    tuning: Tuning,
    timestamp: i64,
    step_s: i64,
}

impl Bench {
    fn new(step_s: i64) -> Self {
        Self {
            model: Model::new(),
            basis: Basis::default(),
            tuning: Tuning::new(1.0, Direction::Both, Floor::Absolute(0.0), Silence::NONE),
            timestamp: 0,
            step_s,
        }
    }

    fn show(&mut self, value: f64) -> (Scores, Alerts) {
        let time = Time {
            timestamp: self.timestamp,
            local: self.timestamp,
        };
        self.timestamp += self.step_s;
        let seen = self
            .model
            .observe(&self.tuning, time, value, Lasting::default(), &mut self.basis);
        let (scores, _, alerts) = seen.expect("time goes on");
        (scores, alerts)
    }
}

/// A day's wave from 50 to 150, and a little that repeats with another period.
fn wave(timestamp: i64) -> f64 {
    let day = f64::from(i32::try_from(timestamp % 86_400).unwrap()) / 86_400.0;
    let noise = f64::from(i32::try_from(timestamp / 60 * 7919 % 101).unwrap()) / 101.0 - 0.5;
    100.0 + 50.0 * (std::f64::consts::TAU * day).sin() + 5.0 * noise
}

/// As that, and half as much at weekends.
fn working_week(timestamp: i64) -> f64 {
    let weekend = timestamp / 86_400 % 7 >= 5;
    wave(timestamp) * if weekend { 0.5 } else { 1.0 }
}

#[test]
fn a_state_whose_time_is_none_is_refused() {
    let mut bench = Bench::new(300);
    bench.timestamp = 1000;
    bench.show(1.0);
    let mut model = bench.model;
    let load = |model: &Model| {
        let mut bytes = Vec::new();
        model.save(&mut bytes);
        Model::load(&mut Saved::new(&bytes)).err()
    };
    assert_eq!(load(&model), None);
    model.last = i64::MIN;
    assert_eq!(load(&model), Some(Damaged("a sample is of no time")));
}

fn shown(days: i64, value: impl Fn(i64) -> f64) -> Bench {
    let mut bench = Bench::new(300);
    while bench.timestamp < days * 86_400 {
        bench.show(value(bench.timestamp));
    }
    bench
}

#[test]
fn seasons_are_used_once_they_have_proved_themselves() {
    let season = |days, value: fn(i64) -> f64| {
        let bench = shown(days, value);
        (
            bench.basis.season,
            (bench.basis.expected.value() - value(bench.timestamp)).abs() < 20.0,
        )
    };
    assert_eq!(season(1, wave).0, Season::None);
    assert_eq!(season(3, wave), (Season::Day, true));
    assert_eq!(season(39, working_week), (Season::Week, true));
    assert_eq!(season(39, |timestamp| wave(timestamp * 7919)).0, Season::None);
}

#[test]
fn the_mean_of_the_last_samples_is_short_in_a_drift_and_long_in_noise() {
    let share = |value: fn(i64) -> f64| {
        let mut bench = Bench::new(60);
        for at in 0..1000 {
            bench.show(value(at));
        }
        bench.model.recent_share
    };
    let noise = |at: i64| f64::from(i32::try_from(at * 7919 % 101).unwrap());
    let (least, most) = RECENT_SHARES.into_inner();
    assert_eq!(share(noise), least);
    // A hundred up and a hundred down.
    assert_eq!(
        share(|at| f64::from(i32::try_from((at % 200 - 100).abs()).unwrap())),
        most
    );
}

#[test]
fn a_spike_is_one_and_a_shift_another() {
    let mut bench = shown(10, wave);
    let (scores, alerts) = bench.show(wave(bench.timestamp) + 100.0);
    assert!(
        scores.spike > 1.0 && alerts.spike && scores.step_sign > 0.0,
        "{scores:?}"
    );

    let mut bench = shown(10, wave);
    let mut least = 0.0;
    // It creeps up by less than the noise does.
    let mut told = 0;
    for _ in 0..180 {
        least += 1.0;
        let (scores, alerts) = bench.show(wave(bench.timestamp) - least);
        assert!(!alerts.spike && scores.level.is_finite());
        told += usize::from(alerts.level && scores.level_sign < 0.0);
    }
    assert_eq!(told, 2, "and again when 6 hours have gone");
}

#[test]
fn a_value_among_usual_ones_that_was_never_seen_has_a_gap() {
    let mut bench = Bench::new(60);
    for place in 0..2000 {
        bench.show(if place % 2 == 0 { 0.0 } else { 10.0 });
    }
    assert_eq!(bench.show(10.0).0.gap, 0.0);
    assert!((bench.show(5.0).0.gap - 1.0).abs() < 0.01);
    assert_eq!(bench.show(5.0).0.gap, 0.0);
}

#[test]
fn only_the_wanted_direction_and_distance_score() {
    let score = |direction, floor, change: f64| {
        let mut bench = shown(10, wave);
        bench.tuning = Tuning::new(1.0, direction, floor, Silence::NONE);
        let (scores, alerts) = bench.show(wave(bench.timestamp) + change);
        assert_eq!(alerts.spike, scores.spike >= 1.0);
        scores.spike >= 1.0
    };
    let any = Floor::Absolute(0.0);
    assert!(score(Direction::Above, any, 90.0) && !score(Direction::Above, any, -90.0));
    assert!(!score(Direction::Below, any, 90.0) && score(Direction::Below, any, -90.0));
    assert!(score(Direction::Both, Floor::Absolute(80.0), 90.0));
    assert!(!score(Direction::Both, Floor::Absolute(110.0), 90.0));
    assert!(score(Direction::Both, Floor::Relative(0.5), 90.0));
    assert!(!score(Direction::Both, Floor::Relative(2.0), 90.0));
}

#[test]
fn what_is_no_later_changes_nothing() {
    let mut bench = shown(2, wave);
    let before = bench.model.clone();
    for timestamp in [bench.timestamp - 300, bench.timestamp - 301, 0, i64::MIN] {
        let time = Time {
            timestamp,
            local: timestamp,
        };
        assert_eq!(
            bench
                .model
                .observe(&bench.tuning, time, 1e9, Lasting::default(), &mut bench.basis),
            None
        );
    }
    assert_eq!(bench.model, before);
}

#[test]
fn the_first_other_value_of_a_constant_series_is_told() {
    let mut bench = Bench::new(60);
    for _ in 0..2000 {
        let (scores, alerts) = bench.show(0.1);
        assert_eq!((scores.level, scores.spike), (0.0, 0.0));
        assert_eq!(alerts, Alerts::default());
    }
    let (_, alerts) = bench.show(0.2);
    assert!(alerts.level && alerts.spike);
}

#[test]
fn an_odd_first_value_is_forgotten() {
    let mut bench = Bench::new(300);
    bench.show(-1e6);
    for _ in 0..100_000 {
        bench.show(wave(bench.timestamp));
    }
    assert!(
        (bench.basis.expected.value() - wave(bench.timestamp - 300)).abs() < 20.0,
        "{:?}",
        bench.basis
    );
    assert!(bench.model.origin > 0.0, "{}", bench.model.origin);
}

#[test]
fn a_season_takes_its_step_and_no_spike() {
    // A leap of 200 at noon, each day.
    let mut bench = shown(20, |timestamp| {
        wave(timestamp) + if timestamp % 86_400 < 43_200 { 0.0 } else { 200.0 }
    });
    let mut highest = 0.0_f64;
    for _ in 0..288 {
        let at = bench.timestamp;
        let leap = if at % 86_400 < 43_200 { 0.0 } else { 200.0 };
        let (scores, alerts) = bench.show(wave(at) + leap);
        assert_eq!(alerts, Alerts::default(), "{scores:?} at {at}");
        highest = highest.max(scores.spike);
    }
    assert!(highest < 1.0, "{highest}");
}

#[test]
fn a_spike_takes_more_where_samples_are_many() {
    let about = |interval_s, expected: f64| assert!((pace(interval_s) - expected).abs() < 1e-9);
    about(300.0, 1.0);
    about(3000.0, 1.0 / 0.95);
    about(60.0, 1.0 / (1.0 + 0.05 * 5.0_f64.log10()));
    about(30.0, 1.0 / (1.05 + 0.1));
    about(10.0, 1.0 / (1.0 + 0.05 * 30.0_f64.log10() + 0.3 * 50.0 / 70.0));
    assert!(pace(0.0) > 0.6 && pace(1e12) < 1.7);
}

#[test]
fn a_level_takes_more_where_samples_come_without_end() {
    let weight = |step_s: i64| {
        let mut bench = Bench::new(step_s);
        for _ in 0..200 {
            bench.show(1.0);
        }
        bench.basis.level_weight
    };
    for (step_s, more) in [(10, 0.3 * 50.0 / 70.0), (60, 0.0), (300, 0.0)] {
        assert!(
            (weight(step_s) - 1.0 / (1.0 + more)).abs() < 1e-6,
            "{step_s} s: {}",
            weight(step_s)
        );
    }
}

#[test]
fn what_only_grows_has_no_season() {
    // By one part in a hundred a day, with a fifth of that as noise: the day's profile lags by a week, and the long-run mean by more.
    for step_s in [300, 3600] {
        let mut bench = Bench::new(step_s);
        let days = |timestamp: i64| f64::from(i32::try_from(timestamp / 60).unwrap()) / 1440.0;
        for _ in 0..70 * 86_400 / step_s {
            let at = bench.timestamp;
            let noise = f64::from(i32::try_from(at / step_s * 7919 % 101).unwrap()) / 50.0 - 1.0;
            bench.show(100.0 + days(at) + 0.4 * noise);
            assert_eq!(bench.basis.season, Season::None, "at {at}, a sample in {step_s} s");
        }
    }
}

#[test]
fn a_spike_takes_more_where_the_series_leaps_and_while_it_is_new() {
    let weight = |days, value: fn(i64) -> f64| shown(days, value).model.weight_of_spikes();
    let leaping = |timestamp: i64| f64::from(i32::try_from(timestamp / 60 * 7919 % 101).unwrap());
    assert!(weight(20, wave) > 1.2 * weight(20, leaping));
    assert!(weight(20, wave) > 1.3 * weight(2, wave));
    assert!(weight(20, leaping) > 1.3 * weight(2, leaping));
}

#[test]
fn a_model_is_small() {
    assert!(size_of::<Model>() <= 864, "{}", size_of::<Model>());
    assert!(shown(30, wave).model.memory_bytes() <= 864 + 512);
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -100.0..100.0,
        2 => Just(0.0),
        1 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
        1 => prop_oneof![Just(1e300), Just(-1e300), Just(5e-324), Just(f64::MAX), Just(f64::MIN)],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn scores_are_finite_whatever_is_shown(
        values in proptest::collection::vec((any_value(), 1_u16..400, 1_i64..100_000), 1..40),
    ) {
        let mut bench = Bench::new(60);
        for (value, times, step_s) in values {
            bench.step_s = step_s;
            for _ in 0..times {
                let (scores, _) = bench.show(value);
                prop_assert!(scores.level.is_finite() && scores.level >= 0.0, "{scores:?}");
                prop_assert!(scores.spike.is_finite() && scores.spike >= 0.0, "{scores:?}");
                prop_assert!(bench.basis.expected.value().is_finite());
            }
        }
    }

    #[test]
    fn residual_means_are_plain_means(values in proptest::collection::vec(-1e6..1e6, 1..200)) {
        let mut bench = Bench::new(60);
        let mut residuals: Vec<f64> = Vec::new();
        for value in values {
            bench.show(value);
            residuals.push(value - bench.basis.expected.value());
            let plain = |most: usize| {
                let last = &residuals[residuals.len().saturating_sub(most)..];
                last.iter().sum::<f64>() / f64::from(u32::try_from(last.len()).unwrap())
            };
            let (short, long) = bench.basis.means(value);
            // Those before have five digits: of two million, up to 32 are cut off.
            prop_assert!((short - plain(3)).abs() < 32.0);
            prop_assert!((long - plain(24)).abs() < 32.0);
        }
    }
}

#[test]
fn the_seen_values_begin_with_a_cache_line() {
    assert_eq!(std::mem::offset_of!(Model, seen) % 64, 0);
}
