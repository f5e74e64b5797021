//! What is left of a series that has fallen silent, and what becomes of it.

use super::{
    saving::{judged_twice, load, nine, save},
    *,
};
use crate::detect::{Kind, Standing, adaptive, forecast, trend};

const DAY_S: i64 = 24 * 3600;

/// Everything judged by the adaptive detector, which is not silent for long.
fn adaptive() -> Settings {
    let mut settings = judged_twice();
    settings.detectors.remove(0);
    settings.watches[0].detectors = vec![0];
    settings
}

fn bench(settings: &Settings) -> Bench {
    Bench::judging(settings.clone(), Verbosity::Changes, &Arc::default())
}

/// Sends 300 calm samples of a series, ten seconds apart, from `begin` on. Gives the time of the last.
fn send_calm(bench: &mut Bench, name: &str, begin: Timestamp) -> Timestamp {
    send_values(bench, name, begin, 300, |step| 20.0 + f64::from(step * 7 % 11) / 10.0)
}

fn send_values(bench: &mut Bench, name: &str, begin: Timestamp, count: i32, value: impl Fn(i32) -> f64) -> Timestamp {
    for step in 0..count {
        let time = begin + 10 * i64::from(step);
        bench.send(time, &format!("{name} {} {time}\n", value(step)));
    }
    begin + 10 * i64::from(count - 1)
}

/// A bench on which `name` was calm, and has been dormant since. Gives the time of the last sample as well.
fn asleep(settings: &Settings, name: &str) -> (Bench, Timestamp) {
    let mut bench = bench(settings);
    let last = send_calm(&mut bench, name, NOW);
    fall_asleep(&mut bench, last);
    (bench, last)
}

fn fall_asleep(bench: &mut Bench, last: Timestamp) {
    bench.sweep(last + bench.shard.settings.expire_after_s + 1);
    assert_eq!(bench.shard.series_count(), 0);
}

fn standings(bench: &Bench, name: &str) -> Vec<Standing> {
    let (report, _) = bench.look_up(name).unwrap();
    let SeriesState::Watched { detectors, .. } = report.state else {
        panic!("it is watched")
    };
    detectors.iter().map(|detector| detector.standing).collect()
}

/// Does the series know at once, when it comes back at `time`, that 60 is not usual?
fn remembers(bench: &mut Bench, name: &str, time: Timestamp) -> bool {
    bench.events.clear();
    send_values(bench, name, time, 3, |_| 60.0);
    bench
        .told()
        .iter()
        .any(|(.., change, _)| *change == Some(Change::Opened))
}

#[test]
fn a_series_that_comes_back_goes_on_with_what_was_learnt() {
    let (mut bench, last) = asleep(&adaptive(), "a");
    assert_eq!((bench.shard.dormant_count(), bench.knows("a")), (1, false));
    let back = last + 8 * DAY_S;
    bench.send(back, &format!("a 20.5 {back}\n"));
    assert_eq!(
        (bench.shard.dormant_count(), bench.shard.shared.dormant_count()),
        (0, 0)
    );
    assert_eq!(standings(&bench, "a"), [Standing::Analysed]);
    assert_eq!(bench.look_up("a").unwrap().1.len(), 1, "the window has begun anew");
    assert_eq!(bench.told(), [], "what it comes back with is usual");
    assert!(remembers(&mut bench, "a", back + 10));
}

#[test]
fn it_is_forgotten_after_weeks() {
    let settings = adaptive();
    let (mut bench, last) = asleep(&settings, "a");
    bench.sweep(last + settings.forget_after_s);
    assert_eq!(bench.shard.dormant_count(), 1);
    bench.sweep(last + settings.forget_after_s + 1);
    assert_eq!(
        (bench.shard.dormant_count(), bench.shard.shared.dormant_count()),
        (0, 0)
    );
    // Nobody may have looked.
    let (mut bench, last) = asleep(&settings, "a");
    assert!(!remembers(&mut bench, "a", last + settings.forget_after_s + 1));
    assert_eq!(bench.shard.dormant_count(), 0);
    let settings = Settings {
        forget_after_s: settings.expire_after_s,
        ..settings
    };
    let (bench, _) = asleep(&settings, "a");
    assert_eq!(bench.shard.dormant_count(), 0, "no longer than the window: at once");
}

#[test]
fn what_has_hardly_begun_to_learn_leaves_nothing() {
    let mut bench = bench(&adaptive());
    let last = send_values(&mut bench, "a", NOW, 100, f64::from);
    fall_asleep(&mut bench, last);
    assert_eq!(bench.shard.dormant_count(), 0);
}

#[test]
fn an_anomaly_is_over_with_the_window_and_its_end_is_told_once() {
    let mut bench = bench(&adaptive());
    let time = send_calm(&mut bench, "a", NOW) + 10;
    assert!(remembers(&mut bench, "a", time));
    let last = time + 20;
    fall_asleep(&mut bench, last);
    let told = bench.told();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].2, told[0].3), (Some(Change::Closed), last + DAY_S));
    let back = last + 8 * DAY_S;
    send_calm(&mut bench, "a", back);
    assert_eq!(bench.told(), [], "nothing is open that could close");
}

#[test]
fn what_needs_the_window_begins_anew() {
    let (mut bench, last) = asleep(&judged_twice(), "a");
    let back = last + 3 * DAY_S;
    bench.send(back, &format!("a 20.5 {back}\n"));
    let standings = standings(&bench, "a");
    assert_ne!(standings[0], Standing::Analysed, "the nine know one sample");
    assert_eq!(standings[1], Standing::Analysed);
}

#[test]
fn a_forecast_goes_on_and_the_pace_of_a_trend_does_not() {
    let mut settings = adaptive();
    settings.detectors[0].kind = Kind::Forecast(forecast::Settings::default());
    settings.detectors.push(Definition {
        name: "trend".into(),
        kind: Kind::Trend(trend::Settings::new(100.0)),
    });
    settings.watches[0].detectors = vec![0, 1];
    let mut bench = bench(&settings);
    // Every five minutes for six days, which is as much as they need and more.
    let send = |bench: &mut Bench, steps: std::ops::Range<i64>| {
        for step in steps {
            let part = f64::from(i32::try_from(step % 288).unwrap()) / 288.0;
            let noise = f64::from(i32::try_from(step * 7919 % 101).unwrap()) / 50.0;
            let time = NOW + 300 * step;
            let value = 20.0 + 10.0 * (std::f64::consts::TAU * part).sin() + noise;
            bench.send(time, &format!("a {value} {time}\n"));
        }
    };
    send(&mut bench, 0..6 * 288);
    assert_eq!(standings(&bench, "a"), [Standing::Analysed; 2]);
    fall_asleep(&mut bench, NOW + 300 * (6 * 288 - 1));
    send(&mut bench, 9 * 288..9 * 288 + 24);
    let standings = standings(&bench, "a");
    assert_eq!(standings[0], Standing::Analysed);
    assert!(
        matches!(standings[1], Standing::WarmingUp { .. }),
        "it would tell of another week"
    );
    assert_eq!(bench.told(), []);
}

#[test]
fn those_that_are_awake_come_first() {
    let settings = Settings {
        max_series: 3,
        ..adaptive()
    };
    let mut bench = bench(&settings);
    let mut last = 0;
    for (place, name) in (0..).zip(["a", "b", "c"]) {
        last = send_calm(&mut bench, name, NOW + place * DAY_S);
        bench.sweep(last + 1);
    }
    fall_asleep(&mut bench, last);
    assert_eq!(bench.shard.dormant_count(), 3);
    let now = last + 2 * DAY_S;
    bench.send(now, &format!("d 1 {now}\ne 1 {now}\n"));
    assert_eq!((bench.shard.series_count(), bench.shard.dormant_count()), (2, 1));
    assert!(remembers(&mut bench, "c", now), "the others had been silent for longer");
    assert_eq!((bench.shard.series_count(), bench.shard.dormant_count()), (3, 0));
    assert_eq!(bench.tally.unanalysed(Unanalysed::OverMaxSeries), 0);
    bench.send(now, &format!("f 1 {now}\n"));
    assert_eq!(bench.tally.unanalysed(Unanalysed::OverMaxSeries), 1);
}

#[test]
fn where_memory_is_short_a_new_series_takes_that_of_dormant_ones() {
    let mut bench = bench(&adaptive());
    let mut last = 0;
    for name in ["a", "b", "c", "d", "e", "f"] {
        last = send_calm(&mut bench, name, NOW);
    }
    fall_asleep(&mut bench, last);
    bench.shard.shared.allow_new_series(0);
    let now = last + 2 * DAY_S;
    bench.send(now, &format!("new 1 {now}\n"));
    assert!(bench.knows("new"));
    let left = bench.shard.dormant_count();
    assert!(left < 6, "{left} are left");
    bench.send(now, "newer 1 1\nnewest 1 1\nlast 1 1\nvery.last 1 1\n");
    assert!(bench.tally.unanalysed(Unanalysed::OverMaxMemory) > 0);
    assert_eq!(bench.shard.dormant_count(), 0);
}

#[test]
fn other_settings_take_over_what_was_learnt_where_they_learn_alike() {
    let settings = adaptive();
    let mut stricter = settings.clone();
    let Kind::Adaptive(inner) = &mut stricter.detectors[0].kind else {
        panic!("it is adaptive")
    };
    inner.explain = true;
    let mut beside = judged_twice();
    nine(&mut beside.detectors[0]).consensus = 4;
    let mut renamed = settings.clone();
    renamed.detectors[0].name = "another".into();
    let mut rates = settings.clone();
    rates.watches[0].reading = Reading::Rate;
    for (after, goes_on) in [(stricter, true), (beside, true), (renamed, false), (rates, false)] {
        let (mut bench, last) = asleep(&settings, "a");
        bench.shard.change(Arc::new(after.clone()), &mut bench.events);
        let saved = save(&bench.shard);
        assert_eq!(remembers(&mut bench, "a", last + 2 * DAY_S), goes_on, "{after:?}");
        // The same over a restart.
        let mut restarted = self::bench(&after);
        let loaded = load(&mut restarted, &after, &saved, last + DAY_S + 2);
        assert_eq!(loaded.damaged, 0, "{loaded:?}");
        assert_eq!(remembers(&mut restarted, "a", last + 2 * DAY_S), goes_on, "{after:?}");
    }
}

#[test]
fn a_counter_is_read_anew_and_its_rate_is_known() {
    let mut settings = adaptive();
    settings.watches[0].reading = Reading::Rate;
    let mut bench = bench(&settings);
    let pace = |step: i32| f64::from(200 * step + step * 7 % 11);
    let last = send_values(&mut bench, "a", NOW, 300, pace);
    fall_asleep(&mut bench, last);
    bench.tally = Tally::default();
    let back = last + 4 * DAY_S;
    send_values(&mut bench, "a", back, 20, pace);
    assert_eq!(
        (bench.tally.unanalysed(Unanalysed::Priming), bench.tally.analysed),
        (1, 19)
    );
    assert_eq!(standings(&bench, "a"), [Standing::Analysed]);
    assert_eq!(bench.told(), []);
}

#[test]
fn dormant_series_survive_a_restart() {
    let settings = adaptive();
    let (before, last) = asleep(&settings, "a");
    let saved = save(&before.shard);
    let restart = |now| {
        let mut after = bench(&settings);
        let loaded = load(&mut after, &settings, &saved, now);
        (after, loaded)
    };
    let (mut after, loaded) = restart(last + 3 * DAY_S);
    assert_eq!((loaded.series, loaded.dormant, loaded.too_old), (0, 1, 0), "{loaded:?}");
    assert_eq!(save(&after.shard), saved);
    assert!(remembers(&mut after, "a", last + 4 * DAY_S));
    let (after, loaded) = restart(last + settings.forget_after_s + 1);
    assert_eq!((loaded.dormant, loaded.too_old, after.shard.dormant_count()), (0, 1, 0));
}

#[test]
fn what_falls_silent_while_the_relay_is_away_is_dormant() {
    let settings = adaptive();
    let mut before = bench(&settings);
    let last = send_calm(&mut before, "a", NOW);
    assert!(remembers(&mut before, "a", last + 10), "an anomaly is open");
    let mut after = bench(&settings);
    let loaded = load(&mut after, &settings, &save(&before.shard), last + 2 * DAY_S);
    assert_eq!((loaded.series, loaded.dormant), (0, 1), "{loaded:?}");
    assert_eq!(loaded.open, [], "nothing of it is open any more");
    let back = last + 3 * DAY_S;
    after.send(back, &format!("a 20.5 {back}\n"));
    assert_eq!(standings(&after, "a"), [Standing::Analysed]);
    assert_eq!(after.told(), []);
}

#[test]
fn one_that_falls_asleep_while_it_is_saved_is_loaded_once() {
    let settings = adaptive();
    let mut before = bench(&settings);
    let last = send_calm(&mut before, "a", NOW);
    let awake = save(&before.shard);
    fall_asleep(&mut before, last);
    let both = [awake, save(&before.shard)].concat();
    for now in [last + 10, last + 2 * DAY_S] {
        let mut after = bench(&settings);
        let loaded = load(&mut after, &settings, &both, now);
        assert_eq!(loaded.damaged, 0, "{loaded:?}");
        assert_eq!(after.shard.series_count() + after.shard.dormant_count(), 1);
    }
}

#[test]
fn by_samples_it_is_as_live() {
    let mut settings = adaptive();
    settings.limits.max_age_s = None;
    let mut replayed = bench(&settings);
    replayed.shard = replayed.shard.by_samples();
    let (mut live, last) = asleep(&settings, "a");
    send_calm(&mut replayed, "a", NOW);
    let back = last + 8 * DAY_S;
    for bench in [&mut live, &mut replayed] {
        bench.events.clear();
        send_calm(bench, "a", back);
        send_values(bench, "a", back + 3000, 50, |_| 60.0);
    }
    assert!(!live.events.is_empty());
    assert_eq!(live.events, replayed.events);
}

#[test]
fn those_that_come_and_go_leave_nothing_behind() {
    let mut settings = adaptive();
    settings.detectors[0].kind = Kind::Adaptive(adaptive::Settings {
        silent_for_s: 0,
        silent_samples: 0,
        ..adaptive::Settings::default()
    });
    let mut bench = bench(&settings);
    let mut time = NOW;
    for _ in 0..500 {
        bench.send(time, &format!("a 1 {time}\nb 1 {time}\n"));
        time += DAY_S + 1;
        bench.sweep(time);
        assert_eq!(bench.shard.dormant_count(), 2);
    }
    assert!(bench.shard.dormitory.order_len() < 100);
}
