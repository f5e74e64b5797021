//! Decimal numbers of so many significant digits, as integers of the same order: what `%.6g` prints.
//!
//! A number with `decimals` after the point is an integer, but above a power of ten the last digits of such integers are all
//! zeros. Here they are left out: up to 10^digits integers stand for themselves, and above for ten of them, a hundred, …

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "whatever is found here is compared bit by bit with the value it stands for"
)]

use super::digits::{TENS, magnitude, nearest};
use super::keys::decimal;

/// Fewest digits looked for, and most.
const DIGITS_MIN: u32 = 3;
const DIGITS_MAX: u32 = 11;
/// Values looked at before all are.
const PROBES: usize = 16;
/// Bits a value from which it pays.
const GAIN_MIN: f64 = 0.25;

/// How many digits there are, and after the point at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Significant {
    digits: u32,
    decimals: u32,
}

impl Significant {
    /// `code` counts from 0. `None`: nothing has so many digits.
    pub(super) fn from_code(code: u8, decimals: u16) -> Option<Self> {
        let digits = u32::from(code) + DIGITS_MIN;
        let decimals = u32::from(decimals);
        (digits <= DIGITS_MAX && (decimals as usize) < TENS.len()).then_some(Self { digits, decimals })
    }

    /// The opposite of [`Self::from_code`].
    pub(super) fn code(self) -> (u8, u16) {
        ((self.digits - DIGITS_MIN) as u8, self.decimals as u16)
    }

    /// 10^digits: above, an integer stands for several.
    fn whole(self) -> u64 {
        10_u64.pow(self.digits)
    }

    /// The value of a key. Of keys that [`Self::key`] does not give, some finite value.
    pub(super) fn value(self, key: i64) -> f64 {
        let (mut whole, mut ten) = (key.unsigned_abs(), self.decimals as usize);
        let mut above = 0;
        if whole >= self.whole() {
            let in_step = self.whole() / 10 * 9;
            let beyond = whole - self.whole();
            above = (beyond / in_step + 1).min(u64::from(self.decimals) + TENS.len() as u64 - 1) as usize;
            whole = beyond % in_step + self.whole() / 10;
        }
        let magnitude = if above <= ten {
            ten -= above;
            whole as f64 / TENS[ten]
        } else {
            whole as f64 * TENS[above - ten]
        };
        if key < 0 { -magnitude } else { magnitude }
    }

    /// The key whose value is nearest, for values that [`find`] has looked at.
    pub(super) fn key(self, value: f64) -> i64 {
        let x = value.abs();
        // Digits before the point and the last that counts, beyond those that stand for themselves.
        let above = (magnitude(x) + 1 + self.decimals.cast_signed() - self.digits.cast_signed()).max(0);
        let Some(&ten) = usize::try_from(self.decimals.cast_signed() - above)
            .ok()
            .and_then(|ten| TENS.get(ten))
        else {
            return 0;
        };
        let whole = nearest(x, ten);
        let beyond = self.whole().cast_signed() / 10 * 9 * i64::from(above);
        if value < 0.0 { -(whole + beyond) } else { whole + beyond }
    }
}

/// The digits that values have which need `decimals`, if some of them have more zeros behind these than would come by chance.
pub(super) fn find(values: &[f64], decimals: usize) -> Option<Significant> {
    let step = (values.len() / PROBES).max(1);
    let (digits, gain) = look(values.iter().step_by(step), decimals);
    if !(DIGITS_MIN..=DIGITS_MAX).contains(&digits) || gain < GAIN_MIN {
        return None;
    }
    let (digits, gain) = look(values.iter(), decimals);
    let significant = Significant {
        digits,
        decimals: u32::try_from(decimals).ok()?,
    };
    (digits <= DIGITS_MAX && gain >= GAIN_MIN).then_some(significant)
}

/// The most significant digits of a value, and the bits a value that the zeros behind as many take.
fn look<'a>(values: impl Iterator<Item = &'a f64> + Clone, decimals: usize) -> (u32, f64) {
    let keys = values.filter_map(|&value| decimal(value, decimals).map(i64::unsigned_abs));
    let digits = keys.clone().map(significant_digits).max().unwrap_or(0);
    let (zeros, count) = keys.fold((0, 0), |(zeros, count), key| {
        (zeros + digits_of(key).saturating_sub(digits), count + 1)
    });
    (
        digits,
        f64::from(zeros) * std::f64::consts::LOG2_10 / f64::from(count.max(1)),
    )
}

fn digits_of(key: u64) -> u32 {
    key.checked_ilog10().map_or(0, |log| log + 1)
}

/// Digits without the zeros at the low end.
fn significant_digits(mut key: u64) -> u32 {
    let mut digits = digits_of(key);
    while key != 0 && key.is_multiple_of(10) {
        key /= 10;
        digits -= 1;
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_of_so_many_digits_has_a_key(
            digits in DIGITS_MIN..=DIGITS_MAX,
            decimals in 0_u32..19,
            whole in any::<u64>(),
            power in 0_u32..19,
            below_zero in any::<bool>(),
        ) {
            let significant = Significant { digits, decimals };
            let whole = whole % 10_u64.pow(digits);
            // What is short of digits has them after the point.
            let power = if digits_of(whole) < digits { 0 } else { power.min(decimals) };
            let sign = if below_zero && whole > 0 { "-" } else { "" };
            let value: f64 = format!("{sign}{whole}e{}", power.cast_signed() - decimals.cast_signed()).parse().unwrap();
            prop_assert_eq!(significant.value(significant.key(value)).to_bits(), value.to_bits());
        }

        #[test]
        fn keys_are_in_the_order_of_their_values(
            code in 0_u8..9,
            decimals in 0_u16..23,
            key in -1_000_000_000_000_i64..1_000_000_000_000,
        ) {
            let significant = Significant::from_code(code, decimals).unwrap();
            prop_assert_eq!(significant.code(), (code, decimals));
            let below = significant.value(key - 1);
            prop_assert!(below < significant.value(key) || below.abs() > 1e18);
        }
    }

    #[test]
    fn zeros_by_chance_are_none() {
        let values: Vec<f64> = (0..1000).map(|k| f64::from(k * 7919 % 100_000) / 1e3).collect();
        assert_eq!(find(&values, 3), None);
    }
}
