//! Units of fractions: the power of ten that values are counted in, where they are percentages or means of cents.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "units are small"
)]

/// Largest power of ten that a unit is, and that one over a unit is.
pub(super) const UNIT_MAX: i8 = 7;
pub(super) const UNITS: [i64; UNIT_MAX as usize + 1] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// One over each unit, from the least.
pub(super) const IN_UNITS: [f64; 16] = [
    1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8,
];
/// Numbers by which a unit is chosen.
const UNIT_SAMPLES: usize = 32;
/// Bits a value from which a unit pays.
const UNIT_GAIN: f64 = 0.5;

/// The unit in which both numbers of fractions, given in lowest terms, take the least.
pub(super) fn unit(numerators: &[i64], denominators: &[u32]) -> i8 {
    // By ten times the unit, a numerator takes log2(10) bits less if the denominator stays what it is.
    let mut gains = [0.0; 2 * UNIT_MAX as usize + 1];
    let mut count = 0.0;
    let step = (numerators.len() / UNIT_SAMPLES).max(1);
    for (&numerator, &denominator) in numerators.iter().zip(denominators).step_by(step) {
        if numerator == 0 {
            continue;
        }
        count += 1.0;
        let (above, below) = (Common::of(numerator.unsigned_abs()), Common::of(denominator.into()));
        for (place, gain) in gains.iter_mut().enumerate() {
            let unit = place as i32 - i32::from(UNIT_MAX);
            let tens = unit.unsigned_abs();
            let common = if unit < 0 { below } else { above };
            *gain += 2.0 * common.bits(tens) - std::f64::consts::LOG2_10 * f64::from(tens);
        }
    }
    let best = (0..gains.len()).max_by(|&a, &b| gains[a].total_cmp(&gains[b]));
    best.filter(|&best| gains[best] > UNIT_GAIN * count)
        .map_or(0, |best| best as i8 - UNIT_MAX)
}

/// What a number has in common with powers of ten: how often two goes into it, and five, up to the largest unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    twos: u32,
    fives: u32,
}

impl Common {
    pub(super) fn of(mut x: u64) -> Self {
        let twos = x.trailing_zeros();
        let mut fives = 0;
        while fives < UNIT_MAX as u32 && x.is_multiple_of(5) {
            x /= 5;
            fives += 1;
        }
        Self { twos, fives }
    }

    /// The greatest common divisor with 10^tens.
    pub(super) fn with_tens(self, tens: u32) -> i64 {
        5_i64.pow(self.fives.min(tens)) << self.twos.min(tens)
    }

    /// Its logarithm.
    fn bits(self, tens: u32) -> f64 {
        f64::from(self.twos.min(tens)) + (std::f64::consts::LOG2_10 - 1.0) * f64::from(self.fives.min(tens))
    }
}
