//! What all shards have in common.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::detect::Elsewhere;

/// What all shards have in common.
#[derive(Debug, Default)]
pub struct Shared {
    series_count: AtomicUsize,
    /// Newest samples of series that detectors of others name.
    pub(super) elsewhere: Elsewhere,
}

impl Shared {
    /// Series over all shards.
    pub fn series_count(&self) -> usize {
        self.series_count.load(Ordering::Relaxed)
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
