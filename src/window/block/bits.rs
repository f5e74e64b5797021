//! Bits into bytes and back, lowest bit first.

#![expect(clippy::cast_possible_truncation, reason = "quotients and widths are small")]

/// Longest run of ones that a Rice code spends on its quotient; as many ones as this are an escape.
pub(super) const QUOTIENT_MAX: u32 = 20;

/// Bits of the length of a run, where an escape is before it.
pub(super) const RUN_BITS: u32 = 11;

/// Appends bit fields to a byte buffer.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    /// Bits of `pending` in use, below 64.
    filled: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            pending: 0,
            filled: 0,
        }
    }

    /// The same, behind the low `filled` bits (0 to 63) of `pending`; the bits above must be zero.
    pub(super) fn behind(out: &'a mut Vec<u8>, pending: u64, filled: u32) -> Self {
        Self { out, pending, filled }
    }

    /// Appends the low `width` bits of `field` (width 0..=64; the bits above must be zero).
    #[inline]
    pub(super) fn put(&mut self, field: u64, width: u32) {
        debug_assert!(width == 64 || field >> width == 0);
        self.pending |= field << self.filled;
        let filled = self.filled + width;
        if filled < 64 {
            self.filled = filled;
        } else {
            self.out.extend_from_slice(&self.pending.to_le_bytes());
            // With nothing pending a shift by 64 is meant, which leaves nothing over.
            self.pending = field.checked_shr(64 - self.filled).unwrap_or(0);
            self.filled = filled - 64;
        }
    }

    /// `n` ones.
    #[inline]
    pub(super) fn ones(&mut self, n: u32) {
        self.put((1 << n) - 1, n);
    }

    /// Rice code of `z` with `k` low bits; the caller has seen to it that `z >> k` is below [`QUOTIENT_MAX`].
    #[inline]
    pub(super) fn rice(&mut self, z: u64, k: u32) {
        let quotient = (z >> k) as u32;
        self.put((1 << quotient) - 1, quotient + 1);
        self.put(z & low_bits(k), k);
    }

    /// Rice code of any `z`: where its quotient is too long, an escape, the width less one, and all bits.
    #[inline]
    pub(super) fn rice_or_escape(&mut self, z: u64, k: u32) {
        if z >> k < u64::from(QUOTIENT_MAX) {
            self.rice(z, k);
        } else {
            let width = bit_length(z).max(1);
            self.ones(QUOTIENT_MAX);
            self.put(u64::from(width - 1) << 1, 7);
            self.put(z, width);
        }
    }

    /// Length of a run, at most 2,047, as a Rice code, or as an escape and [`RUN_BITS`].
    pub(super) fn run(&mut self, length: u64, k: u32) {
        if length >> k < u64::from(QUOTIENT_MAX) {
            self.rice(length, k);
        } else {
            self.ones(QUOTIENT_MAX);
            self.put(length, RUN_BITS);
        }
    }

    /// Bits written, those before this writer included.
    pub(super) fn bits(&self) -> u32 {
        self.out.len() as u32 * 8 + self.filled
    }

    /// Writes what is pending, up to a whole byte.
    pub(super) fn finish(self) {
        let bytes = self.filled.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.pending.to_le_bytes()[..bytes]);
    }
}

/// A mask of `n` ones, n below 64.
#[inline]
pub(super) const fn low_bits(n: u32) -> u64 {
    (1 << n) - 1
}

/// The bits from position `bit` on: at least 57 of them; zeros beyond the end.
#[inline]
pub(super) fn window(bytes: &[u8], bit: u32) -> u64 {
    word(bytes, (bit >> 3) as usize) >> (bit & 7)
}

/// The little-endian word at byte `at`; zeros beyond the end.
#[inline]
pub(super) fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(word) => u64::from_le_bytes(*word),
        None => word_at_end(bytes, at),
    }
}

#[cold]
fn word_at_end(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// `width` bits from position `bit` on (width 0..=64).
pub(super) fn field(bytes: &[u8], bit: u32, width: u32) -> u64 {
    if width <= 56 {
        window(bytes, bit) & low_bits(width)
    } else {
        let low = window(bytes, bit) & low_bits(32);
        let high = window(bytes, bit + 32) & low_bits(width - 32);
        low | high << 32
    }
}

/// Reads a Rice code with `k` low bits (k 0..=63) at position `bit`, and says where the next thing is. None for an escape:
/// what follows its ones comes next.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as a call, it takes a quarter longer to decode")]
pub(super) fn rice(bytes: &[u8], bit: u32, k: u32) -> (Option<u64>, u32) {
    let window = window(bytes, bit);
    // Only 57 bits are good, so the top one may as well end the ones.
    let quotient = (!window | 1 << 63).trailing_zeros();
    if quotient >= QUOTIENT_MAX {
        return (None, bit + QUOTIENT_MAX);
    }
    let from = quotient + 1;
    let low = if k <= 57 - QUOTIENT_MAX {
        window >> from & low_bits(k)
    } else {
        field(bytes, bit + from, k)
    };
    (Some(u64::from(quotient) << k | low), bit + from + k)
}

/// Sign in the lowest bit: 0, -1, 1, -2, … become 0, 1, 2, 3, …
#[inline]
pub(super) const fn zigzag(x: i64) -> u64 {
    (x << 1 ^ x >> 63).cast_unsigned()
}

#[inline]
pub(super) const fn unzigzag(z: u64) -> i64 {
    (z >> 1).cast_signed() ^ -(z & 1).cast_signed()
}

/// Bits that `z` takes: 0 for 0, 64 at most.
#[inline]
pub(super) const fn bit_length(z: u64) -> u32 {
    64 - z.leading_zeros()
}

/// Bytes a signed number takes: 0 for 0.
pub(super) fn width(x: i64) -> usize {
    if x == 0 {
        0
    } else {
        (bit_length(zigzag(x)) as usize).div_ceil(8)
    }
}

/// Bits of a Rice code, or of an escape with the number and its width.
pub(super) fn escaped_bits(z: u64, k: u32) -> u64 {
    rice_bits(z, k, 7 + u64::from(bit_length(z)))
}

/// Bits of a Rice code, or of an escape with that many bits behind the ones.
pub(super) fn rice_bits(z: u64, k: u32, escape: u64) -> u64 {
    let quotient = z >> k;
    if quotient < u64::from(QUOTIENT_MAX) {
        quotient + 1 + u64::from(k)
    } else {
        u64::from(QUOTIENT_MAX) + escape
    }
}
