//! Rolling windows: the recent past of one series, and where detectors need it, statistics of it that are kept up to date
//! sample by sample.
//!
//! Knows nothing of names, detectors, clocks or sockets: time is the samples' own.
//!
//! ```text
//!   sealed blocks (compressed)                      open block
//!  ┌───────┬───────┬───────┬─ ─ ─┬───────┐         ┌──────────┐
//!  │ · · ▲ │   ▲   │       │     │       │         │          │ ◀─ push
//!  └─────┼─┴───┼───┴───────┴─ ─ ─┴───────┘         └──────────┘
//!        │     └ a reader's edge (say, one hour younger)
//!        └ the expiry edge: what lies before it is gone
//! ```
//!
//! * A window holds the samples that are less than `span` older than the newest one.
//! * `push` is O(1), however long the window.
//! * Edges step through compressed blocks a sample at a time; no block is held in the clear but the open one.
//! * A window without statistics has no expiry edge: what of the oldest block is too old goes now and then, and is left out
//!   in reading until then.

mod block;
mod double_double;
mod edge;
mod line_fit;
mod moments;
mod open;
mod running;
mod samples;

pub(crate) use double_double::DoubleDouble;
pub(crate) use edge::Edge;
pub(crate) use line_fit::{LineFit, LineSums};
pub(crate) use moments::Moments;
use running::Running;
use samples::Samples;

use crate::save::{self, Damaged, Save, Saved};

/// Values at the end of a window that are kept at hand.
pub(crate) const TAIL_LEN: usize = 3;

/// A value, and when it was measured (seconds since 1970).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub timestamp: i64,
    /// Finite.
    pub value: f64,
}
save::fields!(Point { timestamp, value });

/// Buffers that sealing a block needs; one serves any number of windows.
#[derive(Debug, Default)]
pub struct Scratch {
    timestamps: Vec<i64>,
    values: Vec<f64>,
    block: block::Scratch,
    /// Windows that have begun with this scratch, more or less.
    begun: u32,
}

impl Scratch {
    fn clear(&mut self) {
        self.timestamps.clear();
        self.values.clear();
    }

    fn push(&mut self, point: Point) {
        self.timestamps.push(point.timestamp);
        self.values.push(point.value);
    }
}

/// Where the memory of a window goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Sealed blocks, and the list of them.
    pub sealed_bytes: usize,
    /// Samples not sealed yet, and the window itself.
    pub open_bytes: usize,
    /// Running statistics, with the values in order while they are kept.
    pub statistics_bytes: usize,
}

/// A sample that cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfOrder {
    /// Older than the newest.
    Late,
    /// As old as the newest.
    Duplicate,
}

/// The recent past of one series.
#[derive(Debug)]
pub struct Window {
    span_s: i64,
    samples: Samples,
    running: Option<Box<Running>>,
}

impl Window {
    /// An empty window that reaches back `span_s` seconds (1 or more).
    pub fn new(span_s: i64) -> Self {
        assert!(span_s > 0, "a window reaches back at least a second");
        Self {
            span_s,
            samples: Samples::default(),
            running: None,
        }
    }

    /// The same, with running statistics: for a sample that comes, one that goes is read back.
    pub fn with_statistics(span_s: i64) -> Self {
        Self {
            running: Some(Box::default()),
            ..Self::new(span_s)
        }
    }

    /// Adds a sample with a finite value, and takes out those it makes too old. With statistics, `expired` is called for
    /// each of these, oldest first, before the new one is in.
    ///
    /// # Errors
    /// When the sample is not newer than all others. The window is as it was.
    pub fn push(&mut self, point: Point, scratch: &mut Scratch, expired: impl FnMut(Point)) -> Result<(), OutOfOrder> {
        self.samples.check(point.timestamp)?;
        let horizon = point.timestamp.saturating_sub(self.span_s);
        // What is too old only since this sample stays for one more: edges have still to pass it.
        let gone = self.horizon();
        if let Some(running) = &mut self.running {
            running.expire(&self.samples, horizon, expired);
        }
        self.samples.drop_until(gone);
        self.samples.push(point, gone, scratch);
        if let Some(running) = &mut self.running {
            running.add(point);
        }
        Ok(())
    }

    /// Samples in the window. Without statistics, costs the oldest block.
    pub fn len(&self) -> usize {
        match &self.running {
            Some(running) => running.len(),
            None => self.samples.count_after(self.horizon()),
        }
    }

    /// Is there no sample?
    pub fn is_empty(&self) -> bool {
        self.last().is_none()
    }

    /// The newest sample.
    pub fn last(&self) -> Option<Point> {
        self.samples.last()
    }

    /// All samples, oldest first.
    pub fn points(&self) -> Vec<Point> {
        self.points_since(i64::MIN)
    }

    /// The samples at or after `timestamp`, oldest first. Costs the blocks that they lie in, not the window.
    pub fn points_since(&self, timestamp: i64) -> Vec<Point> {
        let mut points = Vec::new();
        self.each_since(timestamp, |point| points.push(point));
        points
    }

    /// Memory in use, this struct included.
    pub fn memory(&self) -> Memory {
        Memory {
            sealed_bytes: self.samples.sealed_bytes(),
            open_bytes: size_of::<Self>() + self.samples.open.heap_bytes(),
            statistics_bytes: self.running.as_ref().map_or(0, |_| size_of::<Running>()),
        }
    }

    /// Takes back what [`Self::save`] has saved, as the past of a series whose window reaches back `span_s` seconds.
    ///
    /// # Errors
    /// When it is no window, or an empty one.
    pub fn load(from: &mut Saved<'_>, span_s: i64) -> Result<Self, Damaged> {
        let samples = Samples::load(from)?;
        let has_statistics = bool::load(from)?;
        let running = has_statistics.then(|| Running::load(from, &samples)).transpose()?;
        Ok(Self {
            span_s,
            samples,
            running: running.map(Box::new),
        })
    }

    /// Saves the samples, and the statistics as they are, so that nothing differs afterwards.
    pub fn save(&self, out: &mut Vec<u8>) {
        let Self {
            span_s: _,
            samples,
            running,
        } = self;
        samples.save(out);
        running.is_some().save(out);
        if let Some(running) = running {
            running.save(out);
        }
    }

    /// Times of the oldest sample that is held and of the newest.
    pub fn times(&self) -> Option<(i64, i64)> {
        Some((self.samples.first_timestamp()?, self.last()?.timestamp))
    }

    /// How far it reaches back (seconds).
    pub fn span_s(&self) -> i64 {
        self.span_s
    }

    /// Are there running statistics?
    pub fn has_statistics(&self) -> bool {
        self.running.is_some()
    }

    /// Gives up the statistics, which nobody reads any more.
    pub fn forget_statistics(&mut self) {
        self.running = None;
    }

    /// Calls `each` for the samples at or after `timestamp`, oldest first.
    pub(crate) fn each_since(&self, timestamp: i64, each: impl FnMut(Point)) {
        self.samples.each_since(timestamp.max(self.horizon() + 1), each);
    }

    /// Reads a little of each cache line that `push` reads (see [`crate::shard`]).
    pub(crate) fn touch(&self) -> u64 {
        let running = self.running.as_ref().map_or(0, |running| running.touch());
        self.samples.touch() ^ running
    }

    /// Samples at or before this time are gone.
    fn horizon(&self) -> i64 {
        self.last()
            .map_or(i64::MIN, |last| last.timestamp.saturating_sub(self.span_s))
    }
}

/// What only a window with statistics knows.
impl Window {
    /// The newest samples, at most [`TAIL_LEN`], the newest last.
    pub(crate) fn tail(&self) -> &[Point] {
        self.running().tail()
    }

    /// Equal values at the end of the window.
    pub(crate) fn equal_run(&self) -> usize {
        self.running().equal_run()
    }

    /// The oldest `count` samples, oldest first.
    pub(crate) fn oldest(&self, count: usize) -> impl Iterator<Item = Point> {
        let mut edge = *self.running().expiry();
        (0..count).map_while(move |_| {
            let point = edge.peek(self)?;
            edge.advance();
            Some(point)
        })
    }

    /// Mean and deviation of all samples.
    pub(crate) fn moments(&self) -> &Moments {
        self.running().moments()
    }

    /// The straight line through all samples; `None` while there are none.
    pub(crate) fn line_fit(&self) -> Option<LineFit> {
        self.running().line_fit()
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect(STATISTICS)
    }
}

/// Why statistics are there when they are asked for.
const STATISTICS: &str = "an engine that reads statistics says that it needs them";

#[cfg(test)]
mod tests;
