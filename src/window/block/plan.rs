//! How the integers of one block are forecast and coded, and what that takes.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "means of i64 are i64, and estimates may round"
)]

use super::bits::{QUOTIENT_MAX, RUN_BITS, bit_length, escaped_bits, rice_bits, width, zigzag};
use super::keys::EXCEPTION;
use super::predict::{self, BANK, Predictor};
use super::scale::{self, rescale, rice_k};

/// Bits of an exception: the ones of an escape, one more, and the value.
pub(super) const EXCEPTION_BITS: u64 = QUOTIENT_MAX as u64 + 65;

/// How keys (or entry numbers) are forecast and coded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    pub(super) index: usize,
    pub(super) difference: bool,
    pub(super) base: i64,
    pub(super) previous: i64,
    pub(super) unit: u32,
    pub(super) flat: bool,
    pub(super) runs: bool,
    pub(super) run_k: u32,
    /// Where adjustments come in runs of none, their parameter and one more; else 0.
    pub(super) noise_k: u32,
    /// Code of the scale to start from.
    pub(super) scale: u8,
    /// What all this takes, without the header's fixed part.
    pub(super) bits: u64,
}

impl Plan {
    /// For symbols that are ranks: no forecast.
    pub(super) fn ranked(keys: &[i64], residuals: &mut Vec<i64>) -> Self {
        let mut plan = Self::default();
        plan.residuals(keys, &[], residuals);
        plan.code(&[], residuals, true);
        plan
    }

    /// For keys to be forecast; or, if it may be `thorough`, their differences, and in runs.
    pub(super) fn choose(
        keys: &[i64],
        ulps: &[i8],
        thorough: bool,
        distances: &mut Vec<f64>,
        residuals: &mut Vec<i64>,
    ) -> Self {
        let n = keys.len();
        let mean = (keys.iter().map(|&key| i128::from(key)).sum::<i128>() / n as i128) as i64;
        distances.clear();
        distances.extend(keys.iter().map(|&key| key.wrapping_sub(mean) as f64));
        let (index, cost) = predict::choose(distances);
        let mut plan = Self {
            index,
            base: if BANK[index].0 == 256 { keys[0] } else { mean },
            ..Self::default()
        };
        if thorough && n > 2 {
            let slope = ((i128::from(keys[n - 1]) - i128::from(keys[0])) / (n as i128 - 1)) as i64;
            distances.clear();
            distances.extend(
                keys.windows(2)
                    .map(|pair| pair[1].wrapping_sub(pair[0]).wrapping_sub(slope) as f64),
            );
            let (index, cost_of_steps) = predict::choose(distances);
            if cost_of_steps * n as f64 + 24.0 < cost * n as f64 {
                let base = if BANK[index].0 == 256 {
                    keys[1].wrapping_sub(keys[0])
                } else {
                    slope
                };
                plan.difference = true;
                plan.index = index;
                plan.base = base;
                plan.previous = keys[0].wrapping_sub(base);
            }
        }
        let mut range = 0;
        let mut last = plan.previous;
        for &key in keys {
            let x = if plan.difference { key.wrapping_sub(last) } else { key };
            last = key;
            range |= zigzag(x.wrapping_sub(plan.base));
        }
        plan.unit = predict::unit(range);
        plan.residuals(keys, ulps, residuals);
        plan.code(ulps, residuals, thorough);
        plan
    }

    /// For numbers that start from that scale and take so many bits, adjustments aside.
    pub(super) fn plain(ulps: &[i8], scale: u8, bits: u64) -> Self {
        let mut plan = Self {
            scale,
            bits,
            ..Self::default()
        };
        plan.adjustments(ulps, true);
        plan
    }

    /// What the forecast leaves over; 0 for exceptions.
    pub(super) fn residuals(&self, keys: &[i64], ulps: &[i8], residuals: &mut Vec<i64>) {
        let predictor = Predictor::new(self.index, self.base, self.unit);
        residuals.clear();
        let mut level = 0;
        let mut last = self.previous;
        for (i, &key) in keys.iter().enumerate() {
            let forecast = predictor
                .forecast(level)
                .wrapping_add(if self.difference { last } else { 0 });
            let residual = if ulps.get(i) == Some(&EXCEPTION) {
                0
            } else {
                key.wrapping_sub(forecast)
            };
            last = forecast.wrapping_add(residual);
            level = predictor.learn(level, residual);
            residuals.push(residual);
        }
    }

    /// Chooses how residuals are coded, and counts the bits. Runs are for blocks to which nothing is added.
    fn code(&mut self, ulps: &[i8], residuals: &[i64], may_run: bool) {
        self.bits = 8 * (width(self.base) + width(self.previous)) as u64;
        let exceptions = ulps.contains(&EXCEPTION);
        let exception = |i: usize| exceptions && ulps[i] == EXCEPTION;
        let zeros = residuals.iter().filter(|&&residual| residual == 0).count();
        if zeros == residuals.len() && !exceptions {
            self.flat = true;
            self.adjustments(ulps, may_run);
            return;
        }
        let (start, mut bits) = plain_bits(ulps, residuals);
        self.scale = start;
        if may_run && zeros * 5 > residuals.len() * 2 {
            let mean = zeros / (residuals.len() - zeros + 1);
            let run_k = bit_length(mean as u64 * 3 / 4).min(7);
            let start = scale::start_code(
                residuals
                    .iter()
                    .filter(|&&residual| residual != 0)
                    .map(|&residual| zigzag(residual) - 1),
            );
            let mut scale = scale::start(start);
            let mut run = 0;
            let mut with_runs = 0;
            for (i, &residual) in residuals.iter().enumerate() {
                if residual == 0 && !exception(i) {
                    run += 1;
                    continue;
                }
                with_runs += rice_bits(run, run_k, RUN_BITS.into());
                run = 0;
                if exception(i) {
                    with_runs += EXCEPTION_BITS;
                } else {
                    let z = zigzag(residual) - 1;
                    with_runs += escaped_bits(z, rice_k(scale));
                    scale = rescale(scale, z);
                }
            }
            with_runs += rice_bits(run, run_k, RUN_BITS.into());
            if with_runs < bits {
                bits = with_runs;
                self.runs = true;
                self.run_k = run_k;
                self.scale = start;
            }
        }
        self.bits += bits;
        self.adjustments(ulps, may_run && !self.runs);
    }

    /// Chooses how adjustments are coded, and counts their bits.
    fn adjustments(&mut self, ulps: &[i8], may_run: bool) {
        let mut bits = noise_bits(ulps);
        if may_run && bits > 0 {
            let adjusted = || ulps.iter().filter(|&&ulp| ulp != EXCEPTION);
            let some = adjusted().filter(|&&ulp| ulp != 0).count();
            let mean = (adjusted().count() - some) / (some + 1);
            let run_k = bit_length(mean as u64 * 3 / 4).min(6);
            let (mut in_runs, mut run) = (0, 0);
            for &ulp in adjusted() {
                if ulp == 0 {
                    run += 1;
                } else {
                    in_runs += rice_bits(run, run_k, RUN_BITS.into()) + zigzag(i64::from(ulp));
                    run = 0;
                }
            }
            in_runs += rice_bits(run, run_k, RUN_BITS.into());
            if in_runs < bits {
                bits = in_runs;
                self.noise_k = run_k + 1;
            }
        }
        self.bits += bits;
    }
}

/// Bits of the adjustments, if there are any.
fn noise_bits(ulps: &[i8]) -> u64 {
    if ulps.iter().all(|&ulp| ulp == 0 || ulp == EXCEPTION) {
        return 0;
    }
    let adjusted = ulps.iter().filter(|&&ulp| ulp != EXCEPTION);
    adjusted.map(|&ulp| zigzag(i64::from(ulp)) + 1).sum()
}

/// Code of the scale to start from and bits of all, each coded by itself.
fn plain_bits(ulps: &[i8], residuals: &[i64]) -> (u8, u64) {
    let start = scale::start_code(residuals.iter().map(|&residual| zigzag(residual)));
    let mut scale = scale::start(start);
    let mut bits = 0;
    for (i, &residual) in residuals.iter().enumerate() {
        if ulps.get(i) == Some(&EXCEPTION) {
            bits += EXCEPTION_BITS;
        } else {
            let z = zigzag(residual);
            bits += escaped_bits(z, rice_k(scale));
            scale = rescale(scale, z);
        }
    }
    (start, bits)
}
