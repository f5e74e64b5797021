//! The band of values that would have been usual in the place of a sample, in the metric's own units.
//!
//! Its ends are where level or spike would have reached 1, found by looking further and further from the expected value and
//! then halving; nothing of it is worked out until somebody asks. Some 100 scores each.
//!
//! Where not even the expected value would have been usual, because of the samples before, the band is about these: about what
//! would have been no step. Where that would not have been usual either it is the one that there would have been after usual samples.

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

/// The band for the sample of `basis`, whose value was `value`. `seen` is what was seen, `value` included.
pub(super) fn band(basis: &Basis, tuning: &Tuning, seen: &Seen, value: f64) -> Band {
    let before = basis.before_of(basis.expected.value());
    let usual = |basis: &Basis, value| basis.measure(tuning, seen, value).highest() < 1.0;
    let (basis, middle) = if usual(basis, basis.expected.value()) {
        (*basis, basis.expected.value())
    } else if usual(basis, before) {
        (*basis, before)
    } else {
        (basis.after_usual_samples(), basis.expected.value())
    };
    let value_is_usual = usual(&basis, value);
    let end = |sign: f64| {
        // An odd value lies outside and a usual one inside, however the scores may fall and rise on the way.
        let outward = (value - middle) * sign > 0.0;
        let inside = if outward && value_is_usual { value } else { middle };
        let far = if outward && !value_is_usual {
            Some(value)
        } else {
            look_out(&basis, inside, sign, &usual)
        };
        far.map(|far| narrow(inside, far, |value| usual(&basis, value)))
    };
    Band {
        lower: end(-1.0),
        upper: end(1.0),
    }
}

/// A value beyond the band, further out than `inside`.
fn look_out(basis: &Basis, inside: f64, sign: f64, usual: &impl Fn(&Basis, f64) -> bool) -> Option<f64> {
    let mut step = (basis.deviation * 1e-3)
        .max(inside.abs() * 1e-12)
        .max(f64::MIN_POSITIVE);
    for _ in 0..DOUBLINGS {
        let value = inside + sign * step;
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

/// The end of what is usual between `inside`, which is, and `outside`, which is not: `inside` itself where nothing else is.
fn narrow(inside: f64, outside: f64, usual: impl Fn(f64) -> bool) -> f64 {
    let (mut near, mut far, mut is_alone) = (inside, outside, true);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(near, far);
        if usual(middle) {
            (near, is_alone) = (middle, false);
        } else {
            far = middle;
        }
    }
    if is_alone { inside } else { far }
}
