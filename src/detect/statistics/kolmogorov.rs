//! The two-sample Kolmogorov-Smirnov test of a large sample against a small one, of which the small one is sorted.
//!
//! * O(n log m): each value of the large sample is looked up among those of the small one.
//! * `d` is bit for bit what comparing the two empirical distribution functions in floating point gives, so a vote on
//!   `d > 0.5` does not depend on rounding.

use std::f64::consts::PI;

/// What the test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct KolmogorovSmirnov {
    /// The largest distance between the two empirical distribution functions (0 to 1).
    pub(crate) d: f64,
    /// The probability of a distance this large if both samples come from one distribution (0 to 1).
    pub(crate) p: f64,
}

/// Compares two samples free of NaN, of which `probe` is in ascending order. If either is empty, `d` is 0 and `p` is 1.
/// `counts` is memory to work with.
///
/// `p` is asymptotic with Stephens' correction for small samples: Q((e + 0.12 + 0.11 / e) * d) with
/// e = sqrt(n m / (n + m)) (Stephens, "Use of the Kolmogorov-Smirnov, Cramer-von Mises and related statistics without
/// extensive tables", Journal of the Royal Statistical Society B 32, 1970), which is what Skyline got from the
/// scipy of its day.
pub(crate) fn two_sample(reference: &[f64], probe: &[f64], counts: &mut Vec<usize>) -> KolmogorovSmirnov {
    debug_assert!(probe.is_sorted());
    if reference.is_empty() || probe.is_empty() {
        return KolmogorovSmirnov { d: 0.0, p: 1.0 };
    }
    #[expect(clippy::cast_precision_loss, reason = "a sample holds fewer than 2^52 values")]
    let (n, m) = (reference.len() as f64, probe.len() as f64);
    let d = distance(reference, probe, counts);
    let effective = (n * m / (n + m)).sqrt();
    KolmogorovSmirnov {
        d,
        p: survival((effective + 0.12 + 0.11 / effective) * d),
    }
}

/// The largest |i/n - j/m| over all values, i and j being how many of each sample are at or below the value.
///
/// Between two neighbours of the probe j stays and i grows, so it is largest at one of the probe's own values, or at the
/// last value of the reference before one. Distances are compared as the integers |i m - j n|, so only one that is as
/// large as any before is divided out.
fn distance(reference: &[f64], probe: &[f64], counts: &mut Vec<usize>) -> f64 {
    let (n, m) = (reference.len(), probe.len());
    // Values of the reference between the probe's, at even places, and at the probe's, at odd ones.
    counts.clear();
    counts.resize(2 * m + 1, 0);
    for &value in reference {
        let below = probe.partition_point(|&other| other < value);
        #[expect(clippy::float_cmp, reason = "at a value of the probe or not")]
        let at = probe.get(below).is_some_and(|&other| other == value);
        counts[2 * below + usize::from(at)] += 1;
    }
    let (mut i, mut j) = (0, 0);
    let mut widest = 0;
    let mut largest = 0.0_f64;
    let mut look = |i: usize, j: usize| {
        let gap = (i * m).abs_diff(j * n);
        if gap >= widest {
            widest = gap;
            #[expect(clippy::cast_precision_loss, reason = "a sample holds fewer than 2^52 values")]
            let (within_reference, within_probe) = (i as f64 / n as f64, j as f64 / m as f64);
            largest = largest.max((within_reference - within_probe).abs());
        }
    };
    for same in probe.chunk_by(f64::eq) {
        i += counts[2 * j];
        look(i, j);
        i += counts[2 * j + 1];
        j += same.len();
        look(i, j);
    }
    largest
}

/// Q(x) = P(K > x) of Kolmogorov's distribution, by whichever of its two series converges fast: Kolmogorov's own of
/// 1933 above, its Jacobi transform below. Four terms of either are exact to working precision.
fn survival(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x > 1.0 {
        // 2 * sum of (-1)^(k-1) exp(-2 k^2 x^2)
        let base = -2.0 * x * x;
        2.0 * (base.exp() - (4.0 * base).exp() + (9.0 * base).exp() - (16.0 * base).exp())
    } else {
        // 1 - sqrt(2 pi) / x * sum of exp(-(2k-1)^2 pi^2 / (8 x^2))
        let base = -PI * PI / (8.0 * x * x);
        let sum = base.exp() + (9.0 * base).exp() + (25.0 * base).exp() + (49.0 * base).exp();
        1.0 - (2.0 * PI).sqrt() / x * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn is(reference: &[f64], probe: &[f64], d: f64, p: f64) {
        let test = two_sample(reference, probe, &mut Vec::new());
        assert_eq!(test.d.to_bits(), d.to_bits(), "d is {}, expected {d}", test.d);
        assert!((test.p / p - 1.0).abs() < 1e-12, "p is {:e}, expected {p:e}", test.p);
    }

    fn ramp(from: u32, to: u32) -> Vec<f64> {
        (from..to).map(f64::from).collect()
    }

    /// Expected values: the searchsorted formula of scipy 1.2 in numpy, p by `scipy.special.kolmogorov`.
    #[test]
    fn small_samples() {
        is(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 0.0, 1.0);
        is(
            &[1.0, 2.0, 3.0, 4.0],
            &[3.0, 4.0, 5.0, 6.0],
            0.5,
            0.534_415_719_216_507_1,
        );
        is(
            &ramp(0, 30),
            &ramp(10, 33),
            0.333_333_333_333_333_3,
            0.086_607_164_242_477_91,
        );
        is(
            &ramp(0, 300),
            &ramp(200, 260),
            0.666_666_666_666_666_6,
            1.786_075_536_034_025e-20,
        );
        is(&ramp(0, 300), &ramp(500, 561), 1.0, 3.791_607_215_055_293e-46);
    }

    #[test]
    fn ties_within_and_across_samples() {
        let mostly_zero = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        is(
            &mostly_zero,
            &[0.0, 1.0, 1.0],
            0.366_666_666_666_666_64,
            0.825_830_625_246_435_6,
        );
        let (reference, probe) = ([1.0, 1.0, 2.0, 2.0, 2.0, 5.0], [1.0, 2.0, 3.0, 3.0, 5.0, 5.0, 5.0]);
        is(&reference, &probe, 0.547_619_047_619_047_7, 0.190_933_601_457_755_45);
    }

    /// Expected values: Kolmogorov's series by mpmath at 40 digits.
    #[test]
    fn kolmogorov_distribution() {
        let cases: &[(f64, f64)] = &[
            (0.1, 1.0),
            (0.2, 0.999_999_999_999_495),
            (0.4, 0.997_192_326_777_298_3),
            (0.6, 0.864_282_779_050_604_4),
            (0.8, 0.544_142_411_574_198_1),
            (0.99, 0.280_873_839_225_548_9),
            (1.0, 0.269_999_671_677_354_5),
            (1.01, 0.259_434_169_093_597_46),
            (1.2, 0.112_249_666_670_724_97),
            (1.36, 0.049_485_876_755_377_88),
            (2.0, 0.000_670_925_255_779_695_3),
            (4.0, 2.532_833_109_818_835e-14),
            (6.5, 4.010_017_563_923_308e-37),
            (7.25, 4.424_076_067_201_992_5e-46),
            (12.0, 1.675_788_506_763_873_9e-125),
        ];
        for &(x, expected) in cases {
            let error = (survival(x) / expected - 1.0).abs();
            assert!(
                error < 1e-13,
                "survival({x}) is {:e}, expected {expected:e}",
                survival(x)
            );
        }
    }

    #[test]
    fn an_empty_sample_says_nothing() {
        let nothing = KolmogorovSmirnov { d: 0.0, p: 1.0 };
        assert_eq!(two_sample(&[], &[1.0], &mut Vec::new()), nothing);
        assert_eq!(two_sample(&[1.0], &[], &mut Vec::new()), nothing);
    }

    /// The definition: both distribution functions evaluated at each value of either sample.
    fn distance_by_definition(reference: &[f64], probe: &[f64]) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "tests are small")]
        let at_or_below = |sample: &[f64], value: f64| {
            sample.iter().filter(|&&other| other <= value).count() as f64 / sample.len() as f64
        };
        reference
            .iter()
            .chain(probe)
            .map(|&value| (at_or_below(reference, value) - at_or_below(probe, value)).abs())
            .fold(0.0, f64::max)
    }

    proptest! {
        #[test]
        fn counts_give_the_definition(
            reference in prop::collection::vec(-8_i8..8, 1..80),
            mut probe in prop::collection::vec(-8_i8..12, 1..80),
        ) {
            probe.sort_unstable();
            let reference: Vec<f64> = reference.into_iter().map(f64::from).collect();
            let probe: Vec<f64> = probe.into_iter().map(f64::from).collect();
            let expected = distance_by_definition(&reference, &probe);
            prop_assert_eq!(distance(&reference, &probe, &mut vec![7]).to_bits(), expected.to_bits());
        }
    }
}
