//! How rare a distance is, by those that were seen.
//!
//! The edge of the tail is the tracked 90 % quantile. Beyond it the chance of going further falls as a power of the distance:
//! by how fast it has been falling, which is the mean logarithm of distance over edge (Hill 1975). So a series that often goes
//! far has to go further to be called rare, and it takes one number to say so.
//!
//! O(1), 12 bytes. Up to the edge nothing but products is worked out; a logarithm beyond it.

use std::f64::consts::LOG10_E;

use super::{
    constants::{
        RARITY_MAX, TAIL_EDGE_LEAST, TAIL_EXCESS_MAX, TAIL_MEMORY_SAMPLES, TAIL_RARITY, TAIL_SHARE,
        TAIL_STEADY_SAMPLES, TAIL_WEIGHT_LEAST,
    },
    single::single,
};
use crate::save::fields;

/// Excesses that the tail looks back on.
const MEMORY_EXCESSES: f64 = TAIL_MEMORY_SAMPLES * TAIL_SHARE;
/// Excesses that the weight at the start counts as much as.
const PRIOR_EXCESSES: u16 = 5;
/// A step of the edge is at most this part of it times its weight.
const EDGE_STEP_MAX: f64 = 0.5;

/// The tail of the distances of one quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tail {
    /// The edge: 90 % of all distances are below.
    edge: f32,
    /// Mean logarithm of how many times the edge the distances beyond it are.
    weight: f32,
    /// Seen, as far as it is remembered.
    samples: u16,
    excesses: u16,
}

fields!(Tail {
    edge,
    weight,
    samples,
    excesses
});

impl Default for Tail {
    /// About the tail of a normal distribution.
    fn default() -> Self {
        Self {
            edge: 1.5,
            weight: 0.25,
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
        let decades = (distance / edge).ln() * LOG10_E / f64::from(self.weight.max(TAIL_WEIGHT_LEAST));
        (TAIL_RARITY + decades).min(RARITY_MAX)
    }

    /// Takes in `distance`.
    pub(super) fn learn(&mut self, distance: f64) {
        self.samples = self.samples.saturating_add(1);
        let gain = 1.0 / f64::from(self.samples).clamp(TAIL_STEADY_SAMPLES, TAIL_MEMORY_SAMPLES);
        // Steps of the stochastic approximation of a quantile: over the density there, which is that of the tail.
        if distance > f64::from(self.edge) {
            let excess = single((distance / f64::from(self.edge)).ln()).min(TAIL_EXCESS_MAX);
            self.excesses = self.excesses.saturating_add(1);
            self.weight += (excess - self.weight) * single(1.0 / f64::from(self.excesses).min(MEMORY_EXCESSES));
            let step = single((gain / TAIL_SHARE).min(EDGE_STEP_MAX) * (1.0 - TAIL_SHARE));
            self.edge *= 1.0 + step * self.weight;
        } else {
            self.edge = (self.edge - self.edge * single(gain) * self.weight).max(TAIL_EDGE_LEAST);
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
        about(tail.edge.into(), -(0.1_f64.ln()), 0.3);
        // One in 1,000 lies beyond 6.9. A tail that is no power is taken for heavier than it is, far out.
        about(tail.rarity(-(1e-3_f64.ln())), 2.6, 0.4);
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
