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
/// Where a number was cut when it was printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Digits {
    /// Nowhere.
    All,
    /// That many significant digits, as `%.15g` does.
    Significant(u8),
    /// That many decimals, as `%.6f` does.
    Decimals(u8),
}

impl Digits {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::All => 0,
            Self::Significant(digits) => digits,
            Self::Decimals(decimals) => 32 + decimals,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::All),
            1..=17 => Some(Self::Significant(code)),
            32..=54 => Some(Self::Decimals(code - 32)),
            _ => None,
        }
    }

    /// Decimals that are left of `x`; None when it is not cut.
    fn decimals(self, x: f64) -> Option<usize> {
        let decimals = match self {
            Self::All => return None,
            Self::Significant(digits) => i32::from(digits) - 1 - magnitude(x),
            Self::Decimals(decimals) => i32::from(decimals),
        };
        usize::try_from(decimals).ok().filter(|&decimals| decimals < TENS.len())
    }

    /// numerator / denominator, printed and read back. Its errors are its own: who relies on a result has looked at it.
    pub(super) fn quotient(self, numerator: i64, denominator: u32) -> f64 {
        let denominator = denominator.max(1);
        let x = numerator as f64 / f64::from(denominator);
        let Some(decimals) = self.decimals(x) else { return x };
        let ten = TENS[decimals];
        // Products of doubles go wrong near ties, so integers wherever they hold.
        let scaled = 10_u64
            .checked_pow(decimals as u32)
            .and_then(|ten| ten.checked_mul(numerator.unsigned_abs()));
        let rounded = match scaled {
            Some(scaled) => (scaled.saturating_add(u64::from(denominator / 2)) / u64::from(denominator)) as f64,
            None => nearest(x.abs(), ten) as f64,
        };
        if numerator < 0 { -rounded / ten } else { rounded / ten }
    }

    /// How far from `x` a number may be that was cut to it.
    pub(super) fn reach(self, x: f64) -> f64 {
        match self.decimals(x) {
            Some(decimals) => 0.501 / TENS[decimals],
            None => x.abs() * f64::EPSILON,
        }
    }
}

/// The exponent of the leading decimal digit.
pub(super) fn magnitude(x: f64) -> i32 {
    let binary = (x.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    // floor(binary * log10(2)) is right or one too small.
    let decimal = (binary * 1233) >> 12;
    let next = match usize::try_from(decimal + 1) {
        Ok(up) => TENS.get(up).copied().unwrap_or(f64::INFINITY),
        Err(_) => 1.0 / TENS.get((-1 - decimal) as usize).copied().unwrap_or(f64::INFINITY),
    };
    decimal + i32::from(x.abs() >= next)
}

/// The nearest `k` with k / ten close to the value.
#[inline]
pub(super) fn nearest(value: f64, ten: f64) -> i64 {
    let scaled = value * ten;
    (scaled + 0.5_f64.copysign(scaled)) as i64
}
