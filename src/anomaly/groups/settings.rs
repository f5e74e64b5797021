//! Settings of the groups.

/// When anomalies make a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Time in which anomalies belong together, by the samples' own time (seconds, 60 to 86,400).
    pub window_s: i64,
    /// Series that make a group (2 to 1,000).
    pub min_members: usize,
    /// Groups that may come about by chance (a day, above 0 and at most 100): fewer makes them larger, and later.
    pub chance_per_day: f64,
    /// A group to which nothing has happened for so long is over, whatever its members do (seconds, 60 or more).
    pub quiet_s: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_s: 600,
            min_members: 3,
            chance_per_day: 0.1,
            quiet_s: 4 * 3600,
        }
    }
}
