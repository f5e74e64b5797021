//! One pass over a chunk: what is held back, what goes upstream, and which shard looks at which line.

use std::{
    hash::{BuildHasher, Hasher},
    ops::Range,
};

use ahash::RandomState;
use bytes::Bytes;

use super::ForwardInvalid;
use crate::{
    line::{self, Chunk, Poison, Scanned, Timestamp},
    shard::{Batch, LineRef, Tally, Unanalysed},
};

/// What a line is taken to be long, so that batches seldom grow.
const LINE_BYTES_USUAL: usize = 50;

/// Sorts chunks. Any number of threads may use one.
#[derive(Clone, Debug)]
pub struct Sorter {
    /// Seeded at random: names come from the network.
    hasher: RandomState,
    shards: usize,
    max_line_bytes: usize,
    forward_invalid: ForwardInvalid,
    forward_only: bool,
}

/// A chunk, sorted.
#[derive(Clone, Debug, Default)]
pub struct Sorted {
    /// All lines of the chunk.
    pub lines: u64,
    /// What goes upstream: the chunk itself, unless lines were held back.
    pub forwarded: Vec<Chunk>,
    /// What each shard looks at; nothing when no series is watched.
    pub batches: Vec<Vec<LineRef>>,
    /// Poison lines, by kind.
    pub quarantined: Quarantined,
    /// Lines held back because carbon would drop them (`forward_invalid = "drop"`).
    pub filtered: u64,
    /// Lines that no shard looks at, by reason.
    pub tally: Tally,
    /// One of the poison lines, for the log.
    pub sample: Option<(Poison, Bytes)>,
}

/// Poison lines, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quarantined([u64; Poison::ALL.len()]);

impl Sorter {
    /// A sorter for `shards` shards (1 or more) and lines of at most `max_line_bytes` (64 to 65,535).
    ///
    /// # Panics
    /// When either is out of its range.
    pub fn new(shards: usize, max_line_bytes: usize, forward_invalid: ForwardInvalid) -> Self {
        assert!(shards > 0, "there is at least one shard");
        assert!(max_line_bytes <= LineRef::LINE_BYTES_MAX, "lines fit a reference");
        Self {
            hasher: RandomState::new(),
            shards,
            max_line_bytes,
            forward_invalid,
            forward_only: false,
        }
    }

    /// The same, which does this with malformed lines. `forward_only`: without a look at names, as no series is watched and
    /// lines are only forwarded.
    #[must_use]
    pub fn going_by(&self, forward_invalid: ForwardInvalid, forward_only: bool) -> Self {
        Self {
            forward_invalid,
            forward_only,
            ..self.clone()
        }
    }

    /// Hash of a series' name, and the shard that owns the series.
    pub fn place(&self, name: &[u8]) -> (u64, usize) {
        // The bytes alone: `hash_one` would take in their number as well.
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name);
        let hash = hasher.finish();
        (hash, self.shard_of(hash))
    }

    /// Sorts the lines of `chunk`, which ends with a newline.
    pub fn sort(&self, chunk: &Bytes, received: Timestamp) -> Sorted {
        if self.forward_only
            && let Some(sorted) = self.sift(chunk, Unanalysed::Unwatched)
        {
            return sorted;
        }
        let lines_expected = chunk.len() / (LINE_BYTES_USUAL * self.shards) + 1;
        let mut sorted = Sorted {
            batches: (0..self.shards).map(|_| Vec::with_capacity(lines_expected)).collect(),
            ..Sorted::default()
        };
        let mut cut = Cutter::new(chunk);
        line::scan(chunk, self.max_line_bytes, |scanned| {
            sorted.lines += 1;
            match scanned {
                Scanned::Poison(span, poison) => {
                    cut.hold_back(span.start, span.end + 1);
                    sorted.hold_back(chunk, span, poison);
                }
                Scanned::Line(line) => {
                    if self.forward_invalid == ForwardInvalid::Drop
                        && let Err(error) = line::parse(&chunk[line.span.clone()], received)
                        && error.is_malformed()
                    {
                        cut.hold_back(line.span.start, line.span.end + 1);
                        sorted.filtered += 1;
                        sorted.tally.add_unanalysed(error.into(), 1);
                        return;
                    }
                    cut.lines += 1;
                    if self.forward_only {
                        sorted.tally.add_unanalysed(Unanalysed::Unwatched, 1);
                        return;
                    }
                    let (hash, shard) = self.place(&chunk[line.name.clone()]);
                    sorted.batches[shard].push(LineRef::new(hash, &line.name, line.span.end));
                }
            }
        });
        sorted.forwarded = cut.finish();
        sorted
    }

    /// The same for a chunk at whose lines no shard will look, for this reason: names are not looked for. `None` when
    /// malformed lines are held back, as then each line is looked at.
    pub fn sift(&self, chunk: &Bytes, reason: Unanalysed) -> Option<Sorted> {
        if self.forward_invalid == ForwardInvalid::Drop {
            return None;
        }
        let mut sorted = Sorted::default();
        let mut cut = Cutter::new(chunk);
        let mut passed = 0;
        sorted.lines = line::sift(chunk, self.max_line_bytes, |lines_before, span, poison| {
            cut.lines += lines_before - passed;
            passed = lines_before + 1;
            cut.hold_back(span.start, span.end + 1);
            sorted.hold_back(chunk, span, poison);
        });
        cut.lines += sorted.lines - passed;
        let quarantined = sorted.tally.unanalysed(Unanalysed::Quarantined);
        sorted.tally.add_unanalysed(reason, sorted.lines - quarantined);
        sorted.forwarded = cut.finish();
        Some(sorted)
    }

    /// The same for so many lines that the relay has made itself: they are good, and nobody judges them.
    pub fn pass(chunk: &Bytes, lines: u64) -> Sorted {
        let mut cut = Cutter::new(chunk);
        cut.lines = lines;
        let mut sorted = Sorted {
            lines,
            forwarded: cut.finish(),
            ..Sorted::default()
        };
        sorted.tally.add_unanalysed(Unanalysed::Own, lines);
        sorted
    }

    /// The upper half chooses the shard, as the table of a shard goes by the lower one.
    fn shard_of(&self, hash: u64) -> usize {
        let scaled = (u128::from(hash) * self.shards as u128) >> 64;
        usize::try_from(scaled).expect("less than the number of shards")
    }
}

impl Sorted {
    /// The batch for `shard`, if it has a line.
    pub fn take_batch(&mut self, shard: usize, chunk: &Bytes, received: Timestamp) -> Option<Batch> {
        let lines = std::mem::take(self.batches.get_mut(shard)?);
        (!lines.is_empty()).then(|| Batch {
            chunk: chunk.clone(),
            received,
            lines,
        })
    }

    /// Counts a poison line.
    fn hold_back(&mut self, chunk: &Bytes, span: Range<usize>, poison: Poison) {
        self.quarantined.add(poison, 1);
        self.tally.add_unanalysed(Unanalysed::Quarantined, 1);
        self.sample.get_or_insert_with(|| (poison, chunk.slice(span)));
    }
}

impl Quarantined {
    /// Adds poison lines of one kind.
    pub fn add(&mut self, poison: Poison, lines: u64) {
        self.0[poison as usize] += lines;
    }

    /// Lines of one kind.
    #[must_use]
    pub fn of(&self, poison: Poison) -> u64 {
        self.0[poison as usize]
    }
}

/// Cuts lines out of a chunk without copying the rest.
struct Cutter<'a> {
    chunk: &'a Bytes,
    pieces: Vec<Chunk>,
    /// Where the piece at hand begins, and the lines in it so far.
    start: usize,
    lines: u64,
}

impl<'a> Cutter<'a> {
    fn new(chunk: &'a Bytes) -> Self {
        Self {
            chunk,
            pieces: Vec::new(),
            start: 0,
            lines: 0,
        }
    }

    fn hold_back(&mut self, start: usize, end: usize) {
        self.end_piece(start);
        self.start = end;
    }

    fn finish(mut self) -> Vec<Chunk> {
        self.end_piece(self.chunk.len());
        self.pieces
    }

    fn end_piece(&mut self, end: usize) {
        if self.start < end {
            // A little of a lot is copied, as it would keep all of it in memory.
            let piece = &self.chunk[self.start..end];
            let little = piece.len() < self.chunk.len() / 4;
            self.pieces.push(Chunk {
                bytes: if little {
                    Bytes::copy_from_slice(piece)
                } else {
                    self.chunk.slice(self.start..end)
                },
                lines: std::mem::take(&mut self.lines),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(chunk: &'static [u8], forward_invalid: ForwardInvalid) -> Sorted {
        Sorter::new(3, 100, forward_invalid).sort(&Bytes::from_static(chunk), 0)
    }

    fn forwarded(sorted: &Sorted) -> Vec<(&[u8], u64)> {
        sorted
            .forwarded
            .iter()
            .map(|chunk| (&*chunk.bytes, chunk.lines))
            .collect()
    }

    #[test]
    fn a_clean_chunk_is_forwarded_whole() {
        let sorted = sort(b"a 1 2\nb x\nc 1 2\n", ForwardInvalid::Forward);
        assert_eq!(forwarded(&sorted), [(&b"a 1 2\nb x\nc 1 2\n"[..], 3)]);
        assert_eq!(sorted.batches.iter().map(Vec::len).sum::<usize>(), 3);
        assert_eq!((sorted.lines, sorted.filtered), (3, 0));
    }

    #[test]
    fn poison_is_cut_out() {
        let sorted = sort(b"a 1 nan\nb 1 2\n\xff\n\xfe\nc 1 2\nd 1 inf\n", ForwardInvalid::Forward);
        assert_eq!(forwarded(&sorted), [(&b"b 1 2\n"[..], 1), (&b"c 1 2\n"[..], 1)]);
        assert_eq!(Poison::ALL.map(|poison| sorted.quarantined.of(poison)), [2, 0, 2]);
        assert_eq!(sorted.tally.unanalysed(Unanalysed::Quarantined), 4);
        assert_eq!(
            sorted.sample,
            Some((Poison::TimestampNotFinite, Bytes::from_static(b"a 1 nan")))
        );
    }

    #[test]
    fn malformed_lines_are_filtered_on_request_only() {
        let chunk = b"a 1 2\nb x\nc nan 2\n\n";
        assert_eq!(forwarded(&sort(chunk, ForwardInvalid::Forward)), [(&chunk[..], 4)]);
        let sorted = sort(chunk, ForwardInvalid::Drop);
        assert_eq!(forwarded(&sorted), [(&b"a 1 2\n"[..], 1), (&b"c nan 2\n"[..], 1)]);
        assert_eq!(sorted.filtered, 2);
        assert_eq!(sorted.tally.unanalysed(Unanalysed::Fields), 1);
        assert_eq!(sorted.tally.unanalysed(Unanalysed::Empty), 1);
    }

    #[test]
    fn what_nobody_watches_is_forwarded_and_counted() {
        let unwatched = Sorter::new(3, 100, ForwardInvalid::Forward).going_by(ForwardInvalid::Forward, true);
        let sorted = unwatched.sort(&Bytes::from_static(b"a 1 2\nb 1 nan\nc x\n"), 0);
        assert_eq!(forwarded(&sorted), [(&b"a 1 2\n"[..], 1), (&b"c x\n"[..], 1)]);
        assert_eq!(sorted.tally.unanalysed(Unanalysed::Unwatched), 2);
        assert!(sorted.batches.iter().all(Vec::is_empty));
    }

    #[test]
    fn what_is_forwarded_is_the_same_watched_or_not() {
        let chunk =
            Bytes::from_static(b"\xff\n\xfe\na 1 2\nb 1 nan\nc x\n\nd 1 2\r\ne 1 inf\nf 1 1700000000\ng 1 nan\n");
        let watching = Sorter::new(3, 100, ForwardInvalid::Forward);
        let (watched, unwatched) = (
            watching.sort(&chunk, 0),
            watching.going_by(ForwardInvalid::Forward, true).sort(&chunk, 0),
        );
        assert_eq!(watched.forwarded, unwatched.forwarded);
        assert_eq!(watched.lines, unwatched.lines);
        assert_eq!(watched.quarantined, unwatched.quarantined);
        assert_eq!(watched.sample, unwatched.sample);
        assert_eq!(unwatched.tally.lines(), unwatched.lines);
    }

    #[test]
    fn a_series_stays_with_its_shard() {
        let sorter = Sorter::new(3, 100, ForwardInvalid::Forward);
        let shard = |line: &'static [u8]| {
            sorter
                .sort(&Bytes::from_static(line), 0)
                .batches
                .iter()
                .position(|lines| !lines.is_empty())
        };
        assert_eq!(
            shard(b"servers.web1.load 1 2\n"),
            shard(b"  servers.web1.load\t7 8\r\n")
        );
    }
}
