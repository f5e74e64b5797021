//! What is to come of a series, as a detector sees it that looks ahead.

/// What is to come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// In words.
    pub text: String,
    /// Probability of the intervals, 0 to 1.
    pub confidence: f64,
    /// In numbers, by name.
    pub numbers: Vec<(&'static str, f64)>,
    /// Values to come, the next first; empty where there is no forecast.
    pub ahead: Vec<Ahead>,
}

/// A value to come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ahead {
    /// When (seconds since 1970).
    pub timestamp: i64,
    /// What is expected.
    pub expected: f64,
    /// The ends of the interval.
    pub lower: f64,
    /// See `lower`.
    pub upper: f64,
}
