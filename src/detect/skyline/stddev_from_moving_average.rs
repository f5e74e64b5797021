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

/// A weight below this changes no digit of a sum that the newest sample is in, whatever the sample with that weight is.
const NEGLIGIBLE: f64 = 1e-290;

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
crate::save::fields!(MovingMoments {
    count,
    anchor,
    sum,
    squares,
    squares_peak
});

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
    /// Can it be of `window`? It counts all samples. Has their weights worked out, as if they had been taken in.
    pub(super) fn fits(&self, window: &Window, weights: &mut Weights) -> bool {
        let fits = self.count > 0 && self.count as usize == window.len();
        if fits {
            weights.of(self.count);
        }
        fits
    }

    /// Reads a little of it.
    pub(super) fn touch(&self) -> u32 {
        self.count
    }

    /// Takes in the newest sample of `window`.
    pub(super) fn follow(&mut self, window: &Window, weights: &mut Weights) {
        let Some(last) = window.last() else {
            return;
        };
        if self.is_worn(weights) {
            // Anchored at the newest, which has the largest weight: the variance is then at least a share of its distance
            // from the rest squared, and far from worn again.
            *self = Self::default();
            for point in window.points() {
                self.push_anchored(point.value, last.value, weights);
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
        let anchor = if self.count == 0 { value } else { self.anchor };
        self.push_anchored(value, anchor, weights);
    }

    fn push_anchored(&mut self, value: f64, anchor: f64, weights: &mut Weights) {
        if self.count == 0 {
            *self = Self {
                anchor,
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

    /// Has a giant pushed out the digits of the rest, by its own square or, as the anchor, by their distance from it?
    fn is_worn(&self, weights: &Weights) -> bool {
        if self.count == 0 {
            return false;
        }
        let (sum, squares) = (self.sum.value(), self.squares.value());
        let variance = squares - sum * sum / weights.known(self.count).sum.value();
        squares < WORN * self.squares_peak || variance < WORN * squares
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{Point, Scratch};

    #[test]
    fn a_giant_that_came_first_is_forgotten() {
        for giant in [1e12, 1e15, 1.844_674_407_370_955_2e19, 1e40] {
            let mut window = Window::with_statistics(86_400);
            let (mut moving, mut weights) = (MovingMoments::default(), Weights::new(50.0));
            let mut scratch = Scratch::default();
            let mut push = |timestamp, value| {
                let point = Point { timestamp, value };
                window
                    .push(point, &mut scratch, |old| moving.expire(old.value, &mut weights))
                    .unwrap();
                moving.follow(&window, &mut weights);
            };
            push(0, giant);
            let value = |place: i32| 0.106 + 0.0037 * f64::from(place * 7 % 13 - 6) / 4.0;
            for place in 1..10_000 {
                push(10 * i64::from(place), value(place));
            }
            // The same, far from any giant, by the definition.
            let weight = |place: i32| (50.0_f64 / 51.0).powi(9_999 - place);
            let (mut sum, mut mean, mut squares) = (0.0, 0.0, 0.0);
            (1..10_000).for_each(|place| sum += weight(place));
            (1..10_000).for_each(|place| mean += weight(place) * value(place) / sum);
            (1..10_000).for_each(|place| squares += weight(place).powi(2));
            let variance: f64 = (1..10_000)
                .map(|place| weight(place) * (value(place) - mean).powi(2) / sum)
                .sum();
            let deviation = (variance * sum * sum / (sum * sum - squares)).sqrt();
            assert!((moving.mean(&weights).unwrap() - mean).abs() < 1e-12, "{giant:e}: mean");
            assert!(
                (moving.deviation(&weights).unwrap() - deviation).abs() < 1e-12,
                "{giant:e}: deviation"
            );
        }
    }
}
