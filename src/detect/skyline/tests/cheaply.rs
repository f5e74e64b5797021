//! Live, the dear algorithms are asked only while the others leave the outcome open. That changes no verdict.

use std::cell::RefCell;

use proptest::{
    prelude::*,
    sample::subsequence,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use super::{super::super::Outcome, series::series, *};

/// What the dear algorithms were asked for, over all series, so that the comparison is known to have had a point.
#[derive(Debug, Default)]
struct Seen {
    samples: usize,
    anomalous: usize,
    /// Samples that the cheap ones decided by themselves, for and against.
    cheap: usize,
    /// Samples at which the dear ones made the difference, for and against.
    dear_for: usize,
    dear_against: usize,
    /// Samples at which `ks_test` failed though enough others were for an anomaly.
    undone: usize,
    opened: usize,
    /// Votes that counts decided: `histogram_bins` false and true, `median_absolute_deviation` false, true and nothing.
    counted: [usize; 5],
    /// Votes that counts left open, of either.
    open: [usize; 2],
}

fn settings() -> impl Strategy<Value = Settings> {
    let algorithms = prop_oneof![
        2 => Just(Algorithm::ALL.to_vec()),
        1 => subsequence(Algorithm::ALL.to_vec(), 1..=9).prop_shuffle(),
    ];
    (algorithms, any::<bool>(), 0.0..1.0f64, 1..40u32).prop_map(|(algorithms, published_votes, share, min_samples)| {
        let count = f64::from(u32::try_from(algorithms.len()).unwrap());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and the number of algorithms"
        )]
        let consensus = 1 + (share * count) as u32;
        Settings {
            consensus,
            algorithms,
            published_votes,
            min_samples,
            ..in_minutes(SPAN_S)
        }
    })
}

const SPAN_S: i64 = 1800;

#[test]
fn live_and_in_full_every_verdict_is_the_same() {
    let seen = RefCell::new(Seen::default());
    // The same cases each time: what is counted below depends on them.
    let mut runner = TestRunner::new_with_rng(cases(150), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner
        .run(&(settings(), series()), |(settings, points)| {
            compare(&settings, &points, &mut seen.borrow_mut())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let seen = seen.into_inner();
    eprintln!("{seen:?}");
    assert!(seen.samples > 10_000 && seen.opened > 100, "{seen:?}");
    assert!(seen.anomalous > 500 && seen.cheap > 5000, "{seen:?}");
    assert!(
        seen.dear_for > 100 && seen.dear_against > 100 && seen.undone > 3,
        "{seen:?}"
    );
    assert!(seen.counted.iter().all(|&votes| votes > 200), "{seen:?}");
    assert!(seen.counted.iter().sum::<usize>() > 8000, "{seen:?}");
    assert!(
        seen.open.iter().sum::<usize>() * 10 < seen.counted.iter().sum(),
        "{seen:?}"
    );
}

/// One that only observes, and one that explains every sample as well.
fn compare(settings: &Settings, points: &[Point], seen: &mut Seen) -> Result<(), TestCaseError> {
    let mut live = Followed::new(settings, SPAN_S);
    let mut full = Followed::new(settings, SPAN_S);
    for &point in points {
        let observation = live.observe(point);
        let observed_in_full = full.observe(point);
        let verdict = full.explain(observed_in_full);
        prop_assert_eq!(observation, observed_in_full, "{:?}: {:?}", point, verdict);
        prop_assert_eq!(observation.anomalous, verdict.anomalous, "{:?}: {:?}", point, verdict);
        prop_assert_eq!(observation.alert, verdict.alert);
        let voted: Vec<_> = verdict.votes.iter().map(|vote| &*vote.name).collect();
        let wanted: Vec<_> = settings.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        prop_assert_eq!(voted, wanted);
        if observation.changed && observation.anomalous {
            seen.opened += 1;
            // What is told comes from the one that had observed only.
            prop_assert_eq!(live.explain(observation), verdict.clone());
        }
        seen.count(settings, &verdict, full.engine.standing(&full.window));
        compare_counts(settings, &mut live, &verdict, seen)?;
    }
    Ok(())
}

/// What counts decide, and what all values say. A ladder lives on for as long as it does decide.
fn compare_counts(
    settings: &Settings,
    live: &mut Followed,
    verdict: &Verdict,
    seen: &mut Seen,
) -> Result<(), TestCaseError> {
    let Followed {
        engine, state, window, ..
    } = live;
    let facts = Facts::of(window);
    for (&algorithm, vote) in settings.algorithms.iter().zip(&verdict.votes) {
        let median = match algorithm {
            Algorithm::HistogramBins => false,
            Algorithm::MedianAbsoluteDeviation => true,
            _ => continue,
        };
        if !state.kept.has_ladder() {
            engine.values.of(window, &mut state.kept);
            continue;
        }
        let Some(outcome) = engine.decide(algorithm, state, &facts) else {
            seen.open[usize::from(median)] += 1;
            continue;
        };
        prop_assert_eq!(outcome, vote.finding.outcome, "{:?}: {:?}", algorithm, vote);
        let kind = match outcome {
            Outcome::False => 0,
            Outcome::True => 1,
            _ => 2,
        };
        seen.counted[2 * usize::from(median) + kind] += 1;
    }
    Ok(())
}

impl Seen {
    fn count(&mut self, settings: &Settings, verdict: &Verdict, standing: Standing) {
        self.samples += 1;
        self.anomalous += usize::from(verdict.anomalous);
        if standing != Standing::Analysed {
            return;
        }
        let outcomes = || settings.algorithms.iter().zip(&verdict.votes);
        let against = |outcome| outcome == Outcome::False || (outcome != Outcome::True && !settings.published_votes);
        let decided = |outcome_of_dear: Outcome| {
            let votes = outcomes().filter(|(algorithm, vote)| {
                let outcome = if algorithm.is_dear() {
                    outcome_of_dear
                } else {
                    vote.finding.outcome
                };
                !against(outcome)
            });
            votes.count() >= settings.consensus as usize
        };
        let failed = outcomes().any(|(_, vote)| vote.finding.outcome == Outcome::Failed);
        match (decided(Outcome::False), decided(Outcome::True)) {
            (false, true) if verdict.anomalous => self.dear_for += 1,
            (false, true) => self.dear_against += 1,
            (true, true) if failed => self.undone += 1,
            _ => self.cheap += 1,
        }
    }
}

#[test]
fn while_the_cheap_ones_are_against_the_dear_ones_are_not_asked() {
    let mut nine = Followed::new(&Settings::default(), 86_400);
    let calm = |place: i64| Point {
        timestamp: 10 * place,
        value: f64::from(i32::try_from(place * 7919 % 101).unwrap()),
    };
    for place in 0..400 {
        nine.observe(calm(place));
        assert!(!nine.state.kept.has_ladder(), "sample {place} had the values counted");
    }
    let spike = Point {
        timestamp: 4000,
        value: 5000.0,
    };
    assert!(nine.observe(spike).anomalous);
    assert!(nine.state.kept.has_ladder(), "a spike is looked at more closely");
    for place in 401..1600 {
        nine.observe(calm(place));
    }
    assert!(!nine.state.kept.has_ladder(), "a while later nothing is kept for it");
}
