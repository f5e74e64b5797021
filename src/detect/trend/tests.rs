//! What is told of series that go their way, and of those that do not; and that a restart changes nothing.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "small numbers"
)]

use proptest::prelude::*;

use super::{
    super::{
        Severity,
        bench::{BEGIN, Bench},
    },
    *,
};
use crate::save::{Save, Saved};

const HOUR: i64 = 3600;

fn judging(settings: Settings) -> Bench<Engine> {
    Bench::new(Engine::new(settings))
}

fn wobble(hour: f64) -> f64 {
    ((hour * 6.0) as i64 * 7919 % 101) as f64 / 101.0 - 0.5
}

fn disk() -> Settings {
    Settings {
        direction: Direction::Up,
        ..Settings::new(95.0)
    }
}

#[test]
fn a_disk_that_fills_is_told_of_a_day_ahead_and_no_more_when_it_stops() {
    let mut bench = judging(disk());
    // 95 after 300 hours, unless somebody comes 20 hours before.
    let turns = bench.run(0..500, |hour| 35.0 + 0.2 * hour.min(280.0) + wobble(hour));
    assert_eq!(turns.len(), 2, "{turns:?}");
    let (opens, closes) = (&turns[0], &turns[1]);
    assert!(opens.1 && (275.0..278.0).contains(&opens.0), "{turns:?}");
    assert_eq!(opens.2, "95 in 24h, now at 90.38 and +0.2 an hour");
    assert!(!closes.1 && closes.0 > 281.0, "{turns:?}");
    assert!(closes.2.contains(", after "), "{}", closes.2);
}

#[test]
fn numbers_go_with_the_words() {
    let mut bench = judging(disk());
    bench.run(0..280, |hour| 35.0 + 0.2 * hour + wobble(hour));
    let (seen, verdict) = bench.push(BEGIN + 280 * HOUR, 91.0);
    assert!(seen.anomalous);
    assert_eq!(verdict.severity, Some(Severity::Warning));
    let vote = &verdict.votes[0];
    let seconds = vote.finding.statistic.unwrap();
    assert!((seconds / 3600.0 - 20.0).abs() < 1.0, "{seconds}");
    assert!((verdict.score - 86_400.0 / seconds).abs() < 1e-9);
    let number = |wanted| vote.details.iter().find(|(name, _)| *name == wanted).unwrap().1;
    assert!(number("earliest_at") < number("expected_at") && number("expected_at") < number("latest_at"));
    assert!((number("per_hour") - 0.2).abs() < 0.01 && number("fit") > 0.95);
    let (lower, expected, upper) = (
        verdict.lower.unwrap(),
        verdict.expected.unwrap(),
        verdict.upper.unwrap(),
    );
    assert!(
        lower < expected && expected < upper && (expected - 91.0).abs() < 0.5,
        "{expected}"
    );
    let outlook = bench.engine.outlook(&bench.state, &bench.window).unwrap();
    assert!(
        outlook.text.starts_with("95 in 20h, now at 91 and "),
        "{}",
        outlook.text
    );
}

#[test]
fn space_that_is_left_goes_down() {
    let settings = Settings {
        within_s: 12 * HOUR,
        clear_s: 18 * HOUR,
        ..Settings::new(0.0)
    };
    let mut bench = judging(settings);
    let turns = bench.run(0..200, |hour| 1e12 - 5e9 * hour + 1e10 * wobble(hour));
    assert_eq!(turns.len(), 1, "{turns:?}");
    assert!((187.0..189.0).contains(&turns[0].0), "{turns:?}");
}

#[test]
fn what_is_reached_stays_told_until_it_is_left() {
    let mut bench = judging(disk());
    let turns = bench.run(0..400, |hour| if hour < 350.0 { 35.0 + 0.2 * hour } else { 50.0 });
    assert_eq!(
        turns.iter().map(|turn| turn.1).collect::<Vec<_>>(),
        [true, false],
        "{turns:?}"
    );
    assert!(turns[1].0 >= 350.0);
    let mut bench = judging(disk());
    bench.run(0..200, |hour| 97.0 + wobble(hour));
    let (seen, verdict) = bench.push(BEGIN + 200 * HOUR, 97.0);
    assert!(
        seen.anomalous && verdict.reason.starts_with("95 is reached"),
        "{}",
        verdict.reason
    );
    // From wherever it is: then it would have to fall.
    let mut bench = judging(Settings::new(95.0));
    assert_eq!(bench.run(0..200, |hour| 97.0 + wobble(hour)), []);
}

#[test]
fn a_full_disk_is_told_at_once_and_stays_told_while_it_is_full() {
    // Standing at it for four days, with noise or without, or on its way beyond so fast that no line knows.
    for at in [95.0, 97.0, 100.0] {
        let mut bench = judging(disk());
        let full = |hour: f64| if hour < 480.0 { 50.0 } else { at };
        let turns = bench.run(0..1200, |hour| full(hour) + wobble(hour));
        assert_eq!(turns.len(), 1, "{at}: {turns:?}");
        let (hour, opens, reason) = &turns[0];
        assert!(*opens && (480.0..482.0).contains(hour), "{at}: {turns:?}");
        assert!(reason.starts_with("95 is reached, now at "), "{reason}");
    }
    let mut bench = judging(disk());
    let turns = bench.run(0..600, |hour| match hour {
        ..480.0 => 50.0 + wobble(hour),
        ..500.0 => 100.0,
        _ => 50.0 + wobble(hour),
    });
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert!((500.0..502.0).contains(&turns[1].0) && !turns[1].1, "{turns:?}");
}

#[test]
fn a_single_wild_value_has_reached_nothing() {
    let mut bench = judging(disk());
    let turns = bench.run(
        0..300,
        |hour| if hour % 17.0 < 0.01 { 100.0 } else { 50.0 + wobble(hour) },
    );
    assert_eq!(turns, []);
}

#[test]
fn a_series_that_lies_about_the_value_does_not_reach_it_from_either_side() {
    let about = |hour: f64| 95.0 + 10.0 * (hour * std::f64::consts::TAU / 24.0).sin() + wobble(hour);
    let mut bench = judging(Settings::new(95.0));
    assert_eq!(bench.run(0..1000, about), []);
    let (_, verdict) = bench.push(BEGIN + 1000 * HOUR, 95.0);
    assert!(
        verdict.reason.starts_with("95 is amid its ups and downs, "),
        "{}",
        verdict.reason
    );
    // Days that come up to it are told of once.
    let mut bench = judging(disk());
    let turns = bench.run(0..1000, |hour| about(hour) - if hour < 500.0 { 15.0 } else { 5.0 });
    assert_eq!(turns.iter().filter(|turn| turn.1).count(), 1, "{turns:?}");
}

#[test]
fn noise_seasons_and_a_slope_that_is_not_sure_are_not_told() {
    for shape in 0..3 {
        let mut bench = judging(disk());
        let turns = bench.run(0..1000, |hour| match shape {
            0 => 80.0 + 10.0 * wobble(hour),
            1 => 80.0 + 10.0 * (hour * std::f64::consts::TAU / 24.0).sin() + wobble(hour),
            _ => 80.0 + if (hour / 24.0) as i64 % 7 < 5 { 8.0 } else { 0.0 } + wobble(hour),
        });
        assert_eq!(turns, [], "shape {shape}");
    }
}

#[test]
fn rotated_logs_are_no_trend_until_the_rotation_stays_away() {
    let day = |hour: f64| 60.0 + 20.0 * (hour % 24.0) / 24.0;
    let mut bench = judging(disk());
    assert_eq!(bench.run(0..600, |hour| day(hour) + wobble(hour)), []);
    // 0.83 an hour: the day after the last rotation ends at 80, and 95 is 18 hours away then.
    let turns = bench.run(600..640, |hour| 60.0 + 20.0 * (hour - 600.0) / 24.0 + wobble(hour));
    assert_eq!(turns.len(), 1, "{turns:?}");
    assert!((624.0..631.0).contains(&turns[0].0), "{turns:?}");
}

#[test]
fn rotated_logs_are_no_trend_however_long_and_grow_when_they_do() {
    let tooth = |hour: f64, period: f64| hour % period / period;
    for period in [24.0, 18.0, 31.0] {
        // Up to 94.5 each time, for two months.
        let mut bench = judging(disk());
        let turns = bench.run(0..1440, |hour| 58.0 + 36.0 * tooth(hour, period) + wobble(hour));
        assert_eq!(turns, [], "{period}");
        // Its ends rise by 1 a day, to 95 after 25 days.
        let mut bench = judging(disk());
        let turns = bench.run(0..700, |hour| {
            40.0 + 30.0 * tooth(hour, period) + hour / 24.0 + wobble(hour)
        });
        assert_eq!(turns.len(), 1, "{period}: {turns:?}");
        let (hour, _, reason) = &turns[0];
        assert!((565.0..600.0).contains(hour), "{period}: {turns:?}");
        assert!(reason.contains(", the ends of its teeth at 9"), "{reason}");
    }
}

#[test]
fn a_disk_that_begins_to_fill_fast_is_told_of_before_it_is_full() {
    let filling = |hour: f64, pace: f64| (50.0 + pace * (hour - 480.0).max(0.0)).min(100.0) + wobble(hour);
    for (pace, ahead) in [
        (0.5, 20.0),
        (0.75, 20.0),
        (1.0, 20.0),
        (2.0, 17.0),
        (3.0, 10.0),
        (5.0, 5.0),
    ] {
        let mut bench = judging(disk());
        let turns = bench.run(0..800, |hour| filling(hour, pace));
        assert_eq!(turns.len(), 1, "{pace}: {turns:?}");
        let full = 480.0 + 45.0 / pace;
        let (hour, opens, reason) = &turns[0];
        assert!(
            *opens && (480.0..full - ahead).contains(hour),
            "{pace}: {full}, {turns:?}"
        );
        assert!(reason.starts_with("95 in ") && reason.contains(", now at "), "{reason}");
    }
    // Ever faster: each day by an e-th of a tenth more; 95 after 540 hours.
    let mut bench = judging(disk());
    let turns = bench.run(0..600, |hour| {
        (95.0 * ((hour - 540.0) / 240.0).exp()).min(100.0) + wobble(hour) / 5.0
    });
    assert_eq!(turns.len(), 1, "{turns:?}");
    assert!((510.0..530.0).contains(&turns[0].0), "{turns:?}");
}

#[test]
fn no_interval_excludes_the_present() {
    // A step has just happened: nobody knows yet what it is.
    let mut bench = judging(disk());
    bench.run(
        0..482,
        |hour| if hour < 480.0 { 50.0 + hour / 48.0 } else { 94.0 } + wobble(hour) / 5.0,
    );
    let (_, verdict) = bench.push(BEGIN + 482 * HOUR, 94.0);
    let details = &verdict.votes[0].details;
    let number = |wanted| {
        details
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, number)| *number)
    };
    let now = (BEGIN + 482 * HOUR) as f64;
    assert!(number("earliest_at").unwrap() <= now, "{}", verdict.reason);
    assert!((number("level").unwrap() - 94.0).abs() < 1.0, "{}", verdict.reason);
}

#[test]
fn a_step_is_no_pace() {
    let mut bench = judging(disk());
    assert_eq!(
        bench.run(0..600, |hour| 40.0
            + if hour > 300.0 { 30.0 } else { 0.0 }
            + wobble(hour)),
        []
    );
}

#[test]
fn it_takes_time_to_know_a_series() {
    let mut bench = judging(disk());
    bench.run(0..90, |hour| 80.0 + 0.1 * hour);
    assert!(matches!(
        bench.engine.standing(&bench.state, &bench.window),
        Standing::WarmingUp { .. }
    ));
    let (seen, verdict) = bench.push(BEGIN + 90 * HOUR, 89.0);
    assert!(!seen.anomalous && verdict.score == 0.0);
    assert_eq!(verdict.reason, "too little is known of the series");
    bench.run(91..98, |hour| 80.0 + 0.1 * hour);
    assert_eq!(bench.engine.standing(&bench.state, &bench.window), Standing::Analysed);
}

#[test]
fn what_is_missing_is_told_as_time_not_as_samples() {
    let mut bench = judging(disk());
    bench.run(0..30, |hour| 80.0 + 0.1 * hour);
    let standing = |bench: &Bench<Engine>| bench.engine.standing(&bench.state, &bench.window).to_string();
    assert_eq!(standing(&bench), "warming up: 29h of 4 days");
    // Steps of a gap are not known.
    bench.run(80..85, |hour| 80.0 + 0.1 * hour);
    assert_eq!(standing(&bench), "warming up: 34h of 4 days");
}

#[test]
fn the_newest_verdict_can_be_had_again() {
    let mut bench = judging(disk());
    bench.run(0..24 * 9, |hour| 50.0 + 0.2 * hour);
    let (seen, verdict) = bench.push(BEGIN + 24 * 9 * HOUR, 93.2);
    assert!(seen.anomalous && !seen.changed, "{verdict:?}");
    assert_eq!(bench.engine.recall(&bench.state, &bench.window, true), Some(verdict));
}

#[test]
fn a_short_look_back_finds_what_fills_within_hours() {
    let settings = Settings {
        over_s: 2 * HOUR,
        min_history_s: HOUR,
        within_s: HOUR,
        clear_s: 2 * HOUR,
        ..disk()
    };
    let mut bench = judging(settings);
    let mut opened = None;
    for second in (0..4 * HOUR).step_by(10) {
        let minute = second as f64 / 60.0;
        let value = 20.0 + (minute - 90.0).max(0.0) * 0.5 + wobble(minute / 10.0);
        let (seen, _) = bench.push(BEGIN + second, value);
        opened = opened.or(seen.anomalous.then_some(minute));
    }
    // 95 at the minute 240.
    let opened = opened.unwrap();
    assert!((175.0..215.0).contains(&opened), "{opened}");
}

#[test]
fn what_was_learnt_without_being_told_is_the_same() {
    let value = |hour: f64| 35.0 + 0.2 * hour + wobble(hour);
    let (mut judged, mut learnt) = (judging(disk()), judging(disk()));
    judged.run(0..279, value);
    for timestamp in (BEGIN..BEGIN + 279 * HOUR).step_by(600) {
        let hour = (timestamp - BEGIN) as f64 / 3600.0;
        let point = Point {
            timestamp,
            value: value(hour),
        };
        learnt.window.push(point, &mut learnt.scratch, |_| {}).unwrap();
        let sample = Context {
            window: &learnt.window,
            now: timestamp,
            said: &[],
        };
        learnt.engine.learn(&mut learnt.state, &sample);
    }
    assert_eq!(learnt.state.past, judged.state.past);
    let (seen, verdict) = learnt.push(BEGIN + 279 * HOUR, 91.0);
    assert!(seen.alert && seen.anomalous);
    assert_eq!(
        verdict.score.to_bits(),
        judged.push(BEGIN + 279 * HOUR, 91.0).1.score.to_bits()
    );
}

#[test]
fn sixty_days_take_less_than_12_kb() {
    let settings = Settings {
        over_s: 60 * DAY_S,
        ..disk()
    };
    let mut bench = judging(settings);
    bench.run(0..70 * 24, f64::sin);
    let bytes = bench.state.memory_bytes();
    assert!((5760..6500).contains(&bytes), "{bytes}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn saved_and_loaded_it_goes_on_to_the_bit(
        seed in 0_u64..1000,
        cut in 1_usize..600,
        step_s in prop_oneof![Just(600_i64), Just(3600), Just(7000), Just(40_000)],
        size in prop_oneof![Just(1.0), Just(1e300), Just(f64::MAX), Just(1e-300)],
    ) {
        let value = |place: usize| {
            let random = (place as u64 + 1).wrapping_mul(seed * 2 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            size * ((random as f64 / f64::from(1 << 24) - 0.5) + place as f64 / 1000.0).clamp(-1.0, 1.0)
        };
        let timestamp = |place: usize| BEGIN + step_s * place as i64 + if place > 300 { 900_000 } else { 0 };
        let settings = Settings { min_history_s: HOUR, min_fit: 0.0, ..Settings::new(0.6 * size) };
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
        for place in cut..700 {
            let (seen, verdict) = bench.push(timestamp(place), value(place));
            let (seen_again, verdict_again) = again.push(timestamp(place), value(place));
            prop_assert_eq!(seen, seen_again);
            prop_assert_eq!(&verdict, &verdict_again);
            prop_assert!(verdict.score.is_finite() && verdict.score >= 0.0);
            let numbers = [verdict.expected, verdict.lower, verdict.upper].into_iter().flatten();
            prop_assert!(numbers.chain(verdict.votes.iter().flat_map(|vote| vote.details.iter().map(|(_, number)| *number))).all(f64::is_finite));
        }
        let (mut one, mut other) = (Vec::new(), Vec::new());
        bench.state.save(&mut one);
        again.state.save(&mut other);
        prop_assert_eq!(one, other);
    }
}

#[test]
fn what_is_not_known_of_a_season_makes_the_interval_wider() {
    const SERIES: u64 = 200;
    for days in [4, 30] {
        let mut held = 0;
        for seed in 1..=SERIES {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut uniform = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 11) as f64 / (1_u64 << 53) as f64
            };
            let truth = |hour: usize| {
                let turn = hour as f64 / 24.0 * std::f64::consts::TAU;
                20.0 + 0.05 * (hour as f64 + 0.5) + 6.0 * turn.sin()
            };
            let hours = 24 * days;
            let mut values: Vec<f64> = (0..hours)
                .map(|hour| truth(hour) + (0..12).map(|_| uniform()).sum::<f64>() - 6.0)
                .collect();
            let local = |place: usize| place as i64 * HOUR;
            let (day, week) = take_season(&mut values, HOUR, local, &mut SeasonScratch::default());
            let time = |hour: usize| hour as f64 + 0.5 - hours as f64;
            let places: Vec<Place> = (0..hours).map(|hour| (time(hour), values[hour])).collect();
            let taken = day.taken() + week.taken();
            let line = Line::present(&places, taken, &mut line::Scratch::default()).unwrap();
            let margin = line.margin(0.05);
            for hour in hours..hours + 24 {
                let added = day.at(hour % 24) + week.at(hour % 168);
                let off = line.at(time(hour)) + added - truth(hour);
                held += u64::from(off.abs() <= margin.with_season(time(hour)));
            }
        }
        let share = held as f64 / (24 * SERIES) as f64;
        // Of the line alone it would be 0.8.
        assert!((0.87..0.96).contains(&share), "{days} days: {share}");
    }
}
