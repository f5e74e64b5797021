//! How surprising a count is: the tail of the negative binomial distribution, which is Poisson's where events do not come
//! in clusters.
//!
//! Knows nothing of names and time. O(1): the first term from the logarithm of the gamma function (Stirling's series),
//! the rest of the tail from the ratio of its terms.

use std::f64::consts::{LN_10, PI};

/// Terms of the tail that are added up; those beyond change no digit that matters.
const TERMS_MAX: u32 = 256;

/// What is less clustered than this is not clustered at all: keeps the formula away from its limit.
const EXCESS_MIN: f64 = 0.01;

/// -log10 of the chance of `count` or more where `mean` are expected, and each brings along others: `excess` is the
/// variance's share above Poisson's, (variance / mean) - 1.
pub(super) fn surprise(count: u32, mean: f64, excess: f64) -> f64 {
    let count = f64::from(count);
    if count <= mean || count < 1.0 {
        return 0.0;
    }
    let excess = excess.max(EXCESS_MIN);
    // As often written: so many failures before the `size`th success, each with the chance `ratio`.
    let ratio = excess / (1.0 + excess);
    let size = mean / excess;
    let first = ln_gamma(count + size) - ln_gamma(size) - ln_gamma(count + 1.0)
        + size * (1.0 - ratio).ln()
        + count * ratio.ln();
    let (mut term, mut sum, mut at) = (1.0, 1.0, count);
    for _ in 0..TERMS_MAX {
        term *= (at + size) / (at + 1.0) * ratio;
        sum += term;
        at += 1.0;
        if term < 1e-4 * sum {
            break;
        }
    }
    (-(first + sum.ln()) / LN_10).max(0.0)
}

/// Logarithm of the gamma function, above 0: Stirling's series, from 8 on good to ten digits.
fn ln_gamma(mut x: f64) -> f64 {
    let mut below = 1.0;
    while x < 8.0 {
        below *= x;
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - below.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by adding up the chances of smaller counts.
    fn plain(count: u32, mean: f64, excess: f64) -> f64 {
        let (ratio, size) = (excess / (1.0 + excess), mean / excess);
        let mut chance = (1.0 - ratio).powf(size);
        let mut below = 0.0;
        for smaller in 0..count {
            below += chance;
            chance *= (f64::from(smaller) + size) / f64::from(smaller + 1) * ratio;
        }
        -(1.0 - below).log10()
    }

    #[test]
    fn it_is_the_tail_of_the_distribution() {
        for mean in [0.03, 0.5, 3.0, 20.0] {
            for excess in [0.01, 0.3, 2.0, 10.0] {
                for count in [1, 2, 3, 5, 12, 40] {
                    let (is, expected) = (surprise(count, mean, excess), plain(count, mean, excess));
                    // Further out the plain sum has no digits left.
                    if f64::from(count) > mean && expected < 9.0 {
                        assert!(
                            (is - expected).abs() < 0.01,
                            "{count} of {mean}, {excess}: {is}, {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_expected_surprises_nobody_and_much_does_so_much() {
        assert!(surprise(0, 0.5, 0.1) < 1e-12);
        assert!(surprise(3, 7.0, 0.1) < 1e-12);
        let many = surprise(60_000, 0.01, 0.01);
        assert!(many.is_finite() && many > 10_000.0, "{many}");
        // The same count is less of a surprise where they come in clusters.
        assert!(surprise(5, 0.03, 4.0) < surprise(5, 0.03, 0.01) / 3.0);
    }

    #[test]
    fn the_logarithm_of_the_gamma_function() {
        let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>().ln();
        for n in [0, 1, 2, 5, 10, 100] {
            assert!((ln_gamma(f64::from(n) + 1.0) - factorial(n)).abs() < 1e-8, "{n}");
        }
        assert!((ln_gamma(0.5) - PI.sqrt().ln()).abs() < 1e-8);
    }
}
