//! How long an anomaly lasts.
//!
//! * It opens with an alert, of either channel, and with nothing else.
//! * It is over when the series is *back*: calm for 24 samples in a row, or at the first calm sample three hours after the last
//!   that was not, and not away any more. Calm is a sample whose level is below 0.7, and its spike too, had all of its distance
//!   counted. The series is *away* while the mean of the last residuals is further from what it usually is than half of the
//!   furthest that it has been, and further than it usually was before.
//! * It is over as well when it is *usual*: after two days and 24 samples. Then what the series has come to is taken for
//!   normal.
//! * While it lasts a level is told of again only when it is half as much more than it has been, or matters more than the spike
//!   that was told of.
//!
//! So a series that hovers at the boundary opens one anomaly in 25 samples at most, or in three hours if that is shorter:
//! what has just opened has to be calm for so long before anything can open again.

use super::{
    constants::{
        ACCEPT_S, ACCEPT_SAMPLES, AWAY_DEVIATIONS, CALM_S, CALM_SAMPLES, CALM_SCORE, LEVEL_WORSE, SHORT_RESIDUALS,
    },
    policy::{Alerts, Scored},
    single::single,
};
use crate::save::{fields, hold};

/// The anomaly of a series, if one is open.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lasting {
    open: bool,
    /// The channels that have told of it, or of the last.
    told: Alerts,
    /// Calm samples at its end.
    calm: u8,
    /// Samples since it opened, as far as there is room.
    samples: u8,
    /// When it opened.
    opened: i64,
    /// Seconds from then to the last sample that was not calm.
    troubled_s: u32,
    /// The furthest that the mean of the last residuals has been from what it usually is.
    furthest: f32,
    /// What of that is usual.
    usual: f32,
    /// Is it away?
    away: bool,
    /// The highest level since it opened.
    highest: f32,
    /// Was all that was told of it, or of the last, what comes at that time of the day?
    routine: bool,
}

fields!(Lasting { open, told, calm, samples, opened, troubled_s, furthest, usual, away, highest, routine } check |lasting| {
    hold(lasting.away || lasting.calm < CALM_SAMPLES || !lasting.open, "an anomaly is open that was over")
});

/// How far from what was expected the last samples are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Apart {
    /// Mean of the last residuals, less what it usually is.
    pub(super) residual: f64,
    /// Its usual deviation.
    pub(super) deviation: f64,
}

/// What a sample means for the anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing: it is open, or none is.
    None,
    /// It has opened.
    Opened,
    /// It is over: the series is back.
    Back,
    /// It is over: it has lasted so long that it is usual.
    Usual,
}

impl Lasting {
    /// Is one open?
    pub(super) fn is_open(self) -> bool {
        self.open
    }

    /// Is one open, and the series not where it usually is?
    pub(super) fn is_away(self) -> bool {
        self.open && self.away
    }

    /// What the level has to reach to be told of; `graver` if that matters more than a spike.
    pub(super) fn level_bar(self, graver: bool) -> f64 {
        if !self.open || graver && !self.told.level {
            0.0
        } else if u32::from(self.samples) < SHORT_RESIDUALS {
            // It has only begun to rise.
            f64::INFINITY
        } else {
            LEVEL_WORSE * f64::from(self.highest)
        }
    }

    /// How long it has lasted at `time`, or the last has (seconds).
    pub(super) fn open_s(self, time: i64) -> i64 {
        time - self.opened
    }

    /// Was all that was told of it, or of the last, what comes at that time of the day?
    pub(super) fn is_routine(self) -> bool {
        self.routine
    }

    /// The channels that have told of it, or of the last.
    pub(super) fn told(self) -> Alerts {
        self.told
    }

    /// Takes in a sample, with what is told of it and how far from usual the series is. Once for each, in their order.
    pub(super) fn follow(&mut self, sample: Scored, alerts: Alerts, apart: Apart) -> Turn {
        let time = sample.timestamp;
        let residual = single(apart.residual.abs());
        let level = single(sample.level);
        if !self.open {
            if !(alerts.level || alerts.spike) {
                return Turn::None;
            }
            *self = Self {
                open: true,
                told: alerts,
                calm: 0,
                samples: 0,
                opened: time,
                troubled_s: 0,
                furthest: residual,
                usual: single(AWAY_DEVIATIONS * apart.deviation),
                away: true,
                highest: level,
                routine: sample.is_routine,
            };
            return Turn::Opened;
        }
        let open_s = self.open_s(time);
        self.samples = self.samples.saturating_add(1);
        self.furthest = self.furthest.max(residual);
        self.away = residual > self.usual.max(self.furthest / 2.0);
        self.highest = self.highest.max(level);
        self.told.level |= alerts.level;
        self.told.spike |= alerts.spike;
        self.routine &= sample.is_routine || !(alerts.level || alerts.spike);
        if sample.level < CALM_SCORE && sample.leap < CALM_SCORE {
            self.calm = (self.calm + 1).min(CALM_SAMPLES);
            let is_calm = self.calm >= CALM_SAMPLES || open_s - i64::from(self.troubled_s) >= CALM_S;
            if is_calm && !self.away {
                self.open = false;
                return Turn::Back;
            }
        } else {
            self.calm = 0;
            self.troubled_s = u32::try_from(open_s).unwrap_or(u32::MAX);
        }
        if open_s >= ACCEPT_S && self.samples >= ACCEPT_SAMPLES {
            self.open = false;
            return Turn::Usual;
        }
        Turn::None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::adaptive::policy::{Policy, Silence};

    #[test]
    fn a_level_that_matters_more_is_told_where_only_a_spike_was() {
        let mut lasting = Lasting::default();
        let spike = Alerts {
            level: false,
            spike: true,
        };
        assert_eq!(lasting.follow(scored(0, 0.5, 2.0, 0.0), spike, at(9.0)), Turn::Opened);
        let is_told = |lasting: Lasting| [true, false].map(|graver| lasting.level_bar(graver) < 9.0);
        assert_eq!(is_told(lasting), [true, false]);
        let level = Alerts {
            level: true,
            spike: false,
        };
        lasting.follow(scored(60, 2.0, 0.0, 0.0), level, at(9.0));
        assert_eq!(is_told(lasting), [false, false], "it has been told now");
    }

    fn at(residual: f64) -> Apart {
        Apart {
            residual,
            deviation: 0.1,
        }
    }

    fn scored(timestamp: i64, level: f64, spike: f64, level_bar: f64) -> Scored {
        Scored {
            timestamp,
            count: 1000,
            level,
            spike,
            leap: spike,
            level_bar,
            is_routine: false,
        }
    }

    #[test]
    fn it_is_routine_until_something_else_is_told_of() {
        let mut lasting = Lasting::default();
        let mut follow = |place: i64, is_routine: bool, spike: bool| {
            let sample = Scored {
                is_routine,
                ..scored(60 * place, 0.0, 1.5, 0.0)
            };
            lasting.follow(sample, Alerts { level: false, spike }, at(1.0));
            lasting.is_routine()
        };
        assert!(follow(0, true, true) && follow(1, false, false) && follow(2, true, true));
        assert!(!follow(3, false, true) && !follow(4, true, true));
    }

    /// What turns at which sample, at one in `step_s` seconds.
    fn turns(step_s: i64, scores: impl IntoIterator<Item = (f64, f64)>) -> Vec<(usize, Turn)> {
        let (mut policy, mut lasting) = (Policy::new(0), Lasting::default());
        let mut turns = Vec::new();
        for (place, (level, spike)) in scores.into_iter().enumerate() {
            let timestamp = step_s * i64::try_from(place).unwrap();
            let sample = scored(timestamp, level, spike, lasting.level_bar(false));
            let alerts = policy.decide(Silence::NONE, sample);
            let turn = lasting.follow(sample, alerts, at(level));
            turns.extend((turn != Turn::None).then_some((place, turn)));
        }
        turns
    }

    fn level(levels: impl IntoIterator<Item = f64>) -> impl Iterator<Item = (f64, f64)> {
        levels.into_iter().map(|level| (level, 0.0))
    }

    #[test]
    fn it_closes_when_all_has_been_calm_for_a_while() {
        let scores = [0.0, 1.0, 0.9, 0.3, 0.8].into_iter().chain([0.4; 100]);
        assert_eq!(turns(60, level(scores)), [(1, Turn::Opened), (28, Turn::Back)]);
        let hourly = [0.0, 1.0, 0.5, 0.8].into_iter().chain([0.4; 10]);
        assert_eq!(turns(3600, level(hourly)), [(1, Turn::Opened), (6, Turn::Back)]);
    }

    #[test]
    fn what_calms_down_without_coming_back_lasts() {
        let scores = [0.0, 1.0].into_iter().chain(std::iter::repeat_n(0.6, 4000));
        assert_eq!(turns(60, level(scores)), [(1, Turn::Opened), (2881, Turn::Usual)]);
        // Unless it is as far from zero as it often was.
        let scores = [0.0, 1.0].into_iter().chain([0.29; 100]);
        assert_eq!(turns(60, level(scores)), [(1, Turn::Opened), (25, Turn::Back)]);
    }

    #[test]
    fn a_level_is_told_of_again_when_it_is_worse() {
        let told = |levels: Vec<f64>| {
            let (mut policy, mut lasting) = (Policy::new(0), Lasting::default());
            let mut told = Vec::new();
            for (place, level) in levels.into_iter().enumerate() {
                let sample = scored(60 * i64::try_from(place).unwrap(), level, 0.0, lasting.level_bar(false));
                let alerts = policy.decide(Silence::NONE, sample);
                lasting.follow(sample, alerts, at(1.0));
                told.extend(alerts.level.then_some(place));
            }
            told
        };
        let after = |lasts: [(f64, usize); 3]| {
            told(
                lasts
                    .into_iter()
                    .flat_map(|(level, times)| vec![level; times])
                    .collect(),
            )
        };
        assert_eq!(after([(2.0, 1000), (0.6, 0), (2.9, 10)]), [0]);
        assert_eq!(after([(2.0, 1000), (0.6, 0), (3.1, 10)]), [0, 1000]);
        assert_eq!(after([(2.0, 1000), (0.6, 100), (2.0, 10)]), [0]);
        // While it begins to rise it is the same trouble.
        assert_eq!(after([(0.0, 200), (1.0, 1), (4.0, 2000)]), [200]);
    }

    #[test]
    fn what_lasts_two_days_is_usual() {
        let scores = [0.0, 1.2].into_iter().chain(std::iter::repeat_n(0.9, 4000));
        assert_eq!(turns(60, level(scores)), [(1, Turn::Opened), (2881, Turn::Usual)]);
        let daily = [0.0, 1.2].into_iter().chain([0.9; 30]);
        assert_eq!(turns(86_400, level(daily)), [(1, Turn::Opened), (25, Turn::Usual)]);
    }

    #[test]
    fn a_gap_does_not_close_it_but_a_calm_sample_after_one_does() {
        let mut lasting = Lasting::default();
        let mut follow = |timestamp, level, alert| {
            let alerts = Alerts {
                level: alert,
                spike: false,
            };
            lasting.follow(scored(timestamp, level, 0.0, 0.0), alerts, at(level))
        };
        assert_eq!(follow(0, 1.0, true), Turn::Opened);
        assert_eq!(follow(604_800, 1.0, false), Turn::None);
        assert_eq!(follow(1_209_600, 0.0, false), Turn::Back);
    }

    proptest! {
        #[test]
        fn a_series_at_the_boundary_does_not_flap(
            step_s in 1_i64..7200,
            scores in proptest::collection::vec((0.6..1.2, 0.6..1.2), 1..2000),
        ) {
            let turns = turns(step_s, scores);
            let opened: Vec<usize> =
                turns.iter().filter(|(_, turn)| *turn == Turn::Opened).map(|(place, _)| *place).collect();
            for pair in opened.windows(2) {
                let samples = pair[1] - pair[0];
                let apart_s = step_s * i64::try_from(samples).unwrap();
                prop_assert!(samples > usize::from(CALM_SAMPLES) || apart_s >= CALM_S);
            }
            // Each that opens closes before the next.
            for pair in turns.windows(2) {
                prop_assert!((pair[0].1 == Turn::Opened) != (pair[1].1 == Turn::Opened));
            }
        }
    }
}
