//! Lines: each is read as it is read plainly, whatever stands around it.

use proptest::prelude::*;
use skyrelay::line::{self, LineError, Poison, Scanned, Timestamp};

use crate::{
    changes::text,
    harness::{Allowed, Turn, none},
    plain_line,
};

/// By the clock of the relay.
const RECEIVED: Timestamp = 1_800_000_000;

/// Blanks, line ends among them, and what looks like them.
fn blank() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        10 => Just(b" ".to_vec()),
        4 => prop::sample::select(vec![&b"  "[..], b"\t", b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x1f", b"\0", b"\x1b"])
            .prop_map(<[u8]>::to_vec),
        2 => prop::sample::select(vec!['\u{85}', '\u{a0}', '\u{1680}', '\u{2003}', '\u{200b}', '\u{2028}', '\u{3000}', '\u{feff}'])
            .prop_map(|blank| blank.to_string().into_bytes()),
    ]
}

/// Numbers, and what is nearly one.
fn number() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => text("-?[0-9]{1,12}(\\.[0-9]{0,8})?"),
        3 => text("[0-9]{9,11}"),
        2 => text("[0-9]{16,24}"),
        2 => text("[+-]?[0-9]{0,20}\\.?[0-9]{0,20}(e[+-]?[0-9]{0,4})?"),
        2 => text("[-+._eE0-9]{1,10}"),
        2 => text("[+-]?[0-9]_?[0-9]?_?_?[0-9]?(\\._?[0-9]_?[0-9])?"),
        2 => prop::sample::select(vec![
            "nan", "NaN", "-nan", "inf", "-inf", "+Inf", "infinity", "Infinity", "INF", "infinit", "1e400", "-1e400", "1e140",
            "1.0000000000000002e140", "-1e141", "1e-400", "5e-324", "-1", "-1.9", "-0.5", "0x10", "0b1", "1,5", "\u{661}",
            "9223372036854775807", "9223372036854775808", "-9223372036854775809", "999999999999999999", "1e18", "253402300799",
            "0.1", "9007199254740993", "18014398509481985", "00000000000000000000000000000001", "true", "none", "1e", "1e+", "e5",
        ]).prop_map(str::to_owned),
    ]
    .prop_map(String::into_bytes)
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => text("[a-z.]{1,30}").prop_map(String::into_bytes),
        1 => text("[a-z]{1,8}(;[a-z]{1,5}=[a-z]{0,5}){1,3}").prop_map(String::into_bytes),
        1 => text("\\PC{1,20}").prop_map(String::into_bytes),
        1 => text("[a-z.]{60,140}").prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 1..12),
        1 => number(),
    ]
}

/// Most are what senders send, or nearly.
pub(crate) fn line() -> impl Strategy<Value = Vec<u8>> {
    let usual = (
        name(),
        blank(),
        number(),
        blank(),
        number(),
        prop_oneof![3 => Just(Vec::new()), 1 => Just(b"\r".to_vec()), 1 => blank()],
    )
        .prop_map(|(name, first, value, second, timestamp, end)| [name, first, value, second, timestamp, end].concat());
    let pieces = prop_oneof![2 => blank(), 2 => number(), 1 => name()];
    prop_oneof![
        8 => usual,
        3 => prop::collection::vec(pieces, 0..9).prop_map(|pieces| pieces.concat()),
        1 => prop::collection::vec(any::<u8>(), 0..80),
        1 => Just(Vec::new()),
    ]
}

/// Lines with their ends, the last perhaps without, and how long one may be.
pub(crate) fn chunk() -> impl Strategy<Value = (Vec<u8>, usize)> {
    let lines = prop::collection::vec(line(), 0..8);
    (
        lines,
        prop::sample::select(vec![64, 65, 70, 100, 127, 128, 1000]),
        any::<bool>(),
    )
        .prop_map(|(lines, max_line_bytes, is_whole)| {
            let mut bytes = lines.join(&b'\n');
            if is_whole {
                bytes.push(b'\n');
            }
            (bytes, max_line_bytes)
        })
}

#[test]
fn lines() {
    let turn = Turn::take();
    let allowed = Allowed {
        heap_bytes: 100_000,
        panics: none,
    };
    turn.fuzz("lines", allowed, &chunk(), |(bytes, max_line_bytes)| {
        check(bytes, *max_line_bytes)
    });
}

fn check(bytes: &[u8], max_line_bytes: usize) -> Result<(), TestCaseError> {
    let mut scanned = Vec::new();
    line::scan(bytes, max_line_bytes, |line| scanned.push(line));
    let mut sifted = Vec::new();
    let count = line::sift(bytes, max_line_bytes, |before, span, poison| {
        sifted.push((before, span, poison));
    });

    // What stands behind the last newline is looked at by nobody.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let plain: Vec<&[u8]> = bytes[..whole]
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| &line[..line.len() - 1])
        .collect();
    prop_assert_eq!(scanned.len(), plain.len());
    prop_assert_eq!(count, plain.len() as u64);
    let mut sifted = sifted.into_iter();
    let mut begin = 0;
    for (place, (line, scanned)) in (0..).zip(plain.into_iter().zip(scanned)) {
        let span = begin..begin + line.len();
        begin = span.end + 1;
        let too_long = (line.len() > max_line_bytes).then_some(Poison::TooLong);
        let read = line::parse(line, RECEIVED);
        prop_assert!(
            same(
                &read.map(|sample| (sample.name, sample.value, sample.timestamp)),
                &plain_line::read(line, RECEIVED)
            ),
            "{read:?}"
        );
        if let Some(poison) = too_long.or_else(|| plain_line::poison(line)) {
            prop_assert_eq!(scanned, Scanned::Poison(span.clone(), poison));
            prop_assert_eq!(sifted.next(), Some((place, span, poison)));
            continue;
        }
        let Scanned::Line(found) = scanned else {
            return Err(TestCaseError::fail(format!("{scanned:?}")));
        };
        prop_assert_eq!(&found.span, &span);
        let text = std::str::from_utf8(line).unwrap();
        let name = &bytes[found.name.clone()];
        let plain_name = plain_line::fields(text).first().copied().unwrap_or_default();
        prop_assert_eq!(name, plain_name.as_bytes());
        // As shards read it.
        if !name.is_empty() {
            let fields = line::parse_fields(&bytes[found.name.end..span.end], RECEIVED);
            let read = fields.map(|(value, timestamp)| (name, value, timestamp));
            prop_assert!(same(&read, &plain_line::read(line, RECEIVED)), "{read:?}");
        }
    }
    prop_assert_eq!(sifted.next(), None);
    Ok(())
}

/// To the bit.
fn same(read: &Result<(&[u8], f64, Timestamp), LineError>, plainly: &plain_line::Read<'_>) -> bool {
    match (read, plainly) {
        (Ok((name, value, timestamp)), Ok((plain_name, plain_value, plain_timestamp))) => {
            (*name, value.to_bits(), timestamp) == (plain_name.as_bytes(), plain_value.to_bits(), plain_timestamp)
        }
        (Err(error), Err(plain_error)) => error == plain_error,
        _ => false,
    }
}
