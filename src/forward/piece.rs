//! Lines on their way to one upstream: a chunk, or a part of one.

use bytes::Bytes;

use super::spool::{Count, Mark};
use crate::line::Chunk;

/// Bytes that a piece takes beside its lines.
const OVERHEAD_BYTES: usize = 64;

/// Whole lines.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) lines: u64,
    /// Connections that were given them and broke. Lines are counted as forwarded the first time.
    pub(super) attempts: u8,
    /// They are on disk as well: what is to be committed once they are delivered.
    pub(super) mark: Option<Mark>,
}

impl Piece {
    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + OVERHEAD_BYTES
    }

    /// Bytes that count against the bound of the queue. What is on disk, or was sent, is little, and has its own bound.
    pub(super) fn weight(&self) -> usize {
        if self.attempts == 0 && self.mark.is_none() {
            self.size()
        } else {
            0
        }
    }

    /// Lines by whether they were sent before.
    pub(super) fn count(&self) -> Count {
        match self.attempts {
            0 => Count {
                fresh: self.lines,
                again: 0,
            },
            _ => Count {
                fresh: 0,
                again: self.lines,
            },
        }
    }

    /// Takes off the lines before byte `at`, where a line begins.
    pub(super) fn split_to(&mut self, at: usize) -> Self {
        let bytes = self.bytes.split_to(at);
        let lines = lines_in(&bytes);
        self.lines -= lines;
        Self {
            bytes,
            lines,
            attempts: self.attempts,
            // What is behind may not be delivered.
            mark: None,
        }
    }
}

impl From<Chunk> for Piece {
    fn from(Chunk { bytes, lines }: Chunk) -> Self {
        Self {
            bytes,
            lines,
            attempts: 0,
            mark: None,
        }
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
