//! What is foretold of series that go on as they did, and told of those that do not; and that a restart changes nothing.
#![expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "small numbers")]

use proptest::prelude::*;

use super::{
    super::bench::{BEGIN, Bench},
    *,
};

fn judging(settings: Settings) -> Bench<Engine> {
    Bench::new(Engine::new(settings))
}

impl Bench<Engine> {
    fn outlook(&self) -> Option<Outlook> {
        self.engine.outlook(&self.state, &self.window)
    }
}

/// Noise of an hour, and of a sample.
fn noise(hour: f64) -> f64 {
    let of = |place: f64, size: f64| size * ((place * 12.9898).sin() * 43_758.545_3).fract();
    of(hour.floor(), 1.0) + of(hour, 2.0)
}

/// Days, and weekends that are quieter.
fn season(hour: f64) -> f64 {
    let weekend = if hour % 168.0 >= 120.0 { -15.0 } else { 0.0 };
    100.0 + 20.0 * (hour * std::f64::consts::TAU / 24.0).sin() + weekend
}

#[test]
fn the_next_day_is_foretold_with_its_weekend() {
    let mut bench = judging(Settings::default());
    // Up to the end of a Friday.
    let hours = 7 * 168 + 120;
    bench.run(0..hours + 1, |hour| season(hour) + noise(hour));
    let outlook = bench.outlook().unwrap();
    assert_eq!(outlook.ahead.len(), 24);
    for (place, ahead) in outlook.ahead.iter().enumerate() {
        let hour = (hours + place as i64) as f64 + 0.5;
        assert_eq!(ahead.timestamp, BEGIN + HOUR_S * (hours + place as i64) + 1800);
        assert!(
            (ahead.expected - season(hour)).abs() < 3.0,
            "{ahead:?} at {hour}, not {}",
            season(hour)
        );
        assert!(ahead.lower < season(hour) && season(hour) < ahead.upper, "{ahead:?}");
        assert!(ahead.upper - ahead.lower < 12.0, "{ahead:?}");
    }
    assert!(
        outlook.text.starts_with("between ") && outlook.text.ends_with(" in the next 24h"),
        "{}",
        outlook.text
    );
}

#[test]
fn what_was_not_expected_is_told_and_what_was_is_not() {
    let mut bench = judging(Settings::default());
    let hours = 5 * 168;
    // Until the week is known, the first hours of weekends come unexpectedly.
    bench.run(0..4 * 168 + 24, |hour| season(hour) + noise(hour));
    let quiet = bench.run(4 * 168 + 24..hours, |hour| season(hour) + noise(hour));
    assert_eq!(quiet, []);
    let turns = bench.run(hours..hours + 10, |hour| {
        let trouble = (hours as f64 + 2.0..hours as f64 + 2.8).contains(&hour);
        season(hour) + noise(hour) - if trouble { 25.0 } else { 0.0 }
    });
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert!(
        (turns[0].0 - (hours as f64 + 2.33)).abs() < 0.01,
        "a quarter of an hour later: {turns:?}"
    );
    assert!(
        turns[0].2.contains(" is below ") && turns[0].2.contains(" was expected, 60m ahead; for 20m"),
        "{turns:?}"
    );
    assert!(
        turns[1].2.contains(" is between ") && turns[1].2.contains("; after "),
        "{turns:?}"
    );
    let mut above = judging(Settings {
        direction: Direction::Above,
        ..Settings::default()
    });
    let turns = above.run(0..hours + 3, |hour| {
        season(hour) + noise(hour) - if hour >= hours as f64 + 2.0 { 25.0 } else { 0.0 }
    });
    assert!(turns.iter().all(|turn| turn.0 < 700.0), "{turns:?}");
}

#[test]
fn the_day_after_an_incident_is_as_any_other() {
    let day = |hour: f64| 100.0 + 20.0 * (hour * std::f64::consts::TAU / 24.0).sin() + noise(hour);
    for height in [60.0, -60.0] {
        let mut bench = judging(Settings::default());
        let incident = |hour: f64| if (490.0..491.0).contains(&hour) { height } else { 0.0 };
        let turns = bench.run(0..600, |hour| day(hour) + incident(hour));
        assert_eq!(turns.iter().filter(|turn| turn.1).count(), 1, "{turns:?}");
        assert!(turns.iter().all(|turn| (490.0..=492.0).contains(&turn.0)), "{turns:?}");
    }
    // A new level is known after six hours.
    let mut bench = judging(Settings::default());
    let turns = bench.run(0..700, |hour| day(hour) + if hour >= 480.0 { 60.0 } else { 0.0 });
    assert!(turns.iter().all(|turn| (480.0..487.5).contains(&turn.0)), "{turns:?}");
    assert!(turns.len() <= 6 && turns.len().is_multiple_of(2), "{turns:?}");
}

#[test]
fn deviations_too_small_to_matter_are_not_told() {
    let settings = |min_deviation| Settings {
        min_deviation,
        ..Settings::default()
    };
    for (least, told) in [(0.0, 1), (50.0, 0)] {
        let mut bench = judging(settings(least));
        let turns = bench.run(0..200, |hour| if hour >= 199.0 { 10.0 } else { 5.0 });
        assert_eq!(turns.len(), told, "{turns:?}");
    }
}

#[test]
fn a_band_of_six_hours_before_does_not_know_the_last_five() {
    let hours = 5 * 168;
    let slow = |hour: f64| season(hour) + noise(hour) + 10.0 * (hour / 8.0).sin();
    let jump = |hour: f64| slow(hour) + if hour >= hours as f64 { 12.0 } else { 0.0 };
    let expected = |horizon_s| {
        let mut bench = judging(Settings {
            horizon_s,
            ..Settings::default()
        });
        bench.run(0..hours + 5, jump);
        let (_, verdict) = bench.push(BEGIN + HOUR_S * (hours + 5), jump((hours + 5) as f64));
        verdict.expected.unwrap() - slow((hours + 5) as f64)
    };
    let (near, far) = (expected(HOUR_S), expected(6 * HOUR_S));
    assert!(near > far + 4.0, "{near}, {far}");
}

#[test]
fn nothing_is_foretold_of_what_is_not_known() {
    let mut bench = judging(Settings::default());
    bench.run(0..96, |hour| season(hour) + noise(hour));
    assert_eq!(bench.outlook(), None);
    assert!(matches!(
        bench.engine.standing(&bench.state, &bench.window),
        Standing::WarmingUp { .. }
    ));
    let standing = bench.engine.standing(&bench.state, &bench.window).to_string();
    assert_eq!(standing, "warming up: 3 days of 4 days", "a sample is no hour");
    let (seen, verdict) = bench.push(BEGIN + 96 * HOUR_S - 1, 1e9);
    assert_eq!((seen.anomalous, verdict.score.to_bits()), (false, 0.0_f64.to_bits()));
    bench.run(97..99, |hour| season(hour) + noise(hour));
    assert_eq!(bench.engine.standing(&bench.state, &bench.window), Standing::Analysed);
    // After three weeks of silence, what an hour was like is no matter.
    let (_, verdict) = bench.push(BEGIN + HOUR_S * 168 * 9, 50.0);
    assert_eq!(verdict.expected, None);
}

#[test]
fn the_newest_verdict_can_be_had_again() {
    let mut bench = judging(Settings::default());
    bench.run(0..200, |hour| season(hour) + noise(hour));
    let (seen, verdict) = bench.push(BEGIN + 200 * HOUR_S, 150.0);
    assert!(verdict.score > 1.0 && verdict.expected.is_some());
    assert_eq!(
        bench.engine.recall(&bench.state, &bench.window, seen.anomalous),
        Some(verdict)
    );
}

#[test]
fn six_weeks_take_5_kb() {
    let mut bench = judging(Settings {
        horizon_s: 24 * HOUR_S,
        ..Settings::default()
    });
    bench.run(0..8 * 168, f64::sin);
    let bytes = bench.state.memory_bytes();
    assert!((4000..5500).contains(&bytes), "{bytes}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn saved_and_loaded_it_goes_on_to_the_bit(
        seed in 0_u64..1000,
        cut in 1_usize..500,
        step_s in prop_oneof![Just(1200_i64), Just(3600), Just(7000), Just(40_000)],
        size in prop_oneof![Just(1.0), Just(1e300), Just(f64::MAX), Just(1e-300)],
    ) {
        let value = |place: usize| {
            let random = (place as u64 + 1).wrapping_mul(seed * 2 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            size * (random as f64 / f64::from(1 << 24) - 0.5)
        };
        let timestamp = |place: usize| BEGIN + step_s * place as i64 + if place > 400 { 100_000 } else { 0 };
        let settings = Settings { horizon_s: 3 * HOUR_S, ..Settings::default() };
        let mut bench = judging(settings.clone());
        for place in 0..cut {
            bench.push(timestamp(place), value(place));
        }
        let mut bytes = Vec::new();
        bench.state.save(&mut bytes);
        let mut from = Saved::new(&bytes);
        let state = State::load(&mut from).unwrap();
        from.end().unwrap();
        let mut again = Bench { state, ..judging(settings) };
        for place in cut..600 {
            let (seen, verdict) = bench.push(timestamp(place), value(place));
            let (seen_again, verdict_again) = again.push(timestamp(place), value(place));
            prop_assert_eq!(seen, seen_again);
            prop_assert_eq!(&verdict, &verdict_again);
            prop_assert!(verdict.score.is_finite() && verdict.score >= 0.0);
            prop_assert!([verdict.expected, verdict.lower, verdict.upper].into_iter().flatten().all(f64::is_finite));
        }
        let (mut one, mut other) = (Vec::new(), Vec::new());
        bench.state.save(&mut one);
        again.state.save(&mut other);
        prop_assert_eq!(one, other);
    }
}
