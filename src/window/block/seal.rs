//! Choosing a layout and writing it.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a block has at most 2,048 samples, and a number at most 8 bytes"
)]

use super::bits::{BitWriter, QUOTIENT_MAX, bit_length, low_bits, width, word, zigzag};
use super::distinct::Distinct;
use super::fractions::{self, Fraction};
use super::keys::{self, EXCEPTION, Transform};
use super::layout::{IRREGULAR, put_signed};
use super::plan::Plan;
use super::scale::{self, rescale, rice_k, shares};
use super::{BLOCK_LEN, HEADER, RUN_MAX, with_len};

/// Most gaps kept as a list.
const GAPS_MAX: usize = 12;
/// Bits a value from which fractions are looked for.
const FRACTION_BITS_MIN: u64 = 14;
/// Bytes of how far the last timestamp is from where the stride puts it, at least.
const DRIFT_WIDTH_MIN: usize = 2;

/// Buffers that sealing reuses, so that it allocates the block alone.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    keys: Vec<i64>,
    /// Empty when every value is its key's; else how far off each is.
    ulps: Vec<i8>,
    gaps: Vec<(u16, i64)>,
    distances: Vec<f64>,
    residuals: Vec<i64>,
    /// For fractions alone.
    denominators: Vec<u32>,
    other_keys: Vec<i64>,
    other_ulps: Vec<i8>,
    symbols: Vec<i64>,
    distinct: Distinct,
    /// Bits up to the end of each sample.
    ends: Vec<u32>,
    pub(super) out: Vec<u8>,
}

/// A dictionary that was found worth it.
#[derive(Clone, Copy, Debug)]
struct Dictionary {
    /// Bytes an entry takes.
    width: usize,
    /// Ordered by how often they come, else by key.
    ranked: bool,
    /// Entries are whole values, not keys.
    of_values: bool,
}

impl Scratch {
    /// Seals all samples, or when it is `for_long`, as many as fill an allocation. Returns how many.
    pub(super) fn seal(&mut self, timestamps: &[i64], values: &[f64], for_long: bool) -> (Box<[u8]>, usize) {
        assert!(
            (1..=BLOCK_LEN).contains(&values.len()) && timestamps.len() == values.len(),
            "a block has 1 to {BLOCK_LEN} samples"
        );
        self.out.clear();
        self.out.extend_from_slice(&[0; HEADER]);
        let mut header = with_len(0, values.len());
        let jitter = self.put_times(timestamps, &mut header);

        let mut transform = keys::find(values, &mut self.keys, &mut self.ulps);
        let (mut multiple, mut offset) = keys::reduce(&mut self.keys);
        let mut plan = Plan::choose(
            &self.keys,
            &self.ulps,
            for_long,
            &mut self.distances,
            &mut self.residuals,
        );
        self.denominators.clear();
        if for_long
            && plan.bits > FRACTION_BITS_MIN * values.len() as u64
            && let Some((fraction, other)) = self.fractions(values)
        {
            if other.bits < plan.bits {
                (transform, plan, multiple, offset) = (Transform::Fraction(fraction), other, 1, 0);
                std::mem::swap(&mut self.keys, &mut self.other_keys);
                std::mem::swap(&mut self.ulps, &mut self.other_ulps);
            } else {
                self.denominators.clear();
            }
        }
        let (dictionary, is_left) = if for_long {
            (self.dictionary(values, &mut plan), false)
        } else {
            (None, true)
        };
        if let Some(dictionary) = dictionary {
            if dictionary.of_values {
                (transform, multiple, offset) = (Transform::Ordered(0), 1, 0);
                self.ulps.clear();
                self.denominators.clear();
            }
            plan.residuals(&self.symbols, &[], &mut self.residuals);
        } else if let Transform::Fraction(fraction) = transform {
            fraction.residuals(values, &self.keys, &self.ulps, &self.denominators, &mut self.residuals);
        } else if !is_left {
            // Whatever else was looked at, residuals are of that.
            plan.residuals(&self.keys, &self.ulps, &mut self.residuals);
        }
        let noise = self.ulps.iter().any(|&ulp| ulp != 0 && ulp != EXCEPTION);

        // The rest of the header.
        let (code, divisor, center) = transform.code();
        let widths = (width(plan.base), width(plan.previous));
        header |= u64::from(plan.runs) << 13
            | u64::from(noise) << 14
            | u64::from(plan.flat) << 15
            | u64::from(code) << 16
            | (plan.index as u64) << 24
            | u64::from(plan.difference) << 28
            | u64::from(if plan.runs { plan.run_k } else { plan.noise_k }) << 29
            | u64::from(plan.scale) << 32
            | (widths.0 as u64) << 40
            | (widths.1 as u64) << 44
            | u64::from(plan.unit) << 56;
        put_signed(&mut self.out, plan.base, widths.0);
        put_signed(&mut self.out, plan.previous, widths.1);
        if code >= 128 {
            self.out.extend_from_slice(&divisor.to_le_bytes());
        }
        if let Transform::Fraction(_) = transform {
            header |= 1 << 62;
            self.out.extend_from_slice(&center.to_le_bytes());
        }
        if multiple != 1 {
            header |= 1 << 61;
            let width = width(multiple);
            self.out.push(width as u8 - 1);
            put_signed(&mut self.out, multiple, width);
            put_signed(&mut self.out, offset, width);
        }
        if let Some(Dictionary { width, ranked, .. }) = dictionary {
            header |= 1 << 62;
            self.out.push(self.distinct.entries.len() as u8 - 1);
            self.out.push((width as u8 - 1) | (u8::from(ranked) << 7));
            for &(key, ..) in &self.distinct.entries {
                put_signed(&mut self.out, key, width);
            }
        }
        self.out[..HEADER].copy_from_slice(&header.to_le_bytes());
        self.put_stream(timestamps, values, &plan, jitter, noise, transform);
        let is_regular = header & IRREGULAR == 0;
        let len = if for_long && is_regular {
            self.cut()
        } else {
            values.len()
        };
        (Box::from(&self.out[..]), len)
    }

    /// Cuts what does not fill an allocation, unless it is a quarter. Returns how many samples stay.
    fn cut(&mut self) -> usize {
        let bytes = allocation_below(self.out.len());
        let len = self.ends.partition_point(|&end| end as usize <= 8 * bytes);
        // The samples of a run end together.
        if len * 4 < self.ends.len() * 3 {
            return self.ends.len();
        }
        let end = self.ends[len - 1];
        self.out.truncate((end as usize).div_ceil(8));
        if let Some(last) = self.out.last_mut().filter(|_| !end.is_multiple_of(8)) {
            *last &= low_bits(end % 8) as u8;
        }
        let word = with_len(word(&self.out, 0), len);
        self.out[..HEADER].copy_from_slice(&word.to_le_bytes());
        len
    }

    /// A plan for values as fractions, with their keys in `other_keys`.
    fn fractions(&mut self, values: &[f64]) -> Option<(Fraction, Plan)> {
        let Self {
            other_keys,
            other_ulps,
            denominators,
            residuals,
            ..
        } = self;
        let mut fraction = fractions::find(values, other_keys, other_ulps, denominators)?;
        let plan = fractions::choose(&mut fraction, values, other_keys, other_ulps, denominators, residuals);
        Some((fraction, plan))
    }

    /// Replaces the plan if entry numbers of a dictionary take less; they are then in `symbols`.
    fn dictionary(&mut self, values: &[f64], plan: &mut Plan) -> Option<Dictionary> {
        if plan.bits <= values.len() as u64 {
            return None;
        }
        // Where values are not their keys' alone, entries are whole values.
        let of_values = !self.ulps.is_empty() || !self.denominators.is_empty();
        if of_values {
            self.other_keys.clear();
            self.other_keys
                .extend(values.iter().map(|&value| keys::to_ordered(value, 0)));
        }
        let Self {
            keys,
            other_keys,
            distinct,
            symbols,
            distances,
            residuals,
            ..
        } = self;
        let keys = if of_values { other_keys } else { keys };
        if !distinct.count(keys) {
            return None;
        }
        let width = distinct.width();
        let bits = 8 * (2 + distinct.entries.len() * width) as u64;
        let mut best = None;
        // By key last, as it is the likelier one, whose order then need not be made again.
        for ranked in [true, false] {
            distinct.number(ranked, keys, symbols);
            let mut other = if ranked {
                Plan::ranked(symbols, residuals)
            } else {
                Plan::choose(symbols, &[], true, distances, residuals)
            };
            other.bits += bits;
            if other.bits < plan.bits {
                *plan = other;
                best = Some(Dictionary {
                    width,
                    ranked,
                    of_values,
                });
            }
        }
        if best.is_some_and(|dictionary| dictionary.ranked) {
            distinct.number(true, keys, symbols);
        }
        best
    }

    /// Writes what the header says of time. Returns stride and Rice parameter if steps are coded one by one.
    fn put_times(&mut self, timestamps: &[i64], header: &mut u64) -> Option<(i64, u32)> {
        let first = timestamps[0];
        let stride = stride(timestamps);
        let near = u32::try_from(first).is_ok();
        *header |= u64::from(!near) << 10 | (width(stride) as u64) << 48;
        put_signed(&mut self.out, first, if near { 4 } else { 8 });
        put_signed(&mut self.out, stride, width(stride));
        self.gaps.clear();
        let mut offs = 0;
        let mut lengths = 0;
        for (i, pair) in (1..).zip(timestamps.windows(2)) {
            let off = pair[1].wrapping_sub(pair[0]).wrapping_sub(stride);
            if off != 0 {
                offs += 1;
                lengths += bit_length(zigzag(off));
                if offs <= GAPS_MAX {
                    self.gaps.push((i, off));
                }
            }
        }
        if offs == 0 {
            return None;
        }
        if offs <= GAPS_MAX {
            let width = self.gaps.iter().map(|gap| width(gap.1)).max().unwrap_or(0);
            *header |= 1 << 11 | (width as u64) << 52;
            self.out.push(self.gaps.len() as u8);
            for &(at, off) in &self.gaps {
                self.out.extend_from_slice(&at.to_le_bytes());
                put_signed(&mut self.out, off, width);
            }
            return None;
        }
        let k = (lengths / timestamps.len() as u32).saturating_sub(1);
        let regular = first.wrapping_add(stride.wrapping_mul(timestamps.len() as i64 - 1));
        let drift = timestamps[timestamps.len() - 1].wrapping_sub(regular);
        // With room for what may be added.
        let width = width(drift).max(DRIFT_WIDTH_MIN);
        *header |= 2 << 11 | (width as u64) << 52;
        self.out.push(k as u8);
        put_signed(&mut self.out, drift, width);
        Some((stride, k))
    }

    fn put_stream(
        &mut self,
        timestamps: &[i64],
        values: &[f64],
        plan: &Plan,
        jitter: Option<(i64, u32)>,
        noise: bool,
        transform: Transform,
    ) {
        let Self {
            denominators,
            ulps,
            residuals,
            ends,
            out,
            ..
        } = self;
        ends.clear();
        let exception = |i: usize| ulps.get(i) == Some(&EXCEPTION);
        let mut writer = BitWriter::new(out);
        let mut scale = scale::start(plan.scale);
        let mut run = 0;
        let mut fractions = match transform {
            Transform::Fraction(fraction) => Some((fraction, fraction.start())),
            _ => None,
        };
        for (i, (&value, &residual)) in values.iter().zip(residuals.iter()).enumerate() {
            if let Some((stride, k)) = jitter
                && i > 0
            {
                let z = zigzag(timestamps[i].wrapping_sub(timestamps[i - 1]).wrapping_sub(stride));
                if z >> k < u64::from(QUOTIENT_MAX) {
                    writer.rice(z, k);
                } else {
                    writer.ones(QUOTIENT_MAX);
                    writer.put(z, 64);
                }
            }
            let mut coded = !plan.flat;
            if plan.runs {
                if run == 0 {
                    let ahead = (i..values.len())
                        .take_while(|&i| residuals[i] == 0 && !exception(i))
                        .count() as u64;
                    let ahead = ahead.min(u64::from(RUN_MAX));
                    writer.run(ahead, plan.run_k);
                    run = ahead + 1;
                }
                run -= 1;
                coded = run == 0;
            }
            if coded && exception(i) {
                writer.ones(QUOTIENT_MAX + 1);
                writer.put(value.to_bits(), 64);
                ends.push(writer.bits());
                continue;
            }
            if let Some((fraction, likely)) = &mut fractions {
                let step = fraction.step(*likely, denominators[i]);
                writer.rice_or_escape(step, likely.k());
                let z = zigzag(residual);
                writer.rice_or_escape(z, shares::rice_k(scale, denominators[i]));
                scale = shares::rescale(scale, z, denominators[i]);
                fraction.learn(likely, value, step, denominators[i]);
            } else if coded {
                let z = zigzag(residual) - u64::from(plan.runs);
                writer.rice_or_escape(z, rice_k(scale));
                scale = rescale(scale, z);
            }
            if noise && plan.noise_k == 0 {
                writer.rice(zigzag(i64::from(ulps[i])), 0);
            } else if noise {
                if run == 0 {
                    let ahead = ulps[i..].iter().filter(|&&ulp| ulp != EXCEPTION);
                    let ahead = ahead.take_while(|&&ulp| ulp == 0).count() as u64;
                    writer.run(ahead, plan.noise_k - 1);
                    run = ahead + 1;
                }
                run -= 1;
                if run == 0 {
                    writer.rice(zigzag(i64::from(ulps[i])) - 1, 0);
                }
            }
            ends.push(writer.bits());
        }
        writer.finish();
    }
}

/// The largest allocation of no more than so many bytes: allocators have four sizes to a doubling.
pub(super) fn allocation_below(bytes: usize) -> usize {
    let step = 1 << (bytes | 4).ilog2().saturating_sub(2);
    bytes / step * step
}

/// The usual step, or the mean step where none is usual.
fn stride(timestamps: &[i64]) -> i64 {
    let steps = || timestamps.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let n = timestamps.len();
    if n < 2 {
        return 0;
    }
    // Majority vote (Boyer and Moore 1981).
    let (mut usual, mut votes) = (0, 0);
    for step in steps() {
        if votes == 0 {
            usual = step;
        }
        votes += if step == usual { 1 } else { -1 };
    }
    if steps().filter(|&step| step == usual).count() * 2 >= n {
        usual
    } else {
        let (span, steps) = (i128::from(timestamps[n - 1]) - i128::from(timestamps[0]), n as i128 - 1);
        ((span + steps / 2) / steps) as i64
    }
}
