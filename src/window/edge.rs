//! Edges: places in a window from which samples are read in order, one at a time, whatever happens to it meanwhile.
//!
//! Of a sealed block, some samples are read ahead: a visit costs its header and, where windows are many, lines that are in
//! no cache.

use super::{
    Point, Window,
    block::Cursor,
    samples::{Samples, sequence_count},
};
use crate::save::{Damaged, Save, Saved};

/// Most samples read at a visit to a block.
const AHEAD: u32 = 8;

/// A place in a window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Edge {
    /// Sequence number of the sample to come.
    sequence: u32,
    /// How many of `ahead` have been read, and how many of these the edge has gone past.
    read: u8,
    gone: u8,
    /// The samples to come.
    ahead: [Point; AHEAD as usize],
    /// Behind what has been read.
    decoding: Option<Place>,
}

/// A place in a sealed block.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Number of the block.
    number: u32,
    lifetime: Option<u32>,
    cursor: Cursor,
}

impl Place {
    /// Before the first sample of a block.
    fn before(samples: &Samples, number: u32) -> Self {
        Self {
            number,
            lifetime: samples.lifetime(number),
            cursor: samples.block(number).cursor(),
        }
    }
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

    /// The place behind which there are `count` samples; `None` where fewer are held.
    pub(crate) fn before_last(count: u32, window: &Window) -> Option<Self> {
        let sequence = window.samples.end().checked_sub(count)?;
        (sequence >= window.samples.begins()).then(|| Self {
            sequence,
            ..Self::default()
        })
    }

    /// The sample at an edge that follows every sample, and stays within the window's span: with statistics or without,
    /// what it has not seen yet is held.
    pub(crate) fn peek_held(&mut self, window: &Window) -> Option<Point> {
        self.peek_in(&window.samples)
    }

    /// The same among samples none of which the edge has been left behind by.
    pub(super) fn peek_in(&mut self, samples: &Samples) -> Option<Point> {
        if self.gone == self.read {
            self.read_on(samples);
        }
        self.next()
    }

    /// The sample to come, if it has been read.
    fn next(&self) -> Option<Point> {
        (self.gone < self.read).then(|| self.ahead[usize::from(self.gone)])
    }

    /// Goes on to the next sample, after `peek` has shown this one.
    pub(crate) fn advance(&mut self) {
        debug_assert!(self.gone < self.read, "an edge goes on only from what it has seen");
        self.gone += 1;
        self.sequence += 1;
    }

    /// Samples of the window that lie before the edge; `None` where it cannot be.
    pub(crate) fn passed(&self, window: &Window) -> Option<u32> {
        let expiry = window.running.as_ref()?.expiry();
        let passed = self.sequence.checked_sub(expiry.sequence)?;
        (self.sequence <= window.samples.end()).then_some(passed)
    }

    /// Samples from the edge on; `None` where it cannot be.
    pub(super) fn left(&self, samples: &Samples) -> Option<u32> {
        let left = samples.end().checked_sub(self.sequence)?;
        (self.sequence >= samples.begins()).then_some(left)
    }

    /// The same place in `window`, for an edge of a window that holds the same samples and has never held any before them.
    pub(crate) fn moved_to(&self, window: &Window) -> Self {
        Self {
            sequence: window.running().expiry().sequence + self.sequence,
            ..Self::default()
        }
    }

    /// Reads a little of each of its cache lines that the next sample is read from.
    pub(crate) fn touch(&self) -> u64 {
        let next = self.ahead[usize::from(self.gone) % AHEAD as usize];
        u64::from(self.sequence) ^ next.timestamp.unsigned_abs()
    }

    fn read_on(&mut self, samples: &Samples) {
        (self.read, self.gone) = (0, 0);
        if let Some(place) = self.sequence.checked_sub(samples.open_begins) {
            self.decoding = None;
            if let Some(point) = samples.open.get(place as usize) {
                self.ahead[0] = point;
                self.read = 1;
            }
            return;
        }
        let place = match &mut self.decoding {
            // An edge that has not looked on stands at the end of a block that may be gone.
            Some(place) if samples.holds(place.number) && samples.is_good(place.lifetime) => place,
            decoding => decoding.insert(locate(samples, self.sequence)),
        };
        loop {
            place
                .cursor
                .take(samples.block(place.number), AHEAD, |timestamp, value| {
                    self.ahead[usize::from(self.read)] = Point { timestamp, value };
                    self.read += 1;
                });
            if self.read > 0 {
                return;
            }
            *place = Place::before(samples, place.number + 1);
        }
    }
}

/// The place. What was read there is read again.
impl Save for Edge {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            sequence,
            read: _,
            gone: _,
            ahead: _,
            decoding: _,
        } = self;
        sequence.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            sequence: u32::load(from)?,
            ..Self::default()
        })
    }
}

/// The place in front of the sample `sequence`, which is sealed.
fn locate(samples: &Samples, sequence: u32) -> Place {
    let mut begins = samples.sealed_begins;
    for (number, block) in (samples.sealed_dropped..).zip(&samples.sealed) {
        let end = begins + sequence_count(block.len());
        if sequence < end {
            let mut place = Place::before(samples, number);
            place.cursor.take(block, sequence - begins, |_, _| {});
            return place;
        }
        begins = end;
    }
    unreachable!("sample {sequence} lies before the open block and after the oldest")
}
