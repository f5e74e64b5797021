//! Which scores people are told of.
//!
//! As it is unless set otherwise:
//!
//! * Nobody is told anything in the first 150 samples and on the first day of a series. On the second day the level channel takes up to
//!   twice as much, and less and less: most of what a day has not shown is no trouble.
//! * The level channel tells at 1 or more, and at three tenths more for each time that it has told in about a week. It is quiet
//!   then for 120 samples or six hours, whichever ends first, though for 12 samples at least.
//! * The spike channel tells at 1 or more when the spike reaches the bar as well, and is quiet then for 10 samples or six hours,
//!   whichever ends first. Every spike of 1 or more, told or not, lifts the bar to 0.4 of its leap at least, which is what it would
//!   be if all of its distance counted, and to 1.7 at most; it halves in 17,000 samples. So a metric that comes in bursts is told of
//!   once, and again when a burst outdoes the others.
//! * What is 1.7 times as much as a channel has told last breaks its quiet: trouble that has become worse is news.
//! * While an anomaly is open, a level tells again as [`super::lasting`] has it.
//! * What one channel has told of the other tells only at twice as much, for 60 samples or six hours: it is the same trouble.

use super::{
    constants::{
        BAR_KEPT, BAR_MAX, BAR_SHARE, LEVEL_QUIET_LEAST, LEVEL_REPEAT, LEVEL_REPEAT_S, OTHER_BAR, OTHER_QUIET_S,
        OTHER_QUIET_SAMPLES, QUIET_OUTDONE, SPIKE_QUIET_SAMPLES, YOUNG_LEVEL_SHARE,
    },
    single::single,
};
use crate::save::fields;

/// When nothing is told, whatever the scores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silence {
    /// Samples at first that nobody is told of.
    pub(super) samples: u32,
    /// Time at first that nobody is told of (seconds).
    pub(super) lasts_s: i64,
    /// Samples after an alert for which the level channel is quiet.
    pub(super) quiet_samples: u8,
    /// Longest time for which it is (seconds).
    pub(super) quiet_s: i64,
}

/// What was told of a series, and what it takes to tell more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Policy {
    /// Time of the first sample.
    first: i64,
    level: Told,
    spike: Told,
    /// How often the level channel has told lately, as of its last time.
    repeats: f32,
    /// What a spike has to reach.
    bar: f32,
}

/// When a channel has told last.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Told {
    /// Seconds from the first sample to that.
    at_s: u32,
    /// Samples since.
    samples: u8,
    /// The score that was told.
    score: f32,
}

/// A sample as the policy sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scored {
    pub(super) timestamp: i64,
    /// Samples of the series, this one included.
    pub(super) count: u32,
    pub(super) level: f64,
    pub(super) spike: f64,
    /// What the spike would be if all of its distance counted.
    pub(super) leap: f64,
    /// What the level has to reach besides, because of the anomaly that is open.
    pub(super) level_bar: f64,
    /// Is it what comes at this time of the day?
    pub(super) is_routine: bool,
}

/// The channels that tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Alerts {
    pub(super) level: bool,
    pub(super) spike: bool,
}

fields!(Policy {
    first,
    level,
    spike,
    repeats,
    bar
});
fields!(Told { at_s, samples, score });
fields!(Alerts { level, spike });

impl Policy {
    /// That of a series whose first sample is at `first`.
    pub(super) fn new(first: i64) -> Self {
        Self {
            first,
            level: Told::NEVER,
            spike: Told::NEVER,
            repeats: 0.0,
            bar: 0.0,
        }
    }

    /// Time of the first sample.
    pub(super) fn first(&self) -> i64 {
        self.first
    }

    /// What the next spike has to reach to be told, besides 1.
    pub(super) fn next_bar(&self) -> f64 {
        f64::from(self.bar * single(BAR_KEPT))
    }

    /// Is the series too young, at `timestamp` with `count` samples, for anything to be told?
    pub(super) fn is_silent(&self, silence: Silence, timestamp: i64, count: u32) -> bool {
        count <= silence.samples || timestamp - self.first < silence.lasts_s
    }

    /// Whom a sample is told by. Once for each sample, in their order.
    pub(super) fn decide(&mut self, silence: Silence, sample: Scored) -> Alerts {
        let silent = self.is_silent(silence, sample.timestamp, sample.count);
        self.level.samples = self.level.samples.saturating_add(1);
        self.spike.samples = self.spike.samples.saturating_add(1);
        let age_s = self.age_s(sample.timestamp);
        let level = self.decide_level(silence, silent, sample, age_s);
        let spike = self.decide_spike(silent, sample, age_s);
        let now = |score: f64| Told {
            at_s: age_s,
            samples: 0,
            score: single(score),
        };
        if level {
            self.level = now(sample.level);
        }
        if spike {
            self.spike = now(sample.spike);
        }
        Alerts { level, spike }
    }

    /// Seconds from the first sample to `timestamp`, as far as there is room: 136 years.
    fn age_s(&self, timestamp: i64) -> u32 {
        u32::try_from(timestamp - self.first).unwrap_or(u32::MAX)
    }

    fn decide_level(&mut self, silence: Silence, silent: bool, sample: Scored, age_s: u32) -> bool {
        let quiet = self.level.samples <= LEVEL_QUIET_LEAST
            || self.level.is_within(silence.quiet_samples, silence.quiet_s, age_s);
        let quiet = quiet && !self.level.is_outdone(sample.level);
        if silent || quiet || sample.level < 1.0 {
            return false;
        }
        let repeats =
            f64::from(self.repeats) * (-f64::from(age_s.saturating_sub(self.level.at_s)) / LEVEL_REPEAT_S).exp();
        let bar = (1.0 + LEVEL_REPEAT * repeats) * self.spike.bar_of_other(age_s);
        let alert = sample.level >= (bar * young_bar(silence, age_s)).max(sample.level_bar);
        if alert {
            self.repeats = single(repeats + 1.0);
        }
        alert
    }

    fn decide_spike(&mut self, silent: bool, sample: Scored, age_s: u32) -> bool {
        let Scored { spike, leap, .. } = sample;
        let bar = self.next_bar();
        self.bar = single(bar);
        if spike < 1.0 {
            return false;
        }
        let quiet = self.spike.is_within(SPIKE_QUIET_SAMPLES, OTHER_QUIET_S, age_s) && !self.spike.is_outdone(spike);
        let alert = !silent && !quiet && spike >= bar.max(self.level.bar_of_other(age_s));
        self.bar = self.bar.max(single((BAR_SHARE * leap).min(BAR_MAX)));
        alert
    }
}

/// What a level has to reach in a series that is `age_s` old: from twice as much on when its silence ends, for as long again.
fn young_bar(silence: Silence, age_s: u32) -> f64 {
    let silent_s = f64::from(u32::try_from(silence.lasts_s).unwrap_or(u32::MAX));
    let left_s = (2.0 * silent_s - f64::from(age_s)).clamp(0.0, silent_s);
    1.0 + YOUNG_LEVEL_SHARE * left_s / silent_s.max(1.0)
}

impl Told {
    const NEVER: Self = Self {
        at_s: 0,
        samples: u8::MAX,
        score: 0.0,
    };

    /// Was it at most so many samples before a series was `age_s` old, and less than `lasts_s`?
    fn is_within(self, samples: u8, lasts_s: i64, age_s: u32) -> bool {
        self.samples <= samples && i64::from(age_s.saturating_sub(self.at_s)) < lasts_s
    }

    /// Is `score` so much more that it is news, however short a time ago it was?
    fn is_outdone(self, score: f64) -> bool {
        score >= QUIET_OUTDONE * f64::from(self.score)
    }

    /// What the other channel has to reach.
    fn bar_of_other(self, age_s: u32) -> f64 {
        if self.is_within(OTHER_QUIET_SAMPLES, OTHER_QUIET_S, age_s) {
            OTHER_BAR
        } else {
            1.0
        }
    }
}

#[cfg(test)]
impl Silence {
    /// Quiet spells as they are when nothing is set, and no silence at first.
    pub(super) const NONE: Self = Self {
        samples: 0,
        lasts_s: 0,
        quiet_samples: 120,
        quiet_s: 6 * 3600,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

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
                    leap: spike,
                    level_bar: 0.0,
                    is_routine: false,
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
            ..Silence::NONE
        };
        // The day ends last, and then the samples do.
        assert_eq!(told(silence, 60, &[(2.0, 1.0)].repeat(1500)), (vec![1440], vec![1440]));
        assert_eq!(told(silence, 3600, &[(1.0, 0.0)].repeat(1500)).0[0], 150);
    }

    #[test]
    fn a_level_takes_more_on_the_second_day() {
        let silence = Silence {
            samples: 150,
            lasts_s: 86_400,
            ..Silence::NONE
        };
        let first = |level| told(silence, 60, &[(level, 0.0)].repeat(3000)).0[0];
        assert_eq!([2.0, 1.75, 1.5, 1.0].map(first), [1440, 1800, 2160, 2880]);
    }

    #[test]
    fn a_level_is_told_again_after_120_samples_or_six_hours() {
        assert_eq!(told(Silence::NONE, 60, &[(2.0, 0.0); 300]).0, [0, 121, 242]);
        assert_eq!(told(Silence::NONE, 1200, &[(2.0, 0.0); 40]).0, [0, 18, 36]);
        assert_eq!(told(Silence::NONE, 3600, &[(2.0, 0.0); 30]).0, [0, 13, 26]);
        assert!(told(Silence::NONE, 60, &[(0.99, 0.0); 300]).0.is_empty());
    }

    #[test]
    fn how_long_a_level_is_quiet_can_be_set() {
        let after = |quiet_samples, quiet_s| {
            let silence = Silence {
                quiet_samples,
                quiet_s,
                ..Silence::NONE
            };
            told(silence, 60, &[(2.0, 0.0); 300]).0[1]
        };
        assert_eq!(
            [after(30, 6 * 3600), after(250, 6 * 3600), after(250, 3600)],
            [31, 251, 60]
        );
        assert_eq!(after(250, 0), 13, "though for 12 samples at least");
    }

    #[test]
    fn trouble_that_has_become_much_worse_breaks_the_quiet() {
        let after = |first: f64, then: f64| {
            let mut scores = vec![(0.0, 0.0); 6];
            (scores[0], scores[5]) = ((first, 0.0), (then, 0.0));
            let levels = told(Silence::NONE, 60, &scores).0.len();
            (scores[0], scores[5]) = ((0.0, first), (0.0, then));
            (levels, told(Silence::NONE, 60, &scores).1.len())
        };
        assert_eq!(after(1.0, 1.69), (1, 1));
        assert_eq!(after(1.0, 1.71), (2, 2));
        assert_eq!(after(2.0, 3.39), (1, 1));
        assert_eq!(after(2.0, 3.41), (2, 2));
    }

    #[test]
    fn a_level_has_to_reach_more_the_more_it_was_told_of() {
        // Twelve hours apart: after one telling 1.28 is needed, or 1.26 a day later, after two 1.52.
        let after = |scores: &[f64]| {
            let mut all = vec![(0.0, 0.0); 24 * 60 * scores.len()];
            for (place, &level) in scores.iter().enumerate() {
                all[720 * place].0 = level;
            }
            let places = told(Silence::NONE, 60, &all).0;
            places.into_iter().map(|place| place / 720).collect::<Vec<_>>()
        };
        assert_eq!(after(&[1.0, 1.2, 1.3, 1.5, 1.6]), [0, 2, 4]);
        let mut weeks = [0.0; 100];
        (weeks[0], weeks[1], weeks[2], weeks[99]) = (1.0, 1.3, 1.6, 1.01);
        assert_eq!(after(&weeks), [0, 1, 2, 99]);
    }

    #[test]
    fn what_one_channel_has_told_the_other_tells_only_at_twice_as_much() {
        let after = |level: f64, samples: usize, spike: f64| {
            let mut scores = vec![(0.0, 0.0); samples + 1];
            (scores[0].0, scores[samples].1) = (level, spike);
            !told(Silence::NONE, 60, &scores).1.is_empty()
        };
        assert!(!after(1.0, 1, 1.9) && after(1.0, 1, 2.0) && after(0.9, 1, 1.0));
        assert!(!after(1.0, 60, 1.9) && after(1.0, 61, 1.0));
        let levels = |spike: f64, level: f64| told(Silence::NONE, 3600, &[(0.0, spike), (level, 0.0)]).0.len();
        assert_eq!([levels(1.0, 1.9), levels(1.0, 2.0), levels(0.9, 1.0)], [0, 1, 1]);
        assert_eq!(
            told(Silence::NONE, 60, &[(1.0, 1.0)]),
            (vec![0], vec![0]),
            "but at once they tell both"
        );
    }

    #[test]
    fn a_spike_is_told_again_after_10_samples_or_six_hours() {
        assert_eq!(told(Silence::NONE, 60, &[(0.0, 1.0); 30]).1, [0, 11, 22]);
        assert_eq!(told(Silence::NONE, 3600, &[(0.0, 1.0); 14]).1, [0, 6, 12]);
    }

    #[test]
    fn a_great_spike_silences_small_ones_for_a_while() {
        let mut scores = vec![(0.0, 0.0); 20_000];
        scores[0].1 = 3.75;
        // The bar is at 1.5, and at 1 after 9,944 samples.
        for place in [100, 6000, 9900, 10_000] {
            scores[place].1 = 1.0;
        }
        scores[3000].1 = 1.4;
        assert_eq!(told(Silence::NONE, 60, &scores).1, [0, 3000, 10_000]);
    }

    #[test]
    fn no_spike_silences_one_of_1_7() {
        let mut scores = vec![(0.0, 0.0); 30];
        (scores[0].1, scores[15].1, scores[29].1) = (1e6, 1.6, 1.7);
        assert_eq!(told(Silence::NONE, 60, &scores).1, [0, 29]);
    }

    #[test]
    fn a_spike_lifts_the_bar_by_all_of_its_distance() {
        let told = |leap| {
            let mut policy = Policy::new(0);
            let mut tell = |timestamp, spike, leap| {
                let sample = Scored {
                    timestamp,
                    count: 1,
                    level: 0.0,
                    spike,
                    leap,
                    level_bar: 0.0,
                    is_routine: false,
                };
                policy.decide(Silence::NONE, sample).spike
            };
            assert!(tell(0, 1.0, leap));
            (1..20).for_each(|place| assert!(!tell(60 * place, 0.0, 0.0)));
            tell(1200, 1.5, 1.5)
        };
        assert!(told(1.0) && told(3.7) && !told(3.8));
    }

    #[test]
    fn a_spike_that_is_not_told_lifts_the_bar_too() {
        let mut scores = vec![(0.0, 0.0); 300];
        scores[0].1 = 10.0;
        scores[200].1 = 1.5;
        let silence = Silence {
            samples: 150,
            ..Silence::NONE
        };
        assert!(told(silence, 60, &scores).1.is_empty());
    }
}
