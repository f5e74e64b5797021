//! More samples at the end of a block, coded as those in it: takes a quarter of sealing them, and no header.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a block has at most 1,024 samples and fewer than 2^21 bits"
)]

use std::num::NonZeroU8;

use super::bits::{BitWriter, QUOTIENT_MAX, low_bits, width, word, zigzag};
use super::cut::Body;
use super::keys::{EXCEPTION, ulps_off};
use super::layout::{Layout, Time};
use super::scale::{rescale, rice_k};
use super::{BLOCK_LEN, Block, HEADER, LEN_BITS, Scratch};

/// Where a block goes on: what coding its samples has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    level: i64,
    scale: u16,
    /// Bits in use of the last byte.
    filled: NonZeroU8,
}

impl Block {
    /// Where more samples can be added. `None` where they cannot: among runs, differences, dictionaries and fractions. Walks
    /// all samples.
    pub(crate) fn end(&self) -> Option<End> {
        let layout = Layout::read(Body::of(&self.bytes).bytes);
        if layout.runs || layout.noise_runs || layout.difference || layout.fraction || layout.dictionary.is_some() {
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
            scale: cursor.scale,
            filled: NonZeroU8::new(filled)?,
        })
    }

    /// Adds samples behind the last, at `end`. False, and the block stays as it is, when it would be too long, or when they
    /// take so much that they had better be sealed by themselves.
    pub(crate) fn extend(&mut self, end: &mut End, timestamps: &[i64], values: &[f64], scratch: &mut Scratch) -> bool {
        let body = Body::of(&self.bytes);
        let layout = Layout::read(body.bytes);
        let at = self.bytes.len() - body.bytes.len();
        let len = layout.len as usize + values.len();
        if len > BLOCK_LEN {
            return false;
        }
        let filled = u32::from(end.filled.get()) % 8;
        let whole = self.bytes.len() - usize::from(filled > 0);
        let stream_bits = 8 * (body.bytes.len() - layout.stream) as u64;
        let most = stream_bits * values.len() as u64 / self.len() as u64 * 5 / 4 + 64;
        let out = &mut scratch.out;
        out.clear();
        let pending = self.bytes.get(whole).copied().unwrap_or(0);
        let mut writer = BitWriter::behind(out, u64::from(pending) & low_bits(filled), filled);
        let transform = layout.transform();
        let (mut level, mut scale) = (end.level, u32::from(end.scale));
        let mut last = layout.last_timestamp(body.bytes);
        for (&timestamp, &value) in timestamps.iter().zip(values) {
            let off = timestamp.wrapping_sub(last).wrapping_sub(layout.stride);
            last = timestamp;
            match layout.time {
                Time::Jitter { k } if zigzag(off) >> k < u64::from(QUOTIENT_MAX) => writer.rice(zigzag(off), k),
                Time::Jitter { .. } => return false,
                _ if off != 0 => return false,
                _ => {}
            }
            let key = transform.key(value);
            let ulps = ulps_off(value, transform.value(key));
            let symbol = key
                .checked_sub(layout.offset)
                .filter(|distance| distance.checked_rem(layout.multiple) == Some(0))
                .and_then(|distance| distance.checked_div(layout.multiple));
            let forecast = layout.predictor.forecast(level);
            let residual = match symbol {
                Some(symbol) if ulps == 0 || layout.noise && ulps != EXCEPTION => symbol.wrapping_sub(forecast),
                _ if layout.flat => return false,
                _ => {
                    writer.ones(QUOTIENT_MAX + 1);
                    writer.put(value.to_bits(), 64);
                    level = layout.predictor.learn(level, 0);
                    continue;
                }
            };
            if layout.flat {
                if residual != 0 {
                    return false;
                }
            } else {
                let z = zigzag(residual);
                writer.rice_or_escape(z, rice_k(scale));
                scale = rescale(scale, z);
            }
            level = layout.predictor.learn(level, residual);
            if layout.noise {
                writer.rice(zigzag(i64::from(ulps)), 0);
            }
        }
        let bits = writer.bits();
        writer.finish();
        if u64::from(bits) > most {
            return false;
        }
        if let Time::Jitter { .. } = layout.time {
            let steps = len as i64 - 1;
            let regular = layout.first_timestamp.wrapping_add(layout.stride.wrapping_mul(steps));
            let drift = last.wrapping_sub(regular);
            if width(drift) > layout.drift_width {
                return false;
            }
            let at = at + layout.drift_at;
            self.bytes[at..at + layout.drift_width].copy_from_slice(&drift.to_le_bytes()[..layout.drift_width]);
        }
        // Where its first samples are gone, those that are left are counted as well.
        for (at, len) in [(at, len), (0, self.len() + values.len())] {
            let header = (word(&self.bytes, at) & !LEN_BITS) | (len as u64 - 1);
            self.bytes[at..at + HEADER].copy_from_slice(&header.to_le_bytes());
        }
        if !out.is_empty() {
            let mut bytes = std::mem::take(&mut self.bytes).into_vec();
            bytes.truncate(whole);
            bytes.reserve_exact(out.len());
            bytes.extend_from_slice(out);
            self.bytes = bytes.into_boxed_slice();
        }
        *end = End {
            level,
            scale: scale as u16,
            filled: NonZeroU8::new(((bits + 7) % 8 + 1) as u8).expect("it is 1 or more"),
        };
        true
    }
}
