//! More samples at the end of a block, coded as those in it: takes a quarter of sealing them, and no header.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a block has at most 2,048 samples and fewer than 2^20 bits"
)]

use std::num::NonZeroU8;

use super::bits::{BitWriter, QUOTIENT_MAX, low_bits, width, word, zigzag};
use super::cut::Body;
use super::fractions::{Fraction, Likely};
use super::keys::{EXCEPTION, Transform, ulps_off};
use super::layout::{Layout, Time, is_of_fractions};
use super::scale::{rescale, rice_k, shares};
use super::{BLOCK_LEN, Block, HEADER, Scratch, with_len};

/// Where a block goes on: what coding its samples has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    level: i64,
    previous: i64,
    scale: u16,
    /// Bits in use of the last byte.
    filled: NonZeroU8,
}

impl Block {
    /// Are values fractions?
    pub(crate) fn is_of_fractions(&self) -> bool {
        is_of_fractions(Body::of(&self.bytes).header)
    }

    /// Where more samples can be added. `None` where they cannot: among runs, differences and dictionaries. Walks all samples.
    pub(crate) fn end(&self) -> Option<End> {
        let layout = Layout::read(Body::of(&self.bytes).bytes);
        if layout.runs || layout.noise_runs || layout.difference || layout.dictionary.is_some() {
            return None;
        }
        let mut cursor = self.cursor();
        cursor.take(self, u32::MAX, |_, _| {});
        let filled = match (cursor.bit() % 8) as u8 {
            0 => 8,
            filled => filled,
        };
        Some(End {
            level: cursor.level,
            previous: cursor.previous,
            scale: cursor.scale,
            filled: NonZeroU8::new(filled)?,
        })
    }

    /// Adds samples behind the last, at `end`, as many as there is room for in `bytes_max`. Returns how many: none, and the block
    /// stays as it is, where it would be too long, or when they take so much that they had better be sealed by themselves.
    pub(crate) fn extend(
        &mut self,
        end: &mut End,
        timestamps: &[i64],
        values: &[f64],
        bytes_max: usize,
        scratch: &mut Scratch,
    ) -> usize {
        let body = Body::of(&self.bytes);
        let layout = Layout::read(body.bytes);
        let at = self.bytes.len() - body.bytes.len();
        if layout.len as usize + values.len() > BLOCK_LEN {
            return 0;
        }
        let filled = u32::from(end.filled.get()) % 8;
        let whole = self.bytes.len() - usize::from(filled > 0);
        let out = &mut scratch.out;
        out.clear();
        let pending = self.bytes.get(whole).copied().unwrap_or(0);
        let mut writer = BitWriter::behind(out, u64::from(pending) & low_bits(filled), filled);
        let coder = Coder {
            transform: layout.transform(),
            fraction: layout.fraction(),
            layout: &layout,
        };
        let mut state = State {
            level: end.level,
            likely: Likely::unpack((end.level, end.previous)),
            multiples: 0,
            scale: end.scale.into(),
            last: layout.last_timestamp(body.bytes),
            bits: filled,
        };
        let mut added = 0;
        for (&timestamp, &value) in timestamps.iter().zip(values) {
            let mut next = state;
            if !coder.put(&mut next, timestamp, value, &mut writer) {
                return 0;
            }
            next.bits = writer.bits();
            if whole + next.bits.div_ceil(8) as usize > bytes_max {
                break;
            }
            state = next;
            added += 1;
        }
        writer.finish();
        out.truncate(state.bits.div_ceil(8) as usize);
        if let Some(last) = out.last_mut().filter(|_| !state.bits.is_multiple_of(8)) {
            *last &= low_bits(state.bits % 8) as u8;
        }
        let stream_bits = 8 * (body.bytes.len() - layout.stream) as u64;
        let most = stream_bits * added as u64 / self.len() as u64 * 5 / 4 + 64;
        if added == 0 || u64::from(state.bits) > most {
            return 0;
        }
        let len = layout.len as usize + added;
        if let Time::Jitter { .. } = layout.time {
            let steps = len as i64 - 1;
            let regular = layout.first_timestamp.wrapping_add(layout.stride.wrapping_mul(steps));
            let drift = state.last.wrapping_sub(regular);
            if width(drift) > layout.drift_width {
                return 0;
            }
            let at = at + layout.drift_at;
            self.bytes[at..at + layout.drift_width].copy_from_slice(&drift.to_le_bytes()[..layout.drift_width]);
        }
        // Where its first samples are gone, those that are left are counted as well.
        for (at, len) in [(at, len), (0, self.len() + added)] {
            let header = with_len(word(&self.bytes, at), len);
            self.bytes[at..at + HEADER].copy_from_slice(&header.to_le_bytes());
        }
        if !out.is_empty() {
            let mut bytes = std::mem::take(&mut self.bytes).into_vec();
            bytes.truncate(whole);
            bytes.reserve_exact(out.len());
            bytes.extend_from_slice(out);
            self.bytes = bytes.into_boxed_slice();
        }
        let (level, previous) = match coder.fraction {
            Some(_) => state.likely.pack(),
            None => (state.level, end.previous),
        };
        *end = End {
            level,
            previous,
            scale: state.scale as u16,
            filled: NonZeroU8::new(((state.bits + 7) % 8 + 1) as u8).expect("it is 1 or more"),
        };
        added
    }
}

/// How the samples of a block are coded.
struct Coder<'a> {
    layout: &'a Layout,
    transform: Transform,
    fraction: Option<Fraction>,
}

/// What coding samples has left.
#[derive(Clone, Copy)]
struct State {
    level: i64,
    likely: Likely,
    /// How many fractions in a row were brought to other terms.
    multiples: u32,
    scale: u32,
    /// The last timestamp.
    last: i64,
    /// Bits written, with those of the byte that was not full.
    bits: u32,
}

impl Coder<'_> {
    /// Writes a sample. False where the block cannot hold it.
    fn put(&self, state: &mut State, timestamp: i64, value: f64, writer: &mut BitWriter<'_>) -> bool {
        let off = timestamp.wrapping_sub(state.last).wrapping_sub(self.layout.stride);
        state.last = timestamp;
        match self.layout.time {
            Time::Jitter { k } if zigzag(off) >> k < u64::from(QUOTIENT_MAX) => writer.rice(zigzag(off), k),
            Time::Jitter { .. } => return false,
            _ if off != 0 => return false,
            _ => {}
        }
        match self.fraction {
            Some(fraction) => {
                self.put_fraction(fraction, state, value, writer);
                true
            }
            None => self.put_value(state, value, writer),
        }
    }

    fn put_value(&self, state: &mut State, value: f64, writer: &mut BitWriter<'_>) -> bool {
        let layout = self.layout;
        let key = self.transform.key(value);
        let ulps = ulps_off(value, self.transform.value(key));
        let symbol = key
            .checked_sub(layout.offset)
            .filter(|distance| distance.checked_rem(layout.multiple) == Some(0))
            .and_then(|distance| distance.checked_div(layout.multiple));
        let forecast = layout.predictor.forecast(state.level);
        let residual = match symbol {
            Some(symbol) if ulps == 0 || layout.noise && ulps != EXCEPTION => symbol.wrapping_sub(forecast),
            _ if layout.flat => return false,
            _ => {
                put_exception(value, writer);
                state.level = layout.predictor.learn(state.level, 0);
                return true;
            }
        };
        if layout.flat {
            if residual != 0 {
                return false;
            }
        } else {
            let z = zigzag(residual);
            writer.rice_or_escape(z, rice_k(state.scale));
            state.scale = rescale(state.scale, z);
        }
        state.level = layout.predictor.learn(state.level, residual);
        if layout.noise {
            writer.rice(zigzag(i64::from(ulps)), 0);
        }
        true
    }

    fn put_fraction(&self, fraction: Fraction, state: &mut State, value: f64, writer: &mut BitWriter<'_>) {
        let terms = fraction.next_terms(value, state.likely, &mut state.multiples);
        let Some((numerator, denominator, ulps)) = terms.filter(|terms| terms.2 == 0 || self.layout.noise) else {
            put_exception(value, writer);
            return;
        };
        let step = fraction.step(state.likely, denominator);
        writer.rice_or_escape(step, state.likely.k());
        let z = zigzag(numerator.wrapping_sub(fraction.numerator(state.likely, denominator)));
        writer.rice_or_escape(z, shares::rice_k(state.scale, denominator));
        state.scale = shares::rescale(state.scale, z, denominator);
        fraction.learn(&mut state.likely, value, step, denominator);
        if self.layout.noise {
            writer.rice(zigzag(i64::from(ulps)), 0);
        }
    }
}

/// A value that no key stands for.
fn put_exception(value: f64, writer: &mut BitWriter<'_>) {
    writer.ones(QUOTIENT_MAX + 1);
    writer.put(value.to_bits(), 64);
}
