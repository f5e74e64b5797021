//! What all shards have in common.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::silence::Heard;
use crate::detect::Elsewhere;

/// What a new series takes at most, its name included (bytes).
pub const NEW_SERIES_BYTES: usize = 4096;

/// What all shards have in common.
#[derive(Debug)]
pub struct Shared {
    series_count: AtomicUsize,
    dormant_count: AtomicUsize,
    /// New series that there is memory for, as far as anybody knows.
    new_series_max: AtomicUsize,
    /// Newest samples of series that detectors of others name.
    pub(super) elsewhere: Elsewhere,
    /// What all shards have heard, for detectors that tell of silence.
    pub(super) heard: Heard,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            series_count: AtomicUsize::new(0),
            dormant_count: AtomicUsize::new(0),
            new_series_max: AtomicUsize::new(usize::MAX),
            elsewhere: Elsewhere::default(),
            heard: Heard::default(),
        }
    }
}

impl Shared {
    /// Lets this many new series be begun from now on. Gives how many of those allowed before were left.
    pub fn allow_new_series(&self, max: usize) -> usize {
        self.new_series_max.swap(max, Ordering::Relaxed)
    }

    /// Counts one new series, if it is allowed.
    pub(super) fn take_memory(&self) -> bool {
        let one_less = |max: usize| max.checked_sub(1);
        let updated = self
            .new_series_max
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        updated.is_ok()
    }

    /// Series over all shards.
    pub fn series_count(&self) -> usize {
        self.series_count.load(Ordering::Relaxed)
    }

    /// Dormant series over all shards.
    pub fn dormant_count(&self) -> usize {
        self.dormant_count.load(Ordering::Relaxed)
    }

    /// A shard has so many dormant series now, and had so many before.
    pub(super) fn count_dormant(&self, before: usize, now: usize) {
        // Wraps around when there are fewer, and back.
        self.dormant_count
            .fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Counts one more series, unless there are `max`.
    pub(super) fn make_room(&self, max: usize) -> bool {
        let one_more = |count| (count < max).then_some(count + 1);
        let updated = self
            .series_count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        updated.is_ok()
    }

    /// Counts one series less.
    pub(super) fn give_room(&self) {
        self.series_count.fetch_sub(1, Ordering::Relaxed);
    }
}
