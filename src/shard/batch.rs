//! Batches: what a shard is given to do.

use std::ops::Range;

use bytes::Bytes;

use crate::line::Timestamp;

/// Lines of one chunk that belong to one shard.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The bytes that the lines point into.
    pub chunk: Bytes,
    /// When the chunk was read, by the clock of the relay.
    pub received: Timestamp,
    /// The lines, in order of arrival.
    pub lines: Vec<LineRef>,
}

/// One line: 16 bytes, so that a batch of a thousand stays in the first-level cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRef {
    /// Hash of the name: worked out once, used by router and shard.
    pub hash: u64,
    /// Where the name begins in the chunk.
    start: u32,
    name_bytes: u16,
    /// Bytes behind the name, up to the newline.
    fields_bytes: u16,
}

impl LineRef {
    /// Longest line that can be pointed to (bytes).
    pub const LINE_BYTES_MAX: usize = u16::MAX as usize;

    /// Points to the line with this `name`, which ends at `end`.
    ///
    /// # Panics
    /// When the chunk is 4 GiB or longer, or the line longer than [`Self::LINE_BYTES_MAX`].
    pub fn new(hash: u64, name: &Range<usize>, end: usize) -> Self {
        let short = |length: usize| u16::try_from(length).expect("the scan bounds lines");
        Self {
            hash,
            start: u32::try_from(name.start).expect("a read is far below 4 GiB"),
            name_bytes: short(name.end - name.start),
            fields_bytes: short(end - name.end),
        }
    }

    /// The name, and what stands behind it.
    pub(super) fn parts<'a>(&self, chunk: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let start = self.start as usize;
        let name_end = start + usize::from(self.name_bytes);
        let end = name_end + usize::from(self.fields_bytes);
        (&chunk[start..name_end], &chunk[name_end..end])
    }
}
