//! The samples themselves: sealed blocks, and behind them the open one.
//!
//! Knows nothing of statistics. What is too old goes when the oldest block then takes a smaller allocation, or as a whole: a
//! sample may stay for a while, and who reads says from when on.
//!
//! * The open block holds the newest sample at least, once there is one.
//! * It is short, as values in the clear take most. Sealed, it makes a young block, to which samples are then added a few at a
//!   time, as long as they are like those in it; else another one begins. Young blocks are sealed anew as one when they are
//!   enough, as a look at all of them finds what takes less. If that is fractions, which no young block has, samples are added
//!   to the new one, until it is long.
//! * To add a sample reads neither a sealed block nor the list of them, unless one is full or gone.
//!
//! Of the 16.5 KB that a day of recorded values takes as a mean, 15.3 are 9 long blocks, 0.8 a young one, 0.2 the list of
//! blocks, and 0.1 the open one; allocations round that up by 0.15. Of the oldest block, 0.1 are too old.
//!
//! Tried, and not worth it: the long blocks of all windows end to end in segments of a megabyte, with a list of 8 bytes for
//! each. Windows took 1 % less where the allocator had no huge pages, and 5 % more where it had: blocks that fill its
//! sizes lie nearly as close. Bytes that are enough for one block: anything from 1,500 to 2,600 comes to the same within 0.5 %,
//! as longer blocks have fewer headers and longer young ones. Adding to long blocks of other kinds than fractions:
//! 0.4 % more bytes, as more lies idle behind blocks that grow. Adding 4 at a time: 35 bytes less, and 30 ns more a sample for
//! windows that are in no cache.

use super::{
    OutOfOrder, Point, Scratch,
    block::{self, Block, End},
    open::Open,
};
use crate::save::{Damaged, Save, Saved, put_bytes};

/// Samples that wait uncompressed, until they are enough to be sealed.
pub(super) const OPEN_LEN_MAX: u32 = 64;
/// Samples that wait uncompressed, until they are added to the last block.
const ADDED_LEN: u32 = 8;
/// Bytes that are enough for one block.
const YOUNG_BYTES_MAX: usize = 2200;
/// The same where the block before is of fractions, as a young one cannot be: such take half again as much.
const YOUNG_FRACTIONS_BYTES_MAX: usize = 600;
/// Most bytes of a block of fractions: it goes on for so long.
const FRACTIONS_BYTES_MAX: usize = 2560;
/// Samples that are enough for one block: there is room for more open ones.
const YOUNG_LEN_MAX: usize = block::BLOCK_LEN - OPEN_LEN_MAX as usize;
/// Shares of a block that the first block of a window may be.
const SHARES: u16 = 64;
/// Fewer samples than these are not sealed.
const SEALED_LEN_MIN: usize = 24;
/// Blocks that the list of them has room for at first: as many as most windows come to, so that it seldom grows. What lists
/// outgrow lies between names of that size, and the allocator has few others to put there.
const LIST_FIRST: usize = 10;
/// Blocks by which it grows.
const LIST_STEP: usize = 2;

/// Samples in order of time, each with a sequence number that stays the same as long as it is here.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) open: Open,
    /// By when, of the horizon, to look at the first sealed block: some of its samples are too old then, or all.
    due: i64,
    pub(super) sealed: Vec<Block>,
    /// Where the last block goes on, if open samples are to be added to it.
    pub(super) end: Option<End>,
    /// Samples at which the open block is full; 0 before the first.
    open_len_max: u32,
    /// How many of the last blocks are young.
    pub(super) young: u16,
    /// How much of a block the first one is to be, of [`SHARES`].
    share: u16,
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
            due: i64::MAX,
            sealed: Vec::new(),
            end: None,
            open_len_max: 0,
            young: 0,
            share: SHARES,
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
            // By the golden ratio any few that follow each other are spread evenly.
            let spread = scratch.begun.wrapping_mul(0x9E37_79B9) >> 26;
            self.share = SHARES - spread as u16 % SHARES;
        }
        while self.open.len() >= self.open_len_max as usize || !self.open.takes(point.timestamp) {
            self.seal(horizon, scratch);
        }
        self.open.push(point);
    }

    /// Lets go of the samples at or before `horizon`: of blocks, and of so many of the oldest that it pays.
    pub(super) fn drop_until(&mut self, horizon: i64) {
        while self.due <= horizon {
            let Some(oldest) = self.sealed.first_mut() else {
                self.due = i64::MAX;
                return;
            };
            if oldest.last_timestamp() > horizon {
                let (gone, due) = oldest.cut(horizon);
                self.sealed_begins += sequence_count(gone);
                self.due = due;
                return;
            }
            self.sealed_begins += sequence_count(oldest.len());
            self.sealed.remove(0);
            self.sealed_dropped += 1;
            if usize::from(self.young) > self.sealed.len() {
                self.young -= 1;
            }
            self.share = SHARES;
            if self.sealed.is_empty() {
                self.end = None;
                self.open_len_max = OPEN_LEN_MAX;
            }
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
        self.due.unsigned_abs() ^ self.open.touch()
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
        let old = self.sealed_dropped + sequence_count(self.sealed.len()) - u32::from(self.young);
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
        match self.sealed.first() {
            Some(block) => Some(block.first_timestamp()),
            None => Some(self.open.get(0)?.timestamp),
        }
    }

    /// Compresses what is young enough of the open block and begins another.
    fn seal(&mut self, horizon: i64, scratch: &mut Scratch) {
        scratch.clear();
        let was_empty = self.sealed.is_empty();
        let old = self.sealed.len() - usize::from(self.young);
        let young = &self.sealed[old..];
        let young_len = young.iter().map(Block::len).sum::<usize>() + self.open.len();
        let young_bytes: usize = young.iter().map(|block| block.as_bytes().len()).sum();
        let is_of_fractions = old
            .checked_sub(1)
            .is_some_and(|last| self.sealed[last].is_of_fractions());
        let young_bytes_max = if is_of_fractions {
            YOUNG_FRACTIONS_BYTES_MAX
        } else {
            YOUNG_BYTES_MAX
        };
        let is_enough =
            young_len > self.share_of(YOUNG_LEN_MAX, old) || young_bytes > self.share_of(young_bytes_max, old);
        if is_enough {
            for block in self.sealed.drain(old..) {
                block.decode(|timestamp, value| scratch.push(Point { timestamp, value }));
            }
            self.young = 0;
            self.end = None;
            self.renewals = self.renewals.wrapping_add(1);
        }
        let renewed = scratch.values.len();
        self.open
            .points_from(0)
            .filter(|point| point.timestamp > horizon)
            .for_each(|point| scratch.push(point));
        let gone = self.open.len() + renewed - scratch.values.len();
        if was_empty {
            self.sealed_begins = self.open_begins + sequence_count(gone);
        }
        let Scratch {
            timestamps,
            values,
            block: buffers,
            ..
        } = scratch;
        let (timestamps, values) = (&timestamps[..], &values[..]);
        let fractions_bytes_max = self.share_of(FRACTIONS_BYTES_MAX, self.sealed.len().saturating_sub(1));
        if let Some(end) = &mut self.end {
            let last = self.sealed.last_mut().expect("it goes on");
            let bytes_max = if self.young == 0 {
                fractions_bytes_max
            } else {
                usize::MAX
            };
            let added = last.extend(end, timestamps, values, bytes_max, buffers);
            self.open_begins += sequence_count(self.open.len());
            self.open.clear();
            self.reopen(&timestamps[added..], &values[added..]);
            if added < values.len() {
                // What is not like the last block, or too much for it, makes another one.
                self.end = None;
                self.open_len_max = OPEN_LEN_MAX;
            }
            return;
        }
        self.open_begins += sequence_count(self.open.len());
        self.open.clear();
        let mut sealed = 0;
        if is_enough {
            let (block, len) = Block::seal_for_long(timestamps, values, buffers);
            self.end = Some(&block)
                .filter(|block| block.is_of_fractions())
                .and_then(Block::end);
            self.list(block);
            sealed = len;
        }
        let (timestamps, values) = (&timestamps[sealed..], &values[sealed..]);
        let fewest = if self.end.is_some() {
            self.open_len_max = ADDED_LEN;
            OPEN_LEN_MAX as usize + 1
        } else {
            self.open_len_max = OPEN_LEN_MAX;
            SEALED_LEN_MIN
        };
        if sealed > 0 && values.len() < fewest && Open::takes_all(timestamps) {
            self.reopen(timestamps, values);
        } else if !values.is_empty() {
            let block = Block::seal(timestamps, values, buffers);
            self.end = block.end();
            if self.end.is_some() {
                self.open_len_max = ADDED_LEN;
            }
            self.young += 1;
            self.list(block);
        }
    }

    /// Has samples wait that were to be sealed.
    fn reopen(&mut self, timestamps: &[i64], values: &[f64]) {
        self.open_begins -= sequence_count(values.len());
        for (&timestamp, &value) in timestamps.iter().zip(values) {
            self.open.push(Point { timestamp, value });
        }
    }

    /// How much of `enough` is enough for a block behind that many others.
    ///
    /// Windows that begin together come to their ends together, and have an oldest block that is cut from then on: long blocks
    /// become fewer and short ones more, which would leave holes in the allocator for good, a twentieth of what windows take. So
    /// the first block of a window ends anywhere, and there are as many blocks of each size before as after.
    fn share_of(&self, enough: usize, others: usize) -> usize {
        let share = if others == 0 { self.share } else { SHARES };
        enough * usize::from(share) / usize::from(SHARES)
    }

    /// Adds a block to the list.
    fn list(&mut self, block: Block) {
        if self.sealed.is_empty() {
            self.due = block.first_timestamp();
        }
        if self.sealed.capacity() == self.sealed.len() {
            let room = if self.sealed.is_empty() { LIST_FIRST } else { LIST_STEP };
            self.sealed.reserve_exact(room);
        }
        self.sealed.push(block);
    }
}

/// Sealed blocks as they are, the open one, and the sequence numbers that edges go by.
impl Save for Samples {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            open,
            due,
            sealed,
            open_len_max,
            young,
            share,
            end,
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
        due.save(out);
        young.save(out);
        share.save(out);
        end.is_some().save(out);
        open_len_max.save(out);
        open.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        const OUT_OF_ORDER: Damaged = Damaged("a block begins before the one in front of it ends");
        let (open_begins, sealed_begins) = (u32::load(from)?, u32::load(from)?);
        let blocks = u32::load(from)? as usize;
        // Each has its length before it: so many there can be.
        let mut sealed = Vec::with_capacity(blocks.min(from.len() / size_of::<u32>()));
        let mut samples = 0_u32;
        let mut last = None;
        for _ in 0..blocks {
            let block = Block::from_bytes(from.bytes()?.into()).map_err(|_| Damaged("a block is none"))?;
            if last.is_some_and(|last| last >= block.first_timestamp()) {
                return Err(OUT_OF_ORDER);
            }
            last = Some(block.last_timestamp());
            samples = samples.saturating_add(sequence_count(block.len()));
            sealed.push(block);
        }
        let due = i64::load(from)?;
        if due > sealed.first().map_or(i64::MAX, Block::last_timestamp) {
            return Err(Damaged("the oldest block stays longer than its samples"));
        }
        let (young, share) = (u16::load(from)?, u16::load(from)?);
        if !(1..=SHARES).contains(&share) {
            return Err(Damaged("the first block is to be nothing, or more than a block"));
        }
        let young_len = |blocks: &[Block]| blocks.iter().map(Block::len).sum::<usize>();
        let old = blocks.checked_sub(usize::from(young));
        if old.is_none_or(|old| young_len(&sealed[old..]) > YOUNG_LEN_MAX) {
            return Err(Damaged("more blocks are young than make one"));
        }
        let goes_on = bool::load(from)?;
        let grows = |block: &&Block| goes_on && (young > 0 || block.is_of_fractions());
        let end = sealed.last().filter(grows).and_then(Block::end);
        if goes_on != end.is_some() {
            return Err(Damaged("a block goes on that cannot"));
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
            due,
            sealed,
            open_len_max,
            young,
            share,
            end,
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
