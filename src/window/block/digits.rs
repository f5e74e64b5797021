//! Decimal digits of doubles: where a number was cut when it was printed.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the writer rounds in the same way, and compares bits; signs are checked"
)]

/// Powers of ten that a double holds exactly.
pub(super) const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// The same as integers.
const WHOLE_TENS: [u128; 23] = {
    let mut tens = [1; 23];
    let mut place = 1;
    while place < tens.len() {
        tens[place] = 10 * tens[place - 1];
        place += 1;
    }
    tens
};
/// Their reciprocals, each rounded once.
const TENTHS: [f64; 23] = {
    let mut tenths = [1.0; 23];
    let mut place = 1;
    while place < tenths.len() {
        tenths[place] = 1.0 / TENS[place];
        place += 1;
    }
    tenths
};

/// Where a number was cut when it was printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Digits {
    /// Nowhere.
    All,
    /// That many significant digits, as `%.15g` does.
    Significant(u8),
    /// That many decimals, as `%.6f` does.
    Decimals(u8),
    /// After the digits that tell it from other numbers of single precision, as [`single`] does.
    Single(Division),
}

/// How a number that was printed is read back: its digits as a whole number, divided by a power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Division {
    /// At once, with the one rounding that the format asks for.
    Once,
    /// As quick readers do, pandas among them: by 10, by 10^2, by 10^4, … for each bit in the count of decimals. Zeros at the end
    /// are not printed.
    Stepwise,
}

/// The divisors of [`Division::Stepwise`].
const STEPS: [f64; 5] = [1e1, 1e2, 1e4, 1e8, 1e16];

impl Division {
    /// whole / 10^decimals.
    #[inline]
    pub(super) fn quotient(self, whole: i64, decimals: usize) -> f64 {
        match self {
            Self::Once => whole as f64 / TENS[decimals],
            Self::Stepwise => stepwise(whole, decimals),
        }
    }
}

fn stepwise(mut whole: i64, mut decimals: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    while decimals > 0 && whole % 10 == 0 {
        whole /= 10;
        decimals -= 1;
    }
    let steps = STEPS.iter().enumerate().filter(|&(bit, _)| decimals >> bit & 1 != 0);
    steps.fold(whole as f64, |x, (_, step)| x / step)
}

/// Codes of [`Digits::Single`].
const SINGLE: u8 = 31;
const SINGLE_STEPWISE: u8 = 30;

impl Digits {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::All => 0,
            Self::Significant(digits) => digits,
            Self::Decimals(decimals) => 32 + decimals,
            Self::Single(Division::Once) => SINGLE,
            Self::Single(Division::Stepwise) => SINGLE_STEPWISE,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::All),
            1..=17 => Some(Self::Significant(code)),
            32..=54 => Some(Self::Decimals(code - 32)),
            SINGLE => Some(Self::Single(Division::Once)),
            SINGLE_STEPWISE => Some(Self::Single(Division::Stepwise)),
            _ => None,
        }
    }

    /// Decimals that are left of `x`; None when it is not cut.
    fn decimals(self, x: f64) -> Option<usize> {
        let decimals = match self {
            Self::All | Self::Single(_) => return None,
            Self::Significant(digits) => i32::from(digits) - 1 - magnitude(x),
            Self::Decimals(decimals) => i32::from(decimals),
        };
        usize::try_from(decimals).ok().filter(|&decimals| decimals < TENS.len())
    }

    /// numerator / denominator, printed and read back. Its errors are its own: who relies on a result has looked at it.
    pub(super) fn quotient(self, numerator: i64, denominator: u64) -> f64 {
        let denominator = denominator.max(1);
        let x = numerator as f64 / denominator as f64;
        if let Self::Single(division) = self {
            return single(x as f32, division);
        }
        let Some(decimals) = self.decimals(x) else { return x };
        let rounded = rounded(x.abs(), decimals) / TENS[decimals];
        if numerator < 0 { -rounded } else { rounded }
    }

    pub(super) fn is_single(self) -> bool {
        matches!(self, Self::Single(_))
    }

    /// How far from `x` a number may be that was cut to it.
    pub(super) fn reach(self, x: f64) -> f64 {
        match self.decimals(x) {
            Some(decimals) => 0.501 / TENS[decimals],
            None if self.is_single() => x.abs() * f64::from(f32::EPSILON),
            None => x.abs() * f64::EPSILON,
        }
    }
}

/// x * 10^decimals, rounded as it is when a number is printed: the product of doubles goes wrong near ties.
fn rounded(x: f64, decimals: usize) -> f64 {
    let bits = x.to_bits();
    let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
    let exponent = (bits >> 52) as i32 - 1075;
    match exponent {
        0.. => (x * TENS[decimals]) as u128 as f64,
        -127..0 => {
            let down = exponent.unsigned_abs();
            // At most 53 bits by 74.
            let product = u128::from(mantissa) * WHOLE_TENS[decimals];
            let nearest = (product + (1 << (down - 1))) >> down;
            // A number of few digits, nearly always, and a processor converts such by itself.
            i64::try_from(nearest).map_or_else(|_| nearest as f64, |nearest| nearest as f64)
        }
        _ => 0.0,
    }
}

/// A number of single precision, printed with seven significant digits if these tell it from all others, else with nine, and
/// read back. Beyond some powers of ten it is left as it is.
pub(super) fn single(x: f32, division: Division) -> f64 {
    let wide = f64::from(x);
    let exponent = magnitude(wide);
    for digits in [7, 9] {
        let decimals = usize::try_from(digits - 1 - exponent);
        if let Some(decimals) = decimals.ok().filter(|&decimals| decimals < TENS.len()) {
            let whole = nearest(wide, TENS[decimals]);
            let printed = whole as f64 / TENS[decimals];
            if digits == 9 || (printed as f32).to_bits() == x.to_bits() {
                return match division {
                    Division::Once => printed,
                    Division::Stepwise => stepwise(whole, decimals),
                };
            }
        }
    }
    wide
}

/// The exponent of the leading decimal digit.
pub(super) fn magnitude(x: f64) -> i32 {
    let binary = (x.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    // floor(binary * log10(2)) is right or one too small.
    let decimal = (binary * 1233) >> 12;
    let next = match usize::try_from(decimal + 1) {
        Ok(up) => TENS.get(up).copied().unwrap_or(f64::INFINITY),
        Err(_) => TENTHS.get((-1 - decimal) as usize).copied().unwrap_or(0.0),
    };
    decimal + i32::from(x.abs() >= next)
}

/// The nearest `k` with k / ten close to the value.
#[inline]
pub(super) fn nearest(value: f64, ten: f64) -> i64 {
    let scaled = value * ten;
    (scaled + 0.5_f64.copysign(scaled)) as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the definition of the format has it.
    fn plainly_rounded(x: f64, decimals: usize) -> u128 {
        let bits = x.to_bits();
        let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
        let product = u128::from(mantissa) * 10_u128.pow(decimals as u32);
        let exponent = (bits >> 52) as i32 - 1075;
        match exponent {
            0.. => (x * TENS[decimals]) as u128,
            -127..0 => {
                let down = exponent.unsigned_abs();
                (product + (1 << (down - 1))) >> down
            }
            _ => 0,
        }
    }

    fn plain_magnitude(x: f64) -> i32 {
        let binary = (x.to_bits() >> 52 & 0x7ff) as i32 - 1023;
        let decimal = (binary * 1233) >> 12;
        let next = match usize::try_from(decimal + 1) {
            Ok(up) => TENS.get(up).copied().unwrap_or(f64::INFINITY),
            Err(_) => 1.0 / TENS.get((-1 - decimal) as usize).copied().unwrap_or(f64::INFINITY),
        };
        decimal + i32::from(x.abs() >= next)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn rounding_is_that_of_the_format(bits in 0..f64::INFINITY.to_bits(), near_one in any::<bool>(), decimals in 0_usize..23) {
            // Some anywhere, most of a size that values have.
            let size = if near_one { 983 + (bits >> 52) % 120 } else { bits >> 52 };
            let x = f64::from_bits(bits & ((1 << 52) - 1) | size << 52);
            let expected = plainly_rounded(x, decimals) as f64;
            prop_assert_eq!(rounded(x, decimals).to_bits(), expected.to_bits(), "{:e}, {} decimals", x, decimals);
            prop_assert_eq!(magnitude(x), plain_magnitude(x));
        }

        #[test]
        fn powers_of_ten_are_told_apart(power in -30_i32..30, ulps in -2_i64..=2) {
            let x = f64::from_bits(10_f64.powi(power).to_bits().wrapping_add_signed(ulps));
            prop_assert_eq!(magnitude(x), plain_magnitude(x));
        }
    }
}
