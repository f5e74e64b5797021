//! Ensembles: what they make of what their members say.

use super::*;
use crate::window::{Point, Scratch, Window};

/// What a member makes of a sample.
fn said(score: f64, anomalous: bool) -> Opinion {
    let seen = Observation {
        anomalous,
        ..Observation::default()
    };
    Opinion {
        score,
        ..Opinion::of(seen)
    }
}

/// An ensemble whose members say what a test has them say.
struct Bench {
    engine: Engine,
    state: State,
    window: Window,
}

impl Bench {
    fn new(needed: u32) -> Self {
        let settings = Settings {
            needed,
            of: ["a", "b", "c"].map(Arc::from).to_vec(),
            severity: None,
        };
        let mut window = Window::new(60);
        let point = Point {
            timestamp: 7,
            value: 2.5,
        };
        window.push(point, &mut Scratch::default(), |_| {}).unwrap();
        Self {
            // Others are judged between them.
            engine: Engine::new(settings, vec![1, 3, 4]),
            state: State::default(),
            window,
        }
    }

    fn sample(&mut self, a: Opinion, b: Opinion, c: Opinion) -> (Observation, Opinion, Verdict) {
        let other = said(9.0, true);
        let sample = Context {
            window: &self.window,
            now: 7,
            said: &[other, a, other, b, c],
        };
        let seen = self.engine.observe(&mut self.state, &sample);
        let opinion = self.engine.opinion(&mut self.state, &sample, seen, false);
        (seen, opinion, self.engine.explain(&mut self.state, &sample, seen))
    }
}

#[test]
fn so_many_as_are_needed_make_an_anomaly() {
    let (yes, no) = (said(2.0, true), said(0.5, false));
    for (needed, anomalous) in [
        (1, [true, true, true]),
        (2, [false, true, true]),
        (3, [false, false, true]),
    ] {
        let after = |members: [Opinion; 3]| Bench::new(needed).sample(members[0], members[1], members[2]).0;
        let found = [[yes, no, no], [yes, no, yes], [yes, yes, yes]].map(|members| after(members).anomalous);
        assert_eq!(found, anomalous, "{needed} needed");
        assert!(!after([no, no, no]).anomalous);
    }
}

#[test]
fn the_score_is_that_of_the_member_that_decides() {
    for (needed, score) in [(1, 3.0), (2, 1.5), (3, 0.25)] {
        let (_, opinion, verdict) = Bench::new(needed).sample(said(0.25, false), said(3.0, true), said(1.5, true));
        assert!((opinion.score - score).abs() < 1e-12);
        assert!((verdict.score - score).abs() < 1e-12);
    }
}

#[test]
fn a_member_that_only_learns_finds_nothing() {
    let young = Opinion {
        score: 7.0,
        ..Opinion::default()
    };
    let mut bench = Bench::new(1);
    let (seen, opinion, verdict) = bench.sample(young, said(0.5, false), young);
    assert_eq!(seen, Observation::default());
    assert!((opinion.score - 0.5).abs() < 1e-12 && opinion.judged);
    assert_eq!(verdict.votes[0].finding.outcome, Outcome::Nothing);
    assert!(!bench.sample(young, young, young).1.judged);
}

#[test]
fn people_are_told_when_it_opens_and_when_it_gets_worse() {
    let (yes, no) = (said(2.0, true), said(0.5, false));
    let (mut again, mut opens) = (yes, yes);
    again.seen.alert = true;
    (opens.seen.alert, opens.seen.changed) = (true, true);
    let mut bench = Bench::new(1);
    let mut told = |a, b, c| {
        let seen = bench.sample(a, b, c).0;
        (seen.anomalous, seen.changed, seen.alert)
    };
    assert_eq!(told(no, no, no), (false, false, false));
    assert_eq!(told(opens, no, no), (true, true, true));
    assert_eq!(told(yes, no, no), (true, false, false));
    assert_eq!(told(yes, opens, no), (true, false, true), "more agree");
    assert_eq!(told(yes, no, no), (true, false, false));
    assert_eq!(told(yes, opens, no), (true, false, false), "as many as before");
    assert_eq!(told(again, yes, no), (true, false, true), "a member tells again");
    assert_eq!(told(no, no, no), (false, true, false));
    assert_eq!(told(opens, no, no), (true, true, true));
}

#[test]
fn the_verdict_says_who_has_voted_how() {
    let mut bench = Bench::new(2);
    let warning = Opinion {
        severity: Some(Severity::Warning),
        ..said(3.25, true)
    };
    let critical = Opinion {
        severity: Some(Severity::Critical),
        ..said(1.5, true)
    };
    let (_, opinion, verdict) = bench.sample(warning, Opinion::default(), critical);
    assert_eq!(
        verdict.reason,
        "2 of 3 detectors, 2 needed: a (score 3.25), c (score 1.5); not b (no verdict yet)"
    );
    assert_eq!((verdict.timestamp, verdict.value), (7, 2.5));
    assert_eq!(verdict.severity, Some(Severity::Critical));
    assert_eq!(opinion.severity, Some(Severity::Critical));
    let names: Vec<&str> = verdict.votes.iter().map(|vote| &*vote.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let (_, _, verdict) = bench.sample(said(0.5, false), said(0.5, false), said(0.5, false));
    assert!(
        verdict.reason.starts_with("0 of 3 detectors, 2 needed; not a"),
        "{}",
        verdict.reason
    );
}
