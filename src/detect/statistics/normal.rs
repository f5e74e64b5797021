//! The standard normal distribution function, accurate relative to itself far into the lower tail.
//!
//! * Relative error about 1e-15 from -37 up; below that the result fades through subnormals to 0.
//! * No tables of coefficients: a power series near 0, a trapezoidal sum elsewhere. About 100 ns.

use std::f64::consts::{PI, SQRT_2};

/// Step of the trapezoidal sum. Its error is of the order of exp(-(pi / STEP)^2), here 7e-18.
const STEP: f64 = 0.5;

/// Terms of the sum: exp(-(12.5 * STEP)^2) is 1e-17 of the first.
const TERMS: u32 = 13;

/// P(Z <= z) for a standard normal Z. NaN for NaN.
pub(crate) fn cdf(z: f64) -> f64 {
    if z.abs() < 1.0 {
        0.5 + central(z)
    } else if z > 0.0 {
        1.0 - lower_tail(z)
    } else {
        lower_tail(-z)
    }
}

/// P(0 < Z < z), with the sign of z: phi(z) * (z + z^3/3 + z^5/(3*5) + ...), Abramowitz & Stegun 26.2.11.
fn central(z: f64) -> f64 {
    let square = z * z;
    let mut term = z;
    let mut sum = z;
    let mut odd = 3.0;
    while term.abs() > sum.abs() * f64::EPSILON / 8.0 {
        term *= square / odd;
        sum += term;
        odd += 2.0;
    }
    sum * bell(z) / (2.0 * PI).sqrt()
}

/// P(Z < -z) for z >= 1, as erfc(x) / 2 with x = z / sqrt(2).
///
/// erfc(x) = (2x/pi) exp(-x^2) * integral of exp(-t^2) / (x^2 + t^2) over t > 0, and the trapezoidal rule at
/// (k + 1/2) * STEP is exact to working precision once the pole at t = ix has had its residue
/// 2 / (1 + exp(2 pi x / STEP)) added (Hunter & Regan, "A note on the evaluation of the complementary error
/// function", Mathematics of Computation 26, 1972). The exponential is taken of z itself, as rounding x would
/// cost z^2 units in the last place.
fn lower_tail(z: f64) -> f64 {
    if z > 40.0 {
        return 0.0;
    }
    let x = z / SQRT_2;
    let mut sum = 0.0;
    for k in 0..TERMS {
        let node = (f64::from(k) + 0.5) * STEP;
        sum += (-node * node).exp() / (x * x + node * node);
    }
    let residue = if x < PI / STEP {
        1.0 / (1.0 + (2.0 * PI * x / STEP).exp())
    } else {
        0.0
    };
    bell(z) * sum * STEP * x / PI + residue
}

/// exp(-z^2 / 2) without the error of rounding z^2: the square of the upper 24 bits is exact.
fn bell(z: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "the truncation is the point")]
    let high = f64::from(z as f32);
    (-high * high / 2.0).exp() * (-(z - high) * (z + high) / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(z: f64, expected: f64) {
        let error = (cdf(z) / expected - 1.0).abs();
        assert!(
            error <= 2e-15,
            "cdf({z}) = {:e}, expected {expected:e}, error {error:e}",
            cdf(z)
        );
    }

    /// Expected values: mpmath.ncdf at 40 digits.
    #[test]
    fn from_the_middle_into_both_tails() {
        is(-37.0, 5.725_571_222_524_577e-300);
        is(-25.0, 3.056_696_706_382_561e-138);
        is(-11.4, 2.090_595_421_738_549_2e-30);
        is(-8.125, 2.236_812_064_444_105e-16);
        is(-5.0, 2.866_515_718_791_939e-7);
        is(-3.3, 0.000_483_424_142_383_777_5);
        is(-2.0, 0.022_750_131_948_179_21);
        is(-1.5, 0.066_807_201_268_858_07);
        is(-1.000_000_1, 0.158_655_229_734_385_8);
        is(-0.999_9, 0.158_679_452_213_762_6);
        is(-0.5, 0.308_537_538_725_986_9);
        is(-0.001, 0.499_601_057_786_088_93);
        is(0.7, 0.758_036_347_776_927);
        is(1.0, 0.841_344_746_068_542_9);
        is(1.3, 0.903_199_515_414_389_7);
        is(3.0, 0.998_650_101_968_369_9);
        is(6.0, 0.999_999_999_013_412_3);
    }

    #[test]
    fn the_ends() {
        assert!((cdf(0.0) - 0.5).abs() < f64::EPSILON);
        assert!(cdf(f64::INFINITY) >= 1.0 && cdf(f64::NEG_INFINITY) <= 0.0);
        assert!(cdf(1e300) >= 1.0 && cdf(-1e300) <= 0.0);
        assert!(cdf(f64::NAN).is_nan());
    }

    #[test]
    fn the_two_formulas_meet() {
        for z in [1.0_f64, 1.01, 1.1, 1.5] {
            let (series, sum) = (0.5 - central(z), lower_tail(z));
            assert!((series / sum - 1.0).abs() < 3e-15, "{z}: {series:e} and {sum:e}");
        }
    }
}
