//! Values that are ratios of integers: whether they are, with what divisor, and how they were printed.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "whatever is found here is compared bit by bit with the value it stands for"
)]

use super::digits::{Digits, Division, TENS, magnitude, nearest, single};
use super::fractions::Fraction;
use super::keys::{DECIMALS_MAX, EXCEPTION, Transform, decimal, ulps_off};

/// Samples looked at for a common divisor.
const PROBES: usize = 12;
/// Divisors beyond the small ones.
const DIVISORS: [u16; 8] = [300, 360, 600, 900, 1024, 1440, 3600, 7200];

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
        // With 17, each is itself again.
        let significant = match self.significant {
            17.. => Digits::All,
            digits => Digits::Significant(digits.max(1) as u8),
        };
        let decimals = Digits::Decimals(self.decimals as u8);
        // Nobody asks for 12 decimals; %.15g it was.
        if self.significant >= 15 {
            [Digits::All, decimals, significant]
        } else {
            [Digits::All, significant, decimals]
        }
    }

    /// Were they all numbers of single precision once, and not all short? Says how they were read back.
    pub(super) fn single(&self) -> Option<Division> {
        let off = |value, division| ulps_off(value, single(value as f32, division));
        let is_single = |&(value, _): &(f64, f64)| off(value, Division::Once) != EXCEPTION;
        let are_single = self.len >= 4 && self.significant > 7 && self.values().iter().all(is_single);
        are_single.then(|| {
            let hits = |division| self.values().iter().filter(|probe| off(probe.0, division) == 0).count();
            if hits(Division::Stepwise) > hits(Division::Once) {
                Division::Stepwise
            } else {
                Division::Once
            }
        })
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
    pub(super) fn fraction(&self) -> Option<Fraction> {
        if self.len < 4 {
            return None;
        }
        let hits = |fraction: &Fraction| {
            self.values()
                .iter()
                .filter(|probe| fraction.is_no_accident(probe.0))
                .count()
        };
        let digits = match self.single() {
            Some(division) => [Digits::Single(division); 3],
            None => self.digits(),
        };
        let best = digits.map(Fraction::new).into_iter().max_by_key(hits)?;
        (hits(&best) * 2 >= self.len).then_some(best)
    }
}
