//! The time, by timestamps of which some may be wrong.

use std::collections::VecDeque;

use crate::line::Timestamp;

/// Timestamps whose median is the time.
const CLOCK_SAMPLES: usize = 5;

/// The time: the median of the last few timestamps, so that a single wrong one does not move it.
#[derive(Debug, Default)]
pub(super) struct Clock {
    pub(super) last: VecDeque<Timestamp>,
    pub(super) now: Timestamp,
}

impl Clock {
    pub(super) fn see(&mut self, at: Timestamp) {
        self.last.push_back(at);
        if self.last.len() > CLOCK_SAMPLES {
            self.last.pop_front();
        }
        let mut sorted: Vec<Timestamp> = self.last.iter().copied().collect();
        sorted.sort_unstable();
        self.now = sorted[sorted.len() / 2];
    }
}
