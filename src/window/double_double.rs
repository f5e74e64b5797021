//! Sums with twice the digits of a `f64`, so that a day of adding and removing samples leaves no error behind.
//!
//! A value is the unevaluated sum of two `f64` whose digits do not overlap: about 32 decimal digits. The operations are
//! those of Dekker (1971) and Knuth (TAOCP 2, 4.2.2); products split their factors (Veltkamp), since a fused
//! multiply-add is not to be had on every machine. Exact as long as nothing overflows: operands stay below 1e150.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// 2^27 + 1 parts a `f64` into two halves.
const SPLITTER: f64 = 134_217_729.0;

/// A number of about 32 decimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct DoubleDouble {
    high: f64,
    low: f64,
}
crate::save::fields!(DoubleDouble { high, low });

impl DoubleDouble {
    /// Share of a `f64` that a difference from it has to have, to keep 12 of its 16 digits.
    pub(crate) const NEAR: f64 = 1e-4;

    pub(crate) const fn new(value: f64) -> Self {
        Self { high: value, low: 0.0 }
    }

    /// The whole number, rounded to 106 bits.
    #[expect(clippy::cast_precision_loss, reason = "the second term is what the first one lost")]
    pub(crate) fn from_integer(value: i128) -> Self {
        let high = value as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a whole number, as it came from one")]
        let low = (value - high as i128) as f64;
        Self::normal(high, low)
    }

    /// The exact difference of two numbers.
    pub(crate) fn difference(left: f64, right: f64) -> Self {
        Self::sum(left, -right)
    }

    /// The exact product of two numbers.
    pub(crate) fn product(left: f64, right: f64) -> Self {
        let high = left * right;
        let (left_high, left_low) = split(left);
        let (right_high, right_low) = split(right);
        let low =
            ((left_high * right_high - high) + left_high * right_low + left_low * right_high) + left_low * right_low;
        Self { high, low }
    }

    /// Rounded to a `f64`.
    pub(crate) const fn value(self) -> f64 {
        self.high
    }

    pub(crate) fn square(self) -> Self {
        self * self
    }

    /// `squares - sum^2 / weight`: what a variance is made of.
    ///
    /// Worked out in `f64` as long as that leaves 12 digits, which it does unless the mean is far from the anchor.
    pub(crate) fn difference_of_squares(squares: Self, sum: Self, weight: Self) -> f64 {
        let explained = sum.high * sum.high / weight.high;
        let difference = squares.high - explained;
        if difference > Self::NEAR * squares.high {
            difference
        } else {
            (squares - sum.square() / weight).high
        }
    }

    /// The exact sum of two numbers.
    fn sum(left: f64, right: f64) -> Self {
        let high = left + right;
        let part = high - left;
        let low = (left - (high - part)) + (right - part);
        Self { high, low }
    }

    /// Carries what `low` has too much over to `high`.
    fn normal(high: f64, low: f64) -> Self {
        let sum = high + low;
        Self {
            high: sum,
            low: low - (sum - high),
        }
    }
}

fn split(value: f64) -> (f64, f64) {
    let shifted = SPLITTER * value;
    let high = shifted - (shifted - value);
    (high, value - high)
}

impl Add for DoubleDouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let high = Self::sum(self.high, other.high);
        let low = Self::sum(self.low, other.low);
        let carried = Self::normal(high.high, high.low + low.high);
        Self::normal(carried.high, carried.low + low.low)
    }
}

impl Neg for DoubleDouble {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            high: -self.high,
            low: -self.low,
        }
    }
}

impl Sub for DoubleDouble {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for DoubleDouble {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let product = Self::product(self.high, other.high);
        Self::normal(
            product.high,
            product.low + (self.high * other.low + self.low * other.high),
        )
    }
}

impl Mul<f64> for DoubleDouble {
    type Output = Self;

    fn mul(self, other: f64) -> Self {
        let product = Self::product(self.high, other);
        Self::normal(product.high, product.low + self.low * other)
    }
}

impl Div for DoubleDouble {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let quotient = self.high / other.high;
        let rest = self - other * quotient;
        Self::normal(quotient, rest.high / other.high)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALUES: std::ops::Range<f64> = -1e15..1e15;

    proptest! {
        #[test]
        fn what_was_added_can_be_taken_away(values in proptest::collection::vec(VALUES, 1..200), large in VALUES) {
            let add = |sum, &value: &f64| sum + DoubleDouble::new(value).square();
            let plain = values.iter().fold(DoubleDouble::default(), add);
            let detour = values.iter().fold(DoubleDouble::new(large).square(), add) - DoubleDouble::new(large).square();
            prop_assert!((plain - detour).value().abs() <= 1e-28 * (plain.value() + large * large));
        }

        #[test]
        fn quotients_undo_products(left in VALUES, right in 1e-9_f64..1e9) {
            let back = DoubleDouble::new(left) * right / DoubleDouble::new(right) - DoubleDouble::new(left);
            prop_assert!(back.value().abs() <= 1e-29 * left.abs());
        }

        #[test]
        fn integers_keep_their_digits(value in -(1_i128 << 105)..(1_i128 << 105), other in -(1_i128 << 60)..(1_i128 << 60)) {
            let sum = DoubleDouble::from_integer(value) + DoubleDouble::from_integer(other);
            let expected = DoubleDouble::from_integer(value + other);
            prop_assert!((sum - expected).value().abs() <= 1e-31 * expected.value().abs());
        }
    }

    #[test]
    fn a_product_is_exact() {
        // 0.1 is not a tenth; its square has digits that one f64 cannot hold.
        let square = DoubleDouble::product(0.1, 0.1);
        assert!(square.low != 0.0);
        assert_eq!(square - DoubleDouble::product(0.1, 0.1), DoubleDouble::default());
    }
}
