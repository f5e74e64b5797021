//! What a quantity is measured against: how far it usually lies from its mean, and how rarely further.

use super::{
    constants::{DISTANCE_MAX, DISTANCE_OF_FIRST, STEP_DEVIATIONS_MAX},
    moments::Moments,
    tail::Tail,
};
use crate::save::fields;

/// The usual of one quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Yardstick {
    pub(super) moments: Moments,
    tail: Tail,
}

/// How unusual a quantity is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Surprise {
    /// From the mean (deviations).
    pub(super) distance: f64,
    /// -log10 of the chance to be further away.
    pub(super) rarity: f64,
}

fields!(Yardstick { moments, tail });

impl Yardstick {
    /// The same, were it about as noisy as `other` if that is noisier.
    pub(super) fn with_noise_of(self, other: Moments) -> Self {
        let variance = self.moments.variance.max(other.variance);
        let moments = Moments {
            variance,
            ..self.moments
        };
        Self { moments, ..self }
    }

    /// How unusual `value` is.
    pub(super) fn measure(&self, value: f64) -> Surprise {
        let apart = (value - self.moments.mean).abs();
        let deviation = self.moments.deviation();
        let distance = if deviation > 0.0 {
            (apart / deviation).min(DISTANCE_MAX)
        } else if apart > 0.0 {
            DISTANCE_OF_FIRST
        } else {
            0.0
        };
        Surprise {
            distance,
            rarity: self.tail.rarity(distance),
        }
    }

    /// Takes in `value`, which was measured to be `distance` away unless the yardstick is young.
    pub(super) fn learn(&mut self, value: f64, distance: Option<f64>, gain: f64) {
        self.moments.learn(value, gain);
        if let Some(distance) = distance {
            self.tail.learn(distance);
        }
    }

    /// `value`, no further than twelve deviations away.
    pub(super) fn held(&self, value: f64) -> f64 {
        let most = STEP_DEVIATIONS_MAX * self.moments.deviation();
        if most > 0.0 {
            value.clamp(self.moments.mean - most, self.moments.mean + most)
        } else {
            value
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is the same is the same")]
mod tests {
    use super::*;

    /// A yardstick that has seen -1 and 1 in turn.
    fn even() -> Yardstick {
        let mut yardstick = Yardstick::default();
        for count in 1_u32..=1000 {
            let value = if count % 2 == 0 { 1.0 } else { -1.0 };
            yardstick.learn(value, (count > 50).then_some(1.0), 1.0 / f64::from(count));
        }
        yardstick
    }

    #[test]
    fn distance_is_in_deviations() {
        let far = even().measure(-5.0);
        assert!((far.distance - 5.0).abs() < 1e-9);
        assert!(far.rarity > 1.7);
        assert_eq!(even().measure(0.5).rarity, 0.0);
    }

    #[test]
    fn where_nothing_deviates_all_that_differs_is_far() {
        let mut flat = Yardstick::default();
        flat.learn(3.0, None, 1.0);
        assert_eq!(flat.measure(3.0).distance, 0.0);
        assert_eq!(flat.measure(3.001).distance, DISTANCE_OF_FIRST);
    }

    #[test]
    fn a_giant_is_held_to_twelve_deviations() {
        let mut held = even();
        let mut free = held;
        held.learn(held.held(1e9), Some(100.0), 0.001);
        free.learn(12.0, Some(100.0), 0.001);
        assert!((held.moments.mean - free.moments.mean).abs() < 1e-9);
    }
}
