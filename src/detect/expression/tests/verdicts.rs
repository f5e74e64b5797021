//! What a model says of samples: state, score, reason, and what it goes by.

use super::{super::*, *};
use crate::{
    save::Save as _,
    window::{Point, Scratch},
};

/// A model over a series, and what others say.
struct Bench {
    engine: Engine,
    state: State,
    window: Window,
    scratch: Scratch,
    elsewhere: Elsewhere,
    said: Opinion,
}

impl Bench {
    fn new(sources: Sources, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(Model::new(sources, SPAN_S).unwrap());
        settings.silent_samples = 0;
        change(&mut settings);
        let elsewhere = Elsewhere::default();
        let detectors = settings.model.detectors().iter().map(|_| 0).collect();
        let engine = Engine::new(settings, detectors, &elsewhere);
        Self {
            state: engine.new_state(Subject::new("servers.web1.load")),
            engine,
            window: Window::new(SPAN_S),
            scratch: Scratch::default(),
            elsewhere,
            said: Opinion::default(),
        }
    }

    fn when(when: &str) -> Self {
        let sources = Sources {
            when: when.to_owned(),
            ..Sources::default()
        };
        Self::new(sources, |_| {})
    }

    fn push(&mut self, timestamp: i64, value: f64) -> (Observation, Verdict) {
        let point = Point { timestamp, value };
        self.window.push(point, &mut self.scratch, |_| {}).unwrap();
        let sample = Context {
            window: &self.window,
            now: timestamp,
            said: &[self.said],
        };
        let seen = self.engine.observe(&mut self.state, &sample);
        let opinion = self.engine.opinion(&mut self.state, &sample, seen, true);
        let verdict = self.engine.explain(&mut self.state, &sample, seen);
        if opinion.judged {
            assert_eq!(opinion.score.to_bits(), verdict.score.to_bits());
        }
        assert_eq!((opinion.lower, opinion.upper), (verdict.lower, verdict.upper));
        (seen, verdict)
    }

    /// Values a minute apart; gives what is said of the last.
    fn values(&mut self, values: &[f64]) -> (Observation, Verdict) {
        let begin = self.window.last().map_or(1_700_000_000, |last| last.timestamp);
        let times = (1..).map(|minute| begin + 60 * minute);
        times
            .zip(values)
            .map(|(time, value)| self.push(time, *value))
            .last()
            .unwrap()
    }
}

/// After these values, `when` gives this reason and score.
#[track_caller]
fn tells(when: &str, values: &[f64], reason: &str, score: f64) {
    let (_, verdict) = Bench::when(when).values(values);
    assert_eq!(verdict.reason, reason);
    assert!((verdict.score - score).abs() < 1e-9, "{when}: {}", verdict.score);
}

#[test]
fn a_reason_shows_the_values_that_decided() {
    let values = [3.0, 3.1, 3.2, 3.1, 12.5];
    tells(
        "value > 3 * median('1h')",
        &values,
        "value 12.5 > 3 * median('1h') 3.1 = 9.3",
        12.5 / 9.3,
    );
    tells(
        "value > 5 * median('1h')",
        &values,
        "not: value 12.5 > 5 * median('1h') 3.1 = 15.5",
        12.5 / 15.5,
    );
    tells(
        "let limit = 3 * median('1h');\n value > limit and hour() in 8..23 and value < 20",
        &values,
        "value 12.5 > limit 9.3 and hour() 22 in 8..23 and value 12.5 < 20",
        12.5 / 9.3,
    );
    tells("value > 10 and value < 5", &values, "not: value 12.5 < 5", 0.4);
    tells(
        "value < 5 or value > 10 or value > 11",
        &values,
        "value 12.5 > 10",
        1.25,
    );
    tells("not (value < 5)", &values, "not: value 12.5 < 5", 2.0);
    tells("value not in 1..5", &values, "value 12.5 not in 1..5", 2.0);
    tells("value in [1, 2]", &values, "not: value 12.5 in [1, 2]", 0.0);
    tells("value > -3", &values, "value 12.5 > -3", 2.0);
    tells("-value > 3", &values, "not: -value 12.5 = -12.5 > 3", 0.0);
    tells("value >= 12.5", &values, "value 12.5 >= 12.5", 1.0);
    tells(
        "value / (previous - 3.1) > 3",
        &values,
        "no opinion: value 12.5 / (previous 3.1 - 3.1) is not known",
        0.0,
    );
    tells("ew_stddev(5) > 3", &[1.0], "no opinion: ew_stddev(5) is not known", 0.0);
    tells(
        "value > 10 and node(2) != 'web2'",
        &values,
        "value 12.5 > 10 and node(2) != 'web2' (true)",
        1.25,
    );
    tells("node(2) != 'web1'", &values, "not: node(2) != 'web1' (false)", 0.0);
    tells(
        "node(2) == 'web1' and value > 3",
        &values,
        "node(2) == 'web1' (true) and value 12.5 > 3",
        12.5 / 3.0,
    );
    tells("age() >= '1m'", &values, "age() 60s >= '1m'", 1.0);
}

#[test]
fn an_anomaly_opens_and_closes_and_stays_where_nothing_is_known() {
    // Unknown after a zero.
    let mut bench = Bench::when("value / previous > 2");
    let seen = [1.0, 1.0, 5.0, 0.0, 7.0, 7.0, 0.0, 9.0].map(|value| bench.values(&[value]).0);
    let anomalous = seen.map(|seen| seen.anomalous);
    assert_eq!(anomalous, [false, false, true, false, false, false, false, false]);
    let mut bench = Bench::when("value / previous > 2 or value / previous == 0");
    let seen = [1.0, 5.0, 0.0, 9.0, 9.0].map(|value| bench.values(&[value]).0);
    let told = seen.map(|seen| (seen.anomalous, seen.alert, seen.changed));
    assert_eq!(
        told,
        [
            (false, false, false),
            (true, true, true),
            (true, false, false),
            // Nobody knows, and it stays open.
            (true, false, false),
            (false, false, true)
        ]
    );
}

#[test]
fn a_condition_may_have_to_hold_for_a_while() {
    let sources = Sources {
        when: "value > 3 * previous or value > 100".to_owned(),
        ..Sources::default()
    };
    let mut bench = Bench::new(sources, |settings| settings.patience.for_s = 120);
    bench.values(&[1.0, 200.0]);
    let (seen, verdict) = bench.values(&[300.0]);
    assert!(!seen.anomalous);
    assert_eq!(verdict.reason, "value 300 > 100; held for 60s of 2m");
    let (seen, verdict) = bench.values(&[400.0]);
    assert!(seen.alert && seen.anomalous, "{verdict:?}");
    assert_eq!(verdict.severity, Some(crate::detect::Severity::Warning));
    assert!(bench.values(&[1.0]).0.changed);
}

#[test]
fn nothing_is_told_of_a_new_series() {
    let sources = || Sources {
        when: "value > 1".to_owned(),
        ..Sources::default()
    };
    let mut bench = Bench::new(sources(), |settings| settings.silent_samples = 2);
    let opened: Vec<bool> = (0..4).map(|_| bench.values(&[5.0]).0.anomalous).collect();
    assert_eq!(opened, [false, false, true, true]);
    let mut bench = Bench::new(sources(), |settings| settings.silent_for_s = 120);
    let (seen, verdict) = bench.values(&[5.0, 5.0]);
    assert_eq!((seen.anomalous, verdict.score), (false, 0.0));
    assert_eq!(verdict.reason, "warming up: 60s of 2m");
    assert!(bench.values(&[5.0]).0.anomalous);
}

#[test]
fn what_is_written_of_score_and_band_is_what_is_said() {
    let sources = Sources {
        when: "let m = median(3); value > 2 * m".to_owned(),
        score: Some("value / m / 2".to_owned()),
        expected: Some("m".to_owned()),
        lower: Some("m - mad(3) / 0".to_owned()),
        upper: Some("2 * m".to_owned()),
    };
    let severity = crate::detect::Severity::Critical;
    let mut bench = Bench::new(sources, |settings| settings.severity = severity);
    let (seen, verdict) = bench.values(&[2.0, 2.0, 8.0]);
    assert!(seen.anomalous);
    assert_eq!(
        (verdict.score, verdict.expected, verdict.upper),
        (2.0, Some(2.0), Some(4.0))
    );
    assert_eq!((verdict.lower, verdict.severity), (None, Some(severity)));
    assert_eq!(verdict.votes.len(), 1);
    assert_eq!(
        (&*verdict.votes[0].name, verdict.votes[0].finding.statistic),
        ("m", Some(2.0))
    );
}

#[test]
fn others_are_heard_when_they_have_something_to_say() {
    let mut bench = Bench::when("detector('classic').score > 1.5 and not (value < lower)");
    assert_eq!(
        bench.values(&[5.0]).1.reason,
        "no opinion: detector('classic').score is not known"
    );
    bench.said = Opinion {
        judged: true,
        score: 3.0,
        lower: Some(1.0),
        ..Opinion::default()
    };
    let (seen, verdict) = bench.values(&[5.0]);
    assert!(seen.anomalous, "{verdict:?}");
    assert_eq!(
        bench
            .engine
            .settings
            .inputs()
            .iter()
            .map(|input| input.band)
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(&*bench.engine.settings.inputs()[1].detector, "default");
}

#[test]
fn another_series_counts_while_its_sample_is_new() {
    let mut bench = Bench::when("value > 2 * series('stats.requests').value");
    assert!(!bench.push(1000, 9.0).0.anomalous);
    let requests = bench.elsewhere.follow("stats.requests");
    requests.put(Point {
        timestamp: 990,
        value: 3.0,
    });
    assert!(bench.push(1010, 9.0).0.anomalous);
    assert!(!bench.push(1020, 5.0).0.anomalous);
    let (seen, verdict) = bench.push(1291, 9.0);
    assert!(!seen.anomalous, "it is too old by a second");
    assert_eq!(
        verdict.reason,
        "no opinion: series('stats.requests').value is not known"
    );
}

#[test]
fn a_state_outlives_another_threshold() {
    let settings = |when: &str| Settings::new(model(when));
    let (one, other) = (
        settings("value > 3 * median('1h')"),
        settings("value > 4 * median('1h') + 1"),
    );
    assert_eq!(one.fingerprint(SPAN_S), other.fingerprint(SPAN_S));
    assert_ne!(
        one.fingerprint(SPAN_S),
        settings("value > median('2h')").fingerprint(SPAN_S)
    );
    assert_ne!(one.fingerprint(SPAN_S), one.fingerprint(SPAN_S - 1));
}

#[test]
fn a_state_learnt_from_the_past_moves_to_the_window_it_is_for() {
    let when = "mean('1h') + stddev(20) + median('1h', '1h') + max('2h') > 1e9";
    let values: Vec<f64> = (0..3000_i32).map(|place| f64::from(place * 7919 % 101)).collect();
    let mut lived = Bench::when(when);
    lived.values(&values);
    // What a shard does when a detector is new to a series.
    let mut learnt = Bench::when(when);
    for point in lived.window.points() {
        learnt.window.push(point, &mut learnt.scratch, |_| {}).unwrap();
        let sample = Context {
            window: &learnt.window,
            now: point.timestamp,
            said: &[],
        };
        learnt.engine.learn(&mut learnt.state, &sample);
    }
    learnt.state.move_to(&lived.window);
    for value in values {
        let (_, verdict) = lived.values(&[value]);
        let sample = Context {
            window: &lived.window,
            now: 0,
            said: &[Opinion::default()],
        };
        let seen = learnt.engine.observe(&mut learnt.state, &sample);
        let again = learnt.engine.explain(&mut learnt.state, &sample, seen);
        assert_eq!(again.reason, verdict.reason);
    }
    let (mut one, mut other) = (Vec::new(), Vec::new());
    lived.state.past.save(&mut one);
    learnt.state.past.save(&mut other);
    assert_eq!(one.len(), other.len());
}

#[test]
fn damage_is_refused() {
    let mut bench = Bench::when("mean('1h') + ewma(3) > previous");
    bench.values(&[1.0, 2.0, 3.0, 4.0]);
    let mut bytes = Vec::new();
    bench.state.save(&mut bytes);
    let subject = Subject::new("a");
    let load = |bench: &mut Bench, bytes: &[u8]| {
        let window = std::mem::replace(&mut bench.window, Window::new(SPAN_S));
        let loaded = bench.engine.load_state(&mut Saved::new(bytes), subject, &window);
        bench.window = window;
        loaded.is_ok()
    };
    assert!(load(&mut bench, &bytes));
    assert!(!load(&mut bench, &bytes[..bytes.len() - 1]));
    let mut more = bytes.clone();
    // A part that has more samples than the window.
    let count_at = 4 + 8 + 16 + 16 + 1 + 4;
    more[count_at] += 1;
    assert!(!load(&mut bench, &more));
}
