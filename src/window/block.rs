//! Sealed blocks: a compressed run of samples of one series, lossless to the bit.
//!
//! Knows nothing of windows: who fills blocks and drops them is the caller's affair. A timestamp is in seconds and comes
//! after the one before; a value is finite. A block remembers -0.0 and every other bit.
//!
//! * A block is one allocation of exactly its size, with a handle of 16 bytes.
//! * It grows at its end by samples like those before ([`extend`]), and its first samples go where that makes the allocation
//!   smaller ([`cut`]); neither codes again what is there.
//! * A [`Cursor`] has 32 bytes, borrows nothing and steps from sample to sample in O(1), however the block is coded. It stays
//!   good when the block grows, and when samples go that it has passed.
//! * Bytes from outside go through [`Block::from_bytes`], which walks them once. Bytes that did not would still neither
//!   panic nor read beyond the end: sums wrap, and zeros follow the last byte.
//! * Costs, measured on operations data: 1.3 bytes a value overall, 1.9 as the mean over series, handle included; about
//!   60 ns a value to seal, 15 to add, 300 ns more for long among fractions; 14 ns a cursor's step (10 where nothing is special, 25
//!   among runs and means), 6 ns a value to decode in bulk, 7 ns to take back.
//!
//! # How a value becomes bits
//!
//! 1. A **transform** ([`keys`]) finds the number that the double was before it became one: an integer *key* with value = key /
//!    10^d, or with so many significant digits ([`significant`]); or key / D for some small D, perhaps printed with 6 or 15
//!    digits and read back (rates over a minute); or a number of single precision, printed and read back; or a fraction with a
//!    denominator of its own (means of so many things, [`fractions`]); or, failing these, the double's bits mapped to an
//!    integer of the same order. Decimals that a quick reader read are often an ulp off (45.51600000000001): where dividing as
//!    it did gives the same double ([`digits::Division`]), they cost nothing more. Other values a few ulps from a decimal
//!    (51.846000000000004) keep that distance beside their key. What all keys of the block share, key = multiple * key' +
//!    offset, is taken out.
//! 2. A block with few distinct keys may have a **dictionary** ([`distinct`]); its entries' numbers then are the keys.
//! 3. A **forecast** ([`predict`]) of the key, or of its step from the one before, leaves a residual e:
//!    forecast = base + level, level' = phi (level + gain e): ARMA(1,1) with phi and gain from a bank of 16. With
//!    (0, 0) it is the distance from the mean, with (1, 1) the delta, with (1, g) an exponentially weighted mean.
//! 4. z = zigzag(e) is written as a **Rice code**: z >> k ones, a zero, the k low bits. k is the logarithm of a mean that
//!    follows the z before ([`scale`]). Where most residuals are 0, run lengths of zeros stand between the others; and so
//!    with distances in ulps.
//! 5. Twenty ones are an **escape**: what follows is a residual with its width, or a whole double that fits no key.
//!
//! # Format
//!
//! Little-endian; a *number* is signed and has the width that a nibble of the first word gives, 0 to 8 bytes.
//!
//! ```text
//! word, 8 bytes, lowest bit first:
//!   0 len - 1 (low 10)  10 wide first timestamp   11 time (2): 0 regular, 1 gaps, 2 jitter, 3 a front
//!  13 runs             14 ulps with each value   15 flat: every residual is 0 and none is written
//!  16 transform (8)    24 bank (4)               28 difference
//!  29 k of run lengths; without runs, one more than that of ulps that come in runs, else 0 (3)
//!  32 scale (8)        40 width of base (4)      44 width of previous (4)
//!  48 of stride (4)    52 of gaps or drift (4)   56 unit of levels (5)
//!  61 multiple         62 fractions, of a transform of these; else dictionary
//!  63 len - 1 (top 1)
//! first timestamp      4 bytes unsigned, or 8
//! stride               number
//! gaps                 count (1), then for each: index (2), seconds beyond the stride (number)
//! or jitter            k (1), last timestamp less where the stride puts it (number)
//! base, previous       numbers; the key before the first, less base, when differences are forecast
//! divisor              2 bytes: D, or with significant digits d, or with fractions scale of denominators (8), way of expecting (3),
//!                      they wander, power of ten that is the unit (4, signed)
//! center               4 bytes, fractions alone: the value expected first
//! multiple, offset     width - 1 (1), two numbers of that width
//! dictionary           entries - 1 (1), width - 1 | by frequency << 7 (1), the entries
//! stream               for each sample: step (jitter) · run (runs) · residual or escape · run · ulps; with fractions, the step
//!                      of the denominator or escape · residual · run · ulps
//! ```
//!
//! A block whose first samples are gone has a front, and behind it all of the above but the first bytes of the stream:
//!
//! ```text
//! word, 8 bytes:
//!   0 len - 1 of what is left (low 10)   10 wide seconds   11 = 3 (2)   13 bytes of the stream that are gone (18)
//!  31 bits of the next that are (3)  34 what is left of a run (12)  46 scale (16)  63 len - 1 (top 1)
//! width of level | width of previous << 4 (1)
//! seconds since the first timestamp, 4 bytes unsigned, or 8, of the last that is gone; level; previous
//! ```
//!
//! Transform codes: d; 32 + d divided in steps; 63 for single precision, 61 read in steps; 64 + zeros cut from the bits' low end;
//! 128 + digits (0 all, n significant, 31 single precision, 30 read in steps, 32 + n decimals); 180 + n significant digits
//! alone; 192 + digits for fractions.

mod bits;
mod cut;
mod digits;
mod distinct;
mod extend;
mod fractions;
mod keys;
mod layout;
mod plan;
mod predict;
mod ratios;
mod scale;
mod seal;
mod significant;
mod units;

use bits::word;
use cut::Body;
pub(crate) use extend::End;
use keys::Transform;
use layout::{Layout, SPECIAL, State};
pub(crate) use seal::Scratch;
use std::fmt;

/// Most samples in a block.
pub(crate) const BLOCK_LEN: usize = 2048;

/// Bytes of the header that are always there.
const HEADER: usize = 8;
/// Bits of the first word that hold the length less one.
const LEN_BITS: u64 = 1 << 63 | 1023;
/// Longest run that is written as such: a whole block less one.
const RUN_MAX: u32 = 2047;
const _: () = assert!(RUN_MAX as usize + 1 == BLOCK_LEN);

/// Samples, of the first word of a block or of a front.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "11 bits")]
const fn len_of(word: u64) -> u32 {
    ((word & 1023) | (word >> 63 << 10)) as u32 + 1
}

/// The first word with so many samples in it, 1 to [`BLOCK_LEN`].
const fn with_len(word: u64, len: usize) -> u64 {
    let bits = len as u64 - 1;
    (word & !LEN_BITS) | (bits & 1023) | (bits >> 10 << 63)
}

/// A compressed run of samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    bytes: Box<[u8]>,
}

/// Why bytes are no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockError {
    /// The header runs over the end, or says what no block says.
    Header,
    /// The samples need more or fewer bytes than there are.
    Length,
    /// A timestamp does not come after the one before, or a value is not finite.
    Sample,
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "the header of a block does not fit its bytes",
            Self::Length => "a block has more or fewer bytes than its samples need",
            Self::Sample => "a block holds a sample out of order or a value that is not finite",
        })
    }
}

impl std::error::Error for BlockError {}

/// A place in a block, before one of its samples. To be used with that block alone; with another it yields nonsense, but
/// does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    timestamp: i64,
    level: i64,
    previous: i64,
    /// Bits from the start of the block in the low [`PLACE_BITS`], what is left of a run above.
    place: u32,
    index: u16,
    scale: u16,
}

/// A block takes fewer bits than 2^20: some 220 a sample and a header; and a damaged one does not lead further than 400.
const PLACE_BITS: u32 = 20;

impl Block {
    /// Compresses 1 to [`BLOCK_LEN`] samples: timestamps strictly increasing (seconds), values finite. `scratch` may have
    /// served any other series before; but for its growth, the block is all that is allocated.
    ///
    /// # Panics
    ///
    /// When there are no samples, too many, or not as many timestamps as values.
    pub(crate) fn seal(timestamps: &[i64], values: &[f64], scratch: &mut Scratch) -> Self {
        let (bytes, _) = scratch.seal(timestamps, values, false);
        Self { bytes }
    }

    /// The same for long: looks further for fewer bytes (fractions, dictionaries, differences), and takes so many of the first samples
    /// that the block fills an allocation, as none of its bytes lies idle then. Returns how many: nearly all.
    pub(crate) fn seal_for_long(timestamps: &[i64], values: &[f64], scratch: &mut Scratch) -> (Self, usize) {
        let (bytes, len) = scratch.seal(timestamps, values, true);
        (Self { bytes }, len)
    }

    /// Samples in the block.
    pub(crate) fn len(&self) -> usize {
        len_of(word(&self.bytes, 0)) as usize
    }

    /// Timestamp of the first sample (seconds).
    pub(crate) fn first_timestamp(&self) -> i64 {
        let mut first = 0;
        self.cursor().take(self, 1, |timestamp, _| first = timestamp);
        first
    }

    /// Timestamp of the last sample (seconds).
    pub(crate) fn last_timestamp(&self) -> i64 {
        let bytes = Body::of(&self.bytes).bytes;
        Layout::read(bytes).last_timestamp(bytes)
    }

    /// A place before the first sample.
    pub(crate) fn cursor(&self) -> Cursor {
        let body = Body::of(&self.bytes);
        Cursor::pack(&body.start(&Layout::read(body.bytes)), body.gone_bits())
    }

    /// Hands every sample to `each`, in order; three times as fast as a cursor.
    pub(crate) fn decode(&self, each: impl FnMut(i64, f64)) {
        let body = Body::of(&self.bytes);
        if body.header & SPECIAL == 0 {
            decode_as::<true>(&body, each);
        } else {
            decode_as::<false>(&body, each);
        }
    }

    /// The block as stored.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes stored bytes back. Walks all samples, so that what comes out keeps a block's promises, whoever wrote it:
    /// timestamps increase, values are finite, and [`Block::last_timestamp`] is the last one's.
    ///
    /// # Errors
    ///
    /// When the bytes are no block, or not exactly one.
    pub(crate) fn from_bytes(bytes: Box<[u8]>) -> Result<Self, BlockError> {
        if bytes.len() < HEADER {
            return Err(BlockError::Header);
        }
        let body = Body::of(&bytes);
        let layout = Layout::read(body.bytes);
        if !body.is_sound(&layout) || Transform::from_code(layout.transform, layout.divisor, layout.center).is_none() {
            return Err(BlockError::Header);
        }
        let bits = if body.header & SPECIAL == 0 {
            examine::<true>(&body)?
        } else {
            examine::<false>(&body)?
        };
        if bits.div_ceil(8) as usize != body.bytes.len() {
            return Err(BlockError::Length);
        }
        Ok(Self { bytes })
    }
}

#[expect(clippy::cast_precision_loss, reason = "as in `Transform::value`")]
fn decode_as<const PLAIN: bool>(body: &Body<'_>, each: impl FnMut(i64, f64)) {
    let layout = Layout::read_as::<PLAIN>(body.bytes, body.header);
    match layout.transform() {
        // The usual one, compiled by itself.
        Transform::Quotient(divisor) => decode_by::<PLAIN>(body, &layout, |key| key as f64 / divisor, each),
        transform => decode_by::<PLAIN>(body, &layout, |key| transform.value(key), each),
    }
}

fn decode_by<const PLAIN: bool>(
    body: &Body<'_>,
    layout: &Layout,
    value: impl Fn(i64) -> f64,
    mut each: impl FnMut(i64, f64),
) {
    let mut state = body.start(layout);
    while state.index < layout.len {
        let (timestamp, value) = layout.step::<PLAIN>(body.bytes, &value, &mut state);
        each(timestamp, value);
    }
}

/// Walks all samples and looks at each. Gives the bits that the block has.
fn examine<const PLAIN: bool>(body: &Body<'_>) -> Result<u32, BlockError> {
    let bytes = body.bytes;
    let layout = Layout::read_as::<PLAIN>(bytes, body.header);
    let transform = layout.transform();
    // Whether a value is finite is cheaper to say than what it is; what is adjusted afterwards has to be known.
    let adjusted = !PLAIN && layout.noise;
    let value_of = |key| {
        if adjusted || !transform.is_finite(key) {
            transform.value(key)
        } else {
            0.0
        }
    };
    let mut state = body.start(&layout);
    let mut last = None;
    while state.index < layout.len {
        let (timestamp, value) = layout.step::<PLAIN>(bytes, value_of, &mut state);
        if !value.is_finite() || last.is_some_and(|last| last >= timestamp) {
            return Err(BlockError::Sample);
        }
        last = Some(timestamp);
    }
    if last != Some(layout.last_timestamp(bytes)) {
        return Err(BlockError::Sample);
    }
    Ok(state.bit)
}

impl Cursor {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most 2,048, and 64 * 256")]
    fn pack(state: &State, gone_bits: u32) -> Self {
        Self {
            timestamp: state.timestamp,
            level: state.level,
            previous: state.previous,
            place: state.bit.wrapping_add(gone_bits) & ((1 << PLACE_BITS) - 1) | state.run << PLACE_BITS,
            index: state.index as u16,
            scale: state.scale as u16,
        }
    }

    /// Bits from the start of the block.
    fn bit(&self) -> u32 {
        self.place & ((1 << PLACE_BITS) - 1)
    }

    /// Hands the samples from here on to `each`, at most `count` of them, and goes on behind these. The header is looked at
    /// once, so several together cost less than one by one.
    pub(crate) fn take(&mut self, block: &Block, count: u32, each: impl FnMut(i64, f64)) {
        let body = Body::of(&block.bytes);
        if body.header & SPECIAL == 0 {
            self.take_as::<true>(&body, count, each);
        } else {
            self.take_as::<false>(&body, count, each);
        }
    }

    fn take_as<const PLAIN: bool>(&mut self, body: &Body<'_>, count: u32, mut each: impl FnMut(i64, f64)) {
        let layout = Layout::read_as::<PLAIN>(body.bytes, body.header);
        let gone_bits = body.gone_bits();
        let mut state = State {
            timestamp: self.timestamp,
            level: self.level,
            previous: self.previous,
            bit: self.bit().saturating_sub(gone_bits),
            run: self.place >> PLACE_BITS,
            index: u32::from(self.index),
            scale: u32::from(self.scale),
        };
        let transform = layout.transform();
        let end = layout.len.min(state.index.saturating_add(count));
        while state.index < end {
            let (timestamp, value) = layout.step::<PLAIN>(body.bytes, |key| transform.value(key), &mut state);
            each(timestamp, value);
        }
        *self = Self::pack(&state, gone_bits);
    }

    /// The sample here, and on to the next one; None behind the last.
    #[cfg(test)]
    pub(crate) fn next(&mut self, block: &Block) -> Option<(i64, f64)> {
        let mut sample = None;
        self.take(block, 1, |timestamp, value| sample = Some((timestamp, value)));
        sample
    }
}

#[cfg(test)]
mod tests;
