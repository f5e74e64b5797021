//! What is told of an incident and of a new level, from begin to end.

use super::*;

#[test]
fn an_outage_is_told_and_over_when_it_is_over() {
    let mut bench = known(Settings::default());
    let began = bench.timestamp;
    let told = bench.show(3600, |_| 2.0);
    let opened = &told[0];
    assert_eq!((opened.timestamp, opened.alert, opened.anomalous), (began, true, true));
    assert_eq!(opened.severity, Some(Severity::Warning));
    assert!(opened.score > 1.0);
    let spike = &opened.votes[1].finding;
    assert_eq!(
        (spike.outcome, spike.threshold),
        (Outcome::True, Some(1.0)),
        "the bar before this spike lifts it"
    );
    let (expected, lower) = (opened.expected.unwrap(), opened.lower.unwrap());
    assert!((90.0..110.0).contains(&expected), "{opened:?}");
    assert!(
        lower > 2.0 && lower < expected && opened.upper.unwrap() > expected,
        "{opened:?}"
    );
    for words in [
        "a step down by",
        "deviations",
        "is expected by the time of the day",
        "from 2881 samples in 10 days",
    ] {
        assert!(opened.reason.contains(words), "{:?} is not in {}", words, opened.reason);
    }
    assert!(bench.state.lasting.is_open());
    let told = bench.show(DAY_S, wave);
    let closed = told.last().unwrap();
    assert!(!closed.anomalous && !bench.state.lasting.is_open());
    assert!(closed.reason.starts_with("back to usual: "), "{}", closed.reason);
    assert!(closed.timestamp <= began + 8 * 3600, "{closed:?}");
    assert_eq!(told.iter().filter(|verdict| !verdict.anomalous).count(), 1);
}

#[test]
fn an_odd_reading_of_what_only_grows_is_over_soon() {
    let mut bench = Bench::new(Settings::default(), 60);
    let grown = |timestamp: i64| {
        let days = f64::from(i32::try_from(timestamp / 60).unwrap()) / 1440.0;
        1000.0 + 10.0 * days + 2.0 * normal(1, timestamp)
    };
    bench.show(30 * DAY_S, grown);
    let began = bench.timestamp;
    assert!(bench.judge(2000.0).alert);
    let told = bench.show(DAY_S, grown);
    assert!(told[0].timestamp <= began + 4 * 3600 && !told[0].anomalous, "{told:?}");
    assert!(told[0].reason.starts_with("back to usual: "), "{told:?}");
}

/// A job of ten minutes each night at two, give or take two minutes, when it is `by` more than else.
fn nightly(timestamp: i64, by: f64) -> f64 {
    let begins = 2 * 3600 + 60 * (timestamp / DAY_S * 977 % 5 - 2);
    let runs = (begins..begins + 600).contains(&(timestamp % DAY_S));
    1000.0 + if runs { by } else { 0.0 } + 30.0 * normal(3, timestamp)
}

#[test]
fn what_comes_each_night_is_told_as_routine() {
    let mut bench = Bench::new(Settings::default(), 60);
    bench.show(DAY_S, |timestamp| nightly(timestamp, 0.0));
    let mut opened = Vec::new();
    let mut night = |bench: &mut Bench, by: f64| {
        let told = bench.show(DAY_S, |timestamp| nightly(timestamp, by));
        opened = told.into_iter().filter(|verdict| verdict.alert).collect();
        let severities: Vec<_> = opened.iter().filter_map(|verdict| verdict.severity).collect();
        let words = opened
            .iter()
            .any(|verdict| verdict.reason.contains("routine at this time of the day"));
        assert_eq!(words, severities.contains(&Severity::Info), "{opened:?}");
        severities
    };
    for _ in 0..3 {
        assert_eq!(night(&mut bench, 1500.0), [Severity::Warning]);
    }
    for _ in 0..4 {
        assert_eq!(night(&mut bench, 1500.0), [Severity::Info]);
    }
    assert_eq!(
        night(&mut bench, 4000.0),
        [Severity::Warning],
        "that is more than the job"
    );
    // The job ends, and is no routine once it comes again.
    (0..5).for_each(|_| assert_eq!(night(&mut bench, 0.0), []));
    assert_eq!(night(&mut bench, 4000.0), [Severity::Warning]);
}

#[test]
fn how_much_routine_matters_can_be_set() {
    let settings = Settings {
        severity: Severities {
            routine: Severity::Critical,
            ..Severities::default()
        },
        ..Settings::default()
    };
    let mut bench = Bench::new(settings, 60);
    bench.show(DAY_S, |timestamp| nightly(timestamp, 0.0));
    let told = bench.show(6 * DAY_S, |timestamp| nightly(timestamp, 1500.0));
    let alerts: Vec<_> = told.iter().filter(|verdict| verdict.alert).collect();
    assert_eq!(alerts.len(), 6, "{told:?}");
    assert!(
        alerts.iter().all(|verdict| verdict.severity == Some(Severity::Warning)),
        "{told:?}"
    );
}

/// A series that is `well` comes to be `by` above that: it is told of once, usual after two days, and then as well known as before.
fn shifted(step_s: i64, well: fn(i64) -> f64, by: f64) {
    let mut bench = Bench::new(Settings::default(), step_s);
    bench.show(10 * DAY_S, well);
    let began = bench.timestamp;
    let now = |timestamp: i64| well(timestamp) + by;
    let of = format!("{by} every {step_s} s");
    let told = bench.show(3 * DAY_S, now);
    let (opened, closed) = (&told[0], told.last().unwrap());
    assert_eq!(told.len(), 2, "{of}: {told:#?}");
    assert!(
        opened.alert && opened.timestamp < began + 12 * step_s,
        "{of}: {opened:?}"
    );
    assert_eq!((closed.alert, closed.anomalous), (false, false), "{of}");
    assert_eq!(closed.timestamp, opened.timestamp + 2 * DAY_S, "{of}");
    assert!(
        closed.reason.starts_with("usual by now, after 2 days: "),
        "{of}: {}",
        closed.reason
    );

    let (mut apart, mut width, mut judged) = (0.0, 0.0, 0.0);
    let end = bench.timestamp + DAY_S;
    while bench.timestamp < end {
        let verdict = bench.judge(now(bench.timestamp));
        assert!(!verdict.alert, "{of}: {verdict:?}");
        apart += verdict.value - verdict.expected.unwrap();
        width += verdict.upper.unwrap() - verdict.lower.unwrap();
        judged += 1.0;
    }
    assert!((apart / judged).abs() < 1.5, "{of}: {} from expected", apart / judged);
    assert!(width / judged < 60.0, "{of}: a band of {}", width / judged);

    // And what comes on top of it opens when it begins, lasts as long as it lasts, and closes.
    let began = bench.timestamp;
    let mut told = bench.show(3600.max(4 * step_s), |timestamp| now(timestamp) + 60.0);
    let ended = bench.timestamp;
    told.extend(bench.show(DAY_S, now));
    let alerts = told.iter().filter(|verdict| verdict.alert).count();
    assert_eq!((told.len(), alerts), (2, 1), "{of}: {told:#?}");
    assert!(
        told[0].timestamp < began + 3 * step_s && told[1].timestamp > ended,
        "{of}: {told:#?}"
    );
    assert!(
        told[1].reason.starts_with("back to usual: "),
        "{of}: {}",
        told[1].reason
    );
}

#[test]
fn a_new_level_is_told_once_and_learnt_in_two_days() {
    let flat = |timestamp: i64| 100.0 + noise(timestamp);
    for step_s in [60, 300, 600] {
        for by in [60.0, -60.0, 200.0] {
            shifted(step_s, flat, by);
        }
    }
    shifted(300, wave, 60.0);
    shifted(300, wave, -60.0);
}

#[test]
fn a_level_that_lasts_two_days_is_usual() {
    let mut bench = Bench::new(Settings::default(), 3600);
    bench.show(100 * DAY_S, noise);
    let began = bench.timestamp;
    // Further away after a day.
    let away = |timestamp: i64| noise(timestamp) + if timestamp < began + DAY_S { 1000.0 } else { 4000.0 };
    let told = bench.show(3 * DAY_S, away);
    let closed = told.iter().find(|verdict| !verdict.anomalous).unwrap();
    assert_eq!(closed.timestamp, told[0].timestamp + 2 * DAY_S);
    let verdict = bench.judge(away(bench.timestamp));
    assert!((verdict.expected.unwrap() - 4000.0).abs() < 2000.0, "{verdict:?}");
}

#[test]
fn only_the_wanted_direction_is_told() {
    let told = |direction, change: f64| {
        let settings = Settings {
            direction,
            ..Settings::default()
        };
        let mut bench = known(settings);
        let verdict = bench.judge(wave(bench.timestamp) + change);
        let ends = (verdict.lower.is_some(), verdict.upper.is_some());
        (verdict.alert, ends)
    };
    assert_eq!(told(Direction::Above, 90.0), (true, (false, true)));
    assert_eq!(told(Direction::Above, -90.0), (false, (false, true)));
    assert_eq!(told(Direction::Below, -90.0), (true, (true, false)));
    assert_eq!(told(Direction::Both, -90.0), (true, (true, true)));
}

/// The alerts of a series that is well but for `change` over half an hour, or for one sample, in the day after it began: while
/// it lasts, and later.
fn told_of(direction: Direction, well: fn(i64) -> f64, change: f64, lasts_s: i64) -> (usize, usize) {
    let settings = Settings {
        direction,
        ..Settings::default()
    };
    let mut bench = Bench::new(settings, 300);
    bench.show(10 * DAY_S, well);
    let alerts = |told: Vec<Verdict>| told.iter().filter(|verdict| verdict.alert).count();
    let during = alerts(bench.show(lasts_s, |timestamp| well(timestamp) + change));
    (during, alerts(bench.show(DAY_S, well)))
}

#[test]
fn the_end_of_an_incident_is_none() {
    let flat = |timestamp: i64| 100.0 + noise(timestamp);
    for well in [wave as fn(i64) -> f64, flat] {
        for (lasts_s, change) in [(1800, 90.0), (1800, 300.0), (300, 90.0), (300, 300.0)] {
            let up = |direction| told_of(direction, well, change, lasts_s);
            let down = |direction| told_of(direction, well, -change, lasts_s);
            assert_eq!((up(Direction::Both), down(Direction::Both)), ((1, 0), (1, 0)));
            assert_eq!((up(Direction::Above), down(Direction::Above)), ((1, 0), (0, 0)));
            assert_eq!((up(Direction::Below), down(Direction::Below)), ((0, 0), (1, 0)));
        }
    }
}

#[test]
fn trouble_that_was_told_does_not_hide_the_next() {
    // Once a day, at other times, one or two samples are far off.
    for samples in [1, 2] {
        let mut bench = Bench::new(Settings::default(), 300);
        let usual = |time| 100.0 + normal(1, time);
        bench.show(10 * DAY_S, usual);
        let told = (0..40).filter(|day| {
            let before_s = 12 * 3600 + day * 977 % 12 * 300;
            bench.show(before_s, usual);
            let told = bench.show(samples * 300, |time| {
                usual(time) + if time / 300 % 2 == 0 { 30.0 } else { -30.0 }
            });
            bench.show(DAY_S - samples * 300 - before_s, usual);
            told.iter().any(|verdict| verdict.alert)
        });
        let found = told.count();
        assert!(found >= 38, "{found} of 40, of {samples}");
    }
}

#[test]
fn what_has_become_noisier_for_good_is_told_and_then_usual() {
    for times in [6.0, 10.0, 20.0] {
        let mut bench = Bench::new(Settings::default(), 300);
        bench.show(10 * DAY_S, |time| 100.0 + normal(2, time));
        let noisier = |time| 100.0 + times * normal(2, time);
        let mut alerts = |days: i64| {
            bench
                .show(days * DAY_S, noisier)
                .iter()
                .filter(|told| told.alert)
                .count()
        };
        let (first, then) = (alerts(2), alerts(18));
        assert!((1..=13).contains(&first), "{times} times as noisy: {first} in two days");
        assert_eq!(then, 0, "{times} times as noisy");
    }
}

#[test]
fn a_step_that_the_next_sample_bears_out_is_told_where_it_was_not_enough() {
    // By day it goes through all values near by, so that a step leads to one that was seen.
    let usual = |time: i64| {
        let day = f64::from(i32::try_from(time % DAY_S).unwrap()) / 86_400.0;
        100.0 + 50.0 * (std::f64::consts::TAU * day).sin() + normal(2, time)
    };
    let told = |height: f64, lasts: i64| {
        let mut bench = Bench::new(Settings::default(), 300);
        bench.show(10 * DAY_S, usual);
        let from = bench.timestamp;
        let mut told = bench.show(3600, |time| {
            usual(time) + if time < from + lasts * 300 { height } else { 0.0 }
        });
        told.retain(|verdict| verdict.alert);
        told.first()
            .map(|first| ((first.timestamp - from) / 300, first.reason.clone()))
    };
    let heights = || (10..100).map(|tenths| f64::from(tenths) / 10.0);
    let least = |lasts: i64| heights().find(|&height| told(height, lasts).is_some());
    let (once, twice) = (least(1).unwrap(), least(2).unwrap());
    assert!(twice < once, "{twice}, {once}");
    let (place, reason) = told(twice, 2).unwrap();
    assert!(
        place == 1 && reason.contains("on from where the one before had led"),
        "{reason}"
    );
    assert_eq!(told(once, 1).unwrap().0, 0, "and what is enough is told at once");
}
