//! Settings that change under series that are judged: a restart, series by series, is what it is measured by.

use std::sync::Arc;

use super::{
    saving::{judged, judged_twice, judging, load, nine, restart, save, story},
    *,
};
use crate::detect::{Kind, Standing, adaptive, forecast, trend};

pub(super) fn change(bench: &mut Bench, settings: &Settings) {
    bench.shard.change(Arc::new(settings.clone()), &mut bench.events);
}

/// Carries all series over, a few at a time.
pub(super) fn carry_all(bench: &mut Bench) {
    let mut waiting = usize::MAX;
    while waiting > 0 {
        let before = waiting;
        waiting = bench.shard.carry_over(1, &mut bench.events);
        assert!(waiting < before, "{waiting} wait after {before}");
    }
}

fn adaptive(definition: &mut Definition) -> &mut adaptive::Settings {
    match &mut definition.kind {
        Kind::Adaptive(adaptive) => adaptive,
        _ => panic!("it is of another kind"),
    }
}

/// Who has what open, by series and detector.
fn open(bench: &Bench, name: &str) -> Vec<String> {
    match bench.look_up(name).map(|(report, _)| report.state) {
        Some(SeriesState::Watched { detectors, .. }) => {
            let open = detectors.iter().filter(|judge| judge.open);
            open.map(|judge| judge.detector.to_string()).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn what_is_the_same_detector_judges_as_if_nothing_had_changed() {
    let before = judged_twice();
    // At other places, with other words, and for fewer series.
    let mut after = judged_twice();
    after.detectors.reverse();
    after.watches = vec![watch("nothing.*", &[]), watch("**", &[1, 0])];
    adaptive(&mut after.detectors[0]).severity.level = crate::detect::Severity::Critical;
    let (mut straight, mut changed) = (judging(&before), judging(&before));
    for (place, lines) in story().iter().enumerate() {
        match place {
            1000 | 2610 => change(&mut changed, &after),
            2000 => change(&mut changed, &before),
            // In between, one series goes by the former settings and one by the new ones.
            1300 | 2620 => {
                assert_eq!(changed.shard.carry_over(1, &mut changed.events), 1);
            }
            1500 | 2100 | 2630 => carry_all(&mut changed),
            _ => {}
        }
        straight.send(NOW, lines);
        changed.send(NOW, lines);
    }
    let seen = |bench: &Bench| -> Vec<String> {
        let mut seen: Vec<_> = bench
            .events
            .iter()
            .map(|event| {
                let Event {
                    series,
                    detector,
                    change,
                    verdict,
                } = event;
                let bits = (verdict.score.to_bits(), verdict.anomalous, &verdict.reason);
                format!("{} {series} {detector} {change:?} {bits:?}", verdict.timestamp)
            })
            .collect();
        // Detectors of a series are asked in the order of its watch.
        seen.sort();
        seen
    };
    assert!(straight.events.iter().any(|event| event.change == Some(Change::Opened)));
    assert!(seen(&straight) == seen(&changed));
}

/// What a series has become when it is carried over is what it would be after a restart.
#[track_caller]
fn is_a_restart(before: &Settings, after: &Settings) {
    let mut bench = judging(before);
    for lines in &story()[..3000] {
        bench.send(NOW, lines);
    }
    let (expected, _) = restart(&bench, after);
    change(&mut bench, after);
    // Saved before it is carried over, it is the same when it is loaded, too, but for what only another span lets go.
    let mut loaded = judging(after);
    load(&mut loaded, after, &save(&bench.shard), NOW);
    assert_eq!(loaded.shard.series_count(), 2);
    if after.span_s == before.span_s {
        assert!(save(&loaded.shard) == save(&expected.shard));
    }
    carry_all(&mut bench);
    assert_eq!(bench.shard.series_count(), 2);
    assert!(save(&bench.shard) == save(&expected.shard));
}

#[test]
fn a_series_that_is_carried_over_is_what_a_restart_makes_of_it() {
    let before = judged_twice();
    let mut anew = judged_twice();
    nine(&mut anew.detectors[0]).stddev_from_moving_average.com = 20.0;
    is_a_restart(&before, &anew);
    let mut second = judged_twice();
    let mut classic = second.detectors[0].clone();
    classic.name = "second".into();
    second.detectors.insert(0, classic);
    second.watches = vec![watch("a", &[2]), watch("**", &[0, 1, 2])];
    is_a_restart(&before, &second);
    // Without statistics that nobody reads, and with those that somebody reads again.
    let mut one = judged_twice();
    one.watches = vec![watch("**", &[1])];
    is_a_restart(&before, &one);
    is_a_restart(&one, &before);
    for span_s in [3600, 24 * 3600] {
        is_a_restart(
            &before,
            &Settings {
                span_s,
                ..judged_twice()
            },
        );
        is_a_restart(&before, &Settings { span_s, ..one.clone() });
    }
    let mut fewer = judged();
    fewer.watches = vec![watch("b", &[0])];
    let mut bench = judging(&before);
    bench.send(NOW, "a 1 1\nb 1 1\n");
    change(&mut bench, &fewer);
    carry_all(&mut bench);
    assert!(matches!(bench.look_up("a").unwrap().0.state, SeriesState::Unwatched));
    assert_eq!(bench.look_up("b").unwrap().1.len(), 1);
}

#[test]
fn an_anomaly_stays_open_with_its_detector_and_is_closed_without_it() {
    let nine = judged();
    let mut bench = Bench::judging(nine.clone(), Verbosity::Changes, &Arc::default());
    for lines in &story()[..2605] {
        bench.send(NOW, lines);
    }
    let with_open = |bench: &Bench| -> Vec<&str> {
        ["a", "b"]
            .into_iter()
            .filter(|name| !open(bench, name).is_empty())
            .collect()
    };
    let were_open: Vec<String> = with_open(&bench).iter().map(ToString::to_string).collect();
    assert!(!were_open.is_empty(), "something is open");
    bench.events.clear();
    let mut watched_otherwise = nine.clone();
    watched_otherwise.watches = vec![watch("a", &[0]), watch("b", &[0])];
    change(&mut bench, &watched_otherwise);
    carry_all(&mut bench);
    assert!(bench.events.is_empty(), "nobody is told of anything");
    assert_eq!(with_open(&bench), were_open);
    let mut renamed = nine.clone();
    renamed.detectors[0].name = "renamed".into();
    change(&mut bench, &renamed);
    carry_all(&mut bench);
    let closed: Vec<_> = bench.events.iter().map(|event| event.series.to_string()).collect();
    assert_eq!(closed, were_open);
    for event in &bench.events {
        assert_eq!((&*event.detector, event.change), ("nine", Some(Change::Closed)));
        assert!(event.verdict.reason.contains("the configuration has changed"));
    }
    assert_eq!(with_open(&bench), Vec::<&str>::new());
}

#[test]
fn a_series_that_nobody_judged_is_judged_from_now_on_and_the_other_way_round() {
    let all = judged();
    let mut none = judged();
    none.watches = vec![watch("**", &[])];
    let mut bench = judging(&none);
    bench.send(NOW, "a 1 1\n");
    change(&mut bench, &all);
    bench.send(NOW, "a 1 2\nnew 1 2\n");
    assert_eq!(bench.tally.analysed, 1, "the new one");
    carry_all(&mut bench);
    bench.send(NOW, "a 1 3\n");
    assert_eq!((bench.tally.analysed, bench.look_up("a").unwrap().1.len()), (2, 1));
    change(&mut bench, &none);
    bench.send(NOW, "a 1 4\nnewer 1 4\n");
    assert_eq!(bench.tally.analysed, 3, "it is not its turn yet");
    carry_all(&mut bench);
    bench.send(NOW, "a 1 5\n");
    assert_eq!(bench.tally.analysed, 3);
}

#[test]
fn a_series_that_is_read_otherwise_begins_anew() {
    let mut rates = judged();
    rates.watches[0].reading = Reading::Rate;
    let mut bench = judging(&judged());
    bench.send(NOW, "a 10 10\na 20 20\n");
    change(&mut bench, &rates);
    carry_all(&mut bench);
    bench.send(NOW, "a 30 30\na 50 40\n");
    let points = bench.look_up("a").unwrap().1;
    assert_eq!(points.iter().map(|point| point.value).collect::<Vec<_>>(), [2.0]);
}

#[test]
fn slots_that_are_used_again_in_between_hold_new_series() {
    let mut bench = judging(&judged());
    bench.send(NOW, "a 1 1\nb 1 1\nc 1 1\n");
    let mut other = judged();
    other.detectors[0].name = "other".into();
    change(&mut bench, &other);
    bench.shard.settings = Arc::new(Settings {
        expire_after_s: 10,
        ..other.clone()
    });
    bench.sweep(NOW + 100);
    assert_eq!(bench.shard.series_count(), 0);
    bench.send(NOW + 100, "d 1 1\ne 1 1\n");
    let judges = |bench: &Bench, name: &str| match bench.look_up(name).unwrap().0.state {
        SeriesState::Watched { detectors, .. } => detectors[0].detector.to_string(),
        _ => panic!("it is watched"),
    };
    assert_eq!(judges(&bench, "d"), "other");
    carry_all(&mut bench);
    assert_eq!(judges(&bench, "e"), "other");
    assert!(bench.shard.former.is_empty());
}

#[test]
fn settings_change_again_before_all_series_are_carried_over() {
    let (first, mut second, third) = (judged_twice(), judged_twice(), judged_twice());
    nine(&mut second.detectors[0]).grubbs.alpha = 0.01;
    let (mut straight, mut bench) = (judging(&first), judging(&first));
    let story = story();
    for lines in &story[..3000] {
        straight.send(NOW, lines);
        bench.send(NOW, lines);
    }
    change(&mut bench, &second);
    assert_eq!(bench.shard.carry_over(1, &mut bench.events), 1);
    change(&mut bench, &third);
    assert_eq!(bench.shard.former.len(), 2);
    carry_all(&mut bench);
    // The one that was never carried over to the second has lost nothing, the other one its nine.
    let same = |name: &str| {
        let of = |shard: &Shard| {
            save(shard)
                .into_iter()
                .find(|bytes| bytes.get(4) == Some(&name.as_bytes()[0]))
        };
        let (left, right) = (of(&straight.shard), of(&bench.shard));
        assert!(left.is_some());
        left == right
    };
    assert_eq!([same("a"), same("b")].into_iter().filter(|same| *same).count(), 1);
    let fates = fates(&second, &third);
    let shown: Vec<_> = fates.iter().map(|(name, fate)| (&**name, *fate)).collect();
    assert_eq!(shown, [("nine", Fate::BegunAnew), ("adaptive", Fate::Kept)]);
}

#[test]
fn each_detector_has_a_fate() {
    let before = judged_twice();
    let mut after = judged_twice();
    after.detectors[0].name = "renamed".into();
    adaptive(&mut after.detectors[1]).timezone = jiff::tz::TimeZone::get("Europe/Vienna").unwrap();
    let shown: Vec<_> = fates(&before, &after)
        .iter()
        .map(|(name, fate)| (name.to_string(), *fate))
        .collect();
    let expected = [
        ("renamed", Fate::New),
        ("adaptive", Fate::BegunAnew),
        ("nine", Fate::Gone),
    ];
    assert_eq!(shown, expected.map(|(name, fate)| (name.to_owned(), fate)));
}

/// Judged by what looks far back, from hours.
fn foresighted() -> Settings {
    let trend = trend::Settings {
        direction: trend::Direction::Up,
        ..trend::Settings::new(1e6)
    };
    let kinds = [
        ("usual", Kind::Adaptive(adaptive::Settings::default())),
        ("full", Kind::Trend(trend)),
        ("day", Kind::Forecast(forecast::Settings::default())),
    ];
    let detectors = kinds.map(|(name, kind)| Definition {
        name: name.into(),
        kind,
    });
    let mut settings = Settings {
        detectors: detectors.into(),
        ..judged()
    };
    settings.watches[0].detectors = vec![0, 1, 2];
    settings
}

/// The same, told of otherwise.
fn foresighted_otherwise() -> Settings {
    let mut after = foresighted();
    for detector in &mut after.detectors {
        match &mut detector.kind {
            Kind::Adaptive(adaptive) => {
                adaptive.sensitivity = 0.5;
                adaptive.min_deviation = adaptive::Floor::Absolute(3.0);
            }
            Kind::Trend(trend) => trend.reaches = 520.0,
            Kind::Forecast(forecast) => forecast.min_deviation = 40.0,
            _ => panic!("it is of another kind"),
        }
    }
    after
}

/// Ten days of a series that rises by 2 an hour, from 0, a sample every ten minutes.
fn rises(bench: &mut Bench) -> Timestamp {
    let times = (0..10 * 144).map(|place| (place, NOW + i64::from(place) * 600));
    for (place, timestamp) in times {
        let wobble = f64::from(place % 7) / 10.0;
        bench.send(
            timestamp,
            &format!("a {} {timestamp}\n", f64::from(place) / 3.0 + wobble),
        );
    }
    NOW + 10 * 86_400
}

#[test]
fn what_was_learnt_stays_when_only_what_is_told_of_it_changes() {
    let after = foresighted_otherwise();
    let fates = fates(&foresighted(), &after);
    assert!(fates.iter().all(|(_, fate)| *fate == Fate::Kept), "{fates:?}");
    let relay = || Bench::judging(foresighted(), Verbosity::Changes, &Arc::default());
    let (mut reloaded, mut restarted) = (relay(), relay());
    let now = rises(&mut reloaded);
    rises(&mut restarted);
    assert!(open(&reloaded, "a").is_empty());
    change(&mut reloaded, &after);
    carry_all(&mut reloaded);
    let saved = save(&restarted.shard);
    restarted = Bench::judging(after.clone(), Verbosity::Changes, &Arc::default());
    let loaded = load(&mut restarted, &foresighted(), &saved, NOW);
    assert_eq!((loaded.series, &*loaded.begun_anew), (1, &[0, 0, 0][..]));
    for bench in [&mut reloaded, &mut restarted] {
        bench.events.clear();
        bench.send(now, &format!("a 480 {now}\n"));
        // It is at 480 and rises by 48 a day: 520 is near, though a million is not.
        assert_eq!(bench.told(), [("a".into(), "full".into(), Some(Change::Opened), now)]);
        let Some((report, _)) = bench.look_up("a") else {
            panic!("it is there");
        };
        let SeriesState::Watched { detectors, .. } = report.state else {
            panic!("it is watched");
        };
        for judge in &detectors {
            assert_eq!(judge.standing, Standing::Analysed, "{}", judge.detector);
        }
    }
    assert!(save(&reloaded.shard) == save(&restarted.shard));
}

#[test]
fn what_is_told_changes_for_a_series_that_is_saved_before_it_is_carried_over() {
    let after = foresighted_otherwise();
    let mut bench = Bench::judging(foresighted(), Verbosity::Changes, &Arc::default());
    let now = rises(&mut bench);
    change(&mut bench, &after);
    let mut loaded = Bench::judging(after.clone(), Verbosity::Changes, &Arc::default());
    load(&mut loaded, &after, &save(&bench.shard), NOW);
    loaded.send(now, &format!("a 480 {now}\n"));
    assert_eq!(loaded.told(), [("a".into(), "full".into(), Some(Change::Opened), now)]);
}

#[test]
fn bounds_change_without_anything_being_carried_over() {
    let mut bench = judging(&judged());
    bench.send(NOW, "a 1 1\n");
    change(
        &mut bench,
        &Settings {
            max_series: 1,
            ..judged()
        },
    );
    assert!(bench.shard.former.is_empty());
    bench.send(NOW, "b 1 1\n");
    assert_eq!(bench.tally.unanalysed(Unanalysed::OverMaxSeries), 1);
}
