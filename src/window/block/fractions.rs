//! Values that are fractions, each with a denominator of its own: means of so many things.
//!
//! The numerator is coded as its distance from what the values so far make likely over its denominator, and this distance is
//! the larger, the larger the denominator is. Small denominators are coded as they are; large ones wander, and are coded as the
//! distance from the one before. Fractions in lowest terms have lost what their numbers had in common, so they are then brought
//! to terms like those of the one before. Choosing all terms of a block together (Viterbi) saved nothing.
//!
//! Percentages, and means of what is counted in cents, are fractions times a power of ten: they are counted in such units.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "whatever is found here is compared bit by bit with the value it stands for, and forecasts may round"
)]

use super::bits::{escaped_bits, unzigzag, zigzag};
use super::digits::{Digits, nearest};
use super::keys::{EXCEPTION, gcd, ulps_off};
use super::plan::{EXCEPTION_BITS, Plan};
use super::ratios::Probes;
use super::scale::{self, rescale, rice_k, shares};
use super::units::{Common, IN_UNITS, UNIT_MAX, UNITS, unit};

/// Largest denominator of a fraction.
const DENOMINATOR_MAX: f64 = 4_194_304.0;
/// The same where values are counted in units.
const DENOMINATOR_IN_UNITS_MAX: u64 = 1 << 30;

/// How the fractions of a block are coded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fraction {
    pub(super) digits: Digits,
    /// About the mean of the values.
    center: f32,
    /// How the expected value follows the values: a place in [`WAYS`].
    way: u8,
    /// Are denominators steps from the one before?
    wanders: bool,
    /// Code of the scale that denominators' steps start from.
    scale: u8,
    /// Values are so many tens of numerator / denominator: 2 where they are percentages, -2 where numerators count cents.
    unit: i8,
}

/// The share of its distance from a value by which the expected value follows, and of the last step by which it runs ahead.
const WAYS: [(f64, f64); 8] = [
    (0.0, 0.0),
    (0.25, 0.0),
    (0.5, 0.0),
    (0.75, 0.0),
    (1.0, 0.0),
    (1.0, 0.3),
    (1.0, 0.6),
    (1.0, 0.9),
];
/// Square of a denominator, times how far off its fraction may be, from which it may be there by chance.
const ACCIDENT: f64 = 0.25;
/// Samples by which a way is chosen.
const WAY_SAMPLES: usize = 128;
/// Fractions in a row that may be brought to terms like those before. More of them are in lowest terms, by then.
const MULTIPLES_MAX: u32 = 3;

/// What the fractions so far make likely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Likely {
    value: f32,
    /// The last one there was.
    last: f32,
    denominator: u32,
    /// As that of residuals.
    scale: u32,
}

impl Likely {
    /// As two numbers, which is what a cursor has room for.
    pub(super) fn pack(self) -> (i64, i64) {
        let rest = u64::from(self.denominator) | u64::from(self.scale) << 32;
        let values = u64::from(self.value.to_bits()) | u64::from(self.last.to_bits()) << 32;
        (values.cast_signed(), rest.cast_signed())
    }

    pub(super) fn unpack((values, rest): (i64, i64)) -> Self {
        Self {
            value: f32::from_bits(values as u32),
            last: f32::from_bits((values >> 32) as u32),
            denominator: rest as u32,
            scale: u32::from((rest >> 32) as u16),
        }
    }

    /// Low bits in the Rice code of the denominator's step.
    pub(super) fn k(self) -> u32 {
        rice_k(self.scale)
    }
}

impl Fraction {
    /// With those digits, before anything else is known.
    pub(super) fn new(digits: Digits) -> Self {
        Self {
            digits,
            center: 0.0,
            way: 0,
            wanders: false,
            scale: 0,
            unit: 0,
        }
    }

    /// The opposite of [`Self::parameters`].
    pub(super) fn from_parameters(digits: Digits, parameters: u16, center: u32) -> Self {
        Self {
            digits,
            center: f32::from_bits(center),
            way: (parameters >> 8 & 7) as u8,
            wanders: parameters >> 11 & 1 != 0,
            unit: (parameters.cast_signed() >> 12).max(-i16::from(UNIT_MAX)) as i8,
            scale: parameters as u8,
        }
    }

    /// What the header says of them beside the digits.
    pub(super) fn parameters(self) -> (u16, u32) {
        let parameters = u16::from(self.scale)
            | u16::from(self.way) << 8
            | u16::from(self.wanders) << 11
            | i16::from(self.unit).cast_unsigned() << 12;
        (parameters, self.center.to_bits())
    }

    pub(super) fn start(self) -> Likely {
        Likely {
            value: self.center,
            last: self.center,
            denominator: 0,
            scale: scale::start(self.scale),
        }
    }

    /// What numerators and denominators are multiplied by to make a value.
    #[inline]
    fn factors(self) -> (i64, u64) {
        let ten = UNITS[usize::from(self.unit.unsigned_abs() & 7)];
        if self.unit < 0 {
            (1, ten.cast_unsigned())
        } else {
            (ten, 1)
        }
    }

    /// The value of a fraction.
    #[inline]
    pub(super) fn value(self, numerator: i64, denominator: u32) -> f64 {
        let (up, down) = self.factors();
        self.digits
            .quotient(numerator.wrapping_mul(up), u64::from(denominator) * down)
    }

    /// The numerator that likely goes with a denominator.
    #[inline]
    pub(super) fn numerator(self, likely: Likely, denominator: u32) -> i64 {
        let ten = IN_UNITS[(self.unit + UNIT_MAX) as usize & 15];
        nearest(f64::from(likely.value), f64::from(denominator) * ten)
    }

    /// What is written of a denominator.
    pub(super) fn step(self, likely: Likely, denominator: u32) -> u64 {
        if self.wanders {
            zigzag(i64::from(denominator) - i64::from(likely.denominator))
        } else {
            u64::from(denominator) - 1
        }
    }

    /// The opposite of [`Self::step`].
    pub(super) fn denominator(self, likely: Likely, step: u64) -> u32 {
        let denominator = if self.wanders {
            i64::from(likely.denominator).wrapping_add(unzigzag(step)) as u32
        } else {
            (step as u32).wrapping_add(1)
        };
        denominator.max(1)
    }

    /// Goes on from a value that came with that step and denominator. A zero tells of nothing to count, not of a mean.
    pub(super) fn learn(self, likely: &mut Likely, value: f64, step: u64, denominator: u32) {
        likely.scale = rescale(likely.scale, step);
        likely.denominator = denominator;
        if value != 0.0 {
            let (gain, ahead) = WAYS[usize::from(self.way)];
            let (expected, last) = (f64::from(likely.value), f64::from(likely.last));
            likely.value = (expected + gain * (value - expected) + ahead * (value - last)) as f32;
            likely.last = value as f32;
        }
    }

    /// Brings fractions in lowest terms to lowest terms in that unit. False, and nothing is done, where numbers might become too
    /// large.
    fn count_in_units(self, numerators: &mut [i64], denominators: &mut [u32]) -> bool {
        let (up, down) = self.factors();
        let numerator = numerators.iter().map(|numerator| numerator.unsigned_abs()).max();
        let numerator = numerator.unwrap_or(0).saturating_mul(down);
        let denominator = u64::from(denominators.iter().copied().max().unwrap_or(0)) * up.unsigned_abs();
        if numerator > self.most() || denominator > DENOMINATOR_IN_UNITS_MAX {
            return false;
        }
        let tens = self.unit.unsigned_abs().into();
        for (numerator, denominator) in numerators.iter_mut().zip(denominators) {
            let common = Common::of(if self.unit < 0 {
                (*denominator).into()
            } else {
                numerator.unsigned_abs()
            });
            let common = common.with_tens(tens);
            if self.unit < 0 {
                *denominator /= common as u32;
                *numerator *= down.cast_signed() / common;
            } else {
                *numerator /= common;
                *denominator *= (up / common) as u32;
            }
        }
        true
    }

    /// The largest numerator that a double still holds in ones.
    fn most(self) -> u64 {
        (1 << 53) / self.factors().0.unsigned_abs()
    }

    /// What is left of the numerators; 0 for exceptions. Returns the bits that denominators take.
    pub(super) fn residuals(
        self,
        values: &[f64],
        numerators: &[i64],
        ulps: &[i8],
        denominators: &[u32],
        residuals: &mut Vec<i64>,
    ) -> u64 {
        residuals.clear();
        let mut likely = self.start();
        let mut bits = 0;
        for (i, (&value, (&numerator, &denominator))) in
            values.iter().zip(numerators.iter().zip(denominators)).enumerate()
        {
            if ulps.get(i) == Some(&EXCEPTION) {
                residuals.push(0);
                continue;
            }
            let step = self.step(likely, denominator);
            bits += escaped_bits(step, likely.k());
            residuals.push(numerator.wrapping_sub(self.numerator(likely, denominator)));
            self.learn(&mut likely, value, step, denominator);
        }
        bits
    }

    /// Sets the scale of steps to start from, and says what all takes.
    fn plan(
        &mut self,
        values: &[f64],
        numerators: &[i64],
        ulps: &[i8],
        denominators: &[u32],
        residuals: &mut Vec<i64>,
    ) -> Plan {
        let mut likely = self.start();
        let steps = denominators.iter().map(|&denominator| {
            let step = self.step(likely, denominator);
            likely.denominator = denominator;
            step
        });
        // The first step of a wanderer is none.
        self.scale = scale::start_code(steps.skip(1));
        let steps_bits = self.residuals(values, numerators, ulps, denominators, residuals);
        let (scale, bits) = numerator_bits(ulps, residuals, denominators);
        Plan::plain(ulps, scale, bits + steps_bits)
    }

    /// Is the value a fraction whose denominator is smaller than that of fractions which are near by chance?
    pub(super) fn is_no_accident(self, value: f64) -> bool {
        self.of(value).is_some_and(|(_, denominator, _)| {
            let denominator = f64::from(denominator);
            denominator * denominator * self.digits.reach(value) < ACCIDENT
        })
    }

    /// The value as a fraction in lowest terms, if there is one that is near enough, and how far off it is.
    pub(super) fn of(self, value: f64) -> Option<(i64, u32, i8)> {
        let x = value.abs();
        let reach = self.digits.reach(x);
        // Continued fraction: each turn gives the best approximation yet.
        let (mut before, mut now) = ((1.0, 0.0), (floor(x), 1.0));
        let mut rest = x - floor(x);
        while now.1 <= DENOMINATOR_MAX && now.0 < 1e15 {
            if (now.0 / now.1 - x).abs() <= reach {
                // By way of the integer, which has no -0.
                let numerator = now.0.copysign(value) as i64;
                let ulps = ulps_off(value, self.digits.quotient(numerator, now.1 as u64));
                if ulps == 0 || ulps != EXCEPTION && self.digits.is_single() {
                    return Some((numerator, now.1 as u32, ulps));
                }
            }
            if rest == 0.0 {
                return None;
            }
            let whole = floor(1.0 / rest);
            rest = 1.0 / rest - whole;
            (before, now) = (now, (whole * now.0 + before.0, whole * now.1 + before.1));
        }
        None
    }
}

/// Code of the scale that numerators start from, and bits of what is left of all.
fn numerator_bits(ulps: &[i8], residuals: &[i64], denominators: &[u32]) -> (u8, u64) {
    let z = residuals.iter().map(|&residual| zigzag(residual));
    let start = shares::start_code(z.clone().zip(denominators.iter().copied()));
    let mut scale = scale::start(start);
    let mut bits = 0;
    for (i, (z, &denominator)) in z.zip(denominators).enumerate() {
        if ulps.get(i) == Some(&EXCEPTION) {
            bits += EXCEPTION_BITS;
        } else {
            bits += escaped_bits(z, shares::rice_k(scale, denominator));
            scale = shares::rescale(scale, z, denominator);
        }
    }
    (start, bits)
}

impl Fraction {
    /// The terms in which a value is written behind those that have made `likely`, and how far off it is. Counts in
    /// `multiples` how many in a row were brought to other terms.
    pub(super) fn next_terms(self, value: f64, likely: Likely, multiples: &mut u32) -> Option<(i64, u32, i8)> {
        let (numerator, denominator, ulps) = self.of(value)?;
        let (mut numerator, mut denominator) = ([numerator], [denominator]);
        if self.unit != 0 && !self.count_in_units(&mut numerator, &mut denominator) {
            return None;
        }
        let ([mut numerator], [mut denominator]) = (numerator, denominator);
        if self.wanders {
            let before = likely.denominator;
            let same = extended(denominator, before) == before;
            let multiples_max = if same { u32::MAX } else { MULTIPLES_MAX };
            bring(
                &mut numerator,
                &mut denominator,
                before,
                self.most(),
                multiples,
                multiples_max,
            );
        }
        Some((numerator, denominator, ulps))
    }
}

/// As [`find`](super::keys::find), for values that are fractions of integers, if most are: keys are the numerators.
pub(super) fn find(
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
    for &value in values {
        mean += value / values.len() as f64;
        let (numerator, denominator, ulp) = fraction.of(value).unwrap_or((0, 1, EXCEPTION));
        keys.push(numerator);
        denominators.push(denominator);
        ulps.push(ulp);
    }
    if ulps.iter().all(|&ulp| ulp == 0) {
        ulps.clear();
    }
    fraction.center = mean as f32;
    fraction.unit = unit(keys, denominators);
    if fraction.unit != 0 && !fraction.count_in_units(keys, denominators) {
        fraction.unit = 0;
    }
    Some(fraction)
}

/// The multiple of `denominator` that is nearest `before`.
fn extended(denominator: u32, before: u32) -> u32 {
    // Where that would be beyond all numbers, the last multiple before.
    denominator * (before.saturating_add(denominator / 2) / denominator).max(1)
}

/// Of a positive number; where it is large, another. A cast takes less than the function.
#[inline]
fn floor(x: f64) -> f64 {
    x as i64 as f64
}

/// Brings fractions in lowest terms to terms like those of the one before, but no more than that many in a row.
fn extend(numerators: &mut [i64], denominators: &mut [u32], most: u64, multiples_max: u32) {
    let mut before = 1;
    let mut multiples = 0;
    for (numerator, denominator) in numerators.iter_mut().zip(denominators) {
        bring(numerator, denominator, before, most, &mut multiples, multiples_max);
        before = *denominator;
    }
}

/// The same for one, behind `multiples` in a row that were.
fn bring(numerator: &mut i64, denominator: &mut u32, before: u32, most: u64, multiples: &mut u32, multiples_max: u32) {
    let multiple = extended(*denominator, before) / *denominator;
    let fits = multiple > 1 && numerator.unsigned_abs() <= most / u64::from(multiple);
    if fits && *numerator == 0 {
        *denominator = before;
    } else if fits && *multiples < multiples_max {
        *multiples += 1;
        *numerator *= i64::from(multiple);
        *denominator *= multiple;
    } else {
        *multiples = 0;
    }
}

/// Sets how the rest is coded, and says what all takes then. Takes fractions in lowest terms, and may extend them.
pub(super) fn choose(
    fraction: &mut Fraction,
    values: &[f64],
    numerators: &mut [i64],
    ulps: &[i8],
    denominators: &mut [u32],
    residuals: &mut Vec<i64>,
) -> Plan {
    let plan = choose_way(fraction, values, numerators, ulps, denominators, residuals);
    let mut wandering = Fraction {
        wanders: true,
        ..*fraction
    };
    // Counts that stay the same are seldom in lowest terms.
    let (mut before, mut same) = (1, 0);
    for &denominator in &*denominators {
        let next = extended(denominator, before);
        same += usize::from(next == before);
        before = next;
    }
    let multiples_max = if same * 2 < values.len() {
        MULTIPLES_MAX
    } else {
        u32::MAX
    };
    extend(numerators, denominators, fraction.most(), multiples_max);
    let other = wandering.plan(values, numerators, ulps, denominators, residuals);
    if other.bits < plan.bits {
        *fraction = wandering;
        return other;
    }
    for (numerator, denominator) in numerators.iter_mut().zip(denominators) {
        let common = gcd(numerator.unsigned_abs(), u64::from(*denominator));
        *denominator /= common as u32;
        *numerator /= common as i64;
    }
    plan
}

/// Sets in which way the expected value follows the values, by the first of them. Says what all takes.
fn choose_way(
    fraction: &mut Fraction,
    values: &[f64],
    numerators: &[i64],
    ulps: &[i8],
    denominators: &[u32],
    residuals: &mut Vec<i64>,
) -> Plan {
    let some = values.len().min(WAY_SAMPLES);
    let some_ulps = &ulps[..ulps.len().min(some)];
    let ways = (0..WAYS.len() as u8).map(|way| Fraction { way, ..*fraction });
    let bits = |fraction: &Fraction| {
        let mut fraction = *fraction;
        let plan = fraction.plan(
            &values[..some],
            &numerators[..some],
            some_ulps,
            &denominators[..some],
            residuals,
        );
        plan.bits
    };
    *fraction = ways.min_by_key(bits).expect("there are ways");
    fraction.plan(values, numerators, ulps, denominators, residuals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denominators_that_outgrow_their_numbers_stay_multiples() {
        let (large, odd) = (u32::MAX - 5, 3_000_000_001);
        assert_eq!(extended(odd, large), odd);
        assert_eq!(extended(1000, large) % 1000, 0);
        assert_eq!(extended(7, 0), 7);
        assert_eq!(extended(7, 24), 21);
        assert_eq!(extended(7, 25), 28);
    }
}
