//! Silences: how long is too long, as stated and by a rhythm, when they begin and end, and what a restart keeps of them.

use super::*;
use crate::window::{Point, Scratch};

/// Absence over a series.
struct Bench {
    engine: Engine,
    state: State,
    window: Window,
}

impl Bench {
    fn new(after: After) -> Self {
        Self {
            engine: Engine::new(Settings {
                after,
                of: Vec::new(),
                severity: Severity::Critical,
            }),
            state: State::default(),
            window: Window::new(86_400),
        }
    }

    fn explain(&mut self, now: Timestamp, seen: Observation) -> Verdict {
        let sample = Context {
            window: &self.window,
            now,
            said: &[],
        };
        self.engine.explain(&mut self.state, &sample, seen)
    }

    /// A sample arrives.
    fn sample(&mut self, now: Timestamp) -> (Observation, Verdict) {
        let point = Point {
            timestamp: now,
            value: 1.5,
        };
        self.window.push(point, &mut Scratch::default(), |_| {}).unwrap();
        let sample = Context {
            window: &self.window,
            now,
            said: &[],
        };
        let seen = self.engine.observe(&mut self.state, &sample);
        (seen, self.explain(now, seen))
    }

    /// Nothing has come until `now`.
    fn silence(&mut self, now: Timestamp, listening_since: Timestamp) -> (Observation, Verdict) {
        let mut listening = Listening::default();
        listening.begin(listening_since);
        let seen = self.engine.silence(&mut self.state, now, &listening);
        (seen, self.explain(now, seen))
    }

    /// How long it may be silent, by what was learnt.
    fn after_s(&self) -> Option<i64> {
        self.engine.after_s(&self.state)
    }
}

#[test]
fn silence_is_told_once_and_so_is_its_end() {
    let mut bench = Bench::new(After::Stated(900));
    assert!(!bench.sample(1000).0.changed);
    assert_eq!(bench.silence(1900, 0).0, Observation::default());
    let (seen, verdict) = bench.silence(1960, 0);
    assert!(seen.anomalous && seen.alert && seen.changed);
    assert_eq!((verdict.timestamp, verdict.severity), (1900, Some(Severity::Critical)));
    assert_eq!(verdict.reason, "nothing has come for 15m");
    assert!(verdict.score > 1.0 && verdict.value.to_bits() == 1.5_f64.to_bits());
    let (seen, _) = bench.silence(2020, 0);
    assert!(seen.anomalous && !seen.alert && !seen.changed);
    let (seen, verdict) = bench.sample(5500);
    assert!(seen.changed && !seen.anomalous && !seen.alert);
    assert_eq!(verdict.timestamp, 5500);
    assert_eq!(verdict.reason, "it is back, 60m after it was told to be silent");
    assert!(!bench.sample(5510).0.changed);
}

#[test]
fn what_is_not_heard_is_not_silent() {
    let mut bench = Bench::new(After::Stated(900));
    bench.sample(1000);
    assert!(!bench.silence(50_000, 49_900).0.changed, "the relay was not there");
    let (seen, verdict) = bench.silence(50_801, 49_900);
    assert!(seen.changed);
    assert_eq!(verdict.timestamp, 50_800);
    // Nothing was ever heard: from the beginning of listening on.
    let mut bench = Bench::new(After::Stated(900));
    assert!(!bench.silence(10_900, 10_000).0.changed);
    assert!(bench.silence(10_901, 10_000).0.changed);
}

#[test]
fn how_long_it_may_be_is_learnt() {
    let mut bench = Bench::new(After::Learnt);
    let mut now = 0;
    while now < 3600 {
        assert!(bench.after_s().is_none());
        assert!(!bench.silence(now + 40, 0).0.changed);
        bench.sample(now);
        now += 300;
    }
    assert_eq!(
        bench.engine.standing(&bench.state, &bench.window).to_string(),
        "warming up: 11 of 20 samples"
    );
    for _ in 0..20 {
        bench.sample(now);
        now += 300;
    }
    // Pauses of 5 minutes are of the class from 256 to 320 seconds.
    assert_eq!(bench.after_s(), Some(960));
    let heard = now - 300;
    assert!(!bench.silence(heard + 960, 0).0.changed);
    let (seen, verdict) = bench.silence(heard + 961, 0);
    assert!(seen.changed);
    assert_eq!(verdict.reason, "nothing has come for 16m, where 5m is usual");
}

#[test]
fn two_samples_of_a_regular_series_may_be_lost_and_three_may_not() {
    for interval_s in (20..7200).step_by(7) {
        let mut bench = Bench::new(After::Learnt);
        let mut now = 0;
        // A second early or late, and some samples that come together.
        for place in 0..interval_s.max(3600) / interval_s + 40 {
            now = place * interval_s + place % 3;
            bench.sample(now);
            bench.state.pauses.add(0, now);
        }
        let back = now - now % interval_s + 3 * interval_s + 2;
        assert!(!bench.silence(back, 0).0.changed, "{interval_s}: two are lost");
        assert!(
            bench.silence(now + 4 * interval_s - 2, 0).0.changed,
            "{interval_s}: three are lost"
        );
    }
}

#[test]
fn a_pause_that_comes_back_becomes_usual_and_others_do_not() {
    let mut bench = Bench::new(After::Learnt);
    let (mut now, mut told) = (0, 0);
    let day = |bench: &mut Bench, now: &mut i64, pause_s: i64| {
        for _ in 0..500 {
            *now += 10;
            bench.sample(*now);
        }
        let opened = bench.silence(*now + pause_s, 0).0.changed;
        *now += pause_s;
        usize::from(opened)
    };
    for _ in 0..6 {
        told += day(&mut bench, &mut now, 36_000);
    }
    assert_eq!(told, 3, "every night, until it is usual");
    assert_eq!(bench.after_s(), Some(2 * 40_960));
    let mut bench = Bench::new(After::Learnt);
    now = 0;
    day(&mut bench, &mut now, 36_000);
    day(&mut bench, &mut now, 36_000);
    day(&mut bench, &mut now, 5);
    assert_eq!(
        bench.after_s(),
        Some(60),
        "twice is chance; and no shorter than a minute"
    );
}

#[test]
fn what_is_learnt_is_forgotten_slowly() {
    let mut bench = Bench::new(After::Learnt);
    let mut now = 0;
    for _ in 0..5 {
        for _ in 0..30 {
            now += 60;
            bench.sample(now);
        }
        now += 36_000;
        bench.sample(now);
    }
    assert_eq!(bench.after_s(), Some(2 * 40_960));
    for _ in 0..28 * 1440 {
        now += 60;
        bench.sample(now);
    }
    assert_eq!(bench.after_s(), Some(192));
}

#[test]
fn classes_cover_all_pauses() {
    for pause_s in (0..5000).chain([1 << 19, (1 << 20) - 1]) {
        let class = class(pause_s);
        assert!(
            begins_s(class) <= pause_s.max(1) && pause_s.max(1) < begins_s(class + 1),
            "{pause_s}"
        );
        assert!(
            pause_s < 4 || begins_s(class + 1) <= pause_s + pause_s / 4 + 1,
            "{pause_s}"
        );
    }
    assert_eq!(class(i64::MAX), CLASSES - 1);
}

#[test]
fn a_state_comes_back_to_the_bit() {
    use crate::save::{Save, Saved};
    let mut bench = Bench::new(After::Learnt);
    for place in 0..100 {
        bench.sample(60 * place);
        let mut bytes = Vec::new();
        bench.state.save(&mut bytes);
        let mut from = Saved::new(&bytes);
        assert_eq!(State::load(&mut from).unwrap(), bench.state);
        from.end().unwrap();
    }
    assert!(bench.silence(60 * 99 + 193, 0).0.changed);
}
