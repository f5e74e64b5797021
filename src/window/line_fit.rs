//! The straight line through the samples of a window, while samples come and go.
//!
//! Ordinary least squares of value over time from running sums. Times are whole seconds from an origin, summed exactly;
//! sums with values in them are double-double, so that an origin months in the past costs no digit that shows.

use super::{DoubleDouble, Moments, Point};

/// Running sums of times, and of times with values; those of values alone are in [`Moments`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineSums {
    origin: i64,
    times: i64,
    squares: i128,
    products: DoubleDouble,
}
crate::save::fields!(LineSums {
    origin,
    times,
    squares,
    products
});

/// `value = mean + slope (timestamp - mean time)`, and how far the samples are from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LineFit {
    /// Units of the metric per second.
    pub(crate) slope: f64,
    /// Standard deviation of the residuals (population, units of the metric).
    pub(crate) residual_deviation: f64,
    mean: f64,
    /// Mean time less `origin` (seconds).
    centre: f64,
    origin: i64,
}

impl LineSums {
    /// Adds `point`, which `moments` has already taken in.
    pub(crate) fn add(&mut self, point: Point, moments: &Moments) {
        if moments.count() == 1 {
            *self = Self {
                origin: point.timestamp,
                ..Self::default()
            };
        }
        let (time, product) = self.terms(point, moments);
        self.times += time;
        self.squares += i128::from(time) * i128::from(time);
        self.products = self.products + product;
    }

    /// Takes away a point that was added before.
    pub(crate) fn remove(&mut self, point: Point, moments: &Moments) {
        let (time, product) = self.terms(point, moments);
        self.times -= time;
        self.squares -= i128::from(time) * i128::from(time);
        self.products = self.products - product;
    }

    fn terms(&self, point: Point, moments: &Moments) -> (i64, DoubleDouble) {
        let time = point.timestamp - self.origin;
        let product = moments.deviation_of(point.value) * exact(time);
        (time, product)
    }

    /// The line, level through a single point; `None` of nothing.
    pub(crate) fn fit(&self, moments: &Moments) -> Option<LineFit> {
        let mean = moments.mean()?;
        let count = f64::from(moments.count());
        // n^2 times the variance of the times, exactly, and n^2 times their covariance with the values.
        let spread = i128::from(moments.count()) * self.squares - i128::from(self.times) * i128::from(self.times);
        let covariance = self.products * count - moments.sum() * exact(self.times);
        #[expect(clippy::cast_precision_loss, reason = "rounded once")]
        let slope = if spread > 0 {
            covariance.value() / spread as f64
        } else {
            0.0
        };
        // A straight line leaves next to nothing of the squares: then the digits of a f64 do not do.
        let squares = moments.squared_deviations();
        let mut unexplained = squares - slope * covariance.value() / count;
        if unexplained < DoubleDouble::NEAR * squares {
            let explained = covariance.square() / (DoubleDouble::from_integer(spread) * count);
            unexplained = (moments.squared_deviations_exact() - explained).value();
        }
        Some(LineFit {
            slope,
            residual_deviation: (unexplained.max(0.0) / count).sqrt(),
            mean,
            centre: exact(self.times) / count,
            origin: self.origin,
        })
    }
}

impl LineFit {
    /// What `point` has above the line (units of the metric).
    pub(crate) fn residual(&self, point: Point) -> f64 {
        let time = exact(point.timestamp - self.origin) - self.centre;
        (point.value - self.mean) - self.slope * time
    }
}

/// Seconds as a `f64`: a window's sum of times is far below 2^53, unless clocks have leapt by millennia.
#[expect(clippy::cast_precision_loss, reason = "as said")]
fn exact(seconds: i64) -> f64 {
    seconds as f64
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_rolling_fit_is_the_fit_of_the_window(
            values in proptest::collection::vec(-1e3_f64..1e3, 40..200),
            step in 1_i64..4000,
            years in 0_i64..50,
        ) {
            const CAPACITY: usize = 30;
            let mut moments = Moments::default();
            let mut line = LineSums::default();
            // The origin stays where it was while the window moves on.
            let far = |place: usize| if place > 0 { years * 31_536_000 } else { 0 };
            let points: Vec<Point> = (0..values.len())
                .map(|place| Point { timestamp: 1_700_000_000 + far(place) + step * place as i64, value: values[place] })
                .collect();
            for (place, &point) in points.iter().enumerate() {
                moments.add(point.value);
                line.add(point, &moments);
                if place >= CAPACITY {
                    moments.remove(points[place - CAPACITY].value);
                    line.remove(points[place - CAPACITY], &moments);
                }
            }
            let fit = line.fit(&moments).unwrap();
            let window = &points[points.len() - CAPACITY..];
            let (slope, deviation, last) = plain(window);
            prop_assert!((fit.slope - slope).abs() <= 1e-9 * slope.abs().max(1e-6));
            prop_assert!((fit.residual_deviation - deviation).abs() <= 1e-9 * deviation.max(1e-3));
            prop_assert!((fit.residual(window[CAPACITY - 1]) - last).abs() <= 1e-9 * last.abs().max(1e-3));
        }
    }

    /// Slope, deviation of the residuals and last residual, by the definition, in centred time.
    fn plain(points: &[Point]) -> (f64, f64, f64) {
        let count = points.len() as f64;
        let first = points[0].timestamp;
        let time = |point: &Point| (point.timestamp - first) as f64;
        let mean_time = points.iter().map(time).sum::<f64>() / count;
        let mean = points.iter().map(|point| point.value).sum::<f64>() / count;
        let products: f64 = points
            .iter()
            .map(|point| (time(point) - mean_time) * (point.value - mean))
            .sum();
        let squares: f64 = points.iter().map(|point| (time(point) - mean_time).powi(2)).sum();
        let slope = products / squares;
        let residuals: Vec<f64> = points
            .iter()
            .map(|point| point.value - mean - slope * (time(point) - mean_time))
            .collect();
        let deviation = (residuals.iter().map(|residual| residual * residual).sum::<f64>() / count).sqrt();
        (slope, deviation, residuals[residuals.len() - 1])
    }
}
