//! Edges: places in a window from which samples are read in order, one at a time, whatever happens to it meanwhile.

use super::{
    Point, Window,
    block::Cursor,
    samples::{Samples, sequence_count},
};

/// A place in a window with running statistics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Edge {
    /// Sequence number of the sample to come.
    sequence: u32,
    /// The sample to come, once it has been read.
    next: Option<Point>,
    /// Number of the block that the cursor is in, and the cursor behind `next`.
    decoding: Option<(u32, Cursor)>,
}

impl Edge {
    /// The sample at the edge; `None` while the edge is at the end of the window.
    pub(crate) fn peek(&mut self, window: &Window) -> Option<Point> {
        let expiry = window.running().expiry();
        if self.sequence < expiry.sequence {
            // The window has moved past this edge.
            *self = *expiry;
        }
        self.peek_in(&window.samples)
    }

    /// The same among samples none of which the edge has been left behind by.
    pub(super) fn peek_in(&mut self, samples: &Samples) -> Option<Point> {
        if self.next.is_none() {
            self.next = self.read(samples);
        }
        self.next
    }

    /// Goes on to the next sample, after `peek` has shown this one.
    pub(crate) fn advance(&mut self) {
        debug_assert!(self.next.is_some(), "an edge goes on only from what it has seen");
        self.next = None;
        self.sequence += 1;
    }

    /// Reads a little of it.
    pub(super) fn touch(&self) -> u32 {
        self.sequence
    }

    fn read(&mut self, samples: &Samples) -> Option<Point> {
        if let Some(place) = self.sequence.checked_sub(samples.open_begins) {
            self.decoding = None;
            return samples.open.get(place as usize);
        }
        let (number, cursor) = match &mut self.decoding {
            Some(decoding) => decoding,
            None => self.decoding.insert(locate(samples, self.sequence)),
        };
        loop {
            let block = &samples.sealed[(*number - samples.sealed_dropped) as usize];
            if let Some((timestamp, value)) = cursor.next(block) {
                return Some(Point { timestamp, value });
            }
            *number += 1;
            *cursor = samples.sealed[(*number - samples.sealed_dropped) as usize].cursor();
        }
    }
}

/// Number of the sealed block that holds the sample `sequence`, and a cursor in front of it.
fn locate(samples: &Samples, sequence: u32) -> (u32, Cursor) {
    let mut begins = samples.sealed_begins;
    for (number, block) in (samples.sealed_dropped..).zip(&samples.sealed) {
        let end = begins + sequence_count(block.len());
        if sequence < end {
            let mut cursor = block.cursor();
            for _ in begins..sequence {
                cursor.next(block);
            }
            return (number, cursor);
        }
        begins = end;
    }
    unreachable!("sample {sequence} lies before the open block and after the oldest")
}
