//! Rolling windows: the recent past of one series, with statistics kept up to date sample by sample.
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
//! * `push` is O(1), however long the window. It reads one sample back at the expiry edge for each that leaves.
//! * Edges step through compressed blocks a sample at a time; no block is held in the clear but the open one.
//! * Sums are double-double (see `moments`), and built anew when a giant has left, so they do not drift.
//! * The values in order of size are kept only while somebody asks about them.

mod block;
mod double_double;
mod line_fit;
mod moments;
mod open;
mod ordered;

use std::collections::VecDeque;

use block::Block;
pub(crate) use double_double::DoubleDouble;
pub(crate) use line_fit::LineFit;
use line_fit::LineSums;
pub(crate) use moments::Moments;
use open::Open;
pub(crate) use ordered::Ordered;

/// Samples that wait uncompressed. Longer blocks would compress a little better, and cost more than that while open.
const OPEN_LEN_MAX: usize = 256;
const _: () = assert!(OPEN_LEN_MAX <= block::BLOCK_LEN, "what waits fits a block");

/// Samples after which the values in order are given up when nobody has asked for them: to keep them up to date for about
/// so long costs what putting them in order does.
const ORDER_IDLE_SAMPLES: u16 = 64;

/// Values at the end of a window that are kept at hand.
pub const TAIL_LEN: usize = 3;

/// A value, and when it was measured (seconds since 1970).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub timestamp: i64,
    /// Finite.
    pub value: f64,
}

/// Buffers that sealing a block needs; one serves any number of windows.
#[derive(Debug, Default)]
pub struct Scratch {
    timestamps: Vec<i64>,
    values: Vec<f64>,
    block: block::Scratch,
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
    moments: Moments,
    line: LineSums,
    expiry: Edge,
    open: Open,
    /// Sequence number of the first sample of the open block, those gone included.
    open_begins: u32,
    /// The newest last; as many as there are.
    tail: [Point; TAIL_LEN],
    /// Equal values at the end, those gone included.
    equal_run: u32,
    sealed: VecDeque<Block>,
    /// Sequence number of the first sample of the first sealed block.
    sealed_begins: u32,
    /// Blocks dropped so far: the number of the first sealed one.
    sealed_dropped: u32,
    ordered: Option<Box<Ordered>>,
    /// Samples since they were asked for.
    order_idle: u16,
}

/// A place in a window, from which samples are read in order, one at a time, whatever happens to the window meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Edge {
    /// Sequence number of the sample to come.
    sequence: u32,
    /// The sample to come, once it has been read.
    next: Option<Point>,
    /// Number of the block that `cursor` is in, and the cursor behind `next`.
    decoding: Option<(u32, block::Cursor)>,
}

impl Window {
    /// An empty window that reaches back `span_s` seconds (1 or more).
    pub fn new(span_s: i64) -> Self {
        assert!(span_s > 0, "a window reaches back at least a second");
        Self {
            span_s,
            moments: Moments::default(),
            line: LineSums::default(),
            expiry: Edge::default(),
            open: Open::default(),
            open_begins: 0,
            tail: [Point::default(); TAIL_LEN],
            equal_run: 0,
            sealed: VecDeque::new(),
            sealed_begins: 0,
            sealed_dropped: 0,
            ordered: None,
            order_idle: 0,
        }
    }

    /// Adds a sample with a finite value, and takes out those it makes too old: `expired` is called for each, oldest
    /// first, before the new one is in.
    ///
    /// # Errors
    /// When the sample is not newer than all others. The window is as it was.
    pub fn push(
        &mut self,
        point: Point,
        scratch: &mut Scratch,
        mut expired: impl FnMut(Point),
    ) -> Result<(), OutOfOrder> {
        if self.is_known(point.timestamp) {
            return Err(if point.timestamp == self.tail[TAIL_LEN - 1].timestamp {
                OutOfOrder::Duplicate
            } else {
                OutOfOrder::Late
            });
        }
        self.expire(point.timestamp.saturating_sub(self.span_s), &mut expired);
        self.append(point, scratch);
        Ok(())
    }

    /// Samples in the window.
    pub fn len(&self) -> usize {
        self.moments.count() as usize
    }

    /// Is there no sample?
    pub fn is_empty(&self) -> bool {
        self.moments.count() == 0
    }

    /// The newest samples, at most [`TAIL_LEN`], the newest last.
    pub fn tail(&self) -> &[Point] {
        &self.tail[TAIL_LEN - self.len().min(TAIL_LEN)..]
    }

    /// The newest sample.
    pub fn last(&self) -> Option<Point> {
        self.tail().last().copied()
    }

    /// Equal values at the end of the window.
    pub fn equal_run(&self) -> usize {
        (self.equal_run as usize).min(self.len())
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

    /// Memory in use, this struct included (bytes).
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.open.heap_bytes()
            + self.sealed.capacity() * size_of::<Block>()
            + self.sealed.iter().map(Block::size_bytes).sum::<usize>()
            + self.ordered.as_ref().map_or(0, |_| self.len() * size_of::<f64>())
    }

    /// The oldest `count` samples, oldest first.
    pub(crate) fn oldest(&self, count: usize) -> impl Iterator<Item = Point> {
        let mut edge = self.expiry;
        (0..count).map_while(move |_| {
            let point = edge.peek(self)?;
            edge.advance();
            Some(point)
        })
    }

    /// Mean and deviation of all samples.
    pub(crate) fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The straight line through all samples; `None` while there are none.
    pub(crate) fn line_fit(&self) -> Option<LineFit> {
        self.line.fit(&self.moments)
    }

    /// The values in order of size: sorted now if nobody has asked of late, kept up to date from now on, and given up
    /// when nobody asks any more.
    pub(crate) fn ordered(&mut self) -> &Ordered {
        self.order_idle = 0;
        if self.ordered.is_none() {
            let values = self.points().iter().map(|point| point.value).collect();
            self.ordered = Some(Box::new(Ordered::new(values)));
        }
        self.ordered.as_ref().expect("just put there")
    }

    /// Gives back what [`Self::ordered`] keeps.
    pub(crate) fn forget_order(&mut self) {
        self.ordered = None;
    }

    /// Are the values kept in order of size?
    pub(crate) fn keeps_order(&self) -> bool {
        self.ordered.is_some()
    }

    /// Calls `each` for the samples at or after `timestamp`, oldest first.
    pub(crate) fn each_since(&self, timestamp: i64, mut each: impl FnMut(Point)) {
        let young = |block: &&Block| block.last_timestamp() >= timestamp;
        let blocks = self.sealed.iter().rev().take_while(young).count();
        let skipped = self.sealed.len() - blocks;
        // Of the first block, the samples before the expiry edge are gone.
        let mut gone = if skipped == 0 {
            self.expiry.sequence.saturating_sub(self.sealed_begins)
        } else {
            0
        };
        for block in self.sealed.iter().skip(skipped) {
            block.decode(|at, value| {
                if gone > 0 {
                    gone -= 1;
                } else if at >= timestamp {
                    each(Point { timestamp: at, value });
                }
            });
        }
        let first_open = self.expiry.sequence.saturating_sub(self.open_begins) as usize;
        self.open
            .points_from(first_open)
            .filter(|point| point.timestamp >= timestamp)
            .for_each(each);
    }

    /// Reads a little of each cache line that `push` reads (see [`crate::shard`]).
    pub(crate) fn touch(&self) -> u64 {
        let here = self.moments.count() ^ self.equal_run ^ self.sealed_dropped ^ self.expiry.sequence;
        u64::from(here) ^ self.tail[0].timestamp.unsigned_abs() ^ self.open.touch()
    }

    fn is_known(&self, timestamp: i64) -> bool {
        !self.is_empty() && timestamp <= self.tail[TAIL_LEN - 1].timestamp
    }

    /// Takes out the samples at or before `horizon`.
    fn expire(&mut self, horizon: i64, expired: &mut impl FnMut(Point)) {
        let mut worn = false;
        while let Some(point) = self.peek_expiry().filter(|point| point.timestamp <= horizon) {
            expired(point);
            self.line.remove(point, &self.moments);
            self.moments.remove(point.value);
            if let Some(ordered) = &mut self.ordered {
                ordered.remove(point.value);
            }
            self.expiry.advance();
            worn |= self.moments.is_worn();
        }
        self.drop_blocks();
        if worn {
            self.sum_anew();
        }
    }

    fn peek_expiry(&mut self) -> Option<Point> {
        // The edge is part of the window it reads: taken out while it looks.
        let mut edge = self.expiry;
        let point = edge.peek(self);
        self.expiry = edge;
        point
    }

    /// Lets go of the blocks that the expiry edge has left behind.
    fn drop_blocks(&mut self) {
        while let Some(block) = self.sealed.front() {
            let end = self.sealed_begins + sequence_count(block.len());
            if end > self.expiry.sequence {
                break;
            }
            self.sealed_begins = end;
            self.sealed_dropped += 1;
            self.sealed.pop_front();
        }
    }

    fn append(&mut self, point: Point, scratch: &mut Scratch) {
        self.order_idle = self.order_idle.saturating_add(1);
        if self.order_idle > ORDER_IDLE_SAMPLES {
            self.ordered = None;
        }
        if self.open.len() >= OPEN_LEN_MAX || !self.open.takes(point.timestamp) {
            self.seal(scratch);
        }
        #[expect(clippy::float_cmp, reason = "a run is of values that are the same")]
        let repeats = self.equal_run > 0 && self.tail[TAIL_LEN - 1].value == point.value;
        self.equal_run = if repeats { self.equal_run.saturating_add(1) } else { 1 };
        self.tail.rotate_left(1);
        self.tail[TAIL_LEN - 1] = point;
        self.open.push(point);
        self.moments.add(point.value);
        self.line.add(point, &self.moments);
        if let Some(ordered) = &mut self.ordered {
            ordered.add(point.value);
        }
    }

    /// Compresses what is left of the open block and begins another.
    fn seal(&mut self, scratch: &mut Scratch) {
        let open = std::mem::take(&mut self.open);
        let gone = self.expiry.sequence.saturating_sub(self.open_begins);
        if self.sealed.is_empty() {
            self.sealed_begins = self.open_begins + gone;
        }
        scratch.timestamps.clear();
        scratch.values.clear();
        for point in open.points_from(gone as usize) {
            scratch.timestamps.push(point.timestamp);
            scratch.values.push(point.value);
        }
        if !scratch.values.is_empty() {
            self.sealed
                .push_back(Block::seal(&scratch.timestamps, &scratch.values, &mut scratch.block));
        }
        self.open_begins += sequence_count(open.len());
    }

    /// Builds the sums from the samples.
    fn sum_anew(&mut self) {
        let mut moments = Moments::default();
        let mut line = LineSums::default();
        self.each_since(i64::MIN, |point| {
            moments.add(point.value);
            line.add(point, &moments);
        });
        self.moments = moments;
        self.line = line;
    }
}

impl Edge {
    /// The sample at the edge; `None` while the edge is at the end of the window.
    pub(crate) fn peek(&mut self, window: &Window) -> Option<Point> {
        if self.sequence < window.expiry.sequence {
            // The window has moved past this edge.
            *self = window.expiry;
        }
        if self.next.is_none() {
            self.next = self.read(window);
        }
        self.next
    }

    /// Goes on to the next sample, after `peek` has shown this one.
    pub(crate) fn advance(&mut self) {
        debug_assert!(self.next.is_some(), "an edge goes on only from what it has seen");
        self.next = None;
        self.sequence += 1;
    }

    fn read(&mut self, window: &Window) -> Option<Point> {
        if let Some(place) = self.sequence.checked_sub(window.open_begins) {
            self.decoding = None;
            return window.open.get(place as usize);
        }
        let (number, cursor) = match &mut self.decoding {
            Some(decoding) => decoding,
            None => self.decoding.insert(window.locate(self.sequence)),
        };
        loop {
            let block = &window.sealed[(*number - window.sealed_dropped) as usize];
            if let Some((timestamp, value)) = cursor.next(block) {
                return Some(Point { timestamp, value });
            }
            *number += 1;
            *cursor = window.sealed[(*number - window.sealed_dropped) as usize].cursor();
        }
    }
}

impl Window {
    /// Number of the sealed block that holds the sample `sequence`, and a cursor in front of it.
    fn locate(&self, sequence: u32) -> (u32, block::Cursor) {
        let mut begins = self.sealed_begins;
        for (number, block) in (self.sealed_dropped..).zip(&self.sealed) {
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
}

fn sequence_count(samples: usize) -> u32 {
    u32::try_from(samples).expect("a block is short")
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN_S: i64 = 3600;
    /// The age at which the tests' second edge follows.
    const YOUNGER_S: i64 = 2000;

    fn steps() -> impl Strategy<Value = Vec<i64>> {
        let step = prop_oneof![60 => Just(5_i64), 10 => 1_i64..30, 2 => 500_i64..5000, 1 => Just(6_000_000_000)];
        proptest::collection::vec(step, 1..3000)
    }

    #[track_caller]
    fn close(left: Option<f64>, right: Option<f64>, scale: f64) {
        match (left, right) {
            (Some(left), Some(right)) => assert!((left - right).abs() <= 1e-9 * scale, "{left} is not {right}"),
            (left, right) => assert_eq!(left, right),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_window_is_the_samples_of_its_span(steps in steps(), seed in any::<u64>()) {
            let mut scratch = Scratch::default();
            let mut window = Window::new(SPAN_S);
            let mut plain: VecDeque<Point> = VecDeque::new();
            let mut younger = Edge::default();
            let mut passed: Vec<Point> = Vec::new();
            let mut timestamp = 1_700_000_000;
            for (place, step) in steps.into_iter().enumerate() {
                timestamp += step;
                let random = (place as u64 + 1).wrapping_mul(seed | 1) >> 40;
                let point = Point { timestamp, value: random as f64 / 100.0 };
                let mut expired = Vec::new();
                window.push(point, &mut scratch, |point| expired.push(point)).unwrap();
                let mut expected = Vec::new();
                while plain.front().is_some_and(|old| old.timestamp <= timestamp - SPAN_S) {
                    expected.extend(plain.pop_front());
                }
                plain.push_back(point);
                prop_assert_eq!(&expired, &expected);
                prop_assert_eq!(window.len(), plain.len());
                passed.retain(|point| point.timestamp > timestamp - SPAN_S);
                while let Some(old) = younger.peek(&window).filter(|old| old.timestamp < timestamp - YOUNGER_S) {
                    passed.push(old);
                    younger.advance();
                }
                let old: Vec<_> =
                    plain.iter().copied().filter(|point| point.timestamp < timestamp - YOUNGER_S).collect();
                prop_assert_eq!(&passed, &old);
                if place % 50 == 0 || place < 5 {
                    prop_assert_eq!(window.points(), Vec::from(plain.clone()));
                    let since = timestamp - 300;
                    let recent: Vec<_> = plain.iter().copied().filter(|point| point.timestamp >= since).collect();
                    prop_assert_eq!(window.points_since(since), recent);
                    let anew: Moments = plain.iter().map(|point| point.value).collect();
                    close(window.moments().mean(), anew.mean(), 1e6);
                    close(window.moments().sample_deviation(), anew.sample_deviation(), 1e6);
                    let mut values: Vec<f64> = plain.iter().map(|point| point.value).collect();
                    values.sort_by(f64::total_cmp);
                    prop_assert_eq!(window.ordered().min(), values.first().copied());
                    prop_assert_eq!(window.ordered().max(), values.last().copied());
                    prop_assert_eq!(window.ordered().count_below(100.0), values.partition_point(|&value| value < 100.0));
                }
                if place % 400 == 0 {
                    window.forget_order();
                }
            }
        }
    }

    fn window_of(values: &[f64]) -> Window {
        let mut window = Window::new(SPAN_S);
        for (&value, timestamp) in values.iter().zip((0..).step_by(10)) {
            window
                .push(Point { timestamp, value }, &mut Scratch::default(), |_| {})
                .unwrap();
        }
        window
    }

    #[test]
    fn time_does_not_go_back() {
        let mut window = window_of(&[1.0, 2.0]);
        let mut push = |timestamp| window.push(Point { timestamp, value: 3.0 }, &mut Scratch::default(), |_| {});
        assert_eq!(push(10), Err(OutOfOrder::Duplicate));
        assert_eq!(push(5), Err(OutOfOrder::Late));
        assert_eq!(push(11), Ok(()));
        assert_eq!(window.len(), 3);
    }

    #[test]
    fn a_giant_leaves_no_trace() {
        let quiet = [1.25, 2.5, 1.5, 2.25];
        let mut window = window_of(&[1e40]);
        let mut values: Vec<f64> = Vec::new();
        for place in 0..400_u16 {
            let value = quiet[usize::from(place) % 4];
            let point = Point {
                timestamp: 10 + i64::from(place) * 10,
                value,
            };
            window.push(point, &mut Scratch::default(), |_| {}).unwrap();
            values.push(value);
        }
        let expected: Moments = values[values.len() - 360..].iter().copied().collect();
        assert_eq!(window.moments().sample_deviation(), expected.sample_deviation());
        assert_eq!(window.moments().mean(), expected.mean());
    }

    #[test]
    fn the_run_of_equal_values_ends_with_the_first_other() {
        assert_eq!(window_of(&[]).equal_run(), 0);
        assert_eq!(window_of(&[1.0, 2.0, 2.0, 2.0]).equal_run(), 3);
        assert_eq!(window_of(&[0.0, -0.0]).equal_run(), 2);
    }

    #[test]
    fn the_tail_is_what_came_last() {
        let values = |window: Window| window.tail().iter().map(|point| point.value).collect::<Vec<_>>();
        assert_eq!(values(window_of(&[1.0, 2.0])), [1.0, 2.0]);
        assert_eq!(values(window_of(&[1.0, 2.0, 3.0, 4.0])), [2.0, 3.0, 4.0]);
    }
}
