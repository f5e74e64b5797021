//! Which scores people are told of.
//!
//! * Nobody is told anything in the first 150 samples and on the first day of a series.
//! * The level channel tells at 1 or more, and is quiet then for 120 samples or six hours, whichever ends first.
//! * The spike channel tells at 1 or more when the spike reaches the bar as well, and is quiet then for 10 samples. Every
//!   spike of 1 or more, told or not, lifts the bar to 0.4 of itself at least; it halves in 10,000 samples. So a metric
//!   that comes in bursts is told of once, and again when a burst outdoes the others.

use super::{
    constants::{BAR_KEPT, BAR_SHARE, LEVEL_QUIET_S, LEVEL_QUIET_SAMPLES, SPIKE_QUIET_SAMPLES},
    single::single,
};

/// When a series has shown enough of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silence {
    /// Samples at first that nobody is told of.
    pub(super) samples: u32,
    /// Time at first that nobody is told of (seconds).
    pub(super) lasts_s: i64,
}

/// What was told of a series, and what it takes to tell more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Policy {
    /// Time of the first sample.
    first: i64,
    /// Time at which the level channel may speak again.
    level_quiet_until: i64,
    /// Samples for which the level channel is quiet yet.
    level_quiet: u8,
    /// Samples for which the spike channel is quiet yet.
    spike_quiet: u8,
    /// What a spike has to reach.
    bar: f32,
}

/// A sample as the policy sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scored {
    pub(super) timestamp: i64,
    /// Samples of the series, this one included.
    pub(super) count: u32,
    pub(super) level: f64,
    pub(super) spike: f64,
}

/// The channels that tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Alerts {
    pub(super) level: bool,
    pub(super) spike: bool,
}

impl Policy {
    /// That of a series whose first sample is at `first`.
    pub(super) fn new(first: i64) -> Self {
        Self {
            first,
            level_quiet_until: i64::MIN,
            level_quiet: 0,
            spike_quiet: 0,
            bar: 0.0,
        }
    }

    /// Time of the first sample.
    pub(super) fn first(&self) -> i64 {
        self.first
    }

    /// What a spike has to reach to be told, besides 1.
    pub(super) fn bar(&self) -> f64 {
        f64::from(self.bar)
    }

    /// Is the series too young, at `timestamp` with `count` samples, for anything to be told?
    pub(super) fn is_silent(&self, silence: Silence, timestamp: i64, count: u32) -> bool {
        count <= silence.samples || timestamp - self.first < silence.lasts_s
    }

    /// Whom a sample is told by. Once for each sample, in their order.
    pub(super) fn decide(&mut self, silence: Silence, sample: Scored) -> Alerts {
        let silent = self.is_silent(silence, sample.timestamp, sample.count);
        Alerts {
            level: self.decide_level(silent, sample),
            spike: self.decide_spike(silent, sample.spike),
        }
    }

    fn decide_level(&mut self, silent: bool, sample: Scored) -> bool {
        let quiet = self.level_quiet > 0 && sample.timestamp < self.level_quiet_until;
        self.level_quiet = self.level_quiet.saturating_sub(1);
        let alert = !silent && !quiet && sample.level >= 1.0;
        if alert {
            self.level_quiet = LEVEL_QUIET_SAMPLES;
            self.level_quiet_until = sample.timestamp + LEVEL_QUIET_S;
        }
        alert
    }

    fn decide_spike(&mut self, silent: bool, spike: f64) -> bool {
        let quiet = self.spike_quiet > 0;
        self.spike_quiet = self.spike_quiet.saturating_sub(1);
        self.bar *= single(BAR_KEPT);
        let mut alert = false;
        if spike >= 1.0 {
            alert = !silent && !quiet && spike >= f64::from(self.bar);
            self.bar = self.bar.max(single(BAR_SHARE * spike));
        }
        if alert {
            self.spike_quiet = SPIKE_QUIET_SAMPLES;
        }
        alert
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Silence = Silence { samples: 0, lasts_s: 0 };

    /// Places of the samples that are told, at one in `step_s` seconds.
    fn told(silence: Silence, step_s: i64, scores: &[(f64, f64)]) -> (Vec<usize>, Vec<usize>) {
        let mut policy = Policy::new(0);
        let (mut levels, mut spikes) = (Vec::new(), Vec::new());
        for (place, &(level, spike)) in scores.iter().enumerate() {
            let alerts = policy.decide(
                silence,
                Scored {
                    timestamp: step_s * i64::try_from(place).unwrap(),
                    count: u32::try_from(place).unwrap() + 1,
                    level,
                    spike,
                },
            );
            levels.extend(alerts.level.then_some(place));
            spikes.extend(alerts.spike.then_some(place));
        }
        (levels, spikes)
    }

    #[test]
    fn nothing_is_told_before_the_series_is_known() {
        let silence = Silence {
            samples: 150,
            lasts_s: 86_400,
        };
        // The day ends last, and then the samples do.
        assert_eq!(told(silence, 60, &[(1.0, 0.0)].repeat(1500)).0[0], 1440);
        assert_eq!(told(silence, 3600, &[(1.0, 0.0)].repeat(1500)).0[0], 150);
    }

    #[test]
    fn a_level_is_told_again_after_120_samples_or_six_hours() {
        assert_eq!(told(NONE, 60, &[(1.0, 0.0); 300]).0, [0, 121, 242]);
        assert_eq!(told(NONE, 3600, &[(1.0, 0.0); 20]).0, [0, 6, 12, 18]);
        assert!(told(NONE, 60, &[(0.99, 0.0); 300]).0.is_empty());
    }

    #[test]
    fn a_spike_is_told_again_after_10_samples() {
        assert_eq!(told(NONE, 60, &[(0.0, 1.0); 30]).1, [0, 11, 22]);
    }

    #[test]
    fn a_great_spike_silences_small_ones_for_a_while() {
        let mut scores = vec![(0.0, 0.0); 20_000];
        scores[0].1 = 5.0;
        // The bar is at 2, and at 1 after 10,000 samples.
        for place in [100, 6000, 9900, 10_100] {
            scores[place].1 = 1.0;
        }
        scores[3000].1 = 1.7;
        assert_eq!(told(NONE, 60, &scores).1, [0, 3000, 10_100]);
    }

    #[test]
    fn a_spike_that_is_not_told_lifts_the_bar_too() {
        let mut scores = vec![(0.0, 0.0); 300];
        scores[0].1 = 10.0;
        scores[200].1 = 3.0;
        let silence = Silence {
            samples: 150,
            lasts_s: 0,
        };
        assert!(told(silence, 60, &scores).1.is_empty());
    }
}
