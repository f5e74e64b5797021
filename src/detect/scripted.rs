//! A detector for tests: a bound, and values that it cannot stand.

use super::{Context, Detect, Observation, Opinion, Remember, Verdict};

/// Values above this are anomalous.
pub(crate) const BOUND: f64 = 100.0;
/// Over this value `observe` panics.
pub(crate) const PANICS_IN_OBSERVE: f64 = 666.0;
/// Over this value, and over its negative, `explain` panics.
pub(crate) const PANICS_IN_EXPLAIN: f64 = 667.0;

/// It needs nothing.
#[derive(Debug)]
pub struct Engine;

/// What it remembers.
#[derive(Debug, Default)]
pub struct State {
    anomalous: bool,
}
crate::save::fields!(State { anomalous });

impl Remember for State {
    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Detect for Engine {
    type State = State;

    fn observe(&mut self, state: &mut State, sample: &Context<'_>) -> Observation {
        let value = sample.point().value;
        assert!(value != PANICS_IN_OBSERVE, "scripted");
        let anomalous = value > BOUND;
        let changed = anomalous != state.anomalous;
        state.anomalous = anomalous;
        Observation {
            anomalous,
            alert: anomalous && changed,
            changed,
        }
    }

    fn opinion(&mut self, _: &mut State, sample: &Context<'_>, observation: Observation, _band: bool) -> Opinion {
        Opinion {
            score: sample.point().value / BOUND,
            ..Opinion::of(observation)
        }
    }

    fn explain(&mut self, _: &mut State, sample: &Context<'_>, observation: Observation) -> Verdict {
        let value = sample.point().value;
        assert!(value.abs() != PANICS_IN_EXPLAIN, "scripted");
        Verdict {
            score: value / BOUND,
            reason: "scripted".to_owned(),
            ..Verdict::of(sample, observation)
        }
    }
}
