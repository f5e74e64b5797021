//! What the detector tells of series, from the first sample to the end of an anomaly.

use proptest::prelude::*;

use super::*;
use crate::{detect::Outcome, save::put_bytes, window::Scratch};

mod edges;
mod incidents;

/// A detector, one series, and the time of its next sample.
struct Bench {
    engine: Engine,
    state: State,
    timestamp: i64,
    step_s: i64,
}

impl Bench {
    fn new(settings: Settings, step_s: i64) -> Self {
        Self {
            engine: Engine::new(settings),
            state: State::default(),
            timestamp: 0,
            step_s,
        }
    }

    fn observe(&mut self, value: f64) -> Observation {
        let timestamp = self.timestamp;
        self.timestamp += self.step_s;
        self.engine.observe(&mut self.state, Point { timestamp, value })
    }

    fn judge(&mut self, value: f64) -> Verdict {
        let observation = self.observe(value);
        let timestamp = self.timestamp - self.step_s;
        self.engine
            .verdict(&self.state, Point { timestamp, value }, observation)
    }

    /// Shows `value` for `lasts_s` seconds; gives the verdicts that change something or tell.
    fn show(&mut self, lasts_s: i64, value: impl Fn(i64) -> f64) -> Vec<Verdict> {
        let end = self.timestamp + lasts_s;
        let mut told = Vec::new();
        while self.timestamp < end {
            let (timestamp, value) = (self.timestamp, value(self.timestamp));
            let observation = self.observe(value);
            if observation.alert || observation.changed {
                told.push(
                    self.engine
                        .verdict(&self.state, Point { timestamp, value }, observation),
                );
            }
        }
        told
    }
}

const DAY_S: i64 = 86_400;

/// A day's wave from 50 to 150, and noise of up to 5.
fn wave(timestamp: i64) -> f64 {
    let day = f64::from(i32::try_from(timestamp % DAY_S).unwrap()) / 86_400.0;
    100.0 + 50.0 * (std::f64::consts::TAU * day).sin() + noise(timestamp)
}

fn noise(timestamp: i64) -> f64 {
    let mixed = timestamp.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    f64::from(u16::try_from(mixed >> 48).unwrap()) / 6553.6 - 5.0
}

/// Ten days of it, at a sample in five minutes.
fn known(settings: Settings) -> Bench {
    let mut bench = Bench::new(settings, 300);
    let told = bench.show(10 * DAY_S, wave);
    assert!(told.len() <= 2, "{told:?}");
    bench
}

/// Noise of a normal distribution, about, with a deviation of 1, the same each time.
fn normal(seed: i64, timestamp: i64) -> f64 {
    (0..12)
        .map(|place| noise(timestamp * 64 + seed * 12 + place) / 10.0)
        .sum()
}

#[test]
fn no_age_of_a_series_is_an_anomaly() {
    // Alerts of ten series like `value` around the time that they are 15 days old, when the time of the week is first known.
    let told = |value: &dyn Fn(i64, i64) -> f64| -> usize {
        let alerts = (0..10).map(|seed| {
            let mut bench = Bench::new(Settings::default(), 300);
            bench.timestamp = 37_020;
            let mut alerts = 0;
            while bench.timestamp < 16 * DAY_S {
                let observation = bench.observe(value(seed, bench.timestamp));
                let is_then = (14 * DAY_S..16 * DAY_S).contains(&(bench.timestamp - 37_020));
                alerts += usize::from(is_then && observation.alert);
            }
            alerts
        });
        alerts.sum()
    };
    let days = |timestamp: i64| f64::from(i32::try_from(timestamp).unwrap()) / 86_400.0;
    for drift in [0.0, 1.0, 3.0] {
        let alerts = told(&|seed, timestamp| 100.0 + drift * days(timestamp) + normal(seed, timestamp));
        assert!(alerts <= 3, "{alerts} in 20 days of series that rise by {drift} a day");
    }
    let counter = told(&|_, timestamp| 1e6 * days(timestamp));
    assert_eq!(counter, 0);
}

#[test]
fn it_says_how_far_it_is_from_knowing_enough() {
    let mut bench = Bench::new(Settings::default(), 60);
    for _ in 0..37 {
        bench.observe(1.0);
    }
    assert_eq!(
        bench.engine.standing(&bench.state).to_string(),
        "warming up: 37 of 150 samples"
    );
    let verdict = bench.judge(100.0);
    assert_eq!(verdict.reason, "warming up: 38 of 150 samples");
    assert!(!verdict.alert && !verdict.anomalous);
    bench.show(7200, |_| 1.0);
    assert_eq!(bench.engine.standing(&bench.state).to_string(), "warming up: 2h of 24h");
    bench.show(DAY_S, |_| 1.0);
    assert_eq!(bench.engine.standing(&bench.state), Standing::Analysed);
}

#[test]
fn a_channel_has_its_own_severity() {
    let settings = Settings {
        severity: Severities {
            level: Severity::Critical,
            spike: Severity::Info,
            ..Severities::default()
        },
        ..Settings::default()
    };
    let mut bench = known(settings);
    let spike = bench.judge(wave(bench.timestamp) + 55.0);
    assert_eq!((spike.alert, spike.severity), (true, Some(Severity::Info)), "{spike:?}");
    let told = bench.show(DAY_S, |timestamp| wave(timestamp) + 110.0);
    assert_eq!(told[0].severity, Some(Severity::Critical), "{told:?}");
}

#[test]
fn the_nine_vote_on_what_opens_as_they_would_have_live() {
    let settings = Settings {
        explain: true,
        ..Settings::default()
    };
    let mut bench = Bench::new(settings, 300);
    let (mut kept, mut bare) = (Window::with_statistics(DAY_S), Window::new(DAY_S));
    let mut nine = skyline::Engine::new(skyline::Settings::default());
    let (mut nine_state, mut scratch) = (skyline::State::default(), Scratch::default());
    let mut opened = 0;
    for place in 0..3000 {
        let point = Point {
            timestamp: 300 * place,
            value: wave(300 * place) + if place % 700 == 699 { 200.0 } else { 0.0 },
        };
        bare.push(point, &mut scratch, |_| {}).unwrap();
        kept.push(point, &mut scratch, |old| nine.expire(&mut nine_state, old))
            .unwrap();
        let observation = bench.engine.observe(&mut bench.state, point);
        let live = nine.observe(&mut nine_state, &kept);
        if observation.changed || observation.alert {
            let votes = bench.engine.explain(&bench.state, &bare, observation).votes;
            let opens = observation.changed && observation.anomalous;
            assert_eq!(votes.len(), if opens { 11 } else { 2 });
            if opens {
                opened += 1;
                let live = nine.explain(&mut nine_state, &kept, live).votes;
                for (vote, live) in votes[2..].iter().zip(&live) {
                    assert_eq!((&vote.name, vote.finding.outcome), (&live.name, live.finding.outcome));
                    let apart = vote.finding.statistic.unwrap_or(0.0) - live.finding.statistic.unwrap_or(0.0);
                    assert!(apart.abs() < 1e-6, "{vote:?} is not {live:?}");
                }
            }
        }
    }
    assert!(opened >= 2, "{opened}");
}

#[test]
fn the_band_holds_what_scores_less_than_one_and_nothing_else() {
    for (change, lasts_s) in [(60.0, 1800), (-60.0, 1800), (200.0, 300), (-90.0, 300), (20.0, 7200)] {
        let mut bench = known(Settings::default());
        let (began, mut odd) = (bench.timestamp, 0);
        while bench.timestamp < began + DAY_S {
            let after = bench.timestamp - began;
            let change = if (7200..7200 + lasts_s).contains(&after) {
                change
            } else {
                0.0
            };
            let verdict = bench.judge(wave(bench.timestamp) + change);
            let (lower, upper) = (verdict.lower.unwrap(), verdict.upper.unwrap());
            let is_inside = lower < verdict.value && verdict.value < upper;
            assert_eq!(verdict.score < 1.0, is_inside, "{verdict:?}");
            assert!(!verdict.alert || !is_inside, "{verdict:?}");
            odd += usize::from(!is_inside);
        }
        assert!((1..100).contains(&odd), "{odd} samples outside");
    }
}

#[test]
fn where_all_values_have_been_equal_the_band_is_that_value() {
    let mut bench = Bench::new(Settings::default(), 60);
    bench.show(2 * DAY_S, |_| 0.0);
    let rest = bench.judge(0.0);
    assert_eq!(
        (rest.lower, rest.expected, rest.upper),
        (Some(0.0), Some(0.0), Some(0.0))
    );
    let other = bench.judge(1.0);
    assert_eq!(
        (other.lower, other.expected, other.upper),
        (Some(0.0), Some(0.0), Some(0.0))
    );
    let gap = other.votes[0]
        .details
        .iter()
        .find(|(name, _)| *name == "gap")
        .unwrap()
        .1;
    assert!(other.alert && gap <= 1e6, "{gap}");
}

#[test]
fn a_state_is_small() {
    // The next larger blocks of memory that an allocator has are of 1,024 bytes.
    assert!(size_of::<State>() <= 896, "{}", size_of::<State>());
}

fn saved(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    state.save(&mut out);
    out
}

fn load(bytes: &[u8]) -> Result<State, Damaged> {
    State::load(&mut Saved::new(bytes))
}

#[test]
fn what_was_written_and_read_goes_on_bit_for_bit() {
    for days in [0, 1, 20] {
        let mut bench = Bench::new(Settings::default(), 300);
        bench.show(days * DAY_S, wave);
        let known_then = bench.state.clone();
        let bytes = saved(&known_then);
        let mut copy = Bench {
            engine: Engine::new(Settings::default()),
            state: load(&bytes).unwrap(),
            ..bench
        };
        assert_eq!(copy.state, bench.state);
        for _ in 0..2000 {
            let value = wave(bench.timestamp) + if bench.timestamp % 7200 == 0 { 80.0 } else { 0.0 };
            assert_eq!(bench.judge(value), copy.judge(value));
        }
        assert_eq!(saved(&bench.state), saved(&copy.state));
        // Its length, its version, what is known.
        let (version, known) = bytes[size_of::<u32>()..].split_first().unwrap();
        let load_inner = |inner: &[u8]| {
            let mut out = Vec::new();
            put_bytes(inner, &mut out);
            load(&out)
        };
        assert_eq!(load_inner(&[&[*version], known].concat()), Ok(known_then));
        assert!(load_inner(&[&[*version], &known[1..]].concat()).is_err());
        assert!(load_inner(&[&[*version], known, &[0]].concat()).is_err());
        assert!(load_inner(&[&[version + 1], known].concat()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn an_end_of_the_band_is_where_the_score_reaches_one(seed in 0_i64..1_000_000, change in -100.0..100.0) {
        let value = |timestamp| wave(timestamp) + noise(timestamp ^ seed);
        let mut bench = Bench::new(Settings::default(), 600);
        bench.show(8 * DAY_S, value);
        let now = value(bench.timestamp) + change;
        let before = bench.state.clone();
        let timestamp = bench.timestamp;
        let verdict = bench.judge(now);
        let (lower, upper) = (verdict.lower.unwrap(), verdict.upper.unwrap());
        let expected = verdict.expected.unwrap();
        let mut score = |value: f64| {
            bench.state = before.clone();
            bench.timestamp = timestamp;
            bench.judge(value).score
        };
        if score(expected) < 1.0 {
            // Parts of a score are of single precision, and jump by some millionths between two neighbours.
            let little = (upper - lower) * 1e-4;
            for (end, outward) in [(lower, -little), (upper, little)] {
                prop_assert!(score(end + outward) >= 1.0, "{verdict:?}");
                prop_assert!(score(end - outward) < 1.0, "{verdict:?}");
            }
            prop_assert!(lower < expected && expected < upper);
        }
    }
}

#[test]
fn what_comes_back_after_a_week_goes_on_where_it_was() {
    let mut bench = known(Settings::default());
    bench.timestamp += 7 * DAY_S;
    let told = bench.show(2 * DAY_S, wave);
    assert!(told.is_empty(), "{told:?}");

    let mut bench = known(Settings::default());
    bench.timestamp += 7 * DAY_S;
    let began = bench.timestamp;
    let told = bench.show(DAY_S, |timestamp| wave(timestamp) + 300.0);
    assert!(told[0].alert && told[0].timestamp <= began + 900, "{told:?}");
    assert_eq!(
        told[0].votes[1].finding.statistic,
        Some(0.0),
        "no step over the gap: {told:?}"
    );
}

#[test]
fn an_anomaly_over_which_a_series_falls_silent_ends_when_it_is_back() {
    let mut bench = known(Settings::default());
    assert!(bench.show(3600, |_| 2.0)[0].anomalous);
    bench.timestamp += 7 * DAY_S;
    let told = bench.show(3600, wave);
    assert!(
        !told[0].anomalous && told[0].timestamp < bench.timestamp - 3000,
        "{told:?}"
    );
}

#[test]
fn another_interval_is_no_anomaly() {
    for step_s in [10, 60, 1800, 3600] {
        let mut bench = known(Settings::default());
        bench.step_s = step_s;
        let told = bench.show(10 * DAY_S, wave);
        assert!(told.len() <= 2, "every {step_s} s: {told:#?}");
        let spike = bench.judge(wave(bench.timestamp) + 500.0);
        assert!(spike.alert, "every {step_s} s: {spike:?}");
    }
}

#[test]
fn a_sample_a_day_is_enough_in_the_end() {
    let mut bench = Bench::new(Settings::default(), DAY_S);
    let told = bench.show(400 * DAY_S, noise);
    assert!(told.len() <= 2, "{told:?}");
    assert!(bench.judge(200.0).alert);
    // Until the long mean has forgotten it, and for as long again.
    let told = bench.show(50 * DAY_S, noise);
    assert!(told.len() <= 6, "{told:?}");
    assert!(!told.last().unwrap().anomalous, "{told:?}");
}

#[test]
fn what_does_not_advance_is_not_judged() {
    let mut bench = known(Settings::default());
    let before = bench.state.clone();
    for back in [300, 301, 604_800] {
        let point = Point {
            timestamp: bench.timestamp - back,
            value: 1e6,
        };
        assert_eq!(bench.engine.observe(&mut bench.state, point), Observation::default());
    }
    assert_eq!(bench.state, before);
}

#[test]
fn seasons_follow_the_clocks_of_the_time_zone() {
    // A wave by the clocks of Berlin, over the end of daylight saving time on 27 October 2024, 01:00 UTC.
    let change = 1_729_990_800;
    let mut clocks = LocalTime::new(jiff::tz::TimeZone::get("Europe/Berlin").unwrap());
    let mut mean_error = |timezone: &str| {
        let settings = Settings {
            timezone: jiff::tz::TimeZone::get(timezone).unwrap(),
            ..Settings::default()
        };
        let mut bench = Bench::new(settings, 600);
        bench.timestamp = change - 20 * DAY_S;
        let (mut errors, mut judged) = (0.0, 0);
        while bench.timestamp < change + DAY_S {
            let value = wave(clocks.at(bench.timestamp));
            let verdict = bench.judge(value);
            if verdict.timestamp >= change {
                errors += (verdict.expected.unwrap() - value).abs();
                judged += 1;
            }
        }
        errors / f64::from(judged)
    };
    let (by_local_time, by_utc) = (mean_error("Europe/Berlin"), mean_error("UTC"));
    assert!(
        by_local_time < 3.5 && by_utc > 2.0 * by_local_time,
        "{by_local_time} and {by_utc}"
    );
}

fn any_series() -> impl Strategy<Value = Vec<(f64, u16, i64)>> {
    let value = prop_oneof![
        4 => -100.0..100.0,
        2 => Just(0.0),
        1 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
        1 => prop_oneof![Just(1e300), Just(-1e300), Just(5e-324), Just(f64::MAX), Just(f64::MIN)],
    ];
    proptest::collection::vec((value, 1_u16..200, 1_i64..200_000), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_series_can_be_judged_and_explained(series in any_series(), alternate in any::<bool>()) {
        let settings = Settings { silent_samples: 0, silent_for_s: 0, ..Settings::default() };
        let mut bench = Bench::new(settings, 60);
        for (value, times, step_s) in series {
            bench.step_s = step_s;
            for time in 0..times {
                let value = if alternate && time % 2 == 1 { -value } else { value };
                let verdict = bench.judge(value);
                prop_assert!(verdict.score.is_finite() && verdict.score >= 0.0);
                let numbers = [verdict.expected, verdict.lower, verdict.upper];
                prop_assert!(numbers.iter().flatten().all(|number| number.is_finite()), "{verdict:?}");
                let votes = verdict.votes.iter();
                prop_assert!(votes.flat_map(|vote| &vote.details).all(|(_, detail)| detail.is_finite()));
                prop_assert!(verdict.score < 1.0 || !verdict.reason.is_empty());
            }
        }
    }
}

/// The level that an outage of half an hour is told with, of a metric that has been well for `well_s` seconds after `reading`.
fn level_after(reading: Option<f64>, well_s: i64) -> f64 {
    let mut bench = known(Settings::default());
    if let Some(value) = reading {
        bench.observe(value);
    }
    bench.show(well_s, wave);
    let level = |verdict: Verdict| verdict.votes[0].finding.statistic.unwrap();
    (0..6).map(|_| level(bench.judge(2.0))).fold(0.0, f64::max)
}

#[test]
fn a_day_after_a_broken_reading_half_of_the_sight_is_back() {
    let well = level_after(None, DAY_S);
    for reading in [1.8e19, -1.8e19, 1e30] {
        let after = level_after(Some(reading), DAY_S);
        assert!(after > 0.5 * well, "{after} instead of {well} a day after {reading}");
    }
}

#[test]
fn a_broken_reading_does_not_blind_where_nothing_ever_happens() {
    let mut bench = Bench::new(Settings::default(), 60);
    bench.show(3 * DAY_S, |_| 0.0);
    bench.observe(1.8e19);
    bench.show(DAY_S, |_| 0.0);
    let told = bench.show(600, |_| 20.0);
    assert!(told.iter().any(|verdict| verdict.alert), "{told:?}");
}

#[test]
fn what_has_really_grown_is_learnt_however_much() {
    let mut bench = known(Settings::default());
    bench.show(4 * DAY_S, |time| 1e6 * wave(time));
    let expected = bench.judge(1e8).expected.unwrap();
    assert!((0.5e8..1.5e8).contains(&expected), "{expected}");
}

#[test]
fn a_state_is_of_whole_cache_lines() {
    assert_eq!((align_of::<State>(), size_of::<State>()), (8, 14 * 64));
}
