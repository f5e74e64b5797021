//! Values that are ratios of integers: rates per interval, means of so many things.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "whatever is found here is compared bit by bit with the value it stands for"
)]

use super::digits::{Digits, TENS, magnitude, nearest};
use super::keys::{DECIMALS_MAX, EXCEPTION, Transform, decimal};

/// Fractions about one number: the means of so many things each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fraction {
    pub(super) digits: Digits,
    /// Keys are numerators less denominator times center.
    pub(super) center: f32,
    /// Low bits in the Rice code of a denominator less one.
    pub(super) k: u32,
}

impl Fraction {
    fn expected(self, denominator: u32) -> i64 {
        (f64::from(self.center) * f64::from(denominator)) as i64
    }

    pub(super) fn value(self, key: i64, denominator: u32) -> f64 {
        self.digits
            .quotient(key.wrapping_add(self.expected(denominator)), denominator)
    }

    /// The value as a fraction in lowest terms, if it is one with a denominator small enough to be no accident.
    fn of(self, value: f64) -> Option<(i64, u32)> {
        let x = value.abs();
        let reach = self.digits.reach(x);
        // Continued fraction: each turn gives the best approximation yet.
        let (mut before, mut now) = ((1.0, 0.0), (x.floor(), 1.0));
        let mut rest = x - x.floor();
        while now.1 <= DENOMINATOR_MAX && now.0 < 1e15 {
            if (now.0 / now.1 - x).abs() <= reach {
                // By way of the integer, which has no -0.
                let numerator = now.0.copysign(value) as i64;
                if self.digits.quotient(numerator, now.1 as u32).to_bits() == value.to_bits() {
                    return Some((numerator, now.1 as u32));
                }
            }
            if rest == 0.0 {
                return None;
            }
            let whole = (1.0 / rest).floor();
            rest = 1.0 / rest - whole;
            (before, now) = (now, (whole * now.0 + before.0, whole * now.1 + before.1));
        }
        None
    }
}

/// Samples looked at for a common divisor.
const PROBES: usize = 12;
/// Divisors beyond the small ones.
const DIVISORS: [u16; 8] = [300, 360, 600, 900, 1024, 1440, 3600, 7200];

/// Largest denominator of a fraction.
const DENOMINATOR_MAX: f64 = 262_144.0;

/// A few values with many digits.
pub(super) struct Probes {
    /// Value, and how far off it may be for having been cut.
    values: [(f64, f64); PROBES],
    len: usize,
    significant: i32,
    decimals: i32,
}

impl Probes {
    pub(super) fn take(values: &[f64]) -> Self {
        let mut probes = Self {
            values: [(0.0, 0.0); PROBES],
            len: 0,
            significant: 0,
            decimals: 0,
        };
        for &value in values.iter().step_by((values.len() / (4 * PROBES)).max(1)) {
            let need = (0..=DECIMALS_MAX).find(|&decimals| decimal(value, decimals).is_some());
            let half = match need {
                Some(need @ 4..) => {
                    probes.decimals = probes.decimals.max(need as i32);
                    probes.significant = probes.significant.max(need as i32 + 1 + magnitude(value));
                    0.501 / TENS[need]
                }
                Some(_) => continue,
                None => {
                    probes.significant = 17;
                    value.abs() * f64::EPSILON * 2.0
                }
            };
            probes.values[probes.len] = (value, half);
            probes.len += 1;
            if probes.len == PROBES {
                break;
            }
        }
        probes
    }

    fn values(&self) -> &[(f64, f64)] {
        &self.values[..self.len]
    }

    /// Ways in which they may have been printed; of equals, the last is the likeliest.
    fn digits(&self) -> [Digits; 3] {
        let significant = Digits::Significant(self.significant.clamp(1, 17) as u8);
        let decimals = Digits::Decimals(self.decimals as u8);
        // Nobody asks for 12 decimals; %.15g it was.
        if self.significant >= 15 {
            [Digits::All, decimals, significant]
        } else {
            [Digits::All, significant, decimals]
        }
    }

    /// Are they all k / divisor, printed with so many digits and read back?
    pub(super) fn printed(&self) -> Option<(Transform, u32)> {
        if self.len < 4 {
            return None;
        }
        let divisor = (3..256).chain(DIVISORS).find(|&divisor| {
            let divisor = f64::from(divisor);
            self.values().iter().all(|&(value, half)| {
                let scaled = value * divisor;
                (scaled - nearest(scaled, 1.0) as f64).abs() <= half * divisor && half * divisor < 0.2
            })
        })?;
        let hits = |transform: &Transform| {
            self.values()
                .iter()
                .filter(|probe| transform.value(transform.key(probe.0)) == probe.0)
                .count()
        };
        let transforms = self
            .digits()
            .map(|digits| Transform::Printed(u32::from(divisor), digits));
        transforms
            .into_iter()
            .max_by_key(hits)
            .map(|transform| (transform, u32::from(divisor)))
    }

    /// Are most of them fractions of small integers?
    fn fraction(&self) -> Option<Fraction> {
        if self.len < 4 {
            return None;
        }
        let hits = |fraction: &Fraction| {
            self.values()
                .iter()
                .filter(|probe| fraction.of(probe.0).is_some())
                .count()
        };
        let best = self
            .digits()
            .map(|digits| Fraction {
                digits,
                center: 0.0,
                k: 0,
            })
            .into_iter()
            .max_by_key(hits)?;
        (hits(&best) * 4 >= self.len * 3).then_some(best)
    }
}

/// As [`find`](super::keys::find), for values that are fractions of integers, if most are.
pub(super) fn find_fractions(
    values: &[f64],
    keys: &mut Vec<i64>,
    ulps: &mut Vec<i8>,
    denominators: &mut Vec<u32>,
) -> Option<Fraction> {
    let mut fraction = Probes::take(values).fraction()?;
    keys.clear();
    ulps.clear();
    denominators.clear();
    let mut mean = 0.0;
    let mut lengths = 0;
    for &value in values {
        mean += value / values.len() as f64;
        let found = fraction.of(value);
        let (numerator, denominator) = found.unwrap_or((0, 1));
        lengths += denominator.ilog2();
        ulps.push(if found.is_some() { 0 } else { EXCEPTION });
        keys.push(numerator);
        denominators.push(denominator);
    }
    if !ulps.contains(&EXCEPTION) {
        ulps.clear();
    }
    fraction.center = mean as f32;
    fraction.k = (lengths / values.len() as u32).saturating_sub(1).min(31);
    for (key, &denominator) in keys.iter_mut().zip(&*denominators) {
        *key = key.wrapping_sub(fraction.expected(denominator));
    }
    Some(fraction)
}
