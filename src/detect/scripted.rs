//! A detector for tests: a bound, and values that it cannot stand.

use super::{Observation, Verdict};
use crate::window::Window;

/// Values above this are anomalous.
pub(crate) const BOUND: f64 = 100.0;
/// Over this value `observe` panics.
pub(crate) const PANICS_IN_OBSERVE: f64 = 666.0;
/// Over this value, and over its negative, `explain` panics.
pub(crate) const PANICS_IN_EXPLAIN: f64 = 667.0;

/// What it remembers.
#[derive(Debug, Default)]
pub struct State {
    anomalous: bool,
}
crate::save::fields!(State { anomalous });

pub(super) fn observe(state: &mut State, window: &Window) -> Observation {
    let value = window.last().unwrap_or_default().value;
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

pub(super) fn explain(window: &Window, observation: Observation) -> Verdict {
    let last = window.last().unwrap_or_default();
    assert!(last.value.abs() != PANICS_IN_EXPLAIN, "scripted");
    Verdict {
        timestamp: last.timestamp,
        value: last.value,
        score: last.value / BOUND,
        anomalous: observation.anomalous,
        alert: observation.alert,
        reason: "scripted".to_owned(),
        ..Verdict::default()
    }
}
