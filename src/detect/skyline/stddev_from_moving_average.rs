//! `stddev_from_moving_average`: is the last value further from the exponentially weighted mean than three exponentially
//! weighted standard deviations?
//!
//! Weights fall by the sample, not by the second: the k-th newest of n has weight `lambda^k`, `lambda = com / (1 + com)`.
//! With `W1` and `W2` the sums of weights and of squared weights, as pandas defines them (`adjust=True`, `bias=False`):
//!
//! ```text
//! mean     = sum(w x) / W1
//! variance = sum(w (x - mean)^2) / W1 * W1^2 / (W1^2 - W2)
//! ```
//!
//! Only samples of the window count, so in a sparse series each that leaves takes its weight with it.

use super::{
    super::Finding,
    MovingAverage,
    facts::{Facts, distance},
};
use crate::window::{DoubleDouble, Window};

/// A weight below this changes no digit of a sum that the newest sample is in.
const NEGLIGIBLE: f64 = 1e-40;

/// Share of the sum of squares, against its peak, below which too few digits are left to it.
const WORN: f64 = 1e-12;

/// Weights by number of samples, worked out as windows grow; beyond the last one nothing changes any more.
#[derive(Debug)]
pub(super) struct Weights {
    lambda: DoubleDouble,
    by_count: Vec<Weight>,
    complete: bool,
}

/// Weights of a window of so many samples.
#[derive(Clone, Copy, Debug)]
struct Weight {
    /// Weight of the oldest sample.
    oldest: DoubleDouble,
    /// Sum of all weights.
    sum: DoubleDouble,
    /// Sum of their squares.
    squares: f64,
}

/// Weighted sums of deviations from an anchor (see [`crate::window::Moments`] on why so).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MovingMoments {
    count: u32,
    anchor: f64,
    sum: DoubleDouble,
    squares: DoubleDouble,
    /// The largest `squares` so far, with the weight it has now.
    squares_peak: f64,
}

impl Weights {
    pub(super) fn new(com: f64) -> Self {
        Self {
            lambda: DoubleDouble::new(com) / DoubleDouble::new(1.0 + com),
            by_count: Vec::new(),
            complete: false,
        }
    }

    /// The weights of `count` samples (1 or more).
    fn of(&mut self, count: u32) -> Weight {
        while self.by_count.len() < count as usize && !self.complete {
            let next = match self.by_count.last() {
                None => Weight {
                    oldest: DoubleDouble::new(1.0),
                    sum: DoubleDouble::new(1.0),
                    squares: 1.0,
                },
                Some(last) => {
                    let oldest = last.oldest * self.lambda;
                    Weight {
                        oldest,
                        sum: last.sum + oldest,
                        squares: last.squares + oldest.square().value(),
                    }
                }
            };
            self.complete = next.oldest.value() < NEGLIGIBLE;
            self.by_count.push(next);
        }
        self.known(count)
    }

    /// The weights of `count` samples, which [`Self::of`] has been asked for before.
    fn known(&self, count: u32) -> Weight {
        self.by_count[(count as usize).min(self.by_count.len()) - 1]
    }
}

impl MovingMoments {
    /// Reads a little of it.
    pub(super) fn touch(&self) -> u32 {
        self.count
    }

    /// Takes in the newest sample of `window`.
    pub(super) fn follow(&mut self, window: &Window, weights: &mut Weights) {
        let Some(last) = window.last() else {
            return;
        };
        if self.is_worn() {
            *self = Self::default();
            for point in window.points() {
                self.push(point.value, weights);
            }
        } else {
            self.push(last.value, weights);
        }
    }

    /// `value`, the oldest of the window, is about to leave it.
    pub(super) fn expire(&mut self, value: f64, weights: &mut Weights) {
        let weight = weights.of(self.count);
        self.count -= 1;
        if weight.oldest.value() >= NEGLIGIBLE {
            let deviation = DoubleDouble::difference(value, self.anchor);
            self.sum = self.sum - deviation * weight.oldest;
            self.squares = self.squares - deviation.square() * weight.oldest;
        }
    }

    fn push(&mut self, value: f64, weights: &mut Weights) {
        if self.count == 0 {
            *self = Self {
                anchor: value,
                ..Self::default()
            };
        }
        self.count += 1;
        weights.of(self.count);
        let deviation = DoubleDouble::difference(value, self.anchor);
        self.sum = self.sum * weights.lambda + deviation;
        self.squares = self.squares * weights.lambda + deviation.square();
        self.squares_peak = (self.squares_peak * weights.lambda.value()).max(self.squares.value());
    }

    fn is_worn(&self) -> bool {
        self.count > 0 && self.squares.value() < WORN * self.squares_peak
    }

    fn mean(&self, weights: &Weights) -> Option<f64> {
        (self.count > 0).then(|| self.anchor + self.sum.value() / weights.known(self.count).sum.value())
    }

    /// Unbiased standard deviation, for two samples or more.
    fn deviation(&self, weights: &Weights) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        let weight = weights.known(self.count);
        let sum = DoubleDouble::difference_of_squares(self.squares, self.sum, weight.sum);
        let biased = sum.max(0.0) / weight.sum.value();
        let total = weight.sum.value() * weight.sum.value();
        Some((biased * total / (total - weight.squares)).sqrt())
    }
}

pub(super) fn find(settings: &MovingAverage, moving: &MovingMoments, weights: &Weights, facts: &Facts) -> Finding {
    Finding::above(
        moving.mean(weights).map(|mean| distance(facts.last, mean)),
        moving.deviation(weights).map(|deviation| settings.sigmas * deviation),
    )
}

pub(super) fn details(moving: &MovingMoments, weights: &Weights) -> Vec<(&'static str, Option<f64>)> {
    vec![("mean", moving.mean(weights)), ("deviation", moving.deviation(weights))]
}
