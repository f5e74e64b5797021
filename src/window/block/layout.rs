//! The header read, and the step from one sample to the next. The format is drawn in the parent's docs.

#![expect(
    clippy::cast_possible_truncation,
    reason = "fields are cut out of words; a block has fewer than 2^20 bits"
)]

use super::bits::{RUN_BITS, field, rice, unzigzag, word, zigzag};
use super::fractions::{Fraction, Likely};
use super::keys::Transform;
use super::predict::Predictor;
use super::scale::{self, rescale, rice_k, shares};
use super::{HEADER, RUN_MAX, len_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    Regular,
    Gaps { at: usize, count: usize, width: usize },
    Jitter { k: u32 },
}

/// Where the distinct keys of a block are, when they are few.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dictionary {
    at: usize,
    width: usize,
    count: u32,
    ranked: bool,
}

impl Dictionary {
    fn key(self, bytes: &[u8], symbol: i64) -> i64 {
        let entry = if self.ranked {
            zigzag(symbol)
        } else {
            symbol.cast_unsigned()
        };
        let mut at = self.at + entry.min(u64::from(self.count) - 1) as usize * self.width;
        signed(bytes, &mut at, self.width)
    }
}

/// The header, read.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the header, each by itself")]
pub(super) struct Layout {
    pub(super) len: u32,
    pub(super) runs: bool,
    pub(super) noise: bool,
    pub(super) flat: bool,
    pub(super) difference: bool,
    pub(super) transform: u8,
    pub(super) divisor: u16,
    pub(super) center: u32,
    pub(super) fraction: bool,
    pub(super) multiple: i64,
    pub(super) offset: i64,
    pub(super) dictionary: Option<Dictionary>,
    run_k: u32,
    /// Do adjustments come in runs of none?
    pub(super) noise_runs: bool,
    pub(super) scale: u32,
    pub(super) predictor: Predictor,
    pub(super) time: Time,
    pub(super) first_timestamp: i64,
    pub(super) stride: i64,
    /// Jitter only: how far the last timestamp is from where the stride puts it, and where that stands.
    drift: i64,
    pub(super) drift_at: usize,
    pub(super) drift_width: usize,
    pub(super) previous: i64,
    /// Byte where the stream starts.
    pub(super) stream: usize,
}

/// What changes from sample to sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) timestamp: i64,
    pub(super) level: i64,
    pub(super) previous: i64,
    /// Bits from the start of the block.
    pub(super) bit: u32,
    pub(super) run: u32,
    pub(super) index: u32,
    pub(super) scale: u32,
}

pub(super) fn put_signed(out: &mut Vec<u8>, x: i64, width: usize) {
    out.extend_from_slice(&x.to_le_bytes()[..width]);
}

#[inline]
pub(super) fn signed(bytes: &[u8], at: &mut usize, width: usize) -> i64 {
    let read = word(bytes, *at);
    *at += width;
    if width == 0 {
        0
    } else {
        (read << (64 - 8 * width)).cast_signed() >> (64 - 8 * width)
    }
}

/// Header bits that say how times are irregular, if they are.
pub(super) const IRREGULAR: u64 = 3 << 11;

/// Header bits that make a block special: without them times are regular, and values are coded each, exactly and as
/// themselves.
pub(super) const SPECIAL: u64 = IRREGULAR | 1 << 13 | 1 << 14 | 1 << 15 | 1 << 28 | 3 << 61;

/// Has a block of that first word fractions?
#[inline]
pub(super) fn is_of_fractions(header: u64) -> bool {
    header >> 62 & 1 != 0 && header >> 22 & 3 == 3
}

impl Layout {
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self::read_as::<false>(bytes, word(bytes, 0))
    }

    /// `PLAIN` promises that nothing of [`SPECIAL`] is set.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a cursor reads the header at each step, and leaves out what it needs not"
    )]
    pub(super) fn read_as<const PLAIN: bool>(bytes: &[u8], header: u64) -> Self {
        let nibble = |from: u32| (header >> from & 15).min(8) as usize;
        let mut at = HEADER;
        let first_timestamp = if header >> 10 & 1 == 0 {
            at += 4;
            (word(bytes, HEADER) & 0xffff_ffff).cast_signed()
        } else {
            signed(bytes, &mut at, 8)
        };
        let stride = signed(bytes, &mut at, nibble(48));
        let (mut drift, mut drift_at, mut drift_width) = (0, 0, 0);
        let mut time = Time::Regular;
        if !PLAIN && header >> 11 & 3 != 0 {
            let width = nibble(52);
            let head = word(bytes, at) as u8;
            at += 1;
            if header >> 11 & 3 == 1 {
                let count = usize::from(head);
                time = Time::Gaps { at, count, width };
                at += count * (2 + width);
            } else {
                time = Time::Jitter {
                    k: u32::from(head) & 63,
                };
                (drift_at, drift_width) = (at, width);
                drift = signed(bytes, &mut at, width);
            }
        }
        let base = signed(bytes, &mut at, nibble(40));
        let previous = signed(bytes, &mut at, nibble(44));
        let transform = (header >> 16) as u8;
        let (mut divisor, mut center) = (0, 0);
        if transform >= 128 {
            let words = word(bytes, at);
            divisor = words as u16;
            at += 2;
            if !PLAIN && is_of_fractions(header) {
                center = (words >> 16) as u32;
                at += 4;
            }
        }
        let (mut multiple, mut offset) = (1, 0);
        if !PLAIN && header >> 61 & 1 != 0 {
            let width = (word(bytes, at) & 7) as usize + 1;
            at += 1;
            multiple = signed(bytes, &mut at, width);
            offset = signed(bytes, &mut at, width);
        }
        let mut dictionary = None;
        if !PLAIN && header >> 62 & 1 != 0 && !is_of_fractions(header) {
            let head = word(bytes, at);
            let count = (head & 255) as u32 + 1;
            let width = (head >> 8 & 7) as usize + 1;
            dictionary = Some(Dictionary {
                at: at + 2,
                width,
                count,
                ranked: head >> 15 & 1 != 0,
            });
            at += 2 + count as usize * width;
        }
        let run_k = (header >> 29 & 7) as u32;
        Self {
            len: len_of(header),
            runs: header >> 13 & 1 != 0,
            noise: header >> 14 & 1 != 0,
            flat: header >> 15 & 1 != 0,
            difference: header >> 28 & 1 != 0,
            transform,
            divisor,
            center,
            fraction: is_of_fractions(header),
            multiple,
            offset,
            dictionary,
            run_k,
            noise_runs: header >> 13 & 3 == 2 && run_k > 0,
            scale: scale::start((header >> 32) as u8),
            predictor: Predictor::new((header >> 24 & 15) as usize, base, (header >> 56 & 31) as u32),
            time,
            first_timestamp,
            stride,
            drift,
            drift_at,
            drift_width,
            previous,
            stream: at,
        }
    }

    pub(super) fn start(&self) -> State {
        let (level, previous) = match self.fraction() {
            Some(fraction) => fraction.start().pack(),
            None => (0, self.previous),
        };
        State {
            timestamp: self.first_timestamp,
            level,
            previous,
            bit: self.stream as u32 * 8,
            run: 0,
            index: 0,
            scale: self.scale,
        }
    }

    fn gap(&self, bytes: &[u8], index: u32) -> i64 {
        let Time::Gaps { at, count, width } = self.time else {
            return 0;
        };
        for gap in 0..count {
            let mut from = at + gap * (2 + width);
            let place = (word(bytes, from) & 0xffff) as u32;
            if place == index {
                from += 2;
                return signed(bytes, &mut from, width);
            }
        }
        0
    }

    /// Is each gap before one of the samples, and behind the gap before it? Those that are elsewhere would be waiting for the block
    /// to grow.
    pub(super) fn has_its_gaps(&self, bytes: &[u8]) -> bool {
        let Time::Gaps { at, count, width } = self.time else {
            return true;
        };
        let mut places = (0..count).map(|gap| word(bytes, at + gap * (2 + width)) & 0xffff);
        let mut before = 0;
        places.all(|place| {
            let is_behind = place > before;
            before = place;
            is_behind && place < u64::from(self.len)
        })
    }

    pub(super) fn last_timestamp(&self, bytes: &[u8]) -> i64 {
        let steps = i64::from(self.len) - 1;
        let regular = self.first_timestamp.wrapping_add(self.stride.wrapping_mul(steps));
        match self.time {
            Time::Regular => regular,
            Time::Gaps { at, count, width } => (0..count).fold(regular, |sum, gap| {
                let mut from = at + gap * (2 + width) + 2;
                sum.wrapping_add(signed(bytes, &mut from, width))
            }),
            Time::Jitter { .. } => regular.wrapping_add(self.drift),
        }
    }

    /// The next sample. `PLAIN` promises that times are regular and values are coded each, exactly and as themselves.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "state stays in registers over the loop")]
    pub(super) fn step<const PLAIN: bool>(
        &self,
        bytes: &[u8],
        value_of: impl Fn(i64) -> f64,
        state: &mut State,
    ) -> (i64, f64) {
        if state.index > 0 {
            state.timestamp = state.timestamp.wrapping_add(self.stride);
            if !PLAIN && self.time != Time::Regular {
                let (off, next) = self.irregular(bytes, state.index, state.bit);
                state.timestamp = state.timestamp.wrapping_add(off);
                state.bit = next;
            }
        }
        state.index += 1;
        if !PLAIN && let Some(fraction) = self.fraction() {
            return (state.timestamp, self.step_fraction(fraction, bytes, state));
        }
        let coded = if PLAIN {
            true
        } else if self.runs {
            run_ends(bytes, self.run_k, state)
        } else {
            !self.flat
        };
        let mut exception = None;
        let mut residual = 0;
        if coded {
            let (z, mut next) = rice_or_escape(bytes, state.bit, rice_k(state.scale));
            if let Some(z) = z {
                state.scale = rescale(state.scale, z);
                residual = unzigzag(if !PLAIN && self.runs { z.wrapping_add(1) } else { z });
            } else {
                exception = Some(f64::from_bits(field(bytes, next, 64)));
                next += 64;
            }
            state.bit = next;
        }
        let mut key = self.predictor.forecast(state.level).wrapping_add(residual);
        state.level = self.predictor.learn(state.level, residual);
        if !PLAIN && self.difference {
            key = key.wrapping_add(state.previous);
            state.previous = key;
        }
        if !PLAIN {
            if let Some(dictionary) = self.dictionary {
                key = dictionary.key(bytes, key);
            }
            key = key.wrapping_mul(self.multiple).wrapping_add(self.offset);
        }
        let mut value = value_of(key);
        if let Some(exception) = exception {
            value = exception;
        } else if !PLAIN && self.noise {
            value = self.off_by_ulps(value, bytes, state);
        }
        (state.timestamp, value)
    }

    /// The value of the next sample, where values are fractions.
    fn step_fraction(&self, fraction: Fraction, bytes: &[u8], state: &mut State) -> f64 {
        let mut likely = Likely::unpack((state.level, state.previous));
        let (step, next) = rice_or_escape(bytes, state.bit, likely.k());
        let Some(step) = step else {
            state.bit = next + 64;
            return f64::from_bits(field(bytes, next, 64));
        };
        let denominator = fraction.denominator(likely, step);
        let (residual, next) = rice_or_escape(bytes, next, shares::rice_k(state.scale, denominator));
        state.bit = next;
        let residual = residual.unwrap_or(0);
        state.scale = shares::rescale(state.scale, residual, denominator);
        let numerator = fraction.numerator(likely, denominator).wrapping_add(unzigzag(residual));
        let mut value = fraction.value(numerator, denominator);
        if self.noise {
            value = self.off_by_ulps(value, bytes, state);
        }
        fraction.learn(&mut likely, value, step, denominator);
        (state.level, state.previous) = likely.pack();
        value
    }

    /// A value as far off as the stream says.
    fn off_by_ulps(&self, value: f64, bytes: &[u8], state: &mut State) -> f64 {
        if self.noise_runs && !run_ends(bytes, self.run_k - 1, state) {
            return value;
        }
        let (ulps, next) = rice(bytes, state.bit, 0);
        state.bit = next;
        let ulps = ulps.unwrap_or(0) + u64::from(self.noise_runs);
        f64::from_bits(value.to_bits().wrapping_add_signed(unzigzag(ulps)))
    }

    #[inline]
    pub(super) fn fraction(&self) -> Option<Fraction> {
        match self.transform() {
            Transform::Fraction(fraction) if self.fraction => Some(fraction),
            _ => None,
        }
    }

    /// How far this step is from the stride, and where the stream goes on.
    fn irregular(&self, bytes: &[u8], index: u32, bit: u32) -> (i64, u32) {
        let Time::Jitter { k } = self.time else {
            return (self.gap(bytes, index), bit);
        };
        let (z, next) = rice(bytes, bit, k);
        match z {
            Some(z) => (unzigzag(z), next),
            None => (unzigzag(field(bytes, next, 64)), next + 64),
        }
    }

    pub(super) fn transform(&self) -> Transform {
        Transform::from_code(self.transform, self.divisor, self.center).unwrap_or(Transform::Ordered(0))
    }
}

/// A number written in full or as a Rice code; None where a whole value follows. And what comes next.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as `rice`")]
fn rice_or_escape(bytes: &[u8], bit: u32, k: u32) -> (Option<u64>, u32) {
    match rice(bytes, bit, k) {
        (None, next) => escape(bytes, next),
        found => found,
    }
}

/// Is this the one behind a run? Reads how long the run is at its begin.
fn run_ends(bytes: &[u8], k: u32, state: &mut State) -> bool {
    if state.run == 0 {
        let (run, next) = rice(bytes, state.bit, k);
        let (run, next) = match run {
            Some(run) => (run, next),
            None => (field(bytes, next, RUN_BITS), next + RUN_BITS),
        };
        state.run = (run as u32).min(RUN_MAX) + 1;
        state.bit = next;
    }
    state.run -= 1;
    state.run == 0
}

/// Behind the ones of an escape: a residual with its width, or nothing when a whole value follows. And what comes next.
#[cold]
fn escape(bytes: &[u8], bit: u32) -> (Option<u64>, u32) {
    let head = field(bytes, bit, 7) as u32;
    if head & 1 != 0 {
        return (None, bit + 1);
    }
    let width = (head >> 1) + 1;
    (Some(field(bytes, bit + 7, width)), bit + 7 + width)
}
