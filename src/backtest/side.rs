//! One configuration at work: a shard, and what it has seen.

use std::sync::Arc;

use bytes::Bytes;

use super::{Options, Summary};
use crate::{
    clock,
    intake::{ForwardInvalid, Sorter},
    shard::{self, Change, Event, Shard},
};

/// One configuration at work.
pub(super) struct Side {
    sorter: Sorter,
    pub(super) shard: Shard,
    pub(super) summary: Summary,
}

impl Side {
    pub(super) fn new(mut settings: shard::Settings, options: Options) -> Self {
        settings.limits.max_age_s = None;
        Self {
            sorter: Sorter::new(1, options.max_line_bytes, ForwardInvalid::Forward),
            shard: Shard::new(Arc::new(settings), options.verbosity, Arc::default()).by_samples(),
            summary: Summary::default(),
        }
    }

    /// Judges the lines of `chunk`.
    pub(super) fn judge(&mut self, chunk: &Bytes, events: &mut Vec<Event>) {
        let received = clock::now();
        let mut sorted = self.sorter.sort(chunk, received);
        self.summary.lines += sorted.lines;
        self.summary.tally.add(&sorted.tally);
        if let Some(batch) = sorted.take_batch(0, chunk, received) {
            self.shard.apply(&batch, events, &mut self.summary.tally);
        }
        self.summary.series = self.shard.series_count();
    }

    /// Counts what opens and what closes.
    pub(super) fn count(&mut self, event: &Event) {
        match event.change {
            Some(Change::Opened) => {
                *self.summary.opened.entry(Arc::clone(&event.detector)).or_default() += 1;
                self.summary.open += 1;
            }
            Some(Change::Closed) => self.summary.open -= 1,
            Some(Change::Again) | None => {}
        }
    }
}
