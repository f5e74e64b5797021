//! What comes next: an ARMA(1,1) forecast in integers.

#![expect(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "estimates may round, and 256 / 256 is 1"
)]

use super::bits::bit_length;

/// Pairs (phi, gain) out of 256.
pub(super) const BANK: [(i64, i64); 16] = [
    (0, 0),
    (256, 256),
    (256, 192),
    (256, 128),
    (256, 80),
    (256, 40),
    (256, 16),
    (248, 256),
    (248, 160),
    (240, 224),
    (240, 96),
    (224, 256),
    (224, 128),
    (192, 256),
    (128, 256),
    (64, 256),
];

/// Forecast of one series of integers about `base`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Predictor {
    pub(super) phi: i64,
    pub(super) gain: i64,
    pub(super) base: i64,
    /// Levels are kept in keys times 2^up / 2^down.
    pub(super) up: u32,
    pub(super) down: u32,
}

impl Predictor {
    /// `unit` as [`unit()`] gives it.
    pub(super) fn new(index: usize, base: i64, unit: u32) -> Self {
        let (phi, gain) = BANK[index & 15];
        let (up, down) = if unit == 0 { (6, 0) } else { (0, unit - 1) };
        Self {
            phi,
            gain,
            base,
            up,
            down,
        }
    }

    #[inline]
    pub(super) fn forecast(&self, level: i64) -> i64 {
        let half = (1 << self.up) >> 1;
        self.base
            .wrapping_add((level.wrapping_add(half) << self.down) >> self.up)
    }

    #[inline]
    pub(super) fn learn(&self, level: i64, residual: i64) -> i64 {
        let step = residual << self.up >> self.down;
        let corrected = level.wrapping_add(step.wrapping_mul(self.gain) >> 8);
        corrected.wrapping_mul(self.phi) >> 8
    }
}

/// Scale of levels for keys spread over `range`, so that products stay inside 64 bits.
pub(super) fn unit(range: u64) -> u32 {
    (bit_length(range) + 1).saturating_sub(46)
}

/// Numbers that are enough to choose by: with all of 1,024, blocks are smaller by less than a thousandth.
const SOME: usize = 320;

/// The best of the bank for numbers given as distances from their mean (or first), going by the first of them: index and cost
/// in bits a value.
pub(super) fn choose(x: &[f64]) -> (usize, f64) {
    const LANES: usize = BANK.len();
    let x = &x[..x.len().min(SOME)];
    let phi = BANK.map(|(phi, _)| phi as f64 / 256.0);
    let gain = BANK.map(|(_, gain)| gain as f64 / 256.0);
    let mut level = phi.map(|phi| if phi == 1.0 { x[0] } else { 0.0 });
    let mut cost = [0_u64; LANES];
    for chunk in x.chunks(16) {
        let mut sum = [0.0; LANES];
        for &x in chunk {
            for lane in 0..LANES {
                let error = x - level[lane];
                sum[lane] += error.abs();
                level[lane] = phi[lane] * (level[lane] + gain[lane] * error);
            }
        }
        for lane in 0..LANES {
            // The bits of a double, read as an integer, are its logarithm, nearly.
            let mean = sum[lane] / chunk.len() as f64 + 0.4;
            cost[lane] += (mean.to_bits() >> 20) * chunk.len() as u64;
        }
    }
    let (index, &least) = cost
        .iter()
        .enumerate()
        .min_by_key(|&(_, cost)| cost)
        .expect("the bank has lanes");
    (
        index,
        least as f64 / x.len() as f64 / f64::from(1_u32 << 31) / 2.0 - 1023.0,
    )
}
