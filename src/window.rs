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
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const SPAN_S: i64 = 3600;
    /// The age at which the tests' second edge follows.
    const YOUNGER_S: i64 = 2000;

    fn steps() -> impl Strategy<Value = Vec<i64>> {
        let step = prop_oneof![60 => Just(5_i64), 10 => 1_i64..30, 2 => 500_i64..5000, 1 => Just(6_000_000_000)];
        let mostly_even = prop_oneof![500 => Just(4_i64), 1 => 1_i64..30, 1 => 3000_i64..4000];
        prop_oneof![
            proptest::collection::vec(step, 1..3000),
            proptest::collection::vec(mostly_even, 1000..4000)
        ]
    }

    /// What is read after it was saved.
    fn again<T>(save: impl FnOnce(&mut Vec<u8>), load: impl FnOnce(&mut Saved<'_>) -> Result<T, Damaged>) -> T {
        let mut bytes = Vec::new();
        save(&mut bytes);
        let mut saved = Saved::new(&bytes);
        let loaded = load(&mut saved).unwrap();
        assert!(saved.is_empty());
        loaded
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
            let mut window = Window::with_statistics(SPAN_S);
            let mut bare = Window::new(SPAN_S);
            let mut plain: VecDeque<Point> = VecDeque::new();
            let mut younger = Edge::default();
            let mut oldest = Edge::default();
            let (mut idle, mut unlooked) = (Edge::default(), Vec::new());
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
                prop_assert_eq!(window.last(), Some(point));
                bare.push(point, &mut scratch, |_| {}).unwrap();
                let mut left = Vec::new();
                while let Some(old) = oldest.peek_held(&bare).filter(|old| old.timestamp <= timestamp - SPAN_S) {
                    left.push(old);
                    oldest.advance();
                }
                prop_assert_eq!(&left, &expected, "an edge of a window without statistics");
                // It stands where the other does, and looks on only now and then.
                unlooked.extend((0..left.len()).map(|_| idle.peek_held(&bare).inspect(|_| idle.advance())));
                prop_assert_eq!(unlooked.drain(..).flatten().collect::<Vec<_>>(), left);
                prop_assert_eq!(bare.last(), Some(point));
                passed.retain(|point| point.timestamp > timestamp - SPAN_S);
                while let Some(old) = younger.peek(&window).filter(|old| old.timestamp < timestamp - YOUNGER_S) {
                    passed.push(old);
                    younger.advance();
                }
                let old: Vec<_> =
                    plain.iter().copied().filter(|point| point.timestamp < timestamp - YOUNGER_S).collect();
                prop_assert_eq!(&passed, &old);
                if place % 331 == 330 {
                    window = again(|out| window.save(out), |from| Window::load(from, SPAN_S));
                    bare = again(|out| bare.save(out), |from| Window::load(from, SPAN_S));
                    for edge in [&mut younger, &mut oldest, &mut idle] {
                        *edge = again(|out| edge.save(out), Edge::load);
                    }
                }
                if place % 50 == 0 || place < 5 {
                    prop_assert_eq!(window.points(), Vec::from(plain.clone()));
                    let since = timestamp - 300;
                    let recent: Vec<_> = plain.iter().copied().filter(|point| point.timestamp >= since).collect();
                    prop_assert_eq!(&window.points_since(since), &recent);
                    prop_assert_eq!(bare.len(), plain.len());
                    let mut again = Edge::before_last(u32::try_from(plain.len()).unwrap(), &bare).unwrap();
                    prop_assert_eq!(again.peek_held(&bare), oldest.peek_held(&bare));
                    prop_assert_eq!(bare.points(), Vec::from(plain.clone()));
                    prop_assert_eq!(&bare.points_since(since), &recent);
                    let anew: Moments = plain.iter().map(|point| point.value).collect();
                    close(window.moments().mean(), anew.mean(), 1e6);
                    close(window.moments().sample_deviation(), anew.sample_deviation(), 1e6);
                }
            }
        }
    }

    fn window_of(values: &[f64]) -> Window {
        let mut window = Window::with_statistics(SPAN_S);
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
    fn a_window_holds_little_of_what_is_gone() {
        let mut window = Window::new(SPAN_S);
        let mut most = 0;
        for timestamp in 0..50_000_i64 {
            // Numbers that do not compress.
            let value = (timestamp.pow(2) * 7919 % 1021) as f64;
            window
                .push(Point { timestamp, value }, &mut Scratch::default(), |_| {
                    panic!("nothing is read back")
                })
                .unwrap();
            most = most.max(window.samples.count_after(i64::MIN));
        }
        assert_eq!(window.len(), 3600);
        assert!((3600..3600 + 400).contains(&most), "{most} samples are held");
    }

    #[test]
    fn windows_that_begin_together_do_not_end_their_blocks_together() {
        let mut scratch = Scratch::default();
        let mut windows: Vec<Window> = (0..64).map(|_| Window::new(86_400)).collect();
        for step in 0..4000_i64 {
            let point = Point {
                timestamp: 10 * step,
                value: (step.pow(2) * 7919 % 1021) as f64,
            };
            for window in &mut windows {
                window.push(point, &mut scratch, |_| {}).unwrap();
            }
        }
        let mut first: Vec<usize> = windows.iter().map(|window| window.samples.sealed[0].len()).collect();
        let second: usize = windows.iter().map(|window| window.samples.sealed[1].len()).sum();
        let (mean, usual) = (first.iter().sum::<usize>() / 64, second / 64);
        assert!(
            (usual * 2 / 5..usual * 3 / 5).contains(&mean),
            "{mean} of {usual}: {first:?}"
        );
        first.sort_unstable();
        first.dedup();
        assert!(first.len() > 15, "{first:?}");
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
