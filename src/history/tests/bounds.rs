//! The history is no larger, and no older, than it may be.

use std::fs;

use super::*;

/// Bytes of all files in a folder.
fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap());
    files.filter(fs::Metadata::is_file).map(|metadata| metadata.len()).sum()
}

#[test]
fn the_oldest_give_way_before_there_is_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let mut removed = 0;
    for round in 0..80 {
        let entries: Vec<_> = (0..100).map(|place| closed(1 + round * 100 + place, 1, 2)).collect();
        let (written, outcome) = store.append(&entries, 5, ROOM);
        outcome.unwrap();
        removed += written.removed;
        assert!(size(folder.path()) <= ROOM.bytes_max, "{}", size(folder.path()));
        assert_eq!(lock(store.index()).bytes(), size(folder.path()));
    }
    assert!(removed > 10, "{removed}");
    // What is left is what was written last, and nearly as much as there may be.
    assert!(size(folder.path()) > ROOM.bytes_max * 14 / 16);
    let kept = all_ids(&store);
    let expected: Vec<u64> = (1..=8000).rev().take(kept.len()).collect();
    assert!(kept == expected && kept.len() > 1000, "{}", kept.len());
    // Less is allowed from now on.
    let less = Bounds {
        bytes_max: 256 << 10,
        ..ROOM
    };
    assert!(store.make_room(0, 5, less).unwrap() > 5);
    assert!(size(folder.path()) <= less.bytes_max);
    assert_eq!(all_ids(&open(folder.path()))[0], 8000);
}

#[test]
fn what_is_too_old_is_not_found_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let day = Bounds {
        age_max_s: Some(86_400),
        ..ROOM
    };
    for hour in 0..48 {
        append(&mut store, &[closed(1 + hour, 1, 2)], 3600 * hour.cast_signed(), day);
    }
    let now = 47 * 3600;
    assert_eq!(
        ids(&search(&store, &everything(), day.since(now))),
        (24..=48).rev().collect::<Vec<_>>()
    );
    // On disk there is little more than that.
    assert!(all_ids(&store).len() < 28, "{:?}", all_ids(&store));
    assert!(store.make_room(0, now + 2 * 86_400, day).unwrap() > 10);
    assert_eq!(all_ids(&store), [0_u64; 0]);
    assert_eq!(files::numbers(folder.path()).unwrap(), [0_u64; 0]);
    append(&mut store, &[closed(99, 1, 2)], now + 2 * 86_400, day);
    assert_eq!(all_ids(&open(folder.path())), [99]);
}

#[test]
fn a_search_looks_at_so_much_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let bounds = Bounds {
        bytes_max: 128 << 20,
        ..ROOM
    };
    let long = "x".repeat(1000);
    let entries: Vec<_> = (1..=30_000)
        .map(|id| entry(What::Closed, anomaly(id, &format!("{long}.{id}"), 1, Some(2))))
        .collect();
    append(&mut store, &entries, 5, bounds);
    let mut wanted = Wanted {
        series: Glob::new("**.7").unwrap(),
        ..everything()
    };
    let first = search(&store, &wanted, Timestamp::MIN);
    assert!(first.is_cut_short && first.anomalies.is_empty(), "{first:?}");
    assert!((20_000..30_000).contains(&first.looked_at), "{}", first.looked_at);
    wanted.before = first.next;
    let second = search(&store, &wanted, Timestamp::MIN);
    assert_eq!((ids(&second), second.next), (vec![7], None));
    assert_eq!(first.looked_at + second.looked_at, 30_000);
    // Those of another time are not even read.
    let later = Wanted {
        from: 1000,
        ..everything()
    };
    assert_eq!(search(&store, &later, Timestamp::MIN).looked_at, 0);
}

#[test]
fn a_record_that_is_too_long_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let long = entry(What::Opened, anomaly(2, &"x".repeat(300_000), 1, None));
    let (written, outcome) = store.append(&[opened(1, 1), long, opened(3, 3)], 5, ROOM);
    outcome.unwrap();
    assert_eq!((written.records, written.too_long), (3, 1));
    assert_eq!(all_ids(&store), [3, 1]);
}
