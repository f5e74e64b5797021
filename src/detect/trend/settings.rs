//! What can be set of a trend.

use jiff::tz::TimeZone;

use super::super::{Patience, Severity, past::Steps};

/// Means of hours that are kept: 60 days.
const HOURS_KEPT: usize = 60 * 24;

/// What a line may go through (seconds): an hour to 60 days.
pub const OVER_S: std::ops::RangeInclusive<i64> = 3600..=60 * 86_400;

/// What is to be told of a series that goes its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The value that may be reached (units of the metric).
    pub reaches: f64,
    /// From where.
    pub direction: Direction,
    /// It is an anomaly when the value is expected within this time (seconds, 60 or more) ...
    pub within_s: i64,
    /// ... and over when it is not within this any more (seconds, `within_s` or more).
    pub clear_s: i64,
    /// What the line goes through (seconds, an hour to 60 days).
    pub over_s: i64,
    /// Time from the oldest to the newest sample that a line needs (seconds, up to `over_s`).
    pub min_history_s: i64,
    /// Part of what the series does that the line has to explain (0 to 1), season and steps apart.
    pub min_fit: f64,
    /// Probability of the interval about the expected time (0.5 to 0.99).
    pub confidence: f64,
    /// Whose clocks days and weeks follow.
    pub timezone: TimeZone,
    /// How often and how long.
    pub patience: Patience,
    /// How much an anomaly matters.
    pub severity: Severity,
}

/// From where a value is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From below.
    Up,
    /// From above.
    Down,
    /// From where the series is.
    Either,
}

impl Settings {
    /// The value is expected within a day.
    pub fn new(reaches: f64) -> Self {
        Self {
            reaches,
            direction: Direction::Either,
            within_s: 24 * 3600,
            clear_s: 36 * 3600,
            over_s: 14 * 86_400,
            min_history_s: 4 * 86_400,
            min_fit: 0.3,
            confidence: 0.9,
            timezone: TimeZone::UTC,
            patience: Patience::default(),
            severity: Severity::Warning,
        }
    }

    /// The steps in which the past is kept: so that what is looked back on has 60 at least, and a memory of bounded size holds it.
    pub(in crate::detect) fn steps(&self) -> Steps {
        let (step_s, kept) = match self.over_s {
            216_000.. => (3600, HOURS_KEPT),
            // Ten days, to know what is usual for a day.
            36_000.. => (600, 10 * 144),
            // Less than a day has no season.
            over_s => (60, usize::try_from(over_s / 60).unwrap_or_default()),
        };
        Steps { step_s, kept }
    }

    /// Steps that the line goes through.
    pub(super) fn steps_over(&self) -> usize {
        usize::try_from(self.over_s / self.steps().step_s).unwrap_or(usize::MAX)
    }

    /// Steps after which a line is drawn anew.
    pub(super) fn steps_to_wait(&self) -> u16 {
        match self.steps().step_s {
            60 => u16::try_from(self.over_s / 3600).unwrap_or(1).max(1),
            _ => 1,
        }
    }
}
