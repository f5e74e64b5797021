//! How rare a distance is, by those that were seen.
//!
//! The edge of the tail is the tracked 98 % quantile. The excesses of the distances beyond it have a generalised Pareto
//! distribution (Pickands 1975), whose scale and shape follow from their mean and variance (Hosking and Wallis 1987). So a
//! series that often goes far has to go further to be called rare.
//!
//! O(1), 16 bytes. Up to the edge nothing but products is worked out; one logarithm beyond it.

use super::{
    constants::{
        RARITY_MAX, TAIL_MEMORY_SAMPLES, TAIL_RARITY, TAIL_SHAPE_LEAST, TAIL_SHAPE_MOST, TAIL_SHARE,
        TAIL_STEADY_SAMPLES,
    },
    single::single,
};

/// Samples in the tail that it looks back on.
const MEMORY_EXCESSES: f64 = TAIL_MEMORY_SAMPLES * TAIL_SHARE;
/// Excesses that the distribution at the start weighs as much as.
const PRIOR_EXCESSES: u16 = 5;
/// An excess counts for the mean and variance at most this many times the mean.
const EXCESS_MAX: f32 = 20.0;

/// The tail of the distances of one mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tail {
    /// The edge: 98 % of all distances are below.
    edge: f32,
    /// Of the excesses over the edge.
    mean: f32,
    variance: f32,
    /// Seen, as far as it is remembered.
    samples: u16,
    excesses: u16,
}

impl Default for Tail {
    /// About the tail of a normal distribution.
    fn default() -> Self {
        Self {
            edge: 2.3,
            mean: 0.4,
            variance: 0.16,
            samples: 0,
            excesses: PRIOR_EXCESSES,
        }
    }
}

impl Tail {
    /// -log10 of the chance of exceeding `distance` (0 or more): 0 to 50.
    pub(super) fn rarity(&self, distance: f64) -> f64 {
        let edge = f64::from(self.edge);
        if distance <= edge {
            return 0.0;
        }
        let (mean, variance) = (f64::from(self.mean), f64::from(self.variance));
        let spread = mean * mean / variance.max(f64::MIN_POSITIVE);
        let shape = (0.5 * (1.0 - spread)).clamp(TAIL_SHAPE_LEAST, TAIL_SHAPE_MOST);
        // The scale that keeps the mean, whatever the shape was held to.
        let scale = mean * (1.0 - shape);
        let excess = (distance - edge) / scale;
        let rarity = if shape.abs() < 1e-3 {
            excess * std::f64::consts::LOG10_E
        } else {
            // A tail that ends has no room beyond its end.
            let within = (1.0 + shape * excess).max(f64::MIN_POSITIVE);
            within.log10() / shape
        };
        (TAIL_RARITY + rarity).min(RARITY_MAX)
    }

    /// Takes in `distance`.
    pub(super) fn learn(&mut self, distance: f64) {
        self.samples = self.samples.saturating_add(1);
        let distance = single(distance);
        let gain = single(1.0 / f64::from(self.samples).clamp(TAIL_STEADY_SAMPLES, TAIL_MEMORY_SAMPLES));
        // A step of the stochastic approximation of a quantile: over the density there, which is that of the tail.
        let step = gain * self.mean / single(TAIL_SHARE);
        if distance > self.edge {
            let excess = (distance - self.edge).min(EXCESS_MAX * self.mean);
            self.excesses = self.excesses.saturating_add(1);
            let gain = single(1.0 / f64::from(self.excesses).min(MEMORY_EXCESSES));
            let apart = excess - self.mean;
            self.mean += gain * apart;
            self.variance = (1.0 - gain) * (self.variance + gain * apart * apart);
            self.mean = self.mean.max(1e-6);
            self.edge += step * single(1.0 - TAIL_SHARE);
        } else {
            self.edge = (self.edge - step * single(TAIL_SHARE)).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform numbers in (0, 1), the same each time.
    fn uniform(count: usize) -> impl Iterator<Item = f64> {
        let mut state = 7_u64;
        std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (f64::from(u32::try_from(state >> 32).unwrap()) + 0.5) / 4_294_967_296.0
        })
        .take(count)
    }

    fn learnt(distances: impl Iterator<Item = f64>) -> Tail {
        let mut tail = Tail::default();
        distances.for_each(|distance| tail.learn(distance));
        tail
    }

    #[track_caller]
    fn about(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() < within, "{found} is not about {expected}");
    }

    #[test]
    fn an_exponential_tail_is_found() {
        let tail = learnt(uniform(50_000).map(|chance| -chance.ln()));
        about(tail.edge.into(), -(0.02_f64.ln()), 0.4);
        // One in 10,000 lies beyond 9.2.
        about(tail.rarity(-(1e-4_f64.ln())), 4.0, 1.0);
    }

    #[test]
    fn a_heavy_tail_is_found() {
        // Pareto with exponent 4: one in 10,000 lies beyond 10.
        let tail = learnt(uniform(50_000).map(|chance| chance.powf(-0.25)));
        about(tail.rarity(10.0), 4.0, 0.6);
    }

    #[test]
    fn rarity_grows_with_distance_and_ends() {
        let tail = learnt(uniform(10_000));
        let rarities: Vec<f64> = (-100..300).map(|power| tail.rarity(1.5_f64.powi(power))).collect();
        assert!(rarities.is_sorted());
        about(rarities[0], 0.0, 1e-9);
        about(rarities[399], RARITY_MAX, 1e-9);
    }

    #[test]
    fn no_distance_breaks_it() {
        for tail in [
            learnt(std::iter::repeat_n(0.0, 10_000)),
            learnt(std::iter::repeat_n(100.0, 10_000)),
        ] {
            for distance in [0.0, 1e-300, 1.0, 100.0, 1e30] {
                assert!((0.0..=RARITY_MAX).contains(&tail.rarity(distance)));
            }
        }
    }
}
