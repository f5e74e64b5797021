//! Where a series is now, whatever its line says: at the value, near it, or away.
//!
//! The middle of the last three samples is where it is, so that a wild one counts for nothing.

use super::super::past::median;
use crate::save::{fields, hold};

/// Samples of which the middle one counts.
const SAMPLES: u8 = 3;
/// What is so many deviations from the value may be there with the next sample.
const NEAR: f64 = 3.0;

/// The last samples of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Now {
    /// The newest first.
    values: [f64; SAMPLES as usize],
    /// Those that are known.
    count: u8,
    /// When it was near the value last (seconds since 1970).
    near_at: i64,
}
fields!(Now { values, count, near_at } check |now| {
    hold(now.values.iter().all(|value| value.is_finite()), "a sample is infinite, or none")?;
    hold(now.count <= SAMPLES, "more samples are kept than there are")
});

/// A value, and the side from which it is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Goal {
    pub(super) value: f64,
    /// Does it lie above the series?
    pub(super) upwards: bool,
}

impl Goal {
    /// How far `value` is beyond; less than 0: how far it has to go.
    pub(super) fn beyond(&self, value: f64) -> f64 {
        if self.upwards {
            value - self.value
        } else {
            self.value - value
        }
    }
}

impl Now {
    pub(super) fn push(&mut self, value: f64) {
        self.values.rotate_right(1);
        self.values[0] = value;
        self.count = (self.count + 1).min(SAMPLES);
    }

    /// Where the series is; `None`: nothing is known of it.
    pub(super) fn level(&self) -> Option<f64> {
        let mut values = self.values;
        median(&mut values[..usize::from(self.count)])
    }

    /// Is it at the value, or beyond it?
    pub(super) fn is_beyond(&self, goal: Goal) -> bool {
        // Of two nobody knows which is the wild one.
        self.count == SAMPLES && self.level().is_some_and(|level| goal.beyond(level) >= 0.0)
    }

    /// Forgets that it was near a value.
    pub(super) fn forget_near(&mut self) {
        self.near_at = Self::default().near_at;
    }

    /// Looks whether it is near the value at `timestamp`: at it but for noise of the deviation `noise`, and for what its season may
    /// still add, `swing`.
    pub(super) fn look(&mut self, goal: Goal, noise: f64, swing: f64, timestamp: i64) {
        if self
            .level()
            .is_some_and(|level| goal.beyond(level) >= -(NEAR * noise + swing))
        {
            self.near_at = timestamp;
        }
    }

    /// Has it been near the value in the last `seconds`?
    pub(super) fn was_near(&self, timestamp: i64, seconds: i64) -> bool {
        timestamp.saturating_sub(self.near_at) < seconds
    }
}
