//! What can be set of the adaptive detector.

use jiff::tz::TimeZone;

use super::{Direction, Floor};
use crate::detect::Severity;

/// Settings of the adaptive detector.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How easily it is alarmed (0.01 to 100): 1 is usual, 1.5 gives three to ten times as many false alarms, 0.67 a third.
    pub sensitivity: f64,
    /// Deviations in which direction count.
    pub direction: Direction,
    /// Distance from the expected value up to which nothing is told (0 or more).
    pub min_deviation: Floor,
    /// Whose clocks seasons follow.
    pub timezone: TimeZone,
    /// Samples at first of which nothing is told (0 or more).
    pub silent_samples: u32,
    /// Time at first of which nothing is told (seconds, 0 or more).
    pub silent_for_s: i64,
    /// Samples after an alert of the level channel for which it is quiet (12 to 250) ...
    pub quiet_samples: u8,
    /// ... unless so much time has passed before (seconds, 0 or more).
    pub quiet_for_s: i64,
    /// Do the votes of Skyline's nine algorithms, as they are when nothing is set, go with an anomaly that opens?
    pub explain: bool,
    /// How much each channel matters.
    pub severity: Severities,
}

/// How much each channel matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Severities {
    /// A level that is not usual.
    pub level: Severity,
    /// A step that is not usual.
    pub spike: Severity,
    /// Either at most, where the like has come at this time of the day on three days lately.
    pub routine: Severity,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sensitivity: 1.0,
            direction: Direction::Both,
            min_deviation: Floor::Absolute(0.0),
            timezone: TimeZone::UTC,
            silent_samples: 150,
            silent_for_s: 24 * 3600,
            quiet_samples: 120,
            quiet_for_s: 6 * 3600,
            explain: false,
            severity: Severities::default(),
        }
    }
}

impl Default for Severities {
    fn default() -> Self {
        Self {
            level: Severity::Warning,
            spike: Severity::Warning,
            routine: Severity::Info,
        }
    }
}
