//! Numbers as Python's `float` takes them.

/// Digits that always fit a `u64`, and powers of ten that are exact in a `f64`.
const DIGITS_MAX: usize = 19;
const EXACT_MANTISSA_MAX: u64 = 1 << 53;
#[rustfmt::skip]
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The number that `text` spells, or `None` when Python's `float` would raise `ValueError`.
///
/// Overflow gives an infinity, as in Python. Digits other than ASCII's are not taken.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    parse_decimal(text).or_else(|| parse_general(text))
}

/// The fast path, for a decimal and nothing behind it.
fn parse_decimal(text: &[u8]) -> Option<f64> {
    let (value, rest) = take_decimal(text)?;
    rest.is_empty().then_some(value)
}

/// Takes `-?[0-9]*\.?[0-9]*` off the front of `text`, with at least one digit and few enough to be exact.
///
/// A mantissa below 2^53 and a power of ten up to 10^22 are both exact, so their quotient is rounded once
/// (Clinger 1990) and equals what the general parser gives.
pub(super) fn take_decimal(text: &[u8]) -> Option<(f64, &[u8])> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut mantissa = 0_u64;
    let mut point = None;
    let mut length = 0;
    for &byte in digits.iter().take(DIGITS_MAX + 1) {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if byte == b'.' && point.is_none() {
            point = Some(length);
        } else {
            break;
        }
        length += 1;
    }
    let fraction_digits = point.map_or(0, |place| length - place - 1);
    let digit_count = length - usize::from(point.is_some());
    if digit_count == 0 || length > DIGITS_MAX || mantissa > EXACT_MANTISSA_MAX {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 2^53, hence exact")]
    let magnitude = mantissa as f64 / POWERS_OF_TEN[fraction_digits];
    Some((if negative { -magnitude } else { magnitude }, &digits[length..]))
}

/// The number that 1 to 18 digits and nothing else spell.
pub(super) fn parse_digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    let (first, last) = match text.split_last_chunk() {
        Some((first, last)) => (first, parse_eight_digits(*last)?),
        None => (text, 0),
    };
    let scale = if first.len() == text.len() { 1 } else { 100_000_000 };
    let mut number = 0;
    for byte in first {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(number * scale + last)
}

/// All eight at once: neighbours are joined to numbers of two digits, those to numbers of four, and those to one.
fn parse_eight_digits(text: [u8; 8]) -> Option<i64> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    const LOW_BITS: u64 = u64::from_le_bytes([0x0f; 8]);
    let text = u64::from_le_bytes(text);
    let digits = text ^ ZEROS;
    // Above 9, six more carry into the upper half of the byte.
    if (digits | (digits.wrapping_add(u64::from_le_bytes([6; 8])))) & !LOW_BITS != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let eight = (fours * 10_000 + (fours >> 32)) & 0xffff_ffff;
    i64::try_from(eight).ok()
}

/// Everything else: Rust's grammar is Python's, but for underscores between digits.
fn parse_general(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.contains('_') {
        return text.parse().ok();
    }
    let bytes = text.as_bytes();
    let between_digits = |place: usize| {
        place > 0 && bytes[place - 1].is_ascii_digit() && bytes.get(place + 1).is_some_and(u8::is_ascii_digit)
    };
    let well_placed = (0..bytes.len()).all(|place| bytes[place] != b'_' || between_digits(place));
    if well_placed {
        text.replace('_', "").parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn is(text: &str, expected: f64) {
        let value = parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a number"));
        assert_eq!(value.to_bits(), expected.to_bits(), "{text} gave {value}");
    }

    #[test]
    fn what_python_takes() {
        is("12.5", 12.5);
        is("1e3", 1000.0);
        is("+5", 5.0);
        is(".5", 0.5);
        is("5.", 5.0);
        is("1_000", 1000.0);
        is("1_0.2_5e1_0", 10.25e10);
        is("-0.0", -0.0);
        is("0.1", 0.1);
        is("51.846000000000004", 51.846_000_000_000_004);
        is("9007199254740993", 9_007_199_254_740_993_f64);
        is("1e400", f64::INFINITY);
        is("-Infinity", f64::NEG_INFINITY);
        is("InF", f64::INFINITY);
        assert!(parse(b"-nAn").unwrap().is_nan());
    }

    #[test]
    fn what_python_refuses() {
        for text in [
            "", "-", "+", ".", "-.", "0x10", "1,5", "1__0", "_1", "1_", "1_.5", "1._5", "1e", "e5", "--1", "1.2.3",
            "1 2", "in_f", "1e_5", "\u{661}",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_path_agrees_with_the_general_parser(text in r"-?[0-9]{0,20}(\.[0-9]{0,20})?") {
            let fast = parse_decimal(text.as_bytes()).map(f64::to_bits);
            if fast.is_some() {
                prop_assert_eq!(fast, parse_general(text.as_bytes()).map(f64::to_bits));
            }
        }

        #[test]
        fn digits_are_read_as_the_general_parser_reads_them(text in prop_oneof![r"[0-9]{0,20}", r"[0-9/:. ]{0,20}", "[ -~]{8}"]) {
            let plainly = (text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 18).then(|| text.parse().ok()).flatten();
            prop_assert_eq!(parse_digits(text.as_bytes()), plainly);
        }

        #[test]
        fn a_decimal_ends_where_it_ends(text in r"-?[0-9]{1,9}(\.[0-9]{0,6})?", behind in "[ a-z-]{0,30}") {
            let whole = text.clone() + &behind;
            let (value, rest) = take_decimal(whole.as_bytes()).unwrap();
            prop_assert_eq!((value.to_bits(), rest), (text.parse::<f64>().unwrap().to_bits(), behind.as_bytes()));
        }

        #[test]
        fn shortest_forms_come_back(value in proptest::num::f64::NORMAL) {
            prop_assert_eq!(parse(value.to_string().as_bytes()).map(f64::to_bits), Some(value.to_bits()));
        }
    }
}
