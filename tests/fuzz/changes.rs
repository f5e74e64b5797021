//! Changes to bytes that were good.

use proptest::{prelude::*, sample::Index, string::string_regex};

/// Texts that match a regular expression, which is compiled once: as a strategy of its own it is compiled for each text.
pub(crate) fn text(regex: &str) -> impl Strategy<Value = String> + use<> {
    string_regex(regex).unwrap()
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A bit flips.
    Flip(Index, u8),
    /// Bytes are written over others.
    Put(Index, Vec<u8>),
    /// Bytes come in between.
    Insert(Index, Vec<u8>),
    /// Bytes go.
    Remove(Index, usize),
    /// Bytes come a second time, elsewhere.
    Copy(Index, Index, usize),
    /// The rest goes.
    End(Index),
}

/// Numbers at which readers err: lengths blown up, the ends of their ranges, and what is no number.
fn numbers() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            0,
            1,
            2,
            0x7f,
            0xff,
            0x100,
            0xffff,
            1 << 20,
            1 << 30,
            1 << 31,
            u32::MAX - 1,
            u32::MAX
        ])
        .prop_map(|number: u32| number.to_le_bytes().to_vec()),
        prop::sample::select(vec![
            0,
            1,
            -1,
            i64::MIN,
            i64::MAX,
            i64::MAX / 2,
            1 << 40,
            -(1 << 40),
            10_000_000_000_000
        ])
        .prop_map(|number: i64| number.to_le_bytes().to_vec()),
        prop::sample::select(vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            1e140,
            -1e300,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY
        ])
        .prop_map(|number: f64| number.to_le_bytes().to_vec()),
        prop::sample::select(vec![0.0, -1.0, f32::MAX, f32::MIN_POSITIVE, f32::NAN, f32::INFINITY])
            .prop_map(|number: f32| number.to_le_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 1..9),
    ]
}

/// Changes, from none to some.
pub(crate) fn changes(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        3 => (any::<Index>(), 0..8_u8).prop_map(|(place, bit)| Change::Flip(place, bit)),
        4 => (any::<Index>(), numbers()).prop_map(|(place, bytes)| Change::Put(place, bytes)),
        1 => (any::<Index>(), numbers()).prop_map(|(place, bytes)| Change::Insert(place, bytes)),
        1 => (any::<Index>(), 1..20_usize).prop_map(|(place, count)| Change::Remove(place, count)),
        1 => (any::<Index>(), any::<Index>(), 1..40_usize).prop_map(|(from, to, count)| Change::Copy(from, to, count)),
        1 => any::<Index>().prop_map(Change::End),
    ];
    prop::collection::vec(change, count)
}

/// Makes the changes, one after the other.
pub(crate) fn apply(changes: &[Change], bytes: &mut Vec<u8>) {
    for change in changes {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match change {
            Change::Flip(place, bit) => bytes[place.index(length)] ^= 1 << bit,
            Change::Put(place, new) => {
                let place = place.index(length);
                let end = length.min(place + new.len());
                bytes.splice(place..end, new.iter().copied());
            }
            Change::Insert(place, new) => {
                let place = place.index(length + 1);
                bytes.splice(place..place, new.iter().copied());
            }
            Change::Remove(place, count) => {
                let place = place.index(length);
                bytes.drain(place..length.min(place + count));
            }
            Change::Copy(from, to, count) => {
                let from = from.index(length);
                let copy = bytes[from..length.min(from + count)].to_vec();
                let to = to.index(length + 1);
                bytes.splice(to..to, copy);
            }
            Change::End(place) => bytes.truncate(place.index(length)),
        }
    }
}
