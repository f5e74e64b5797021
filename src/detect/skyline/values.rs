//! The values of a window, for what only their order can tell: a ladder that counts them, and where that does not decide,
//! and for explanations, all of them.
//!
//! What is asked for is likely to be asked for again soon, so it is kept for a while and kept up to date.

use std::{collections::VecDeque, sync::Arc};

use super::{histogram_bins, ladder::Ladder};
use crate::{
    detect::statistics::median::{median, median_between},
    window::Window,
};

/// Samples below which no ladder is set up: to look at all values is as cheap.
const LADDER_SAMPLES_MIN: usize = 128;
/// Samples after which a ladder is given up when nobody has asked for it: to keep it up to date for about so long costs
/// what setting it up does.
const LADDER_IDLE_SAMPLES: u16 = 1024;
/// Samples after which values in the clear are given up when nobody has read them.
const CLEAR_IDLE_SAMPLES: u16 = 256;
/// Series of one engine whose values may be kept in the clear at a time: 70 KB each at 8,640 samples.
const CLEAR_MAX: usize = 512;
/// Buffers for values in the clear that wait for another series: memory from the system costs more than to fill it.
const SPARE_MAX: usize = 16;

/// What is kept of the values of one series.
#[derive(Debug, Default)]
pub(super) struct Kept {
    ladder: Option<Box<Ladder>>,
    clear: Option<Box<Clear>>,
    /// Samples since each was asked for.
    ladder_idle: u16,
    clear_idle: u16,
}

/// Values in the clear, in order of time.
#[derive(Debug)]
struct Clear {
    values: VecDeque<f64>,
    /// Counts those there are.
    _permit: Arc<()>,
}

/// The values of the window that is looked at, read at most once a sample.
#[derive(Debug)]
pub(super) struct Values {
    /// Of `histogram_bins`.
    bins: u32,
    in_time: Vec<f64>,
    /// Are they those of the window as it is now?
    read: bool,
    range: Option<(f64, f64)>,
    /// The median and the median distance from it, once they have been worked out.
    medians: Option<(f64, f64)>,
    distances: Vec<f64>,
    buffer: Vec<f64>,
    permits: Arc<()>,
    spare: Vec<VecDeque<f64>>,
}

impl Kept {
    /// `value`, the oldest of the window, is about to leave it.
    pub(super) fn expire(&mut self, value: f64) {
        if let Some(ladder) = &mut self.ladder {
            ladder.remove(value);
        }
        if let Some(clear) = &mut self.clear {
            clear.values.pop_front();
        }
    }

    /// Takes in the newest sample of `window`.
    pub(super) fn follow(&mut self, window: &Window, values: &mut Values) {
        values.forget();
        let Some(last) = window.last() else {
            return;
        };
        if let Some(ladder) = &mut self.ladder {
            ladder.add(last.value);
            self.ladder_idle += 1;
            if self.ladder_idle > LADDER_IDLE_SAMPLES {
                self.ladder = None;
            }
        }
        if let Some(clear) = &mut self.clear {
            clear.values.push_back(last.value);
            self.clear_idle += 1;
            if self.clear_idle > CLEAR_IDLE_SAMPLES
                && let Some(clear) = self.clear.take()
                && values.spare.len() < SPARE_MAX
            {
                values.spare.push(clear.values);
            }
        }
    }

    pub(super) fn ladder(&mut self) -> Option<&Ladder> {
        self.ladder_idle = 0;
        self.ladder.as_deref()
    }

    pub(super) fn forget_ladder(&mut self) {
        self.ladder = None;
    }

    /// Heap memory in use (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        let ladder = self.ladder.as_ref().map_or(0, |_| size_of::<Ladder>());
        let clear = self.clear.as_ref();
        let clear = clear.map_or(0, |clear| {
            size_of::<Clear>() + clear.values.capacity() * size_of::<f64>()
        });
        ladder + clear
    }

    #[cfg(test)]
    pub(super) fn has_ladder(&self) -> bool {
        self.ladder.is_some()
    }
}

impl Values {
    pub(super) fn new(bins: u32) -> Self {
        Self {
            bins,
            in_time: Vec::new(),
            read: false,
            range: None,
            medians: None,
            distances: Vec::new(),
            buffer: Vec::new(),
            permits: Arc::default(),
            spare: Vec::new(),
        }
    }

    /// There is another sample, or another window.
    pub(super) fn forget(&mut self) {
        self.read = false;
    }

    /// Has read `window`, of which `kept` is. If there is no ladder, one is set up.
    pub(super) fn of(&mut self, window: &Window, kept: &mut Kept) -> &mut Self {
        if !self.read {
            self.read(window, kept);
            let known = kept.ladder.as_ref().and_then(|ladder| ladder.range());
            self.range = known.or_else(|| range(&self.in_time));
            self.medians = None;
            self.read = true;
            if self.in_time.len() >= LADDER_SAMPLES_MIN && kept.ladder.is_none() {
                let ladder = Ladder::new(&self.in_time, histogram_bins::edges(self.bins, self));
                kept.ladder = Some(Box::new(ladder));
                kept.ladder_idle = 0;
            }
        }
        self
    }

    fn read(&mut self, window: &Window, kept: &mut Kept) {
        self.in_time.clear();
        kept.clear_idle = 0;
        if let Some(clear) = &kept.clear {
            let (older, newer) = clear.values.as_slices();
            self.in_time.extend_from_slice(older);
            self.in_time.extend_from_slice(newer);
            return;
        }
        window.each_since(i64::MIN, |point| self.in_time.push(point.value));
        if Arc::strong_count(&self.permits) <= CLEAR_MAX {
            let mut values = self.spare.pop().unwrap_or_default();
            values.clear();
            values.extend(&self.in_time);
            kept.clear = Some(Box::new(Clear {
                values,
                _permit: Arc::clone(&self.permits),
            }));
        }
    }

    /// Values from `low` on and below `high`.
    pub(super) fn count(&self, low: f64, high: f64) -> usize {
        let values = self.in_time.iter();
        values.filter(|&&value| low <= value && value < high).count()
    }

    /// The smallest and the largest; `None` of nothing.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        self.range
    }

    /// The median, and the median distance from it; `None` of nothing. A ladder says where to look for them.
    pub(super) fn medians(&mut self, ladder: Option<&Ladder>) -> Option<(f64, f64)> {
        if self.medians.is_none() {
            let range = ladder.and_then(Ladder::median_range);
            let middle = find_median(&self.in_time, range, &mut self.buffer)?;
            self.distances.clear();
            self.distances
                .extend(self.in_time.iter().map(|value| (value - middle).abs()));
            let range = ladder.map(|ladder| ladder.median_distance_range(middle));
            let distance = find_median(&self.distances, range, &mut self.buffer)?;
            self.medians = Some((middle, distance));
        }
        self.medians
    }
}

fn find_median(values: &[f64], range: Option<(f64, f64)>, buffer: &mut Vec<f64>) -> Option<f64> {
    match range {
        Some((low, high)) => median_between(values, low, high, buffer),
        None => median(values, buffer),
    }
}

/// Independent extremes, which the processor compares in parallel.
const LANES: usize = 8;

fn range(values: &[f64]) -> Option<(f64, f64)> {
    let first = *values.first()?;
    let (mut low, mut high) = ([first; LANES], [first; LANES]);
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            low[lane] = if chunk[lane] < low[lane] {
                chunk[lane]
            } else {
                low[lane]
            };
            high[lane] = if chunk[lane] > high[lane] {
                chunk[lane]
            } else {
                high[lane]
            };
        }
    }
    let low = low.iter().chain(rest).copied().fold(first, f64::min);
    let high = high.iter().chain(rest).copied().fold(first, f64::max);
    Some((low, high))
}
