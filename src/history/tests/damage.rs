//! What becomes of files that are not what was written.

use std::fs;

use proptest::prelude::*;

use super::*;

/// A part of a file.
#[derive(Clone, Debug)]
enum Piece {
    Whole(u64),
    Torn(u64, usize),
    Flipped(u64, usize, u8),
    Noise(Vec<u8>),
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        let whole = |id: u64| line(&closed(id, 10, 20), 30);
        match self {
            Self::Whole(id) => whole(*id),
            Self::Torn(id, keep) => {
                let mut line = whole(*id);
                line.truncate(keep % line.len());
                line
            }
            Self::Flipped(id, place, bit) => {
                let mut line = whole(*id);
                let place = place % line.len();
                line[place] ^= 1 << (bit % 8);
                line
            }
            Self::Noise(noise) => noise.clone(),
        }
    }
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        4 => (1..20_u64).prop_map(Piece::Whole),
        1 => (1..20_u64, any::<usize>()).prop_map(|(id, keep)| Piece::Torn(id, keep)),
        1 => (1..20_u64, any::<usize>(), any::<u8>()).prop_map(|(id, place, bit)| Piece::Flipped(id, place, bit)),
        1 => prop::collection::vec(prop_oneof![Just(b'\n'), Just(b' '), any::<u8>()], 0..50).prop_map(Piece::Noise),
    ]
}

/// The numbers in lines whose checksum holds, the newest first, each once. The plain way.
fn plainly(bytes: &[u8]) -> Vec<u64> {
    let text: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let mut found = Vec::new();
    for line in text[..text.len() - 1].iter().rev() {
        if line.len() < 9 || line[8] != b' ' {
            continue;
        }
        let sum = std::str::from_utf8(&line[..8])
            .ok()
            .and_then(|sum| u32::from_str_radix(sum, 16).ok());
        if sum != Some(crc32fast::hash(&line[9..])) {
            continue;
        }
        let Some(begins) = line.iter().position(|&byte| byte == b'{') else {
            continue;
        };
        let Ok(value) = serde_json::from_slice::<Value>(&line[begins..]) else {
            continue;
        };
        let id = value["id"].as_u64().unwrap();
        if !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_segment_holds_what_is_whole_is_read_back(pieces in prop::collection::vec(piece(), 0..12)) {
        let folder = tempfile::tempdir().unwrap();
        let segment = files::path(folder.path(), 3);
        let bytes = pieces.iter().flat_map(Piece::bytes).collect::<Vec<_>>();
        fs::write(&segment, &bytes).unwrap();
        let expected = plainly(&bytes);
        // As somebody sees it who may not touch it, and then as its owner does.
        prop_assert_eq!(&ids(&OnDisk::open(folder.path()).unwrap().search(&everything())), &expected);
        prop_assert_eq!(&fs::read(&segment).unwrap(), &bytes);
        let (mut store, found) = Store::open(folder.path()).unwrap();
        prop_assert_eq!(&all_ids(&store), &expected);
        prop_assert_eq!(found.torn > 0, !bytes.is_empty() && bytes.last() != Some(&b'\n'));
        // What is damaged is there for whoever asks why.
        let aside = folder.path().join("00000000000000000003.segment.damaged");
        if found.damaged > 0 {
            prop_assert_eq!(fs::read(&aside).unwrap(), bytes);
        } else {
            prop_assert!(!aside.exists());
        }
        // It goes on from there, and the next one finds nothing to put right.
        append(&mut store, &[closed(99, 10, 20)], 40, ROOM);
        let (store, found) = Store::open(folder.path()).unwrap();
        prop_assert_eq!((found.torn, found.damaged), (0, 0));
        prop_assert_eq!(all_ids(&store), [vec![99], expected].concat());
    }
}

#[test]
fn an_end_that_was_cut_off_at_any_byte_costs_one_record() {
    let lines = [closed(1, 1, 2), opened(2, 5)].map(|entry| line(&entry, 9)).concat();
    let first = line(&closed(1, 1, 2), 9).len();
    for end in 0..=lines.len() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(files::path(folder.path(), 1), &lines[..end]).unwrap();
        let (store, found) = Store::open(folder.path()).unwrap();
        let whole: &[u64] = match end {
            end if end == lines.len() => &[2, 1],
            end if end >= first => &[1],
            _ => &[],
        };
        assert_eq!(all_ids(&store), whole, "{end}");
        let is_torn = end != 0 && end != first && end != lines.len();
        assert_eq!((found.torn, found.damaged), (is_torn.into(), 0), "{end}");
    }
}

#[test]
fn what_is_set_aside_goes_with_its_segment() {
    let folder = tempfile::tempdir().unwrap();
    let noise = [b"noise\n".repeat(3), line(&closed(1, 1, 2), 9)].concat();
    fs::write(files::path(folder.path(), 1), &noise).unwrap();
    let (mut store, found) = Store::open(folder.path()).unwrap();
    assert_eq!((found.damaged, found.records), (3, 1));
    assert_eq!(lock(store.index()).bytes(), (2 * noise.len() - 18) as u64);
    let day = Bounds {
        age_max_s: Some(86_400),
        ..ROOM
    };
    store.make_room(0, 1_000_000, day).unwrap();
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_later_versions_write_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let rest = b"30 painted {\"id\":5,\"color\":\"blue\"}";
    let strange = format!("{:08x} {}\n", crc32fast::hash(rest), std::str::from_utf8(rest).unwrap());
    let bytes = [strange.into_bytes(), line(&closed(1, 1, 2), 9)].concat();
    fs::write(files::path(folder.path(), 1), &bytes).unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let (store, found) = Store::open(folder.path()).unwrap();
    assert_eq!((found.damaged, found.torn, found.records), (0, 0, 1));
    assert_eq!(all_ids(&store), [1]);
    assert_eq!(fs::read(files::path(folder.path(), 1)).unwrap(), bytes);
}

#[test]
fn a_segment_that_is_removed_by_somebody_else_is_missed_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let entries: Vec<_> = (1..=1000).map(|id| closed(id, 1, 2)).collect();
    append(&mut store, &entries, 9, ROOM);
    let numbers = files::numbers(folder.path()).unwrap();
    assert!(numbers.len() > 3, "{numbers:?}");
    fs::remove_file(files::path(folder.path(), numbers[1])).unwrap();
    let found = search(&store, &everything(), Timestamp::MIN);
    assert!(
        found.anomalies.len() > 500 && found.unreadable == 0,
        "{}",
        found.anomalies.len()
    );
    // What cannot be read is passed over, and counted.
    fs::create_dir(files::path(folder.path(), numbers[1])).unwrap();
    let found = search(&store, &everything(), Timestamp::MIN);
    assert!(found.anomalies.len() > 500 && found.unreadable == 1, "{found:?}");
}
