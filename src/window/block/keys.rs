//! Values as integers: what number was it before it became a double?

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "parameters fit their fields by construction; keys are compared bit by bit with what they stand for"
)]

use super::bits::bit_length;
use super::digits::{Digits, Division, TENS, magnitude, nearest, single};
use super::fractions::Fraction;
use super::ratios::Probes;
use super::significant::{self, Significant};

/// Most decimals looked for.
pub(super) const DECIMALS_MAX: usize = 18;
/// Slot of the histogram for values that are no decimals.
const NO_DECIMAL: usize = DECIMALS_MAX + 1;
/// Decimals from which a value may be a neighbour of one with fewer.
const NOISE_DECIMALS: usize = 13;
/// Adjustment that marks a value no key stands for.
pub(super) const EXCEPTION: i8 = i8::MAX;
/// Furthest neighbour of a decimal that is still written as one (ulps).
const ULPS_MAX: i64 = 6;
/// Codes of [`Transform::Single`].
const SINGLE: u8 = 63;
const SINGLE_STEPWISE: u8 = 61;
/// Code of [`Transform::Stepwise`] with no decimals.
const STEPWISE: u8 = 32;
/// The first code of [`Transform::Significant`]: no digits of [`Transform::Printed`] have one as high.
const SIGNIFICANT: u8 = 183;
/// Decimals from which values are looked at for significant digits.
const SIGNIFICANT_DECIMALS_MIN: usize = 2;
/// Bits that an exception takes, about.
const EXCEPTION_BITS: f64 = 86.0;
const BITS_PER_DECIMAL: f64 = std::f64::consts::LOG2_10;

/// How a key becomes a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Transform {
    /// key / divisor, where the divisor is a power of ten.
    Quotient(f64),
    /// key / 10^d, but divided in steps.
    Stepwise(usize),
    /// A decimal number of so many digits.
    Significant(Significant),
    /// The double's bits, mapped so that they order as the numbers do, without that many zeros at the low end.
    Ordered(u32),
    /// The bits of a number of single precision, in order, printed and read back.
    Single(Division),
    /// key / divisor, printed with that many digits and read back.
    Printed(u32, Digits),
    /// A fraction whose denominator comes with each sample, printed with that many digits and read back.
    Fraction(Fraction),
}

impl Transform {
    /// `divisor` counts for [`Transform::Printed`] and [`Transform::Significant`], and with `center` for [`Transform::Fraction`].
    pub(super) fn from_code(code: u8, divisor: u16, center: u32) -> Option<Self> {
        match code {
            SINGLE => Some(Self::Single(Division::Once)),
            SINGLE_STEPWISE => Some(Self::Single(Division::Stepwise)),
            STEPWISE..64 => Some(usize::from(code - STEPWISE))
                .filter(|&decimals| decimals < TENS.len())
                .map(Self::Stepwise),
            0..STEPWISE => TENS.get(usize::from(code)).copied().map(Self::Quotient),
            64..128 => Some(Self::Ordered(u32::from(code) - 64)),
            SIGNIFICANT..192 => Significant::from_code(code - SIGNIFICANT, divisor).map(Self::Significant),
            128..192 => Digits::from_code(code - 128).map(|digits| Self::Printed(u32::from(divisor), digits)),
            192.. => Digits::from_code(code - 192)
                .map(|digits| Self::Fraction(Fraction::from_parameters(digits, divisor, center))),
        }
    }

    /// The opposite of [`Transform::from_code`].
    pub(super) fn code(self) -> (u8, u16, u32) {
        match self {
            Self::Quotient(ten) => (
                TENS.iter().position(|&t| t == ten).expect("divisors come from TENS") as u8,
                0,
                0,
            ),
            Self::Stepwise(decimals) => (STEPWISE + decimals as u8, 0, 0),
            Self::Significant(significant) => {
                let (code, decimals) = significant.code();
                (SIGNIFICANT + code, decimals, 0)
            }
            Self::Ordered(shift) => (64 + shift as u8, 0, 0),
            Self::Single(Division::Once) => (SINGLE, 0, 0),
            Self::Single(Division::Stepwise) => (SINGLE_STEPWISE, 0, 0),
            Self::Printed(divisor, digits) => (128 + digits.code(), divisor as u16, 0),
            Self::Fraction(fraction) => {
                let (divisor, center) = fraction.parameters();
                (192 + fraction.digits.code(), divisor, center)
            }
        }
    }

    #[inline]
    pub(super) fn value(self, key: i64) -> f64 {
        match self {
            Self::Quotient(divisor) => key as f64 / divisor,
            Self::Stepwise(decimals) => Division::Stepwise.quotient(key, decimals),
            Self::Significant(significant) => significant.value(key),
            Self::Ordered(shift) => from_ordered(key, shift),
            Self::Single(division) => single(single_of(key), division),
            Self::Printed(divisor, digits) => digits.quotient(key, u64::from(divisor)),
            Self::Fraction(fraction) => fraction.digits.quotient(key, 1),
        }
    }

    /// Is [`Transform::value`] of `key` finite? Costs less than to make it, where it is printed and read back.
    #[inline]
    pub(super) fn is_finite(self, key: i64) -> bool {
        match self {
            Self::Ordered(shift) => from_ordered(key, shift).is_finite(),
            Self::Single(_) => single_of(key).is_finite(),
            // A whole number, divided by one or more, or times what a number of few digits may be.
            Self::Quotient(_) | Self::Stepwise(_) | Self::Significant(_) | Self::Printed(..) | Self::Fraction(_) => {
                true
            }
        }
    }

    /// The key whose value is nearest, for the numbers that [`find`] tries.
    #[inline]
    pub(super) fn key(self, value: f64) -> i64 {
        match self {
            Self::Quotient(1.0) if value.fract() == 0.0 => value as i64,
            Self::Quotient(divisor) => nearest(value, divisor),
            Self::Stepwise(decimals) => nearest(value, TENS[decimals]),
            Self::Significant(significant) => significant.key(value),
            Self::Printed(divisor, _) => nearest(value, f64::from(divisor)),
            Self::Ordered(shift) => to_ordered(value, shift),
            Self::Single(_) => i64::from(flip_below_zero_32((value as f32).to_bits().cast_signed())),
            Self::Fraction(_) => 0,
        }
    }
}

/// The bits of a double, less that many zeros at the low end, as an integer of the same order.
pub(super) fn to_ordered(value: f64, zeros: u32) -> i64 {
    flip_below_zero(value.to_bits().cast_signed() >> zeros)
}

#[inline]
fn from_ordered(key: i64, zeros: u32) -> f64 {
    f64::from_bits((flip_below_zero(key) << zeros).cast_unsigned())
}

/// Sign and magnitude to two's complement, near enough, and back.
#[inline]
fn flip_below_zero(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[inline]
fn single_of(key: i64) -> f32 {
    f32::from_bits(flip_below_zero_32(key as i32).cast_unsigned())
}

/// As [`flip_below_zero`], for the bits of single precision.
#[inline]
fn flip_below_zero_32(bits: i32) -> i32 {
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

/// The value's key with that many decimals, if it has one.
#[inline]
pub(super) fn decimal(value: f64, decimals: usize) -> Option<i64> {
    let ten = TENS[decimals];
    let key = if decimals == 0 {
        value as i64
    } else {
        nearest(value, ten)
    };
    let small = decimals == 0 || key.unsigned_abs() < 1 << 53;
    (small && (key as f64 / ten).to_bits() == value.to_bits()).then_some(key)
}

/// Fills `keys` and, when some values are neighbours of decimals or nothing of the kind, `ulps` (else it is left empty),
/// and says how to get back. A value that has no key is an [`EXCEPTION`] in `ulps`, and its key repeats the one before.
pub(super) fn find(values: &[f64], keys: &mut Vec<i64>, ulps: &mut Vec<i8>) -> Transform {
    let needs = decimals_needed(values);
    let n = values.len() as f64;
    let (mut low, mut high, mut bits) = (values[0], values[0], 0);
    for &value in values {
        low = low.min(value);
        high = high.max(value);
        bits |= value.to_bits();
    }
    let width = (high - low).max(1e-12).log2() + 1.0;
    // More decimals, more adjustments or more exceptions?
    let zeros = bits.trailing_zeros().min(63);
    let range = to_ordered(high, zeros).abs_diff(to_ordered(low, zeros));
    let ordered = (n * f64::from(64 - range.leading_zeros() + 1), Transform::Ordered(zeros));
    let mut exact = ordered;
    let mut noisy = ordered;
    let mut above = values.len() as u32;
    let odd: u32 = needs[NOISE_DECIMALS..].iter().sum();
    for (decimals, &need) in needs[..=DECIMALS_MAX].iter().enumerate() {
        above -= need;
        let bits = n * (width + BITS_PER_DECIMAL * decimals as f64).max(0.0);
        let estimate = bits + f64::from(above) * EXCEPTION_BITS;
        if estimate < exact.0 {
            exact = (estimate, Transform::Quotient(TENS[decimals]));
        }
        let estimate = bits + n + f64::from(odd) * 2.0 + f64::from(above.saturating_sub(odd)) * EXCEPTION_BITS;
        if decimals < NOISE_DECIMALS && estimate < noisy.0 {
            noisy = (estimate, Transform::Quotient(TENS[decimals]));
        }
    }
    // Each is tried if it promises more than what is in hand.
    let mut best = exact;
    if noisy.0 < best.0 {
        noisy.0 += f64::from(adjusted(values, noisy.1, keys, ulps)) * EXCEPTION_BITS;
        if noisy.0 < best.0 {
            best = noisy;
        }
    }
    if best.0 > n * (width + 4.0 * BITS_PER_DECIMAL) {
        let probes = Probes::take(values);
        let printed = probes
            .printed()
            .map(|(printed, divisor)| (printed, width + f64::from(divisor).log2()));
        let single = probes.single().map(|division| {
            let single = Transform::Single(division);
            let range = single.key(high).abs_diff(single.key(low));
            // And a bit or two of noise.
            (single, f64::from(bit_length(range)) + 2.0)
        });
        for (transform, bits) in printed.into_iter().chain(single) {
            if n * bits < best.0 {
                let exceptions = adjusted(values, transform, keys, ulps);
                let estimate = n * bits + f64::from(exceptions) * EXCEPTION_BITS;
                if estimate < best.0 {
                    best = (estimate, transform);
                }
            }
        }
    }
    if let Transform::Quotient(ten) = best.1
        && (low < 0.0 || magnitude(low) < magnitude(high))
        && let Some(decimals @ SIGNIFICANT_DECIMALS_MIN..) = TENS.iter().position(|&other| other == ten)
        && let Some(significant) = significant::find(values, decimals)
    {
        best.1 = Transform::Significant(significant);
    }
    let mut exceptions = adjusted(values, best.1, keys, ulps);
    let mut odd = odd_ones(ulps) - exceptions;
    if odd > 0
        && let Transform::Quotient(ten) = best.1
        && let Some(decimals) = TENS.iter().position(|&other| other == ten)
    {
        let before = odd + exceptions;
        exceptions = adjusted(values, Transform::Stepwise(decimals), keys, ulps);
        if odd_ones(ulps) < before {
            best.1 = Transform::Stepwise(decimals);
        } else {
            exceptions = adjusted(values, best.1, keys, ulps);
        }
        odd = odd_ones(ulps) - exceptions;
    }
    // A handful of neighbours is cheaper as exceptions than by a bit for each value.
    if f64::from(odd) * EXCEPTION_BITS < n {
        for ulp in ulps.iter_mut().filter(|ulp| **ulp != 0) {
            *ulp = EXCEPTION;
        }
    }
    if odd + exceptions == 0 {
        ulps.clear();
    }
    best.1
}

/// How many values are not their keys'.
fn odd_ones(ulps: &[i8]) -> u32 {
    ulps.iter().filter(|&&ulp| ulp != 0).count() as u32
}

/// How many values need how many decimals, at most.
fn decimals_needed(values: &[f64]) -> [u32; NO_DECIMAL + 1] {
    let mut needs = [0; NO_DECIMAL + 1];
    let mut guess = 0;
    let mut last = (f64::NAN, 0);
    for &value in values {
        if value.to_bits() != last.0.to_bits() {
            let need = if decimal(value, guess).is_some() {
                guess
            } else {
                (guess + 1..=DECIMALS_MAX)
                    .find(|&d| decimal(value, d).is_some())
                    .unwrap_or(NO_DECIMAL)
            };
            last = (value, need);
        }
        needs[last.1] += 1;
        // A neighbour of a short decimal may pass for a long one, and a long guess would hide the short ones.
        let enough = if last.1 < NOISE_DECIMALS { 1 } else { 8 };
        if last.1 != NO_DECIMAL && needs[last.1] > needs[guess] && needs[last.1] >= enough {
            guess = last.1;
        }
    }
    needs
}

/// Keys by that transform, and how far off the values are (ulps). Returns how many are too far.
fn adjusted(values: &[f64], transform: Transform, keys: &mut Vec<i64>, ulps: &mut Vec<i8>) -> u32 {
    keys.clear();
    ulps.clear();
    let mut exceptions = 0;
    let mut last = 0;
    for &value in values {
        let key = transform.key(value);
        let ulp = ulps_off(value, transform.value(key));
        if ulp == EXCEPTION {
            exceptions += 1;
        } else {
            last = key;
        }
        keys.push(last);
        ulps.push(ulp);
    }
    exceptions
}

/// How far `value` is above what stands for it (ulps); [`EXCEPTION`] when that is too far.
#[inline]
pub(super) fn ulps_off(value: f64, stand_in: f64) -> i8 {
    let off = value
        .to_bits()
        .cast_signed()
        .wrapping_sub(stand_in.to_bits().cast_signed());
    if (-ULPS_MAX..=ULPS_MAX).contains(&off) {
        off as i8
    } else {
        EXCEPTION
    }
}

/// Takes out what all keys have in common: every key is then `multiple` times what is left, plus the offset returned
/// with it.
pub(super) fn reduce(keys: &mut [i64]) -> (i64, i64) {
    let first = keys[0];
    let mut multiple = 0_u64;
    for &key in keys.iter() {
        let distance = key.abs_diff(first);
        if multiple == 0 || !distance.is_multiple_of(multiple) {
            multiple = gcd(multiple, distance);
        }
        if multiple == 1 {
            return (1, 0);
        }
    }
    let Ok(multiple @ 2..) = i64::try_from(multiple) else {
        return (1, 0);
    };
    let offset = first.rem_euclid(multiple);
    for key in keys {
        *key = key.div_euclid(multiple);
    }
    (multiple, offset)
}

pub(super) fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
