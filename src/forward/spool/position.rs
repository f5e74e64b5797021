//! How far a spool has been delivered: two places in one small file, written in turn, so that one is always whole.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use crate::{
    disk,
    save::{Save, Saved, fields},
};

/// Distance of the two places (bytes).
const SLOT_BYTES: u64 = 64;

/// More than any number in the file is: sums of such numbers stay far from overflow.
const NUMBER_MAX: u64 = 1 << 60;

/// Up to where a segment has been delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::forward) struct Mark {
    /// Number of the segment.
    pub(super) segment: u64,
    /// Byte of the segment.
    pub(super) offset: u64,
    /// Lines of the segment before it.
    pub(super) lines: u64,
}
fields!(Mark { segment, offset, lines });

/// What a place holds, before its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// The higher, the later.
    turn: u64,
    mark: Mark,
}
fields!(Slot { turn, mark });

/// The file.
#[derive(Debug)]
pub(super) struct Position {
    file: File,
    turn: u64,
}

impl Position {
    /// Opens the file, or makes one, and reads the later of what is whole in it.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<Mark>)> {
        let file = disk::ours(
            File::options().read(true).write(true).create(true).truncate(false),
            path,
        )?;
        let slots = [0, 1].map(|slot| read(&file, slot * SLOT_BYTES));
        let latest = slots.into_iter().flatten().max_by_key(|slot| slot.turn);
        let turn = latest.map_or(0, |slot| slot.turn);
        Ok((Self { file, turn }, latest.map(|slot| slot.mark)))
    }

    /// Writes `mark` over the older of the two.
    pub(super) fn write(&mut self, mark: Mark) -> io::Result<()> {
        let turn = self.turn + 1;
        let mut bytes = Vec::new();
        Slot { turn, mark }.save(&mut bytes);
        crc32fast::hash(&bytes).save(&mut bytes);
        self.file.write_all_at(&bytes, (turn % 2) * SLOT_BYTES)?;
        self.turn = turn;
        Ok(())
    }
}

fn read(file: &File, at: u64) -> Option<Slot> {
    let mut bytes = [0; 8 + 24 + 4];
    file.read_exact_at(&mut bytes, at).ok()?;
    let (content, sum) = bytes.split_at(bytes.len() - 4);
    let slot = Slot::load(&mut Saved::new(content)).ok()?;
    let Mark { segment, offset, lines } = slot.mark;
    let is_possible = [slot.turn, segment, offset, lines]
        .iter()
        .all(|&number| number <= NUMBER_MAX);
    (is_possible && sum == crc32fast::hash(content).to_le_bytes()).then_some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(segment: u64) -> Mark {
        Mark {
            segment,
            offset: 12,
            lines: 3,
        }
    }

    #[test]
    fn the_latest_is_read_and_a_torn_one_gives_way_to_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("position");
        let (mut position, none) = Position::open(&path).unwrap();
        assert_eq!(none, None);
        for segment in 1..=5 {
            position.write(mark(segment)).unwrap();
            assert_eq!(Position::open(&path).unwrap().1, Some(mark(segment)));
        }
        let whole = std::fs::read(&path).unwrap();
        // The fifth is in the second place.
        for byte in 64..whole.len() {
            let mut torn = whole.clone();
            torn[byte] ^= 0x40;
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(Position::open(&path).unwrap().1, Some(mark(4)), "{byte}");
        }
        for length in 64..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(Position::open(&path).unwrap().1, Some(mark(4)), "{length}");
        }
    }
}
