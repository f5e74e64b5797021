//! Where a series is while an anomaly is open: kept apart from what is usual until people would call it so.

use super::{constants::NEW_LEVEL_S, moments::Moments, yardstick::Yardstick};
use crate::save::fields;

/// The means of the last 3 and 24 residuals of a series with an open anomaly, and what they were measured by before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    before: [Yardstick; 2],
    /// Of all values, before.
    variance: f64,
    short: Moments,
    long: Moments,
    samples: u32,
}

fields!(Level {
    before,
    variance,
    short,
    long,
    samples
});

impl Level {
    /// Of a series whose anomaly has just opened, with what it was measured by until then.
    pub(super) fn new(before: [Yardstick; 2], variance: f64) -> Self {
        Self {
            before,
            variance,
            short: Moments::default(),
            long: Moments::default(),
            samples: 0,
        }
    }

    /// Takes in the means of the last 3 and 24 residuals, `interval_s` seconds after those before.
    pub(super) fn learn(&mut self, (short, long): (f64, f64), interval_s: f64) {
        self.samples = self.samples.saturating_add(1);
        let gain = (interval_s / NEW_LEVEL_S).max(1.0 / f64::from(self.samples)).min(1.0);
        self.short.learn(short, gain);
        self.long.learn(long, gain);
    }

    /// How far it is from what was usual.
    pub(super) fn shift(&self) -> f64 {
        self.long.mean
    }

    /// Variance of all values, once the level is usual: the shift is no noise, and what has become noisier with it is.
    pub(super) fn variance(&self) -> f64 {
        self.variance.max(self.long.variance)
    }

    /// What means of the last 3 and 24 residuals are measured by then.
    pub(super) fn yardsticks(&self) -> [Yardstick; 2] {
        let [short, long] = self.before;
        [short.with_noise_of(self.short), long.with_noise_of(self.long)]
    }
}
