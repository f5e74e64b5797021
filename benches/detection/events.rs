//! Precision and recall of events: a labelled window is one event, whatever its length.
//!
//! An event is found when an alert falls into its window or comes at most `slack_points` late; further alerts in the same
//! window count neither way. Every alert elsewhere is a false alarm. Neither alerts nor windows on probation count; of a
//! window that reaches out of it, the rest does.

use crate::labelled::Series;

/// How many events were found in some series, and how often there was a false alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Events {
    /// Events found.
    pub(crate) found: usize,
    /// Events missed.
    pub(crate) missed: usize,
    /// Alerts that belong to no event.
    pub(crate) false_alarms: usize,
    /// Time that was scored, over all series (days).
    pub(crate) days: f64,
}

impl Events {
    /// Adds a series and the samples at which there was an alert.
    pub(crate) fn add(&mut self, series: &Series, slack_points: usize, alerts: &[usize]) {
        let alerts = || alerts.iter().copied().filter(|&alert| alert >= series.probation);
        let covers = |&(first, last): &(usize, usize), alert| first <= alert && alert <= last + slack_points;
        for window in series.windows.iter().filter(|window| window.1 >= series.probation) {
            if alerts().any(|alert| covers(window, alert)) {
                self.found += 1;
            } else {
                self.missed += 1;
            }
        }
        self.false_alarms += alerts()
            .filter(|&alert| !series.windows.iter().any(|window| covers(window, alert)))
            .count();
        self.days += series.scored_days();
    }

    /// Share of findings that are right.
    pub(crate) fn precision(&self) -> f64 {
        share(self.found, self.found + self.false_alarms)
    }

    /// Share of events that were found.
    pub(crate) fn recall(&self) -> f64 {
        share(self.found, self.found + self.missed)
    }

    /// The harmonic mean of precision and recall.
    pub(crate) fn f1(&self) -> f64 {
        share(2 * self.found, 2 * self.found + self.missed + self.false_alarms)
    }

    /// False alarms per series and day.
    #[expect(clippy::cast_precision_loss, reason = "a count of alerts")]
    pub(crate) fn false_alarms_per_day(&self) -> f64 {
        self.false_alarms as f64 / self.days
    }
}

/// A share of none is none.
#[expect(clippy::cast_precision_loss, reason = "counts of events")]
fn share(some: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { some as f64 / all as f64 }
}
