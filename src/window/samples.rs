//! The samples themselves: sealed blocks, and behind them the open one.
//!
//! Knows nothing of statistics. What is too old goes by whole blocks: a sample may stay for as long as another of its
//! block is young enough, and who reads says from when on.
//!
//! * The open block holds the newest sample at least, once there is one.
//! * It is short, as values in the clear take most. Sealed, it makes a young block; young blocks are sealed anew as one when
//!   they are enough to fill an allocation, as longer blocks take less.
//! * To add a sample reads neither a sealed block nor the list of them, unless one is full or gone.
//!
//! Of the 17.6 KB that a day of recorded values takes as a mean, 16.5 are 18 long blocks, 0.5 are 5 young ones, and 0.5 the
//! list with its spare places; allocations round that up by 0.1. Of the oldest block, 0.3 are too old.
//!
//! Tried, and not worth it: the long blocks of all windows end to end in segments of a megabyte, with a list of 8 bytes for
//! each. Windows took 1 % less where the allocator had no huge pages, and 5 % more where it had: blocks that fill its
//! sizes lie nearly as close.

use std::collections::VecDeque;

use super::{
    OutOfOrder, Point, Scratch,
    block::{self, Block},
    open::Open,
};
use crate::save::{Damaged, Save, Saved, put_bytes};

#[expect(clippy::cast_possible_truncation, reason = "it is 1,024")]
const BLOCK_LEN: u32 = block::BLOCK_LEN as u32;
/// Samples that wait uncompressed.
pub(super) const OPEN_LEN_MAX: u32 = 64;
/// Bytes that are enough for one block: a longer one would hold on to too many samples when its first are too old.
const YOUNG_BYTES_MAX: u32 = 960;
/// Samples that are enough for one block: there is room for two more open ones.
const YOUNG_LEN_MAX: u32 = BLOCK_LEN - 2 * OPEN_LEN_MAX;
const _: () = assert!(
    BLOCK_LEN / 4 + OPEN_LEN_MAX < YOUNG_LEN_MAX,
    "what is cut off is not enough"
);

/// Samples in order of time, each with a sequence number that stays the same as long as it is here.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) open: Open,
    /// Timestamp of the last sample of the first sealed block; the end of time while there is none.
    first_block_ends: i64,
    pub(super) sealed: VecDeque<Block>,
    /// Samples at which the open block is full; 0 before the first.
    open_len_max: u32,
    /// How many of the last blocks are young.
    young: u32,
    /// Samples and bytes in them.
    young_len: u32,
    young_bytes: u32,
    /// How often young blocks have been sealed anew.
    renewals: u32,
    /// Sequence number of the first sample of the open block.
    pub(super) open_begins: u32,
    /// Sequence number of the first sample of the first sealed block.
    pub(super) sealed_begins: u32,
    /// Blocks dropped so far: the number of the first sealed one.
    pub(super) sealed_dropped: u32,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            open: Open::default(),
            first_block_ends: i64::MAX,
            sealed: VecDeque::new(),
            open_len_max: 0,
            young: 0,
            young_len: 0,
            young_bytes: 0,
            renewals: 0,
            open_begins: 0,
            sealed_begins: 0,
            sealed_dropped: 0,
        }
    }
}

impl Samples {
    /// The newest.
    pub(super) fn last(&self) -> Option<Point> {
        self.open.get(self.open.len().checked_sub(1)?)
    }

    /// Is a sample of this time newer than all others?
    pub(super) fn check(&self, timestamp: i64) -> Result<(), OutOfOrder> {
        match self.last() {
            Some(last) if timestamp == last.timestamp => Err(OutOfOrder::Duplicate),
            Some(last) if timestamp < last.timestamp => Err(OutOfOrder::Late),
            _ => Ok(()),
        }
    }

    /// Adds a sample that is newer than all others. Those at or before `horizon` are too old to be sealed.
    pub(super) fn push(&mut self, point: Point, horizon: i64, scratch: &mut Scratch) {
        if self.open_len_max == 0 {
            // Series often begin together, and are not to be sealed together.
            scratch.begun = scratch.begun.wrapping_add(1);
            self.open_len_max = 1 + scratch.begun * 37 % OPEN_LEN_MAX;
        }
        if self.open.len() >= self.open_len_max as usize || !self.open.takes(point.timestamp) {
            self.seal(horizon, scratch);
            self.open_len_max = OPEN_LEN_MAX;
        }
        self.open.push(point);
    }

    /// Lets go of the blocks that end at or before `horizon`.
    pub(super) fn drop_until(&mut self, horizon: i64) {
        while self.first_block_ends <= horizon {
            if let Some(block) = self.sealed.pop_front() {
                self.sealed_begins += sequence_count(block.len());
                self.sealed_dropped += 1;
                if self.young as usize > self.sealed.len() {
                    self.young -= 1;
                    self.young_len -= sequence_count(block.len());
                    self.young_bytes -= sequence_count(block.as_bytes().len());
                }
            }
            self.first_block_ends = self.sealed.front().map_or(i64::MAX, Block::last_timestamp);
        }
    }

    /// Calls `each` for the samples at or after `timestamp`, oldest first.
    pub(super) fn each_since(&self, timestamp: i64, mut each: impl FnMut(Point)) {
        let young = |block: &&Block| block.last_timestamp() >= timestamp;
        let blocks = self.sealed.iter().rev().take_while(young).count();
        for block in self.sealed.iter().skip(self.sealed.len() - blocks) {
            block.decode(|at, value| {
                if at >= timestamp {
                    each(Point { timestamp: at, value });
                }
            });
        }
        self.open
            .points_from(0)
            .filter(|point| point.timestamp >= timestamp)
            .for_each(each);
    }

    /// Samples after `horizon`. Reads the blocks that are not after it as a whole.
    pub(super) fn count_after(&self, horizon: i64) -> usize {
        let mut count = self
            .open
            .points_from(0)
            .filter(|point| point.timestamp > horizon)
            .count();
        for block in &self.sealed {
            if block.first_timestamp() > horizon {
                count += block.len();
            } else {
                block.decode(|at, _| count += usize::from(at > horizon));
            }
        }
        count
    }

    /// Memory of the sealed blocks and their list (bytes).
    pub(super) fn sealed_bytes(&self) -> usize {
        let blocks = self.sealed.iter().map(|block| block.as_bytes().len());
        self.sealed.capacity() * size_of::<Block>() + blocks.sum::<usize>()
    }

    /// Reads a little of each cache line that adding a sample reads.
    pub(super) fn touch(&self) -> u64 {
        self.first_block_ends.unsigned_abs() ^ self.open.touch()
    }

    /// The sealed block of that number.
    pub(super) fn block(&self, number: u32) -> &Block {
        &self.sealed[(number - self.sealed_dropped) as usize]
    }

    /// Is the sealed block of that number not gone?
    pub(super) fn holds(&self, number: u32) -> bool {
        number >= self.sealed_dropped
    }

    /// What a place in the block of that number is good for: until young blocks are renewed, or for good.
    pub(super) fn lifetime(&self, number: u32) -> Option<u32> {
        let old = self.sealed_dropped + sequence_count(self.sealed.len()) - self.young;
        (number >= old).then_some(self.renewals)
    }

    /// Is a place still good that had this [`Self::lifetime`]?
    pub(super) fn is_good(&self, lifetime: Option<u32>) -> bool {
        lifetime.is_none_or(|renewals| renewals == self.renewals)
    }

    /// Sequence number of the oldest.
    pub(super) fn begins(&self) -> u32 {
        if self.sealed.is_empty() {
            self.open_begins
        } else {
            self.sealed_begins
        }
    }

    /// Sequence number of the sample to come.
    pub(super) fn end(&self) -> u32 {
        self.open_begins + sequence_count(self.open.len())
    }

    /// The oldest.
    pub(super) fn first_timestamp(&self) -> Option<i64> {
        match self.sealed.front() {
            Some(block) => Some(block.first_timestamp()),
            None => Some(self.open.get(0)?.timestamp),
        }
    }

    /// Compresses what is young enough of the open block and begins another.
    fn seal(&mut self, horizon: i64, scratch: &mut Scratch) {
        let open = std::mem::take(&mut self.open);
        scratch.clear();
        let was_empty = self.sealed.is_empty();
        // With another one, young blocks would be enough to be sealed as one.
        if self.young_len > YOUNG_LEN_MAX || self.young_bytes > YOUNG_BYTES_MAX {
            let old = self.sealed.len() - self.young as usize;
            for block in self.sealed.drain(old..) {
                block.decode(|timestamp, value| scratch.push(Point { timestamp, value }));
            }
            (self.young, self.young_len, self.young_bytes) = (0, 0, 0);
            self.renewals = self.renewals.wrapping_add(1);
        }
        let renewed = scratch.values.len();
        open.points_from(0)
            .filter(|point| point.timestamp > horizon)
            .for_each(|point| scratch.push(point));
        let gone = open.len() + renewed - scratch.values.len();
        if was_empty {
            self.sealed_begins = self.open_begins + sequence_count(gone);
        }
        self.open_begins += sequence_count(open.len());
        let Scratch {
            timestamps,
            values,
            block: buffers,
            ..
        } = scratch;
        if self.sealed.capacity() < self.sealed.len() + 2 {
            // 4, 12, 20, 28, …: steps that are few, as what windows leave behind all at once lies idle for a while.
            let capacity = match self.sealed.capacity() {
                0 => 4,
                capacity => capacity + 8,
            };
            self.sealed.reserve_exact(capacity - self.sealed.len());
        }
        let mut sealed = 0;
        if renewed > 0 {
            let (block, len) = Block::seal_for_long(timestamps, values, buffers);
            self.sealed.push_back(block);
            sealed = len;
        }
        if sealed < values.len() {
            let block = Block::seal(&timestamps[sealed..], &values[sealed..], buffers);
            self.young += 1;
            self.young_len += sequence_count(block.len());
            self.young_bytes += sequence_count(block.as_bytes().len());
            self.sealed.push_back(block);
        }
        self.first_block_ends = self.sealed.front().map_or(i64::MAX, Block::last_timestamp);
    }
}

/// Sealed blocks as they are, the open one, and the sequence numbers that edges go by.
impl Save for Samples {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            open,
            first_block_ends: _,
            sealed,
            open_len_max,
            young,
            young_len: _,
            young_bytes: _,
            renewals: _,
            open_begins,
            sealed_begins,
            sealed_dropped: _,
        } = self;
        open_begins.save(out);
        sealed_begins.save(out);
        sequence_count(sealed.len()).save(out);
        for block in sealed {
            put_bytes(block.as_bytes(), out);
        }
        young.save(out);
        open_len_max.save(out);
        open.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        const OUT_OF_ORDER: Damaged = Damaged("a block begins before the one in front of it ends");
        let (open_begins, sealed_begins) = (u32::load(from)?, u32::load(from)?);
        let blocks = u32::load(from)? as usize;
        // Each has its length before it: so many there can be.
        let mut sealed = VecDeque::with_capacity(blocks.min(from.len() / size_of::<u32>()));
        let mut samples = 0_u32;
        let mut last = None;
        for _ in 0..blocks {
            let block = Block::from_bytes(from.bytes()?.into()).map_err(|_| Damaged("a block is none"))?;
            if last.is_some_and(|last| last >= block.first_timestamp()) {
                return Err(OUT_OF_ORDER);
            }
            last = Some(block.last_timestamp());
            samples = samples.saturating_add(sequence_count(block.len()));
            sealed.push_back(block);
        }
        let young = u32::load(from)?;
        let (mut young_len, mut young_bytes) = (0_u32, 0_u32);
        for block in sealed.iter().rev().take(young as usize) {
            young_len = young_len.saturating_add(sequence_count(block.len()));
            young_bytes = young_bytes.saturating_add(sequence_count(block.as_bytes().len()));
        }
        if young as usize > blocks || young_len > BLOCK_LEN - OPEN_LEN_MAX {
            return Err(Damaged("more blocks are young than make one"));
        }
        let open_len_max = u32::load(from)?;
        if !(1..=OPEN_LEN_MAX).contains(&open_len_max) {
            return Err(Damaged("an open block is never or too late full"));
        }
        let open = Open::load(from)?;
        match open.get(0) {
            Some(first) if last.is_some_and(|last| last >= first.timestamp) => return Err(OUT_OF_ORDER),
            None => return Err(Damaged("a window has no sample")),
            Some(_) => {}
        }
        let numbered = sealed.is_empty() || sealed_begins.checked_add(samples) == Some(open_begins);
        if !numbered || open_begins.checked_add(sequence_count(open.len())).is_none() {
            return Err(Damaged("samples are numbered wrongly"));
        }
        Ok(Self {
            open,
            first_block_ends: sealed.front().map_or(i64::MAX, Block::last_timestamp),
            sealed,
            open_len_max,
            young,
            young_len,
            young_bytes,
            renewals: 0,
            open_begins,
            sealed_begins,
            sealed_dropped: 0,
        })
    }
}

pub(super) fn sequence_count(samples: usize) -> u32 {
    u32::try_from(samples).expect("a block is short")
}
