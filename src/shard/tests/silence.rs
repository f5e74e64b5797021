//! Series and patterns that are heard of no more.

use super::{
    changing::{carry_all, change},
    *,
};
use crate::{
    detect::{
        Kind, Severity,
        absence::{self, After},
    },
    save::Saved,
};

const AFTER_S: i64 = 300;

fn absence(name: &str, of: &[&str]) -> Definition {
    Definition {
        name: name.into(),
        kind: Kind::Absence(absence::Settings {
            after: After::Stated(AFTER_S),
            of: of.iter().map(|glob| Glob::new(glob).unwrap()).collect(),
            severity: Severity::Warning,
        }),
    }
}

/// Series `a…` are listened to.
fn listening() -> Settings {
    Settings {
        detectors: vec![absence("bound", &[]), detector("default")],
        watches: vec![watch("a*", &[0]), watch("**", &[1])],
        limits: Limits {
            max_age_s: None,
            max_ahead_s: None,
        },
        ..Settings::default()
    }
}

fn bench(settings: Settings) -> Bench {
    Bench::judging(settings, Verbosity::Changes, &Arc::default())
}

/// One sample of each series.
fn lines(names: &[&str], time: Timestamp) -> String {
    names
        .iter()
        .flat_map(|name| [name, " 1 ", &time.to_string(), "\n"].map(str::to_owned))
        .collect()
}

/// Sends a sample of each series every minute, and sweeps.
fn go_on(bench: &mut Bench, names: &[&str], from: Timestamp, until: Timestamp) {
    for time in (from..until).step_by(60) {
        bench.send(time, &lines(names, time));
        bench.sweep(time + 30);
    }
}

/// So many that all of them do not fall silent by chance.
const MANY: [&str; 12] = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b", "c"];

#[test]
fn silence_is_told_while_nothing_arrives() {
    let mut bench = bench(listening());
    go_on(&mut bench, &["a", "b"], NOW, NOW + 600);
    assert_eq!(bench.told(), []);
    go_on(&mut bench, &["b"], NOW + 600, NOW + 1800);
    let last = NOW + 540;
    assert_eq!(bench.events[0].verdict.reason, "nothing has come for 5m");
    assert_eq!(
        bench.told(),
        [opened("a", last + AFTER_S)],
        "with the time at which it was due"
    );
    go_on(&mut bench, &["a", "b"], NOW + 1800, NOW + 2400);
    assert_eq!(bench.told(), [closed("a", NOW + 1800)]);
}

#[test]
fn a_series_is_not_silent_before_its_first_sample() {
    for by_samples in [false, true] {
        let mut bench = bench(listening());
        if by_samples {
            bench.shard = bench.shard.by_samples();
        }
        go_on(&mut bench, &["b"], NOW, NOW + 3600);
        go_on(&mut bench, &["a", "b"], NOW + 3600, NOW + 3720);
        assert_eq!(bench.told(), []);
        let last = NOW + 3660;
        go_on(&mut bench, &["b"], NOW + 3720, NOW + 5400);
        bench.send(NOW + 5400, &lines(&["a"], NOW + 5400));
        assert_eq!(
            bench.told(),
            [opened("a", last + AFTER_S), closed("a", NOW + 5400)],
            "by samples: {by_samples}"
        );
    }
}

#[test]
fn a_counter_is_not_silent_before_its_second_sample_gives_the_first_rate() {
    let mut settings = listening();
    settings.watches[0].reading = Reading::Rate;
    let mut bench = bench(settings);
    go_on(&mut bench, &["b"], NOW, NOW + 3600);
    bench.send(NOW + 3600, &lines(&["a"], NOW + 3600));
    go_on(&mut bench, &["b"], NOW + 3660, NOW + 4800);
    bench.send(NOW + 4800, &lines(&["a"], NOW + 4800));
    assert_eq!(bench.told(), []);
}

#[test]
fn a_series_that_is_given_up_is_closed_with_that_for_a_reason() {
    let mut settings = listening();
    settings.expire_after_s = 3600;
    let mut bench = bench(settings);
    bench.send(NOW, &lines(&["a"], NOW));
    bench.sweep(NOW + 400);
    assert_eq!(bench.told(), [opened("a", NOW + AFTER_S)]);
    bench.sweep(NOW + 3601);
    assert_eq!(
        bench.events[0].verdict.reason,
        "the series has fallen silent, and is given up after 60m"
    );
    assert_eq!(bench.told().len(), 1);
    bench.sweep(NOW + 9000);
    assert_eq!(bench.told(), []);
}

#[test]
fn a_silence_that_no_sweep_has_seen_is_told_when_it_ends() {
    let mut bench = bench(listening());
    bench.send(NOW, &lines(&["a"], NOW));
    bench.send(NOW + 1000, &lines(&["a"], NOW + 1000));
    assert_eq!(bench.told(), [opened("a", NOW + AFTER_S), closed("a", NOW + 1000)]);
}

#[test]
fn silence_is_by_arrival_whatever_clocks_senders_have() {
    let mut bench = bench(listening());
    for step in 0..20 {
        let received = NOW + 60 * step;
        bench.send(received, &format!("a 1 {}\n", received - 3000));
        bench.sweep(received + 30);
    }
    assert_eq!(bench.told(), []);
    bench.sweep(NOW + 60 * 19 + AFTER_S + 1);
    assert_eq!(bench.told(), [opened("a", NOW + 60 * 19 + AFTER_S)]);
}

#[test]
fn when_everything_stops_that_is_told_instead() {
    let mut bench = bench(listening());
    go_on(&mut bench, &MANY, NOW, NOW + 600);
    for step in 0..20 {
        bench.sweep(NOW + 600 + 60 * step);
    }
    assert_eq!(bench.told(), [opened("**", NOW + 540 + AFTER_S)]);
    // All are back but one, which has its time from then on.
    let back = NOW + 7200;
    go_on(&mut bench, &MANY[1..], back, back + 240);
    let mut told = bench.told();
    assert_eq!(told.remove(0), closed("**", back));
    assert_eq!(told, []);
    go_on(&mut bench, &MANY[1..], back + 240, back + 600);
    assert_eq!(bench.told(), [opened("a0", back + AFTER_S)]);
}

#[test]
fn lines_that_were_shed_are_not_silence() {
    let mut bench = bench(listening());
    go_on(&mut bench, &["a"], NOW, NOW + 120);
    for step in 0..20 {
        bench.shard.has_missed_lines(NOW + 120 + 60 * step);
        bench.sweep(NOW + 120 + 60 * step);
    }
    assert_eq!(bench.told(), []);
    bench.sweep(NOW + 120 + 60 * 19 + AFTER_S + 1);
    assert_eq!(bench.told(), [opened("a", NOW + 120 + 60 * 19 + AFTER_S)]);
}

#[test]
fn after_a_restart_everybody_has_time_to_come_back() {
    let settings = listening();
    let mut before = bench(settings.clone());
    go_on(&mut before, &MANY, NOW, NOW + 120);
    let restart = NOW + 3600;
    let (mut after, loaded) = started_again(&before, &settings, NOW + 60, restart);
    assert_eq!((loaded.series, loaded.begun_anew), (12, vec![0, 0]));
    after.sweep(restart + 10);
    go_on(&mut after, &MANY[1..], restart + 60, restart + 240);
    assert_eq!(after.told(), []);
    go_on(&mut after, &MANY[1..], restart + 240, restart + 600);
    assert_eq!(after.told(), [opened("a0", restart + AFTER_S)]);
}

#[test]
fn of_a_pattern_something_has_to_be_heard() {
    let mut settings = listening();
    settings.detectors[0] = absence("bound", &["a*", "x.**"]);
    // Whether it is watched or not.
    settings.watches = vec![watch("**", &[])];
    assert!(settings.watches_anything());
    let mut bench = bench(settings);
    bench.sweep(NOW);
    go_on(&mut bench, &["a0", "a1", "b"], NOW, NOW + 600);
    assert_eq!(bench.told(), [opened("x.**", NOW + AFTER_S)]);
    go_on(&mut bench, &["a1", "b", "x.y"], NOW + 600, NOW + 1200);
    let told = bench.told();
    assert_eq!(told, [closed("x.**", NOW + 600)], "one series is enough");
    go_on(&mut bench, &["b", "x.y"], NOW + 1200, NOW + 1800);
    assert_eq!(bench.told(), [opened("a*", NOW + 1140 + AFTER_S)]);
}

#[test]
fn shards_tell_each_other_what_they_hear() {
    let mut settings = listening();
    settings.detectors[0] = absence("bound", &["a*"]);
    settings.watches = vec![watch("**", &[])];
    let shared = Arc::<Shared>::default();
    let mut first = Bench::judging(settings.clone(), Verbosity::Changes, &shared);
    let mut second = Bench::judging(settings, Verbosity::Changes, &shared);
    first.sweep(NOW);
    for time in (NOW..NOW + 1200).step_by(60) {
        second.send(time, &lines(&["a"], time));
        first.send(time, &lines(&["b"], time));
        second.sweep(time + 10);
        first.sweep(time + 20);
    }
    assert_eq!((first.told(), second.told()), (vec![], vec![]));
    for time in (NOW + 1200..NOW + 2400).step_by(60) {
        first.send(time, &lines(&["b"], time));
        second.sweep(time + 10);
        first.sweep(time + 20);
    }
    assert_eq!(
        (first.told(), second.told()),
        (vec![opened("a*", NOW + 1140 + AFTER_S)], vec![])
    );
}

#[test]
fn by_samples_the_same_is_told_as_live() {
    // a0 pauses, then everything does, and then a1 does not come back.
    let at = |time: Timestamp| -> Vec<&str> {
        MANY.into_iter()
            .filter(|&name| match time - NOW {
                1200..2400 => name != "a0",
                4800..6000 => false,
                6000.. => name != "a1",
                _ => true,
            })
            .collect()
    };
    let mut live = bench(listening());
    let mut text = String::new();
    for time in (NOW..NOW + 9000).step_by(60) {
        let lines = lines(&at(time), time);
        if !lines.is_empty() {
            live.send(time, &lines);
        }
        live.sweep(time + 20);
        text += &lines;
    }
    let mut by_samples = bench(listening());
    by_samples.shard = by_samples.shard.by_samples();
    by_samples.send(NOW + 1_000_000, &text);
    by_samples.shard.end(&mut by_samples.events);
    let (mut live, mut by_samples) = (live.told(), by_samples.told());
    live.sort_by_key(|told| format!("{told:?}"));
    by_samples.sort_by_key(|told| format!("{told:?}"));
    assert_eq!(by_samples, live);
    assert_eq!(live.len(), 5, "{live:?}");
}

/// The detector looks at patterns instead of series.
fn patterns(of: &[&str]) -> Settings {
    Settings {
        detectors: vec![absence("bound", of)],
        watches: vec![watch("**", &[])],
        ..listening()
    }
}

#[test]
fn other_settings_keep_what_was_heard_of_series() {
    let mut bench = bench(listening());
    go_on(&mut bench, &["a", "b"], NOW, NOW + 600);
    let mut patient = listening();
    patient.detectors[0].kind = match absence("", &[]).kind {
        Kind::Absence(settings) => Kind::Absence(absence::Settings {
            after: After::Stated(900),
            ..settings
        }),
        _ => unreachable!(),
    };
    change(&mut bench, &patient);
    // It is not carried over yet, and judged by what it goes by.
    go_on(&mut bench, &["b"], NOW + 600, NOW + 1020);
    assert_eq!(
        bench.told(),
        [],
        "the least patient of those that are new decides when to look"
    );
    carry_all(&mut bench);
    go_on(&mut bench, &["b"], NOW + 1020, NOW + 1800);
    assert_eq!(bench.told(), [opened("a", NOW + 540 + 900)]);
    change(&mut bench, &listening());
    carry_all(&mut bench);
    assert_eq!(bench.told(), [], "it stays open");
    go_on(&mut bench, &["a", "b"], NOW + 1800, NOW + 2400);
    assert_eq!(bench.told(), [closed("a", NOW + 1800)]);
}

#[test]
fn a_series_that_goes_by_former_settings_is_judged_by_their_detectors() {
    let mut bench = bench(listening());
    go_on(&mut bench, &["a", "b"], NOW, NOW + 600);
    // Absence has another place, and another kind stands at its own.
    let mut other = listening();
    other.detectors.reverse();
    other.watches = vec![watch("a*", &[1]), watch("**", &[0])];
    change(&mut bench, &other);
    go_on(&mut bench, &["b"], NOW + 600, NOW + 1200);
    assert_eq!(bench.told(), [opened("a", NOW + 540 + AFTER_S)]);
    bench.send(NOW + 1200, &lines(&["a"], NOW + 1200));
    assert_eq!(bench.told(), [closed("a", NOW + 1200)]);
    carry_all(&mut bench);
    go_on(&mut bench, &["b"], NOW + 1260, NOW + 2400);
    assert_eq!(bench.told(), [opened("a", NOW + 1200 + AFTER_S)]);
}

#[test]
fn nobody_is_silent_because_others_begin_to_listen() {
    let mut nobody = listening();
    nobody.watches = vec![watch("**", &[1])];
    let mut bench = bench(nobody);
    // Their clocks are off by an hour.
    let late = |bench: &mut Bench, names: &[&str], from: Timestamp, until: Timestamp| {
        for received in (from..until).step_by(240) {
            bench.send(received, &lines(names, received - 3600));
            bench.sweep(received + 30);
        }
    };
    late(&mut bench, &["a", "b"], NOW, NOW + 2400);
    change(&mut bench, &listening());
    carry_all(&mut bench);
    bench.sweep(NOW + 2380);
    late(&mut bench, &["a", "b"], NOW + 2400, NOW + 4800);
    assert_eq!(bench.told(), []);
    late(&mut bench, &["b"], NOW + 4800, NOW + 7200);
    assert_eq!(bench.told(), [opened("a", NOW + 4560 + AFTER_S)]);
}

#[test]
fn patterns_go_on_under_other_settings() {
    let mut bench = bench(patterns(&["a*", "x.**"]));
    bench.sweep(NOW);
    go_on(&mut bench, &["a0", "b"], NOW, NOW + 600);
    assert_eq!(bench.told(), [opened("x.**", NOW + AFTER_S)]);
    // One stays, one is gone, and one is new, of which nothing was heard before, as nobody asked.
    change(&mut bench, &patterns(&["y.**", "x.**"]));
    assert_eq!(bench.told(), []);
    go_on(&mut bench, &["b"], NOW + 600, NOW + 900);
    assert_eq!(bench.told(), []);
    go_on(&mut bench, &["b"], NOW + 900, NOW + 1200);
    assert_eq!(bench.told(), [opened("y.**", NOW + 630 + AFTER_S)]);
    go_on(&mut bench, &["b", "x.y"], NOW + 1200, NOW + 1260);
    assert_eq!(bench.told(), [closed("x.**", NOW + 1200)]);
    change(&mut bench, &patterns(&["x.**"]));
    assert!(bench.events[0].verdict.reason.contains("the configuration has changed"));
    assert_eq!(bench.told(), [closed("y.**", 0)]);
    assert_eq!(
        bench.shard.shared.heard.patterns_count(),
        1,
        "what nobody asks for is forgotten"
    );
}

#[test]
fn one_shard_tells_of_patterns_whatever_changes() {
    let (before, after) = (patterns(&["a*"]), patterns(&["a*", "c*"]));
    let shared = Arc::<Shared>::default();
    let mut both = [0, 1].map(|_| Bench::judging(before.clone(), Verbosity::Changes, &shared));
    for time in (NOW..NOW + 1200).step_by(60) {
        if time == NOW + 600 {
            for bench in &mut both {
                change(bench, &after);
            }
        }
        for bench in &mut both {
            bench.send(time, &lines(&["b"], time));
            bench.sweep(time + 10);
        }
    }
    let [first, second] = &mut both;
    assert_eq!(
        first.told(),
        [opened("a*", NOW + 10 + AFTER_S), opened("c*", NOW + 610 + AFTER_S)]
    );
    assert_eq!(second.told(), []);
}

/// A shard by `settings` that is started again at `restart`, after what `before` was saved as at `stop`.
fn started_again(before: &Bench, settings: &Settings, stop: Timestamp, restart: Timestamp) -> (Bench, Loaded) {
    let (mut series, mut patterns) = (Portion::default(), Portion::default());
    let next = before.shard.save(Place::Awake(0), 100, usize::MAX, stop, &mut series);
    assert_eq!(next, Some(Place::Dormant(0)));
    before.shard.save_patterns(stop, &mut patterns);
    let heirs = Origin::new(settings).heirs(settings);
    let (mut after, mut loaded) = (bench(settings.clone()), Loaded::default());
    for saved in series.pieces() {
        let name = Saved::new(saved).text().unwrap();
        after
            .shard
            .load(saved, hash(name.as_bytes()), &heirs, restart, &mut loaded);
    }
    for saved in patterns.pieces() {
        after.shard.load_pattern(saved, &heirs, restart, &mut loaded);
    }
    assert_eq!(loaded.damaged, 0);
    (after, loaded)
}

#[test]
fn an_anomaly_of_a_pattern_survives_a_restart() {
    let settings = patterns(&["a*", "x.**"]);
    let mut before = bench(settings.clone());
    before.sweep(NOW);
    go_on(&mut before, &["a0", "b"], NOW, NOW + 600);
    assert_eq!(before.told(), [opened("x.**", NOW + AFTER_S)]);
    let restart = NOW + 9000;
    let (mut after, loaded) = started_again(&before, &settings, NOW + 600, restart);
    assert_eq!(loaded.open, [("x.**".into(), 0)]);
    go_on(&mut after, &["a0", "b"], restart, restart + 900);
    assert_eq!(after.told(), [], "it is told of once");
    go_on(&mut after, &["a0", "x.y"], restart + 900, restart + 960);
    assert_eq!(after.told(), [closed("x.**", restart + 900)]);
}

#[test]
fn a_silence_of_a_pattern_goes_on_after_a_restart_with_half_of_its_time_left() {
    for (silent_s, before_s) in [(100, 100), (250, AFTER_S / 2)] {
        let settings = patterns(&["a*"]);
        let mut before = bench(settings.clone());
        before.sweep(NOW);
        go_on(&mut before, &["a0", "b"], NOW, NOW + 600);
        let stop = NOW + 540 + silent_s;
        go_on(&mut before, &["b"], NOW + 600, stop);
        assert_eq!(before.told(), []);
        // The time without a relay does not count.
        let restart = stop + 5000;
        let (mut after, _) = started_again(&before, &settings, stop, restart);
        after.sweep(restart);
        go_on(&mut after, &["b"], restart, restart + 600);
        assert_eq!(after.told(), [opened("a*", restart + AFTER_S - before_s)]);
        // And what is heard later counts from then on.
        go_on(&mut after, &["a0"], restart + 600, restart + 660);
        go_on(&mut after, &["b"], restart + 660, restart + 1200);
        assert_eq!(
            after.told(),
            [closed("a*", restart + 600), opened("a*", restart + 600 + AFTER_S)]
        );
    }
}

#[test]
fn a_silence_of_a_series_goes_on_after_a_restart_with_half_of_its_time_left() {
    for (silent_s, before_s) in [(100, 100), (250, AFTER_S / 2)] {
        let settings = listening();
        let mut before = bench(settings.clone());
        go_on(&mut before, &["a", "b"], NOW, NOW + 600);
        let stop = NOW + 540 + silent_s;
        go_on(&mut before, &["b"], NOW + 600, stop);
        assert_eq!(before.told(), []);
        // The time without a relay does not count, and neither does a second one to begin with.
        let restart = stop + 5000;
        let (after, _) = started_again(&before, &settings, stop, restart);
        let (mut after, _) = started_again(&after, &settings, restart, restart + 700);
        let restart = restart + 700;
        after.sweep(restart);
        go_on(&mut after, &["b"], restart, restart + 600);
        assert_eq!(after.told(), [opened("a", restart + AFTER_S - before_s)]);
        // And what is heard later counts from then on.
        go_on(&mut after, &["a", "b"], restart + 600, restart + 660);
        go_on(&mut after, &["b"], restart + 660, restart + 1200);
        assert_eq!(
            after.told(),
            [closed("a", restart + 600), opened("a", restart + 600 + AFTER_S)]
        );
    }
}

#[test]
fn what_was_shed_after_a_restart_is_not_silence_either() {
    let settings = listening();
    let mut before = bench(settings.clone());
    go_on(&mut before, &["a", "b"], NOW, NOW + 600);
    let restart = NOW + 5000;
    let (mut after, _) = started_again(&before, &settings, NOW + 690, restart);
    go_on(&mut after, &["b"], restart, restart + 60);
    after.shard.has_missed_lines(restart + 60);
    go_on(&mut after, &["b"], restart + 60, restart + 600);
    assert_eq!(after.told(), [opened("a", restart + 60 + AFTER_S)]);
}

#[test]
fn when_everything_had_stopped_nobody_was_silent_before_the_restart() {
    let settings = listening();
    let mut before = bench(settings.clone());
    go_on(&mut before, &MANY, NOW, NOW + 120);
    let restart = NOW + 3600;
    let (mut after, _) = started_again(&before, &settings, NOW + 240, restart);
    go_on(&mut after, &MANY[1..], restart, restart + 600);
    assert_eq!(after.told(), [opened("a0", restart + AFTER_S)]);
}

#[test]
fn a_pattern_goes_on_beside_others_and_begins_anew_with_another_detector() {
    let settings = patterns(&["a*"]);
    let mut before = bench(settings.clone());
    go_on(&mut before, &["b"], NOW, NOW + 600);
    assert_eq!(before.told(), [opened("a*", NOW + 30 + AFTER_S)]);
    let mut portion = Portion::default();
    before.shard.save_patterns(NOW + 600, &mut portion);
    let mut renamed = patterns(&["a*"]);
    renamed.detectors[0].name = "other".into();
    for (others, open) in [(patterns(&["c", "a*"]), 1), (patterns(&["c"]), 0), (renamed, 0)] {
        let heirs = Origin::new(&settings).heirs(&others);
        let (mut after, mut loaded) = (bench(others), Loaded::default());
        for saved in portion.pieces() {
            for end in 0..saved.len() {
                let mut torn = Loaded::default();
                after.shard.load_pattern(&saved[..end], &heirs, NOW + 700, &mut torn);
                assert!(torn.damaged == 1 && torn.open.is_empty(), "torn at {end}");
            }
            after.shard.load_pattern(saved, &heirs, NOW + 700, &mut loaded);
        }
        assert_eq!((loaded.damaged, loaded.open.len()), (0, open));
    }
}
