//! Thresholds: where they begin and end, for how long, and to the bit after a restart.

use proptest::prelude::*;

use super::{super::bench::Bench, *};

fn judging(settings: Settings) -> Bench<Engine> {
    Bench::new(Engine::new(settings))
}

impl Bench<Engine> {
    /// Values at one in 60 seconds: the places at which it opens and closes, with the reasons.
    fn turns(&mut self, values: &[f64]) -> Vec<(usize, bool, String)> {
        let mut turns = Vec::new();
        for (place, &value) in values.iter().enumerate() {
            let (seen, verdict) = self.push(60 * i64::try_from(place).unwrap(), value);
            if seen.changed {
                turns.push((place, seen.anomalous, verdict.reason));
            }
        }
        turns
    }
}

fn turn(place: usize, opens: bool, reason: &str) -> (usize, bool, String) {
    (place, opens, reason.to_owned())
}

#[test]
fn the_bound_itself_is_allowed() {
    let mut bench = judging(Settings::new(Bounds::Above(90.0)));
    assert_eq!(
        bench.turns(&[90.0, 90.1, 90.0]),
        [
            turn(1, true, "90.1 is above 90"),
            turn(2, false, "90 is not above 90, after 60s")
        ]
    );
    let mut bench = judging(Settings::new(Bounds::Below(-5.0)));
    assert_eq!(bench.turns(&[-5.0, -5.5])[0].2, "-5.5 is below -5");
    let mut bench = judging(Settings::new(Bounds::Inside(0.0, 1.0)));
    let turns = bench.turns(&[0.0, 1.0, 0.5, -1.0]);
    assert_eq!(turns[0], turn(2, true, "0.5 is between 0 and 1"));
    assert_eq!(turns[1], turn(3, false, "-1 is not between 0 and 1, after 60s"));
}

#[test]
fn it_is_over_only_beyond_the_level_to_come_back_through() {
    let mut bench = judging(Settings {
        not_back: Bounds::Above(80.0),
        ..Settings::new(Bounds::Above(90.0))
    });
    let turns = bench.turns(&[85.0, 95.0, 85.0, 95.0, 80.1, 80.0, 85.0]);
    assert_eq!(
        turns,
        [
            turn(1, true, "95 is above 90"),
            turn(5, false, "80 is not above 80, after 4m")
        ]
    );
    let mut bench = judging(Settings {
        not_back: Bounds::Outside(20.0, 80.0),
        ..Settings::new(Bounds::Outside(10.0, 90.0))
    });
    let turns = bench.turns(&[50.0, 5.0, 15.0, 85.0, 50.0]);
    assert_eq!(
        turns,
        [
            turn(1, true, "5 is below 10"),
            turn(4, false, "50 is between 20 and 80, after 3m")
        ]
    );
}

#[test]
fn reasons_tell_how_long_it_takes_still() {
    let mut bench = judging(Settings {
        not_back: Bounds::Above(80.0),
        patience: Patience {
            for_s: 300,
            ..Patience::default()
        },
        ..Settings::new(Bounds::Above(90.0))
    });
    bench.push(0, 91.0);
    assert_eq!(bench.push(120, 92.0).1.reason, "92 is above 90, for 2m of 5m");
    // A gap: nothing is known of it, and it does not begin anew.
    let (seen, verdict) = bench.push(1200, 93.0);
    assert!(seen.alert && seen.changed);
    assert_eq!(verdict.reason, "93 is above 90, for 20m");
    let (seen, verdict) = bench.push(1260, 85.0);
    assert!(seen.anomalous && !seen.alert);
    assert_eq!(verdict.reason, "85 is not above 90, but above 80 as well, for 21m");
    let mut bench = judging(Settings {
        patience: Patience {
            needed: 3,
            of: 5,
            for_s: 0,
        },
        ..Settings::new(Bounds::Above(90.0))
    });
    bench.push(0, 91.0);
    let reason = bench.push(60, 92.0).1.reason;
    assert_eq!(reason, "92 is above 90; 2 of the last 5 samples were odd, 3 needed");
}

#[test]
fn a_verdict_has_the_bounds_for_a_band_and_expects_nothing() {
    let verdict = |odd, value| judging(Settings::new(odd)).push(0, value).1;
    let above = verdict(Bounds::Above(90.0), 95.0);
    assert_eq!((above.expected, above.lower, above.upper), (None, None, Some(90.0)));
    assert_eq!(above.severity, Some(Severity::Warning));
    let outside = verdict(Bounds::Outside(1.0, 2.0), 1.5);
    assert_eq!(
        (outside.lower, outside.upper, outside.severity),
        (Some(1.0), Some(2.0), None)
    );
}

#[test]
fn the_score_is_one_on_the_bound() {
    let score = |odd: Bounds, value: f64| odd.score(value);
    let cases = [
        (
            Bounds::Above(90.0),
            [(90.0, 1.0), (180.0, 2.0), (45.0, 0.5), (-90.0, 0.0)],
        ),
        (Bounds::Above(0.0), [(0.0, 1.0), (2.0, 3.0), (-0.5, 0.5), (-9.0, 0.0)]),
        (
            Bounds::Above(-10.0),
            [(-10.0, 1.0), (-5.0, 1.5), (-15.0, 0.5), (-30.0, 0.0)],
        ),
        (Bounds::Below(10.0), [(10.0, 1.0), (5.0, 1.5), (0.0, 2.0), (25.0, 0.0)]),
        (
            Bounds::Below(-10.0),
            [(-10.0, 1.0), (-20.0, 2.0), (-5.0, 0.5), (0.0, 0.0)],
        ),
        (
            Bounds::Outside(10.0, 20.0),
            [(10.0, 1.0), (20.0, 1.0), (15.0, 0.0), (25.0, 2.0)],
        ),
        (
            Bounds::Inside(10.0, 20.0),
            [(10.0, 1.0), (20.0, 1.0), (15.0, 2.0), (35.0, 0.0)],
        ),
    ];
    for (odd, values) in cases {
        for (value, expected) in values {
            assert!((score(odd, value) - expected).abs() < 1e-12, "{odd:?} {value}");
        }
    }
}

#[test]
fn what_is_back_is_not_odd() {
    let includes = |not_back: Bounds, odd: Bounds| not_back.include(odd);
    assert!(includes(Bounds::Above(80.0), Bounds::Above(90.0)) && !includes(Bounds::Above(95.0), Bounds::Above(90.0)));
    assert!(includes(Bounds::Below(8.0), Bounds::Below(5.0)) && !includes(Bounds::Below(4.0), Bounds::Below(5.0)));
    assert!(includes(Bounds::Outside(2.0, 8.0), Bounds::Outside(1.0, 9.0)));
    assert!(!includes(Bounds::Outside(0.0, 8.0), Bounds::Outside(1.0, 9.0)));
    assert!(includes(Bounds::Inside(0.0, 10.0), Bounds::Inside(1.0, 9.0)));
    assert!(!includes(Bounds::Above(1.0), Bounds::Below(1.0)));
}

#[test]
fn a_state_comes_back_to_the_bit() {
    use crate::save::{Save, Saved};
    let settings = Settings {
        patience: Patience {
            for_s: 300,
            ..Patience::default()
        },
        ..Settings::new(Bounds::Above(90.0))
    };
    let mut bench = judging(settings);
    for place in 0..10 {
        let mut bytes = Vec::new();
        bench.state.save(&mut bytes);
        let loaded = State::load(&mut Saved::new(&bytes)).unwrap();
        assert_eq!(loaded, bench.state);
        bench.state = loaded;
        let (seen, _) = bench.push(60 * place, 91.0);
        assert_eq!(seen.alert, place == 5);
    }
}

proptest! {
    #[test]
    fn scores_are_beyond_one_where_values_are_odd(value in any::<f64>(), low in any::<f64>(), high in any::<f64>()) {
        prop_assume!(value.is_finite() && low.is_finite() && high.is_finite() && low < high);
        for odd in [Bounds::Above(low), Bounds::Below(low), Bounds::Outside(low, high), Bounds::Inside(low, high)] {
            let score = odd.score(value);
            prop_assert!(score.is_finite() && score >= 0.0, "{odd:?} {value}: {score}");
            // Rounding may put what is next to a bound on it.
            if odd.hold(value) {
                prop_assert!(score >= 1.0 - 1e-9, "{odd:?} {value}: {score}");
            } else {
                prop_assert!(score <= 1.0 + 1e-9, "{odd:?} {value}: {score}");
            }
        }
    }
}
