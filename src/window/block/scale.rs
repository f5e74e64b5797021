//! How large numbers have been of late, and with that the parameter of their Rice codes.
//!
//! A *scale* is their mean, which follows each by a share of its distance: a number of single precision in 16 bits, with
//! an exponent of 8 bits and 8 bits behind the point. Following the mean of bit lengths instead took 0.7 % more bytes.

#![expect(clippy::cast_precision_loss, reason = "means may round")]

/// Share of the distance from a number by which the mean follows it.
const GAIN: f32 = 1.0 / 8.0;
/// The least mean.
const LEAST: f32 = 0.25;
/// Bits of a number of single precision that a scale leaves out.
const CUT: u32 = 15;
/// Numbers by whose mean a block starts.
const FIRST: usize = 24;

/// The scale to start from, of its code in a header: quarters of a doubling above the least.
#[inline]
pub(super) const fn start(code: u8) -> u32 {
    (LEAST.to_bits() >> CUT) + code as u32 * 64
}

/// The code of the scale to start from.
pub(super) fn start_code(numbers: impl Iterator<Item = u64>) -> u8 {
    start_code_of(numbers.map(single))
}

fn start_code_of(numbers: impl Iterator<Item = f32>) -> u8 {
    let (sum, count) = numbers
        .take(FIRST)
        .fold((0.0, 0.0_f32), |(sum, count), z| (sum + z, count + 1.0));
    let scale = (sum / count.max(1.0)).max(LEAST).to_bits() >> CUT;
    ((scale - start(0) + 32) / 64).min(255) as u8
}

/// Low bits of a Rice code.
#[inline]
pub(super) const fn rice_k(scale: u32) -> u32 {
    // The floor of the logarithm: close to the best there is for numbers that are the rarer, the larger they are.
    let k = (scale >> 8).saturating_sub(127);
    if k < 63 { k } else { 63 }
}

/// The scale behind a number.
#[inline]
pub(super) fn rescale(scale: u32, z: u64) -> u32 {
    follow(scale, single(z))
}

#[inline]
fn follow(scale: u32, z: f32) -> u32 {
    let mean = f32::from_bits(scale << CUT);
    (mean + (z - mean) * GAIN).max(LEAST).to_bits() >> CUT
}

#[inline]
fn single(z: u64) -> f32 {
    // Signed numbers are converted by one instruction.
    z.min(i64::MAX.cast_unsigned()).cast_signed() as f32
}

/// A scale of numbers each of which belongs to another, of which it is the larger the larger that is.
pub(super) mod shares {
    use super::{CUT, LEAST, follow, single};

    /// Shares are counted in parts of so many.
    const WHOLE: f32 = 4_194_304.0;

    /// Low bits of a Rice code for a share of `of` (1 or more).
    #[inline]
    pub(in super::super) fn rice_k(scale: u32, of: u32) -> u32 {
        let mean = f32::from_bits(scale << CUT) * (of as f32 / WHOLE);
        super::rice_k(mean.max(LEAST).to_bits() >> CUT)
    }

    /// The scale behind a share of `of`.
    #[inline]
    pub(in super::super) fn rescale(scale: u32, z: u64, of: u32) -> u32 {
        follow(scale, part(z, of))
    }

    /// The code of the scale to start from.
    pub(in super::super) fn start_code(shares: impl Iterator<Item = (u64, u32)>) -> u8 {
        super::start_code_of(shares.map(|(z, of)| part(z, of)))
    }

    fn part(z: u64, of: u32) -> f32 {
        single(z) * (WHOLE / of as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_follows_what_comes() {
        for z in [0, 1, 5, 1000, 1 << 40, 1 << 62] {
            let mut scale = start(0);
            for _ in 0..1000 {
                scale = rescale(scale, z);
            }
            let expected = (z as f32).max(LEAST);
            let mean = f32::from_bits(scale << CUT);
            assert!((expected * 0.93..=expected * 1.001).contains(&mean), "{mean} for {z}");
            let begun = f32::from_bits(start(start_code(std::iter::once(z))) << CUT);
            assert!((expected * 0.85..=expected * 1.15).contains(&begun), "{begun} for {z}");
        }
        assert_eq!(rice_k(start(0)), 0);
        assert_eq!(rice_k(start(start_code(std::iter::once(1 << 20)))), 20);
    }

    #[test]
    fn any_16_bits_are_followed_by_a_number() {
        for scale in 0..=u32::from(u16::MAX) {
            let mean = f32::from_bits(rescale(scale, 7) << CUT);
            assert!(mean >= LEAST, "{scale}: {mean}");
            assert!(rice_k(scale) < 64 && u16::try_from(rescale(scale, u64::MAX)).is_ok());
        }
    }
}
