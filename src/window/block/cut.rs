//! Blocks whose first samples are gone: what stood before the others in the stream is cut off, and in front of the block
//! stands what coding it has left, so that none of the others is coded again.
//!
//! A block is cut only where it then fits a smaller allocation. Cursors go by places in the block as it was sealed, and stay
//! good as long as their samples are there.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "fields are cut out of words; a block has at most 2,048 samples and fewer than 2^20 bits"
)]

use super::bits::{width, word};
use super::layout::{IRREGULAR, Layout, State, put_signed, signed};
use super::seal::allocation_below;
use super::{Block, HEADER, PLACE_BITS, len_of, with_len};

/// What the first word says of time where a front stands before the block.
const CUT: u64 = 3 << 11;
/// Bytes of a front with nothing in it.
const FRONT: usize = HEADER + 1;
/// Bytes left of the stream from which it is not cut further.
const STREAM_MIN: usize = 48;
/// Before it is looked at again, so large a part of what is left is to be too old.
const PART_MIN: u64 = 16;

/// A block as it was sealed, but for what is cut out of its stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    front: &'a [u8],
    pub(super) bytes: &'a [u8],
    /// Its first word.
    pub(super) header: u64,
}

impl<'a> Body<'a> {
    #[inline]
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let header = word(bytes, 0);
        if header & IRREGULAR == CUT {
            Self::behind_front(bytes, header)
        } else {
            Self {
                front: &[],
                bytes,
                header,
            }
        }
    }

    fn behind_front(bytes: &'a [u8], first: u64) -> Self {
        let widths = word(bytes, HEADER);
        let (level, previous) = (nibble(widths, 0), nibble(widths, 4));
        let time = if first >> 10 & 1 == 0 { 4 } else { 8 };
        let (front, bytes) = bytes.split_at((FRONT + time + level + previous).min(bytes.len()));
        Self {
            front,
            bytes,
            header: word(bytes, 0),
        }
    }

    /// Can they be a block, and has it the samples that its front says are left?
    pub(super) fn is_sound(&self, layout: &Layout) -> bool {
        let is_block =
            self.bytes.len() >= layout.stream && self.header & IRREGULAR != CUT && layout.has_its_gaps(self.bytes);
        let left = len_of(word(self.front, 0));
        let bits = self.bytes.len() * 8 + self.gone_bits() as usize;
        is_block && (self.front.is_empty() || left < layout.len && bits < 1 << PLACE_BITS)
    }

    /// Bits that are cut out of the stream.
    #[inline]
    pub(super) fn gone_bits(&self) -> u32 {
        if self.front.is_empty() {
            0
        } else {
            (word(self.front, 0) >> 13 & 0x3_ffff) as u32 * 8
        }
    }

    /// Before the first sample that is left.
    #[inline]
    pub(super) fn start(&self, layout: &Layout) -> State {
        if self.front.is_empty() {
            layout.start()
        } else {
            self.start_behind_front(layout)
        }
    }

    fn start_behind_front(&self, layout: &Layout) -> State {
        let first = word(self.front, 0);
        let widths = word(self.front, HEADER);
        let mut at = FRONT;
        let elapsed = if first >> 10 & 1 == 0 {
            at += 4;
            (word(self.front, FRONT) & 0xffff_ffff).cast_signed()
        } else {
            signed(self.front, &mut at, 8)
        };
        State {
            timestamp: layout.first_timestamp.wrapping_add(elapsed),
            level: signed(self.front, &mut at, nibble(widths, 0)),
            previous: signed(self.front, &mut at, nibble(widths, 4)),
            bit: layout.stream as u32 * 8 + (first >> 31 & 7) as u32,
            run: (first >> 34 & 0xfff) as u32,
            index: layout.len.saturating_sub(len_of(first)),
            scale: (first >> 46 & 0xffff) as u32,
        }
    }

    /// A front for a block that begins at `start`.
    fn put_front(&self, layout: &Layout, start: &State, out: &mut Vec<u8>) {
        let elapsed = start.timestamp.wrapping_sub(layout.first_timestamp);
        let near = u32::try_from(elapsed).is_ok();
        let cut = (start.bit / 8 - layout.stream as u32) + self.gone_bits() / 8;
        let first = u64::from(!near) << 10
            | CUT
            | u64::from(cut) << 13
            | u64::from(start.bit % 8) << 31
            | u64::from(start.run) << 34
            | u64::from(start.scale) << 46;
        let widths = (width(start.level), width(start.previous));
        let left = (layout.len - start.index) as usize;
        out.extend_from_slice(&with_len(first, left).to_le_bytes());
        out.push((widths.0 | widths.1 << 4) as u8);
        put_signed(out, elapsed, if near { 4 } else { 8 });
        put_signed(out, start.level, widths.0);
        put_signed(out, start.previous, widths.1);
    }
}

/// Bytes of a front for a block that begins at `start`.
fn front_bytes(layout: &Layout, start: &State) -> usize {
    let elapsed = start.timestamp.wrapping_sub(layout.first_timestamp);
    let time = if u32::try_from(elapsed).is_ok() { 4 } else { 8 };
    FRONT + time + width(start.level) + width(start.previous)
}

fn nibble(widths: u64, from: u32) -> usize {
    (widths >> from & 15).min(8) as usize
}

impl Block {
    /// Lets go of the samples at or before `horizon` if the others then take a smaller allocation. Says how many have gone,
    /// and when (by the horizon) to look again. Walks the samples that are too old.
    ///
    /// The last sample is after `horizon`.
    pub(crate) fn cut(&mut self, horizon: i64) -> (usize, i64) {
        let body = Body::of(&self.bytes);
        let layout = Layout::read(body.bytes);
        let ends = layout.last_timestamp(body.bytes);
        let mut next = body.start(&layout);
        let begun = next.index;
        let mut start;
        loop {
            start = next;
            let (timestamp, _) = layout.step::<false>(body.bytes, |_| 0.0, &mut next);
            if timestamp > horizon || next.index >= layout.len {
                break;
            }
        }
        let mut out = Vec::new();
        let mut bytes = self.bytes.len();
        let mut gone = 0;
        let stream = body.bytes.len() - start.bit as usize / 8;
        let front = front_bytes(&layout, &start);
        let mut smaller = allocation_below(bytes - 1);
        let mut lacking = (front + layout.stream + stream).saturating_sub(smaller);
        if start.index > begun && lacking == 0 {
            out.reserve_exact(front + layout.stream + stream);
            body.put_front(&layout, &start, &mut out);
            out.extend_from_slice(&body.bytes[..layout.stream]);
            out.extend_from_slice(&body.bytes[start.bit as usize / 8..]);
            gone = (start.index - begun) as usize;
            bytes = out.len();
            smaller = allocation_below(bytes - 1);
            lacking = bytes - smaller;
        }
        if gone > 0 {
            self.bytes = out.into_boxed_slice();
        }
        // Could it ever be smaller?
        let left = u64::from(layout.len - start.index);
        let due = if smaller < front + layout.stream + STREAM_MIN {
            ends
        } else {
            let samples = (lacking as u64 * left / stream.max(1) as u64 + 1).max(left / PART_MIN);
            let begins = start.timestamp.max(horizon);
            let step = ends.saturating_sub(begins) / left as i64;
            begins.saturating_add(step.saturating_mul(samples as i64)).min(ends)
        };
        (gone, due.max(horizon.saturating_add(1)))
    }
}
