//! The augmented Dickey-Fuller test: how plausible is it that a series is a random walk rather than stationary?
//!
//! Regresses each difference on a constant, the level before it and up to `max_lag` earlier differences, and reads
//! the t statistic of the level against `MacKinnon`'s distribution. Follows statsmodels' `adfuller(x, maxlag)`
//! (constant, lag by Akaike's criterion), including what that does with degenerate series:
//!
//! * The number of lags is chosen on the rows that all lags share; the chosen one is refitted on all rows it has.
//! * The constant is left out where another regressor is itself constant and not zero.
//! * A regressor that the earlier ones explain completely counts neither as a parameter nor as a lag.
//!
//! Where statsmodels returns rounding noise, this module decides: a fit without residuals takes the fewest lags that
//! give one, and p is then 0 or 1 by the sign of the level's coefficient, or NaN if that is zero too (a straight
//! line, for one). Levels are centred first, so a large mean costs no accuracy.
//!
//! Orthogonalizes by modified Gram-Schmidt, O(n * `max_lag`^2), rather than by the Gram matrix: neighbouring
//! differences of a smooth series are so alike that squaring the condition number would show.

use super::normal;

/// Residuals and regressors below this many rounding errors of the largest value are taken for zero.
const NOISE: f64 = 16.0 * f64::EPSILON;

/// Share of a column's sum of squares below which its remainder is orthogonalized once more.
const CANCELLED: f64 = 1e-4;

/// Why there is no p. statsmodels raises `ValueError` in these cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdfError {
    /// All values are equal.
    Constant,
    /// Fewer than 2 * (`max_lag` + 2) values.
    TooShort,
}

impl std::fmt::Display for AdfError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Constant => "all values of the series are equal",
            Self::TooShort => "the series is too short for that many lags",
        })
    }
}

impl std::error::Error for AdfError {}

/// The p value of the test with at most `max_lag` lags, on memory of its own.
#[cfg(test)]
fn p_value(series: &[f64], max_lag: usize) -> Result<f64, AdfError> {
    Scratch::default().p_value(series, max_lag)
}

/// Memory for one test at a time, (`max_lag` + 2) * n * 8 bytes, kept from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    columns: Vec<f64>,
    squares: Vec<f64>,
}

/// Is there a p value of the test with at most `max_lag` lags?
///
/// # Errors
/// `Constant` if all values are equal, otherwise `TooShort` below 2 * (`max_lag` + 2) values. No values at all are
/// `TooShort`.
pub(crate) fn check(series: &[f64], max_lag: usize) -> Result<(), AdfError> {
    if all_equal(series.iter().copied()).is_some() {
        return Err(AdfError::Constant);
    }
    if series.len() / 2 < max_lag + 2 {
        return Err(AdfError::TooShort);
    }
    Ok(())
}

impl Scratch {
    /// The p value of the test with at most `max_lag` lags on finite values.
    ///
    /// NaN where the statistic is 0/0 (the level is 0 until the last value or a sum of the lags, or a fit without
    /// residuals does not involve it) and where squares overflow.
    ///
    /// # Errors
    /// As [`check`].
    pub(crate) fn p_value(&mut self, series: &[f64], max_lag: usize) -> Result<f64, AdfError> {
        check(series, max_lag)?;
        let design = Design::new(series);
        let lags = self.best_lags(&design, max_lag);
        Ok(mackinnon_p(self.level_t(&design, lags)))
    }

    /// The number of lags with the smallest Akaike criterion among fits on the same rows; the fewest in a tie.
    fn best_lags(&mut self, design: &Design, max_lag: usize) -> usize {
        let mut fit = Fit::new(self, design, max_lag);
        fit.add(design.level(max_lag));
        let mut best = 0;
        let mut smallest = fit.akaike();
        for lag in 1..=max_lag {
            if fit.is_exact() {
                break;
            }
            fit.add(design.differences(max_lag, lag));
            let akaike = fit.akaike();
            if akaike < smallest {
                smallest = akaike;
                best = lag;
            }
        }
        best
    }

    /// The t statistic of the level in the fit with `lags` lags. The level is added last, so that its coefficient is
    /// the one that `add` reports.
    fn level_t(&mut self, design: &Design, lags: usize) -> f64 {
        let mut fit = Fit::new(self, design, lags);
        for lag in 1..=lags {
            fit.add(design.differences(lags, lag));
        }
        let explained = fit.add(design.level(lags));
        if !fit.is_exact() {
            explained / fit.residual_deviation()
        } else if explained.abs() <= fit.noise.sqrt() {
            f64::NAN
        } else {
            explained * f64::INFINITY
        }
    }
}

/// The regression's columns, made from the series as they are needed. With `lags` lags the first `lags` differences
/// have no row of their own, which leaves n - 1 - `lags` rows.
struct Design<'a> {
    series: &'a [f64],
    /// Variance taken for rounding error.
    noise: f64,
}

impl<'a> Design<'a> {
    fn new(series: &'a [f64]) -> Self {
        let largest = series.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        Self {
            series,
            noise: (NOISE * largest).powi(2),
        }
    }

    fn rows(&self, lags: usize) -> usize {
        self.series.len() - 1 - lags
    }

    /// The value before the one of each row.
    fn level(&self, lags: usize) -> impl Iterator<Item = f64> {
        self.series[lags..self.series.len() - 1].iter().copied()
    }

    /// The difference `lag` before the one of each row; the response itself at 0.
    fn differences(&self, lags: usize, lag: usize) -> impl Iterator<Item = f64> {
        self.series[lags - lag..self.series.len() - lag]
            .windows(2)
            .map(|pair| pair[1] - pair[0])
    }

    /// Whether some regressor can stand for the constant. The comparison is exact, as in statsmodels.
    fn holds_constant(&self, lags: usize) -> bool {
        let is_constant = |value: Option<f64>| value.is_some_and(|value| value.abs() > 0.0);
        is_constant(all_equal(self.level(lags)))
            || (1..=lags).any(|lag| is_constant(all_equal(self.differences(lags, lag))))
    }
}

/// A least-squares fit that grows by one regressor at a time.
struct Fit<'a> {
    /// What the regressors so far leave of the response, then the regressors, orthogonal to each other.
    columns: &'a mut Vec<f64>,
    /// Sum of squares of each regressor.
    squares: &'a mut Vec<f64>,
    rows: usize,
    /// A constant is part of the fit, by way of centring every column.
    centred: bool,
    /// Sum of squares taken for rounding error.
    noise: f64,
    residual: f64,
}

impl<'a> Fit<'a> {
    fn new(scratch: &'a mut Scratch, design: &Design, lags: usize) -> Self {
        let rows = design.rows(lags);
        let centred = !design.holds_constant(lags);
        let Scratch { columns, squares } = scratch;
        columns.clear();
        columns.reserve((lags + 2) * rows);
        squares.clear();
        columns.extend(design.differences(lags, 0));
        if centred {
            centre(columns);
        }
        Self {
            residual: dot(columns, columns),
            columns,
            squares,
            rows,
            centred,
            noise: design.noise * count(rows),
        }
    }

    /// Adds a regressor, unless the earlier ones leave nothing of it. Returns the part of the response that it
    /// explains beyond them, as a length with the sign of its coefficient: NaN if it was not added.
    fn add(&mut self, regressor: impl Iterator<Item = f64>) -> f64 {
        let used = self.columns.len();
        self.columns.extend(regressor);
        let (before, added) = self.columns.split_at_mut(used);
        if self.centred {
            centre(added);
        }
        let square = orthogonalize(added, &before[self.rows..], self.squares);
        if square <= self.noise {
            self.columns.truncate(used);
            return f64::NAN;
        }
        self.squares.push(square);

        let (response, kept) = self.columns.split_at_mut(self.rows);
        let added = &kept[kept.len() - self.rows..];
        let slope = dot(response, added) / square;
        subtract(response, added, slope);
        let left = dot(response, response);
        self.residual = if left < self.residual * CANCELLED {
            orthogonalize(response, kept, self.squares)
        } else {
            left
        };
        slope * square.sqrt()
    }

    fn parameters(&self) -> f64 {
        count(self.squares.len() + usize::from(self.centred))
    }

    /// Akaike's information criterion, without the terms that depend on the number of rows alone.
    fn akaike(&self) -> f64 {
        count(self.rows) * self.residual.ln() + 2.0 * self.parameters()
    }

    /// Nothing but rounding error is left to explain.
    fn is_exact(&self) -> bool {
        self.residual <= self.noise
    }

    /// Standard deviation of the residuals, by degrees of freedom.
    fn residual_deviation(&self) -> f64 {
        (self.residual / (count(self.rows) - self.parameters())).sqrt()
    }
}

/// Takes out of `column` what the orthogonal columns `others` explain of it, and returns the sum of squares left. If
/// that is little, it is largely the rounding error of what was taken out, and a second pass removes that: "twice is
/// enough" (Parlett, "The symmetric eigenvalue problem", 1980, section 6-9, who credits Kahan).
fn orthogonalize(column: &mut [f64], others: &[f64], squares: &[f64]) -> f64 {
    let mut left = dot(column, column);
    for _ in 0..2 {
        let before = left;
        for (other, square) in others.chunks_exact(column.len()).zip(squares) {
            subtract(column, other, dot(column, other) / square);
        }
        left = dot(column, column);
        if left >= before * CANCELLED {
            break;
        }
    }
    left
}

/// The value that all of `values` have, if there is one.
fn all_equal(mut values: impl Iterator<Item = f64>) -> Option<f64> {
    let first = values.next()?;
    #[expect(
        clippy::float_cmp,
        reason = "a constant is exactly constant, or it is a regressor like others"
    )]
    values.all(|value| value == first).then_some(first)
}

/// Subtracts the mean, twice: the first mean of values far from 0 is itself rounded.
fn centre(column: &mut [f64]) {
    for _ in 0..2 {
        let mean = sum(column) / count(column.len());
        for value in &mut *column {
            *value -= mean;
        }
    }
}

/// column -= factor * other
fn subtract(column: &mut [f64], other: &[f64], factor: f64) {
    for (value, other) in column.iter_mut().zip(other) {
        *value -= factor * other;
    }
}

/// Independent partial sums, which the processor adds in parallel.
const LANES: usize = 8;

/// Longer sums are halved first, so that rounding grows with the logarithm of the length. It would grow with the
/// length where the terms are alike, as in a periodic series.
const BLOCK: usize = 128;

fn dot(left: &[f64], right: &[f64]) -> f64 {
    if left.len() > BLOCK {
        let half = left.len() / 2;
        return dot(&left[..half], &right[..half]) + dot(&left[half..], &right[half..]);
    }
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            lanes[lane] += left[lane] * right[lane];
        }
    }
    let rest = left_rest.iter().zip(right_rest);
    lanes.iter().sum::<f64>() + rest.map(|(left, right)| left * right).sum::<f64>()
}

fn sum(values: &[f64]) -> f64 {
    if values.len() > BLOCK {
        let (left, right) = values.split_at(values.len() / 2);
        return sum(left) + sum(right);
    }
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += chunk[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

#[expect(clippy::cast_precision_loss, reason = "a series holds fewer than 2^52 values")]
fn count(n: usize) -> f64 {
    n as f64
}

/// The p value of a Dickey-Fuller t statistic in a regression with a constant, by `MacKinnon`'s response surfaces for
/// one series ("Approximate asymptotic distribution functions for unit-root and cointegration tests", Journal of
/// Business and Economic Statistics 12, 1994). Beyond the range of the approximation p is 0 or 1.
fn mackinnon_p(tau: f64) -> f64 {
    const TAU_MIN: f64 = -18.83;
    const TAU_STAR: f64 = -1.61;
    const TAU_MAX: f64 = 2.74;
    if tau > TAU_MAX {
        1.0
    } else if tau < TAU_MIN {
        0.0
    } else if tau <= TAU_STAR {
        normal::cdf(2.1659 + tau * (1.4412 + tau * 0.038_269))
    } else {
        normal::cdf(1.7339 + tau * (0.932_02 + tau * (-0.127_45 - tau * 0.010_368)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers from -500 to 499, the same on every run.
    fn noise(n: usize) -> Vec<f64> {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005);
            state = state.wrapping_add(1_442_695_040_888_963_407);
            f64::from(u32::try_from((state >> 32) % 1000).unwrap()) - 500.0
        };
        std::iter::repeat_with(next).take(n).collect()
    }

    /// x[t] = `memory` * x[t-1] + `steps`[t]; a random walk at 1.
    fn autoregression(memory: f64, steps: &[f64]) -> Vec<f64> {
        let next = |level: &mut f64, step: &f64| {
            *level = memory * *level + step;
            Some(*level)
        };
        steps.iter().scan(0.0, next).collect()
    }

    fn ramp(n: u32) -> Vec<f64> {
        (0..n).map(f64::from).collect()
    }

    /// `n` times `base`, except for the values from `at` on.
    fn flat_but(base: f64, n: usize, at: usize, values: &[f64]) -> Vec<f64> {
        let mut series = vec![base; n];
        series[at..at + values.len()].copy_from_slice(values);
        series
    }

    #[track_caller]
    fn is(series: &[f64], max_lag: usize, expected: f64) {
        let p = p_value(series, max_lag).expect("long enough and not constant");
        let close = (p - expected).abs() <= 1e-10 * expected;
        assert!(
            close || p.is_nan() && expected.is_nan(),
            "p is {p:e}, expected {expected:e}"
        );
    }

    /// Expected values here and below: statsmodels 0.15.
    #[test]
    fn stationary_and_not() {
        let noise = noise(2000);
        is(&noise[..300], 10, 2.060_777_507_726_786_2e-30);
        is(&autoregression(0.75, &noise[..300]), 10, 1.098_164_077_540_004_4e-9);
        let walk = autoregression(1.0, &noise);
        is(&walk[..300], 10, 0.721_218_911_667_894_5);
        is(&walk, 10, 0.955_663_163_541_092_2);
    }

    #[test]
    fn lags_are_chosen() {
        let noise = noise(300);
        let sums: Vec<f64> = (2..300).map(|t| noise[t] + noise[t - 1] + noise[t - 2]).collect();
        is(&sums, 10, 0.002_089_302_821_204_167_5); // 9 lags
        let walk = autoregression(1.0, &noise);
        is(&walk[..60], 3, 0.596_612_284_131_570_5); // 1 lag
        is(&autoregression(1.0, &walk), 10, 0.119_999_078_036_746_03); // 2 lags
        is(&walk, 0, 0.721_218_911_667_894_5);
    }

    #[test]
    fn as_short_as_it_may_be() {
        let noise = noise(24);
        is(&noise, 10, 0.089_644_025_044_113_84);
        is(&autoregression(1.0, &noise), 10, 0.378_438_345_284_439);
        is(&noise[..4], 0, 0.776_723_010_189_505_3);
        assert_eq!(p_value(&noise[..23], 10), Err(AdfError::TooShort));
        assert_eq!(p_value(&noise[..3], 0), Err(AdfError::TooShort));
        assert_eq!(p_value(&[], 0), Err(AdfError::TooShort));
    }

    #[test]
    fn a_constant_is_an_error_at_any_length() {
        assert_eq!(p_value(&[7.0; 300], 10), Err(AdfError::Constant));
        assert_eq!(p_value(&[7.0; 3], 10), Err(AdfError::Constant));
        assert_eq!(p_value(&[0.0, -0.0, 0.0], 10), Err(AdfError::Constant));
    }

    /// A level that is constant until the last value takes the place of the constant; a level of 0 cannot.
    #[test]
    fn a_step_at_the_end() {
        is(&flat_but(9.0, 300, 299, &[13.0]), 10, 0.994_265_948_547_760_8);
        is(&flat_but(0.0, 300, 299, &[4.0]), 10, f64::NAN);
        is(&flat_but(9.0, 300, 298, &[13.0, 13.0]), 10, 0.953_480_044_993_988_4);
        is(&flat_but(0.0, 300, 298, &[4.0, 4.0]), 10, 0.953_480_044_993_988_4);
    }

    #[test]
    fn a_spike_in_a_constant() {
        for at in [1, 5, 10, 11, 150, 290, 298] {
            is(&flat_but(9.0, 300, at, &[13.0]), 10, 5.699_958_163_730_597e-30);
            is(&flat_but(0.0, 300, at, &[4.0]), 10, 5.699_958_163_730_597e-30);
        }
    }

    /// All differences are equal but the last, so they take the place of the constant while lags are chosen.
    #[test]
    fn a_counter_that_jumps_at_the_end() {
        let mut counter = ramp(300);
        counter[299] = 500.0;
        is(&counter, 10, 0.998_204_284_986_790_9);
    }

    #[test]
    fn without_residuals_the_sign_decides() {
        let period: Vec<f64> = noise(7).into_iter().cycle().take(300).collect();
        is(&period, 10, 0.0);
        // Equal terms round alike: a plain sum's error grows with the length here.
        let alternating: Vec<f64> = [0.628_651_11, -0.660_524_32].into_iter().cycle().take(1243).collect();
        is(&alternating, 10, 0.0);
        is(&flat_but(9.0, 300, 0, &[13.0]), 10, 0.0);
        let growth: Vec<f64> = ramp(300).into_iter().map(|t| 1.01_f64.powf(t)).collect();
        is(&growth, 10, 1.0);
    }

    #[test]
    fn a_straight_line_has_no_statistic() {
        is(&ramp(300), 10, f64::NAN);
        for (start, slope) in [(0.0, 0.1), (1e6, 1.0 / 3.0), (-7.3, -1e-7), (1e15, 3.0)] {
            let line: Vec<f64> = ramp(3000).into_iter().map(|t| start + slope * t).collect();
            is(&line, 10, f64::NAN);
        }
    }

    #[test]
    fn a_large_mean_changes_nothing() {
        let noise = noise(300);
        for series in [noise.clone(), autoregression(1.0, &noise)] {
            let expected = p_value(&series, 10).unwrap();
            for mean in [1e6, 1e9, -1e12] {
                let moved: Vec<f64> = series.iter().map(|value| value + mean).collect();
                is(&moved, 10, expected);
            }
        }
    }

    #[test]
    fn scale_changes_nothing_until_squares_overflow() {
        let noise = noise(300);
        let scaled = |factor: f64| -> Vec<f64> { noise.iter().map(|value| value * factor).collect() };
        for factor in [1e-120, 1e-9, 1e9, 1e120] {
            is(&scaled(factor), 10, 2.060_777_507_726_786_2e-30);
        }
        is(&scaled(1e-200), 10, f64::NAN);
        is(&scaled(1e200), 10, f64::NAN);
    }

    #[test]
    fn scratch_leaves_no_trace() {
        let noise = noise(900);
        let mut scratch = Scratch::default();
        for n in [900, 40, 24, 500, 23, 300] {
            assert_eq!(scratch.p_value(&noise[..n], 10), p_value(&noise[..n], 10));
        }
    }

    /// Expected values: statsmodels' `mackinnonp`.
    #[test]
    fn mackinnon_surface() {
        let cases = [
            (-18.83, 2.022_123_723_345_286e-30),
            (-12.5, 2.820_329_625_375_315_4e-23),
            (-5.0, 2.219_315_471_395_627_6e-5),
            (-3.43, 0.009_977_709_398_779_726),
            (-2.86, 0.050_201_099_882_003_09),
            (-1.61, 0.477_975_652_594_189_3),
            (-1.6, 0.483_593_469_653_586_6),
            (-0.5, 0.892_016_496_583_571_5),
            (0.0, 0.958_532_086_060_056),
            (1.0, 0.994_265_948_547_760_8),
            (2.74, 0.999_088_080_104_198_1),
        ];
        for (tau, expected) in cases {
            let p = mackinnon_p(tau);
            assert!(
                (p - expected).abs() <= 1e-13 * expected,
                "{tau}: {p:e}, expected {expected:e}"
            );
        }
        assert!(mackinnon_p(-18.84) <= 0.0 && mackinnon_p(2.75) >= 1.0);
    }
}
