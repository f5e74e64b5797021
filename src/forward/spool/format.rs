//! A segment as bytes: a head, records of whole lines with their checksums, and an end when nothing follows.
//!
//! Little-endian.
//!
//! ```text
//! head    "skyspool" · format (4)
//! record  bytes of the lines, 1 or more (4) · CRC-32 of all but itself (4) · lines not sent before (4) · sent before (4) · lines
//! end     0 (4) · CRC-32 of all but itself (4) · the sums of both numbers over the segment (8 + 8)
//! ```
//!
//! Knows no file and no directory. Reading never panics, whatever the bytes: it stops at the first record that is not what
//! was written, and says where. A length is held against what is left before anything is allocated for it.

use std::io::{self, Read};

use bytes::Bytes;

use crate::save::{Save, Saved, fields};

/// To be raised when this version's segments would be misread by the version before.
const FORMAT: u32 = 1;
const MAGIC: [u8; 8] = *b"skyspool";

/// Bytes of the head.
pub(super) const HEAD_BYTES: u64 = HEAD_SIZE as u64;
pub(super) const HEAD_SIZE: usize = 12;
/// Bytes of a record before its lines.
pub(super) const RECORD_HEAD_BYTES: usize = 16;
/// Bytes of the end.
pub(super) const END_BYTES: u64 = END_SIZE as u64;
pub(super) const END_SIZE: usize = 24;
/// Most bytes of lines in a record; more are no record.
pub(super) const RECORD_BYTES_MAX: usize = 64 << 20;

/// More lines than any segment has: sums of such numbers stay far from overflow.
const LINES_MAX: u64 = 1 << 48;

/// Bytes in front of what the checksum is over but for the length, which it is over as well.
const SUMMED_FROM: usize = 8;

/// Lines, by whether some connection was given them before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::forward) struct Count {
    /// Never sent.
    pub(in crate::forward) fresh: u64,
    /// Sent to a connection that broke, and to be sent again.
    pub(in crate::forward) again: u64,
}
fields!(Count { fresh, again });

impl Count {
    /// All of them.
    pub(in crate::forward) fn sum(self) -> u64 {
        self.fresh + self.again
    }

    pub(in crate::forward) fn add(&mut self, other: Self) {
        self.fresh += other.fresh;
        self.again += other.again;
    }

    /// None is left where a file says that there were fewer.
    pub(super) fn take(&mut self, other: Self) {
        self.fresh = self.fresh.saturating_sub(other.fresh);
        self.again = self.again.saturating_sub(other.again);
    }
}

/// What comes next in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Lines.
    Record(Bytes, Count),
    /// Nothing, and there never will be: so many lines were in the segment.
    End(Count),
    /// Nothing so far.
    Nothing,
}

/// Bytes that are not what was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it does not begin like a segment of this version")]
    Stranger,
    #[error("it is torn off at byte {0}")]
    Torn(u64),
    /// At this byte; by its own account the record ends at the second, if it says what can be.
    #[error("it is damaged at byte {0}")]
    Damaged(u64, Option<u64>),
}

/// Reads a segment.
#[derive(Debug)]
pub(super) struct Reader<R> {
    from: R,
    at: u64,
    end: u64,
}

/// The head of every segment.
pub(super) fn head() -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    FORMAT.save(&mut head);
    head
}

/// Appends a record with `lines`, which lie in any number of pieces.
///
/// # Panics
/// When there are none, or more than a record takes.
pub(super) fn put_record<'a>(lines: impl IntoIterator<Item = &'a [u8]>, count: Count, out: &mut Vec<u8>) {
    let begins = out.len();
    out.extend_from_slice(&[0; RECORD_HEAD_BYTES]);
    lines.into_iter().for_each(|piece| out.extend_from_slice(piece));
    let bytes = out.len() - begins - RECORD_HEAD_BYTES;
    assert!((1..=RECORD_BYTES_MAX).contains(&bytes), "a record of {bytes} bytes");
    let small = |number: u64| u32::try_from(number).expect("a line takes a byte");
    let length = small(bytes as u64).to_le_bytes();
    let counts = [small(count.fresh).to_le_bytes(), small(count.again).to_le_bytes()].concat();
    out[begins + SUMMED_FROM..begins + RECORD_HEAD_BYTES].copy_from_slice(&counts);
    let sum = checksum(&length, &out[begins + SUMMED_FROM..]).to_le_bytes();
    out[begins..begins + 4].copy_from_slice(&length);
    out[begins + 4..begins + SUMMED_FROM].copy_from_slice(&sum);
}

/// The end of a segment in which there were so many lines.
pub(super) fn end(count: Count) -> Vec<u8> {
    let mut counts = Vec::new();
    count.save(&mut counts);
    let length = [0; 4];
    let sum = checksum(&length, &counts).to_le_bytes();
    [&length[..], &sum, &counts].concat()
}

fn checksum(length: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(rest);
    hasher.finalize()
}

impl<R: Read> Reader<R> {
    /// Reads the head of a segment of `size` bytes.
    pub(super) fn begin(mut from: R, size: u64) -> Result<Self, Fault> {
        if size < HEAD_BYTES {
            return Err(Fault::Torn(0));
        }
        let mut bytes = [0; HEAD_SIZE];
        fill(&mut from, &mut bytes, 0)?;
        if bytes == *head() {
            Ok(Self::resume(from, HEAD_BYTES, size))
        } else if bytes == [0; HEAD_SIZE] {
            // A disk that had the name and not yet the bytes.
            Err(Fault::Torn(0))
        } else {
            Err(Fault::Stranger)
        }
    }

    /// Reads on: `from` stands at byte `at`, where a record begins, of a segment of `size` bytes.
    pub(super) fn resume(from: R, at: u64, size: u64) -> Self {
        Self { from, at, end: size }
    }

    /// Where the next entry begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The segment has grown to `size` bytes.
    pub(super) fn grow(&mut self, size: u64) {
        self.end = self.end.max(size);
    }

    /// Reads the next entry. After a fault the reader is of no more use.
    pub(super) fn next(&mut self) -> Result<Entry, Fault> {
        let left = self.end.saturating_sub(self.at);
        if left == 0 {
            return Ok(Entry::Nothing);
        }
        let mut begin = [0; RECORD_HEAD_BYTES];
        if left < begin.len() as u64 {
            return Err(Fault::Torn(self.at));
        }
        fill(&mut self.from, &mut begin, self.at)?;
        let number = |from: usize| {
            let bytes = begin[from..from + 4].try_into().expect("four of them");
            u32::from_le_bytes(bytes)
        };
        let (length, sum) = (number(0), number(4));
        if length == 0 {
            return self.end_entry(sum, &begin[SUMMED_FROM..]);
        }
        let behind = self.at + RECORD_HEAD_BYTES as u64 + u64::from(length);
        if length as usize > RECORD_BYTES_MAX {
            return Err(Fault::Damaged(self.at, None));
        }
        if behind > self.end {
            return Err(Fault::Torn(self.at));
        }
        // Counted against what is left, so the file has as much.
        let mut lines = vec![0; length as usize];
        fill(&mut self.from, &mut lines, self.at)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&begin[..4]);
        hasher.update(&begin[SUMMED_FROM..]);
        hasher.update(&lines);
        let count = Count {
            fresh: number(8).into(),
            again: number(12).into(),
        };
        if hasher.finalize() != sum {
            return Err(Fault::Damaged(self.at, Some(behind)));
        }
        self.at = behind;
        Ok(Entry::Record(lines.into(), count))
    }

    fn end_entry(&mut self, sum: u32, begin: &[u8]) -> Result<Entry, Fault> {
        if self.end - self.at < END_BYTES {
            return Err(Fault::Torn(self.at));
        }
        let mut counts = begin.to_vec();
        counts.resize(END_SIZE - SUMMED_FROM, 0);
        fill(&mut self.from, &mut counts[begin.len()..], self.at)?;
        let count = Count::load(&mut Saved::new(&counts)).map_err(|_| Fault::Torn(self.at))?;
        if checksum(&[0; 4], &counts) != sum || count.fresh.max(count.again) > LINES_MAX {
            return Err(Fault::Damaged(self.at, None));
        }
        self.at += END_BYTES;
        Ok(Entry::End(count))
    }
}

/// A file that is shorter than it was a moment ago is torn off.
fn fill(from: &mut impl Read, bytes: &mut [u8], at: u64) -> Result<(), Fault> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::Torn(at),
        _ => Fault::Io(error),
    })
}

/// Reads a whole segment, whatever the bytes. For tests and for whoever tries to break it: entries up to the first fault.
#[cfg(test)]
pub(super) fn read_all(bytes: &[u8]) -> (Vec<Entry>, Option<Fault>) {
    let mut entries = Vec::new();
    let mut reader = match Reader::begin(bytes, bytes.len() as u64) {
        Ok(reader) => reader,
        Err(fault) => return (entries, Some(fault)),
    };
    loop {
        match reader.next() {
            Ok(Entry::Nothing) => return (entries, None),
            Ok(entry) => entries.push(entry),
            Err(fault) => return (entries, Some(fault)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(records: &[(Vec<u8>, Count)]) -> Vec<u8> {
        let mut bytes = head();
        let mut sums = Count::default();
        for (lines, count) in records {
            put_record([lines.as_slice()], *count, &mut bytes);
            sums.fresh += count.fresh;
            sums.again += count.again;
        }
        bytes.extend(end(sums));
        bytes
    }

    fn records() -> impl Strategy<Value = Vec<(Vec<u8>, Count)>> {
        let count = (any::<u32>(), any::<u32>()).prop_map(|(fresh, again)| Count {
            fresh: fresh.into(),
            again: again.into(),
        });
        prop::collection::vec((prop::collection::vec(any::<u8>(), 1..50), count), 0..6)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(records in records()) {
            let (mut entries, fault) = read_all(&segment(&records));
            prop_assert!(fault.is_none(), "{:?}", fault);
            let sums = records.iter().fold(Count::default(), |sums, (_, count)| Count {
                fresh: sums.fresh + count.fresh,
                again: sums.again + count.again,
            });
            prop_assert_eq!(entries.pop(), Some(Entry::End(sums)));
            let written = records.into_iter().map(|(lines, count)| Entry::Record(lines.into(), count));
            prop_assert_eq!(entries, written.collect::<Vec<_>>());
        }

        #[test]
        fn a_flipped_bit_is_found_and_nothing_before_it_is_lost(records in records(), place: prop::sample::Index, bit in 0..8_u32) {
            let whole = segment(&records);
            let (before, _) = read_all(&whole);
            let place = place.index(whole.len());
            let mut bytes = whole.clone();
            bytes[place] ^= 1_u8 << bit;
            let (entries, fault) = read_all(&bytes);
            prop_assert!(fault.is_some());
            prop_assert!(before.starts_with(&entries));
            // All records that end before the flipped bit are there.
            let mut ends = HEAD_SIZE;
            let mut intact = 0;
            for (lines, _) in &records {
                ends += RECORD_HEAD_BYTES + lines.len();
                intact += usize::from(ends <= place);
            }
            prop_assert_eq!(entries.len(), intact);
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes: Vec<u8>, with_head: bool) {
            if with_head {
                bytes.splice(..0, head());
            }
            let (entries, _) = read_all(&bytes);
            prop_assert!(entries.len() <= bytes.len());
        }
    }

    #[test]
    fn a_segment_cut_anywhere_gives_its_whole_records() {
        let count = Count { fresh: 2, again: 1 };
        let records = [(b"a 1 1\nb 2 2\n".to_vec(), count), (b"c 3 3\n".to_vec(), count)];
        let whole = segment(&records);
        let (all, _) = read_all(&whole);
        let ends: Vec<usize> = [HEAD_SIZE, 40, 62, whole.len()].into();
        for cut in 0..=whole.len() {
            let (entries, fault) = read_all(&whole[..cut]);
            assert_eq!(
                entries,
                all[..ends[1..].iter().filter(|&&end| end <= cut).count()],
                "{cut}"
            );
            assert_eq!(fault.is_none(), ends.contains(&cut), "{cut}: {fault:?}");
            assert!(matches!(fault, None | Some(Fault::Torn(_))), "{cut}: {fault:?}");
        }
    }

    #[test]
    fn a_length_that_cannot_be_allocates_nothing() {
        let mut bytes = head();
        bytes.extend([0xff; 100]);
        let (entries, fault) = read_all(&bytes);
        assert!(entries.is_empty());
        assert!(matches!(fault, Some(Fault::Damaged(HEAD_BYTES, None))), "{fault:?}");
    }
}
