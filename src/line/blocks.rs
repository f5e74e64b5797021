//! A chunk, 64 bytes at a time: which of them end lines, part fields, and end a number, as a bit for each byte.
//!
//! What is said of a byte depends on those before it only, so the blocks of a chunk are looked at in their order, once,
//! without a branch on what they hold.

use wide::u8x16;

/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 64;

/// What 64 bytes are; the first byte has the lowest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Place of the first byte in the chunk.
    pub(super) begin: usize,
    /// Newlines.
    pub(super) newlines: u64,
    /// Blanks and carriage returns.
    pub(super) blanks: u64,
    /// Newlines right behind a field of fewer than 127 digits, points and signs, or behind such a field and one carriage
    /// return. Such a field is a finite number, or none.
    pub(super) behind_number: u64,
    /// Is there anything but printable ASCII, blanks, carriage returns and newlines?
    pub(super) is_odd: bool,
}

/// What the bytes before a block have to say about it.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    /// 1: a blank comes right before.
    blank: u64,
    /// 1: a number goes on.
    number: u64,
    /// 1: a number and a carriage return come right before.
    ended: u64,
}

/// Calls `each` for every block of `chunk`, in order. The last one is filled up with blanks.
pub(super) fn for_each(chunk: &[u8], mut each: impl FnMut(Block)) {
    let (whole, rest) = chunk.as_chunks();
    let mut before = Before::default();
    let mut begin = 0;
    for bytes in whole {
        each(before.look_at(begin, bytes));
        begin += BLOCK_BYTES;
    }
    if !rest.is_empty() {
        let mut bytes = [b' '; BLOCK_BYTES];
        bytes[..rest.len()].copy_from_slice(rest);
        each(before.look_at(begin, &bytes));
    }
}

impl Before {
    #[inline]
    fn look_at(&mut self, begin: usize, bytes: &[u8; BLOCK_BYTES]) -> Block {
        let (mut newlines, mut returns, mut blanks, mut digits, mut even) = (0, 0, 0, 0, 0);
        for (place, bytes) in bytes.as_chunks().0.iter().enumerate() {
            let bytes = u8x16::new(*bytes);
            let bits = |found: u8x16| u64::from(found.to_bitmask()) << (16 * place);
            // Without a comparison of unsigned bytes, as the oldest processors have none: is the least of both the byte?
            let within = |first: u8, last: u8| {
                let above_first = bytes - u8x16::splat(first);
                above_first.min(u8x16::splat(last - first)).simd_eq(above_first)
            };
            newlines |= bits(bytes.simd_eq(u8x16::splat(b'\n')));
            returns |= bits(bytes.simd_eq(u8x16::splat(b'\r')));
            blanks |= bits(bytes.simd_eq(u8x16::splat(b' ')));
            // And the slash, which only makes something that is no number.
            digits |= bits(within(b'-', b'9'));
            even |= bits(within(b' ', b'~'));
        }
        let first = (blanks << 1 | self.blank) & digits;
        // The carry runs through the digits that were begun and comes out behind them.
        let (run, goes_on) = digits.overflowing_add(first | self.number);
        let ended = run & !digits;
        let behind_return = (ended & returns) << 1 | self.ended;
        *self = Self {
            blank: blanks >> 63,
            // 64 digits and more in a row: no timestamp that anybody sends.
            number: u64::from(goes_on && digits != u64::MAX),
            ended: (ended & returns) >> 63,
        };
        Block {
            begin,
            newlines,
            blanks: blanks | returns,
            behind_number: newlines & (ended | behind_return),
            is_odd: (even | newlines | returns) != u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Places of bits over a whole chunk.
    fn places(chunk: &[u8], bits: fn(&Block) -> u64) -> Vec<usize> {
        let mut places = Vec::new();
        for_each(chunk, |block| {
            let set = (0..BLOCK_BYTES).filter(|place| bits(&block) >> place & 1 == 1);
            places.extend(set.map(|place| block.begin + place));
        });
        places.retain(|&place| place < chunk.len());
        places
    }

    fn plainly(chunk: &[u8], is: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..chunk.len()).filter(|&place| is(place)).collect()
    }

    /// Does a blank and a number of up to 126 bytes end at `end`, seen byte by byte?
    fn ends_number(chunk: &[u8], end: usize) -> bool {
        let digits = chunk[..end]
            .iter()
            .rev()
            .take_while(|byte| (b'-'..=b'9').contains(byte))
            .count();
        digits > 0 && end > digits && chunk[end - digits - 1] == b' '
    }

    proptest! {
        #[test]
        fn bits_are_what_a_look_at_each_byte_gives(chunk in r"([a-c. \r\n0-9é-]|[0-9]{20,90}| [0-9]{10}\r?\n){0,300}") {
            let chunk = chunk.as_bytes();
            prop_assert_eq!(places(chunk, |block| block.newlines), plainly(chunk, |place| chunk[place] == b'\n'));
            prop_assert_eq!(places(chunk, |block| block.blanks), plainly(chunk, |place| matches!(chunk[place], b' ' | b'\r')));
            let mut odd = Vec::new();
            for_each(chunk, |block| odd.push(block.is_odd));
            let expected: Vec<_> = chunk.chunks(BLOCK_BYTES).map(|bytes| !bytes.is_ascii()).collect();
            prop_assert_eq!(odd, expected);
            for place in places(chunk, |block| block.behind_number) {
                let end = if place > 0 && chunk[place - 1] == b'\r' { place - 1 } else { place };
                prop_assert!(chunk[place] == b'\n' && ends_number(chunk, end), "{}", place);
            }
        }

        #[test]
        fn timestamps_of_some_digits_are_found(name in "[a-z0-9.]{1,140}", digits in "[0-9.-]{1,63}", end in "\r?\n") {
            let line = format!("{name} 1 {digits}{end}");
            prop_assert_eq!(places(line.as_bytes(), |block| block.behind_number), [line.len() - 1]);
        }
    }

    #[test]
    fn bytes_that_are_odd() {
        for byte in 0..=u8::MAX {
            let mut is_odd = false;
            for_each(&[b'a', byte, b'\n'], |block| is_odd = block.is_odd);
            let is_plain = matches!(byte, b' '..=b'~' | b'\r' | b'\n');
            assert_eq!(is_odd, !is_plain, "{byte:#04x}");
        }
    }
}
