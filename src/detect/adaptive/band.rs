//! The band of values that would have been usual in the place of a sample, in the metric's own units.
//!
//! Its ends are where level or spike would have reached 1, found by looking further and further from the expected value and
//! then halving; nothing of it is worked out until somebody asks. Some 100 scores each.
//!
//! Where not even the expected value would have been usual, because of the samples before, there is no such band: then it is
//! the one that there would have been after usual samples.

use super::{basis::Basis, constants::VALUE_MAX, gap::Seen, tuning::Tuning};

/// Steps by which the distance from the expected value is doubled at most: over the range of values from any deviation.
const DOUBLINGS: u32 = 1100;
/// Halvings that settle an end to more digits than are shown.
const HALVINGS: u32 = 40;

/// Values that would have been usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Band {
    /// `None`: however low.
    pub(super) lower: Option<f64>,
    /// `None`: however high.
    pub(super) upper: Option<f64>,
}

/// The band about the expected value of `basis`, in which `value` came. `seen` is what was seen, `value` included.
pub(super) fn band(basis: &Basis, tuning: &Tuning, seen: &Seen, value: f64) -> Band {
    let usual = |basis: &Basis, value| basis.measure(tuning, seen, value).highest() < 1.0;
    let basis = if usual(basis, basis.expected) {
        *basis
    } else {
        basis.after_usual_samples()
    };
    let end = |sign: f64| {
        // An odd value lies outside, however the scores may fall and rise on the way.
        let beyond = (value - basis.expected) * sign > 0.0 && !usual(&basis, value);
        let far = if beyond {
            Some(value)
        } else {
            look_out(&basis, sign, &usual)
        };
        far.map(|far| narrow(basis.expected, far, |value| usual(&basis, value)))
    };
    Band {
        lower: end(-1.0),
        upper: end(1.0),
    }
}

/// A value beyond the band.
fn look_out(basis: &Basis, sign: f64, usual: &impl Fn(&Basis, f64) -> bool) -> Option<f64> {
    let mut step = (basis.deviation * 1e-3)
        .max(basis.expected.abs() * 1e-12)
        .max(f64::MIN_POSITIVE);
    for _ in 0..DOUBLINGS {
        let value = basis.expected + sign * step;
        if value.abs() > VALUE_MAX {
            return None;
        }
        if !usual(basis, value) {
            return Some(value);
        }
        step *= 2.0;
    }
    None
}

/// The end of what is usual between `inside`, which is, and `outside`, which is not.
fn narrow(mut inside: f64, mut outside: f64, usual: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(inside, outside);
        if usual(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    outside
}
