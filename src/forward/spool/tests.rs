//! The spool against lists in memory, and on bad days: torn, damaged, full.

use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const BOUNDS: Bounds = Bounds {
    bytes_max: 1 << 20,
    keep_free_bytes: 0,
    sync_names: false,
};

fn open(directory: &Path) -> Spool {
    open_within(directory, BOUNDS)
}

fn open_within(directory: &Path, bounds: Bounds) -> Spool {
    let place = Place::claim(directory, "test").unwrap();
    Spool::open(&place, bounds).unwrap()
}

const ONE: Count = Count { fresh: 1, again: 0 };

fn append(spool: &mut Spool, line: &str) {
    spool.append([line.as_bytes()], ONE).unwrap();
}

fn text(record: &Record) -> String {
    String::from_utf8(record.lines.to_vec()).unwrap()
}

fn read_all(spool: &mut Spool) -> Vec<String> {
    std::iter::from_fn(|| spool.read())
        .map(|record| text(&record))
        .collect()
}

/// Segment files, the oldest first.
fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory.join("test"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == EXTENSION))
        .collect();
    files.sort();
    files
}

#[test]
fn lines_leave_in_order_and_come_again_after_a_restart_until_they_are_committed() {
    let directory = TempDir::new().unwrap();
    let mut spool = open(directory.path());
    for line in ["a\n", "b\n", "c\n"] {
        append(&mut spool, line);
    }
    assert_eq!(spool.unread(), Count { fresh: 3, again: 0 });
    let first = spool.read().unwrap();
    assert_eq!((text(&first), first.count), ("a\n".to_owned(), ONE));
    append(&mut spool, "d\n");
    spool.commit(first.mark).unwrap();
    assert_eq!(text(&spool.read().unwrap()), "b\n");
    drop(spool);
    let mut spool = open(directory.path());
    assert_eq!(spool.unread().fresh, 3);
    append(&mut spool, "e\n");
    assert_eq!(read_all(&mut spool), ["b\n", "c\n", "d\n", "e\n"]);
    assert!(spool.is_drained());
    assert_eq!(spool.take_mishaps(), Mishaps::default());
}

#[test]
fn what_is_committed_leaves_no_file() {
    let directory = TempDir::new().unwrap();
    let mut spool = open(directory.path());
    for round in 0..3 {
        append(&mut spool, "a\n");
        append(&mut spool, "b\n");
        spool.read().unwrap();
        let last = spool.read().unwrap();
        assert!(!spool.is_empty(), "{round}");
        spool.commit(last.mark).unwrap();
        assert!(spool.is_empty());
        assert_eq!((segments(directory.path()).len(), spool.bytes()), (0, 0));
    }
    drop(spool);
    // A position of a segment that is gone is not taken for that of a later one.
    let mut spool = open(directory.path());
    append(&mut spool, "c\n");
    drop(spool);
    assert_eq!(read_all(&mut open(directory.path())), ["c\n"]);
}

#[test]
fn full_segments_are_followed_by_others_and_the_oldest_gives_way() {
    let directory = TempDir::new().unwrap();
    let mut spool = open(directory.path());
    let line = |number: usize| format!("{number} {}\n", "x".repeat(10_000));
    let mut written = 0;
    while spool.append([line(written).as_bytes()], ONE).is_ok() {
        written += 1;
    }
    let full = spool.append([line(written).as_bytes()], ONE).unwrap_err();
    assert!(matches!(full, AppendError::Full), "{full}");
    assert!(spool.bytes() <= BOUNDS.bytes_max && spool.bytes() > BOUNDS.bytes_max * 9 / 10);
    let files = segments(directory.path());
    assert_eq!(files.len(), 4);
    let on_disk: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert_eq!(on_disk, spool.bytes());
    // Some of what gives way has been read.
    let first = spool.read().unwrap();
    assert_eq!(text(&first), line(0));
    let dropped = usize::try_from(spool.drop_oldest().unwrap().unwrap().fresh).unwrap();
    assert!(dropped > 0);
    append(&mut spool, &line(written));
    let rest: Vec<_> = (dropped + 1..=written).map(line).collect();
    assert_eq!(spool.unread().fresh, rest.len() as u64);
    // What was read and gave way can still be committed.
    spool.commit(first.mark).unwrap();
    assert_eq!(read_all(&mut spool), rest);
    while spool.drop_oldest().unwrap().is_some() {}
    assert_eq!((spool.bytes(), spool.unread()), (0, Count::default()));
}

#[test]
fn space_that_others_need_is_left_to_them() {
    let directory = TempDir::new().unwrap();
    let bounds = Bounds {
        keep_free_bytes: 1 << 60,
        ..BOUNDS
    };
    let mut spool = open_within(directory.path(), bounds);
    let full = spool.append([&b"a\n"[..]], ONE).unwrap_err();
    assert!(matches!(full, AppendError::DiskFull), "{full}");
    assert!(spool.is_empty());
}

#[test]
fn what_is_put_in_front_is_read_first_and_what_was_committed_behind_it_stays_so() {
    let directory = TempDir::new().unwrap();
    let mut spool = open(directory.path());
    for line in ["c\n", "d\n", "e\n"] {
        append(&mut spool, line);
    }
    let committed = spool.read().unwrap();
    spool.commit(committed.mark).unwrap();
    let uncommitted = spool.read().unwrap();
    let pieces = |line: &'static str| (vec![Bytes::from(line)], Count { fresh: 0, again: 1 });
    let marks = spool.prepend(&[pieces("a\n"), pieces("b\n")]).unwrap();
    // They are still in memory.
    spool.skip_to(marks[1]);
    assert_eq!(spool.unread(), ONE);
    assert_eq!(text(&spool.read().unwrap()), "e\n");
    drop(spool);
    let mut spool = open(directory.path());
    assert_eq!(spool.unread().fresh, 4);
    assert_eq!(read_all(&mut spool), ["a\n", "b\n", "d\n", "e\n"]);
    drop(spool);
    let mut spool = open(directory.path());
    spool.read().unwrap();
    let last_in_front = spool.read().unwrap();
    spool.commit(last_in_front.mark).unwrap();
    assert_eq!(segments(directory.path()).len(), 1);
    drop(spool);
    assert_eq!(read_all(&mut open(directory.path())), ["d\n", "e\n"]);
    drop(uncommitted);
}

/// A directory with two segments, the first of them finished; what is in them.
fn two_segments(directory: &Path) -> Vec<String> {
    let lines: Vec<String> = (0..6).map(|number| format!("line {number}\n")).collect();
    let mut spool = open(directory);
    for line in &lines[..3] {
        append(&mut spool, line);
    }
    spool.finish_segment().unwrap();
    for line in &lines[3..] {
        append(&mut spool, line);
    }
    lines
}

#[test]
fn a_power_cut_at_any_byte_of_the_last_record_costs_that_record_alone() {
    let directory = TempDir::new().unwrap();
    let lines = two_segments(directory.path());
    let last = segments(directory.path()).pop().unwrap();
    let whole = fs::read(&last).unwrap();
    let begins = whole.len() - format::RECORD_HEAD_BYTES - lines[5].len();
    for cut in begins..=whole.len() {
        for zeroed in [false, true] {
            // Some file systems have the length before the bytes.
            let mut bytes = whole[..cut].to_vec();
            if zeroed {
                bytes.resize(whole.len() + 100, 0);
            }
            fs::write(&last, &bytes).unwrap();
            let mut spool = open(directory.path());
            let is_whole = cut == whole.len();
            assert_eq!(read_all(&mut spool), lines[..5 + usize::from(is_whole)], "{cut}");
            let is_torn = zeroed || !(is_whole || cut == begins);
            let mishaps = Mishaps {
                torn: is_torn.into(),
                ..Mishaps::default()
            };
            assert_eq!(spool.take_mishaps(), mishaps, "{cut}");
            append(&mut spool, "next\n");
            assert_eq!(read_all(&mut spool), ["next\n"]);
            drop(spool);
            // What was torn off is gone for good, and what came then is there.
            let mut spool = open(directory.path());
            assert_eq!(read_all(&mut spool).pop().unwrap(), "next\n");
            assert_eq!(spool.take_mishaps(), Mishaps::default());
            drop(spool);
            fs::remove_file(segments(directory.path()).pop().unwrap()).unwrap();
        }
    }
}

#[test]
fn any_flipped_byte_costs_what_is_behind_it_in_its_segment_and_the_file_is_kept() {
    let pristine = TempDir::new().unwrap();
    let lines = two_segments(pristine.path());
    let files = segments(pristine.path());
    for (index, file) in files.iter().enumerate() {
        let whole = fs::read(file).unwrap();
        for place in 0..whole.len() {
            let directory = TempDir::new().unwrap();
            fs::create_dir(directory.path().join("test")).unwrap();
            for other in &files {
                let mut bytes = fs::read(other).unwrap();
                if other == file {
                    bytes[place] ^= 0x10;
                }
                fs::write(directory.path().join("test").join(other.file_name().unwrap()), bytes).unwrap();
            }
            let mut spool = open(directory.path());
            let (first, second) = lines.split_at(3);
            let record = format::RECORD_HEAD_BYTES + first[0].len();
            let intact = place.saturating_sub(format::HEAD_SIZE) / record;
            let expected = match index {
                0 => [&first[..intact.min(3)], second].concat(),
                _ => [first, &second[..intact.min(3)]].concat(),
            };
            let mut got = Vec::new();
            let mut last = None;
            while let Some(record) = spool.read() {
                got.push(text(&record));
                last = Some(record.mark);
            }
            assert_eq!(got, expected, "segment {index} byte {place}");
            let mishaps = spool.take_mishaps();
            assert_eq!(
                mishaps.torn + mishaps.damaged,
                1,
                "segment {index} byte {place}: {mishaps:?}"
            );
            // It goes on.
            append(&mut spool, "next\n");
            let next = spool.read().unwrap();
            assert_eq!(text(&next), "next\n");
            spool.commit(last.unwrap()).unwrap();
            spool.commit(next.mark).unwrap();
            assert!(spool.is_empty(), "segment {index} byte {place}: {spool:?}");
            let kept = fs::read_dir(directory.path().join("test"))
                .unwrap()
                .filter(|entry| {
                    entry
                        .as_ref()
                        .unwrap()
                        .path()
                        .extension()
                        .is_some_and(|end| end == "damaged")
                })
                .count();
            assert_eq!(kept as u64, mishaps.damaged, "segment {index} byte {place}");
        }
    }
}

#[test]
fn damage_that_is_found_while_reading_is_counted_in_lines() {
    let directory = TempDir::new().unwrap();
    let lines = two_segments(directory.path());
    let first = segments(directory.path()).swap_remove(0);
    let mut bytes = fs::read(&first).unwrap();
    let place = format::HEAD_SIZE + 2 * (format::RECORD_HEAD_BYTES + lines[0].len()) - 1;
    bytes[place] ^= 1;
    fs::write(&first, bytes).unwrap();
    let mut spool = open(directory.path());
    assert_eq!(spool.unread().fresh, 6);
    assert_eq!(text(&spool.read().unwrap()), lines[0]);
    assert_eq!(text(&spool.read().unwrap()), lines[3]);
    let mishaps = Mishaps {
        torn: 0,
        damaged: 1,
        lines_lost: 2,
    };
    assert_eq!((spool.take_mishaps(), spool.unread().fresh), (mishaps, 2));
}

#[test]
fn damage_that_is_found_at_the_start_is_counted_in_lines() {
    let pristine = TempDir::new().unwrap();
    two_segments(pristine.path());
    let last = segments(pristine.path()).pop().unwrap();
    let whole = fs::read(&last).unwrap();
    let record = (whole.len() - format::HEAD_SIZE) / 3;
    // In the line of the second of three records.
    let mut bytes = whole;
    bytes[format::HEAD_SIZE + record + format::RECORD_HEAD_BYTES] ^= 1;
    fs::write(&last, bytes).unwrap();
    let mut spool = open(pristine.path());
    assert_eq!((spool.unread().fresh, spool.recovered()), (4, 6));
    let mishaps = Mishaps {
        torn: 0,
        damaged: 1,
        lines_lost: 2,
    };
    assert_eq!(spool.take_mishaps(), mishaps);
}

#[test]
fn files_of_others_and_of_other_versions_are_not_touched() {
    let directory = TempDir::new().unwrap();
    let place = directory.path().join("test");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("7.segment"), b"skyspool\x63\0\0\0 something new").unwrap();
    fs::write(place.join("notes.txt"), "mine").unwrap();
    fs::write(place.join("x.segment"), "mine, too").unwrap();
    let mut spool = open(directory.path());
    assert_eq!(spool.read(), None);
    assert_eq!(spool.take_mishaps().damaged, 1);
    assert!(place.join("7.segment.damaged").exists());
    assert!(place.join("notes.txt").exists() && place.join("x.segment").exists());
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Read,
    Commit,
    Finish,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..3_000_usize).prop_map(Step::Append),
        3 => Just(Step::Read),
        2 => Just(Step::Commit),
        1 => Just(Step::Finish),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The simple spool: a list, where reading is, and up to where it is committed.
    #[test]
    fn it_is_a_list_that_survives(steps in steps()) {
        let directory = TempDir::new().unwrap();
        let mut spool = open(directory.path());
        let mut list: Vec<String> = Vec::new();
        let (mut read, mut committed) = (0, 0);
        let mut mark = None;
        for step in steps {
            match step {
                Step::Append(bytes) => {
                    let line = format!("{} {}\n", list.len(), "x".repeat(bytes));
                    append(&mut spool, &line);
                    list.push(line);
                }
                Step::Read => {
                    let record = spool.read();
                    prop_assert_eq!(record.as_ref().map(text), list.get(read).cloned());
                    if let Some(record) = record {
                        read += 1;
                        mark = Some((record.mark, read));
                    }
                }
                Step::Commit => {
                    if let Some((mark, upto)) = mark.take() {
                        spool.commit(mark).unwrap();
                        committed = upto;
                    }
                }
                Step::Finish => spool.finish_segment().unwrap(),
                Step::Kill => {
                    drop(spool);
                    spool = open(directory.path());
                    read = committed;
                    mark = None;
                }
            }
            prop_assert_eq!(spool.unread().sum(), (list.len() - read) as u64);
            prop_assert_eq!(spool.is_drained(), list.len() == read);
        }
        prop_assert_eq!(read_all(&mut spool), &list[read..]);
        prop_assert_eq!(spool.take_mishaps(), Mishaps::default());
    }
}

/// A segment whose records, and a position whose places, have the checksums of what is in them now.
fn mend(bytes: &mut [u8], is_position: bool) {
    if is_position {
        for slot in bytes.chunks_mut(64).filter(|slot| slot.len() >= 36) {
            let sum = crc32fast::hash(&slot[..32]);
            slot[32..36].copy_from_slice(&sum.to_le_bytes());
        }
        return;
    }
    let mut at = format::HEAD_SIZE;
    while let Some(head) = bytes.get(at..at + format::RECORD_HEAD_BYTES) {
        let length = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
        let end = if length == 0 {
            at + format::END_SIZE
        } else {
            at + format::RECORD_HEAD_BYTES + length
        };
        let Some(record) = bytes.get_mut(at..end) else {
            return;
        };
        let sum = crc32fast::hash(&[&record[..4], &record[8..]].concat());
        record[4..8].copy_from_slice(&sum.to_le_bytes());
        at = end;
    }
}

proptest! {
    #[test]
    fn changed_files_are_read_as_far_as_they_are_good(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..9)), 1..4),
        is_mended: bool,
    ) {
        let directory = TempDir::new().unwrap();
        let mut spool = open(directory.path());
        let lines: Vec<String> = (0..8).map(|number| format!("line {number}\n")).collect();
        for (place, line) in lines.iter().enumerate() {
            append(&mut spool, line);
            if place % 3 == 2 {
                spool.finish_segment().unwrap();
            }
        }
        let first = spool.read().unwrap();
        spool.commit(first.mark).unwrap();
        drop(spool);

        let mut files = segments(directory.path());
        files.push(directory.path().join("test").join("position"));
        for (file, place, bytes) in &changes {
            let number = file.index(files.len());
            let mut changed = fs::read(&files[number]).unwrap();
            let place = place.index(changed.len() + 1);
            if bytes.is_empty() {
                changed.truncate(place);
            } else {
                let end = changed.len().min(place + bytes.len());
                changed.splice(place..end, bytes.iter().copied());
            }
            if is_mended {
                mend(&mut changed, number + 1 == files.len());
            }
            fs::write(&files[number], &changed).unwrap();
        }

        // A record whose length was changed, and that is good all the same, may have become several.
        let size = |file: &PathBuf| fs::metadata(file).map_or(0, |metadata| metadata.len());
        let records_max = if is_mended {
            files.iter().map(size).sum::<u64>() / format::RECORD_HEAD_BYTES as u64
        } else {
            lines.len() as u64
        };
        let mut spool = open(directory.path());
        let mut left = lines.iter();
        let mut read = 0;
        while let Some(record) = spool.read() {
            read += 1;
            prop_assert!(read <= records_max, "{read} of {records_max}");
            let is_next = left.any(|line| line.as_bytes() == record.lines);
            prop_assert!(is_mended || is_next, "{:?}", record);
        }
        append(&mut spool, "new\n");
        let last = spool.read().unwrap();
        prop_assert_eq!(text(&last), "new\n");
        spool.commit(last.mark).unwrap();
        prop_assert!(spool.is_empty());
    }
}
