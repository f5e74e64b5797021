//! How well the detectors detect, held against what was recorded; and the scores themselves, worked out by hand.
//!
//! The labelled series are data beside the project: looked for where `SKYRELAY_DATA` points, or in `../shared/data`. Where
//! they are absent the test says so, loudly, and nothing else notices a detector that has become worse.
//! `cargo bench --bench detection` prints the whole table.

#[path = "../benches/detection/events.rs"]
mod events;
#[path = "../benches/detection/forecasts.rs"]
mod forecasts;
#[path = "../benches/detection/labelled.rs"]
mod labelled;
#[path = "../benches/detection/nab.rs"]
mod nab;
#[path = "../benches/detection/paces.rs"]
mod paces;
#[path = "../benches/detection/replay.rs"]
mod replay;
#[path = "../benches/detection/scores.rs"]
mod scores;

use std::io::Write as _;

use events::Events;
use labelled::{SETS, Series, Set};
use nab::{PROFILES, Score};
use skyrelay::detect::{Kind, adaptive, skyline};

/// Scores that were reached, less what a change that means nothing may cost.
struct Recorded {
    detector: &'static str,
    kind: Kind,
    /// NAB score, standard profile, at least.
    nab: f64,
    /// F1 of events and false alarms per series and day, by set: at least, and at most.
    events: [(f64, f64); SETS.len()],
}

fn recorded() -> Vec<Recorded> {
    vec![
        Recorded {
            detector: "adaptive",
            kind: Kind::Adaptive(adaptive::Settings::default()),
            // A window found or missed is worth 1.7.
            nab: 77.3,
            events: [(0.52, 0.066), (0.77, 0.055), (0.52, 0.055)],
        },
        Recorded {
            detector: "skyline",
            kind: Kind::Skyline(skyline::Settings::default()),
            nab: 25.0,
            events: [(0.16, 0.26), (0.38, 0.23), (0.03, 0.05)],
        },
    ]
}

#[test]
fn detectors_score_what_they_have_scored() {
    let Some(directory) = labelled::directory() else {
        // Past the harness, which keeps what a test that passes has printed.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no detection/dev under $SKYRELAY_DATA or ../shared/data"
        );
        return;
    };
    let sets: Vec<Set> = SETS.iter().map(|name| labelled::read(&directory, name)).collect();
    for recorded in recorded() {
        let scores = &scores::of(recorded.detector, &recorded.kind, &[], &sets)[0];
        eprintln!("{scores:?}");
        let at_least = |what: &str, score: f64, bound: f64| {
            assert!(
                score >= bound,
                "{}: {what} is {score:.3}, at least {bound} was recorded",
                scores.title
            );
        };
        at_least("NAB standard", scores.nab[0], recorded.nab);
        for ((set, events), (f1, false_alarms)) in SETS.iter().zip(&scores.events).zip(recorded.events) {
            at_least(&format!("F1 of {set}"), events.f1(), f1);
            let quiet = -events.false_alarms_per_day();
            at_least(&format!("quiet of {set}"), quiet, -false_alarms);
        }
    }
}

/// Of each set: the mean absolute scaled error at most, and how often intervals of 90 % hold at least.
const FORETOLD: [(&str, f64, f64); 2] = [("nab", 0.85, 0.82), ("kpi", 0.87, 0.86)];

#[test]
fn forecasts_are_better_than_the_day_before() {
    let Some(directory) = labelled::directory() else {
        // Past the harness, which keeps what a test that passes has printed.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no detection/dev under $SKYRELAY_DATA or ../shared/data"
        );
        return;
    };
    for (name, error, held) in FORETOLD {
        let set = labelled::read(&directory, name);
        let all = forecasts::of_set(&set, 25);
        assert!(all.len() * 10 > set.series.len() * 8, "{name} has {} series", all.len());
        let foretold = forecasts::mean(&all);
        eprintln!("{name}: {foretold:?}");
        assert!(
            foretold.by_day <= error,
            "{name}: {foretold:?}, at most {error} was recorded"
        );
        assert!(
            foretold.held >= held,
            "{name}: {foretold:?}, at least {held} was recorded"
        );
    }
}

/// A series of 100 samples, a quarter of an hour apart, of which `probation` are not scored.
fn series(windows: &[(usize, usize)], probation: usize) -> Series {
    Series {
        name: "a.b".to_owned(),
        points: (0..100).map(|at| (900 * at, 0.0)).collect(),
        windows: windows.to_vec(),
        probation,
    }
}

#[track_caller]
fn assert_nab(windows: &[(usize, usize)], alerts: &[usize], expected: [f64; PROFILES.len()]) {
    for (profile, expected) in PROFILES.iter().zip(expected) {
        let mut score = Score::default();
        score.add(profile, &series(windows, 10), alerts);
        let normalised = score.normalised(profile);
        assert!(
            (normalised - expected).abs() < 1e-3,
            "{}: {normalised} instead of {expected}",
            profile.name
        );
    }
}

#[test]
fn nab_gives_silence_nothing_and_perfection_all() {
    assert_nab(&[(20, 29), (50, 59)], &[], [0.0, 0.0, 0.0]);
    assert_nab(&[(20, 29), (50, 59)], &[20, 50], [100.0, 100.0, 100.0]);
    assert_nab(&[(20, 29), (50, 59)], &[20], [50.0, 50.0, 50.0]);
}

#[test]
fn nab_counts_the_first_alert_of_a_window_by_its_place() {
    // Half the window ahead: worth(-0.5) / worth(-1) = 0.848284 / 0.986614 = 0.859792.
    let expected = [92.9896, 92.9896, 95.3264];
    assert_nab(&[(20, 29)], &[25], expected);
    assert_nab(&[(20, 29)], &[25, 26, 29], expected);
    // The last sample, a tenth of the window ahead: worth(-0.1) / worth(-1) = 0.244919 / 0.986614 = 0.248242.
    assert_nab(&[(20, 29)], &[29], [62.4121, 62.4121, 74.9414]);
}

#[test]
fn nab_weighs_a_false_alarm_by_its_distance_behind_a_window() {
    // One sample of nine behind: worth(1/9) = -0.270863. 28 of nine, and before any window: -1.
    assert_nab(&[(20, 29)], &[20, 30], [98.5103, 97.0205, 99.0068]);
    assert_nab(&[(20, 29)], &[20, 57], [94.5, 89.0, 96.3333]);
    assert_nab(&[(20, 29)], &[15, 20], [94.5, 89.0, 96.3333]);
}

#[test]
fn nab_does_not_look_at_alerts_on_probation() {
    assert_nab(&[(20, 29)], &[0, 5, 9, 20], [100.0, 100.0, 100.0]);
    assert_nab(&[(20, 29)], &[10, 20], [94.5, 89.0, 96.3333]);
}

#[track_caller]
fn assert_events(windows: &[(usize, usize)], alerts: &[usize], [found, missed, false_alarms]: [usize; 3]) -> Events {
    let mut events = Events::default();
    events.add(&series(windows, 4), 2, alerts);
    assert_eq!(
        [events.found, events.missed, events.false_alarms],
        [found, missed, false_alarms]
    );
    events
}

#[test]
fn an_event_is_found_once_and_a_little_late_at_most() {
    assert_events(&[(20, 21), (50, 50)], &[20, 21, 52], [2, 0, 0]);
    assert_events(&[(20, 21), (50, 50)], &[24, 53], [0, 2, 2]);
    assert_events(&[(20, 21), (50, 50)], &[19, 20, 60, 61], [1, 1, 3]);
    // One alert for two windows that are close: both are found.
    assert_events(&[(20, 21), (23, 24)], &[23], [2, 0, 0]);
}

#[test]
fn events_on_probation_do_not_count() {
    assert_events(&[(1, 2)], &[0, 1, 3], [0, 0, 0]);
    assert_events(&[(1, 6)], &[2], [0, 1, 0]);
    assert_events(&[(1, 6)], &[5], [1, 0, 0]);
}

#[test]
fn precision_recall_and_false_alarms_a_day() {
    let events = assert_events(&[(20, 21), (50, 50), (60, 61)], &[20, 30, 50, 90], [2, 1, 2]);
    let close = |figure: f64, expected: f64| assert!((figure - expected).abs() < 1e-12, "{figure}, not {expected}");
    close(events.precision(), 0.5);
    close(events.recall(), 2.0 / 3.0);
    close(events.f1(), 4.0 / 7.0);
    // 95 quarters of an hour are scored.
    close(events.false_alarms_per_day(), 2.0 / (95.0 / 96.0));
}

#[test]
fn intervals_about_a_trend_hold_the_truth_as_often_as_they_say() {
    const SERIES: usize = 150;
    let (mut times, mut paces) = (0, 0);
    for shape in paces::SHAPES {
        let held = paces::held(shape, 24 * 28, SERIES);
        eprintln!("{shape:?}: {held:?}");
        // Nine of ten, give or take three standard deviations of so few series.
        assert!(held.share(held.pace) >= 0.82, "{shape:?}: {held:?}");
        assert!(held.share(held.time) >= 0.82, "{shape:?}: {held:?}");
        assert!(held.share(held.sure) >= 0.8, "{shape:?}: {held:?}");
        times += held.time;
        paces += held.pace;
    }
    let all = paces::Held {
        series: SERIES * paces::SHAPES.len(),
        ..paces::Held::default()
    };
    for held in [times, paces] {
        assert!((0.87..0.96).contains(&all.share(held)), "{}", all.share(held));
    }
}
