//! What can be set of a forecast.

use jiff::tz::TimeZone;

use super::super::{Patience, Severity, adaptive::Direction};

/// What is to be told of a series that does not do what was expected of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long before what a sample is held against was foretold (seconds, 1 to 24 whole hours).
    pub horizon_s: i64,
    /// Probability of the intervals (0.5 to 0.999).
    pub confidence: f64,
    /// Which deviations count.
    pub direction: Direction,
    /// Deviations up to this are never odd (units of the metric, 0 or more).
    pub min_deviation: f64,
    /// Time that has to be known before anything is foretold (seconds, 4 to 42 days).
    pub min_history_s: i64,
    /// Whose clocks days and weeks follow.
    pub timezone: TimeZone,
    /// How often and how long.
    pub patience: Patience,
    /// How much an anomaly matters.
    pub severity: Severity,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            horizon_s: 3600,
            confidence: 0.99,
            direction: Direction::Both,
            min_deviation: 0.0,
            min_history_s: 4 * 86_400,
            timezone: TimeZone::UTC,
            patience: Patience {
                needed: 1,
                of: 1,
                for_s: 900,
            },
            severity: Severity::Warning,
        }
    }
}

impl Settings {
    /// What may lie outside of an interval, of 1.
    pub(super) fn outside(&self) -> f64 {
        1.0 - self.confidence
    }

    pub(super) fn horizon_hours(&self) -> usize {
        usize::try_from(self.horizon_s / 3600).unwrap_or(1)
    }
}
