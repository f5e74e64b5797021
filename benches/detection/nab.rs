//! The score of the Numenta Anomaly Benchmark (Lavin and Ahmad 2015), from its published definition.
//!
//! A window is worth most when the first alert in it comes at its very beginning, little at its end; later alerts in it
//! count neither way. An alert outside of windows costs little just behind a window and all it can where the window lies
//! three of its lengths back, or where there was none. A missed window costs `missed`. The sum over all series is put on
//! a scale on which a detector that never alerts has 0 and one that hits the first sample of each window, and nothing
//! else, has 100. Alerts on probation are not looked at.

use crate::labelled::Series;

/// What is worth how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// Name of the profile.
    pub(crate) name: &'static str,
    /// A window that was found at its first sample.
    pub(crate) found: f64,
    /// An alert far behind any window.
    pub(crate) false_alarm: f64,
    /// A window that was not found.
    pub(crate) missed: f64,
}

/// The benchmark's profiles: as it is, for people who suffer from false alarms, and for people who suffer from misses.
pub(crate) const PROFILES: [Profile; 3] = [
    Profile {
        name: "standard",
        found: 1.0,
        false_alarm: 0.11,
        missed: 1.0,
    },
    Profile {
        name: "low FP",
        found: 1.0,
        false_alarm: 0.22,
        missed: 1.0,
    },
    Profile {
        name: "low FN",
        found: 1.0,
        false_alarm: 0.11,
        missed: 2.0,
    },
];

/// The score of some series together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Score {
    sum: f64,
    windows: usize,
}

impl Score {
    /// Adds a series and the samples at which there was an alert, in order.
    pub(crate) fn add(&mut self, profile: &Profile, series: &Series, alerts: &[usize]) {
        let alerts = || alerts.iter().copied().filter(|&alert| alert >= series.probation);
        self.windows += series.windows.len();
        for &(first, last) in &series.windows {
            self.sum += match alerts().find(|alert| (first..=last).contains(alert)) {
                Some(alert) => profile.found * worth(-ratio(last - alert + 1, last - first + 1)) / worth(-1.0),
                None => -profile.missed,
            };
        }
        for alert in alerts() {
            let window = series.windows.iter().rev().find(|&&(first, _)| first <= alert);
            self.sum += match window {
                Some(&(_, last)) if alert <= last => 0.0,
                Some(&(first, last)) => profile.false_alarm * worth(ratio(alert - last, (last - first).max(1))),
                None => -profile.false_alarm,
            };
        }
    }

    /// The score, with 0 for silence and 100 for perfection.
    pub(crate) fn normalised(&self, profile: &Profile) -> f64 {
        let silence = -profile.missed * ratio(self.windows, 1);
        let perfection = profile.found * ratio(self.windows, 1);
        100.0 * (self.sum - silence) / (perfection - silence)
    }
}

/// What an alert is worth by its place: -1 is the first sample of a window, 0 just behind the last.
fn worth(place: f64) -> f64 {
    if place > 3.0 {
        -1.0
    } else {
        2.0 / (1.0 + (5.0 * place).exp()) - 1.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of samples")]
fn ratio(samples: usize, of: usize) -> f64 {
    samples as f64 / of as f64
}
