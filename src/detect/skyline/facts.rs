//! What several of the nine look at, worked out once a sample.

use crate::window::{Moments, Window};

/// Deviations of no more than this many units in the last place are rounding, not distance.
const ROUNDING_UNITS: f64 = 4.0;

/// What several of the nine look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// The newest value.
    pub(super) last: f64,
    /// Mean of the last three values; the last one while there are fewer.
    pub(super) tail: f64,
    /// Moments of the whole window.
    pub(super) moments: Moments,
    pub(super) mean: Option<f64>,
    /// Standard deviation with ddof 1, as pandas has it.
    pub(super) sample_deviation: Option<f64>,
}

impl Facts {
    pub(super) fn of(window: &Window) -> Self {
        let last = window.last().map_or(0.0, |point| point.value);
        // Added up from the newest on, as in the original, so that it is the same number to the last digit.
        let tail = match window.tail() {
            [third, second, first] => (first.value + second.value + third.value) / 3.0,
            _ => last,
        };
        let moments = *window.moments();
        Self {
            last,
            tail,
            moments,
            mean: moments.mean(),
            sample_deviation: moments.sample_deviation(),
        }
    }
}

/// How far `value` is from `centre`. A mean of equal values may miss them by a rounding; that is no distance.
pub(super) fn distance(value: f64, centre: f64) -> f64 {
    let distance = (value - centre).abs();
    let rounding = ROUNDING_UNITS * f64::EPSILON * value.abs().max(centre.abs());
    if distance > rounding { distance } else { 0.0 }
}
