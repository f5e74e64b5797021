//! What the detector believes of a series: a copy, to be asked questions away from whoever owns the series.
//!
//! It says what would be usual at any time by what is known *now*, had the samples before that time been usual. Of a time
//! that is past it so says what is thought today, and not what was thought then: a verdict of that time does.

use std::fmt::{self, Debug};

use super::{
    band,
    basis::Season,
    model::{Model, Time},
    tuning::Tuning,
};
use crate::detect::local_time::LocalTime;

/// What the detector believes of a series.
#[derive(Clone)]
pub struct Belief {
    model: Box<Model>,
    tuning: Tuning,
    local_time: LocalTime,
}

/// What would be usual at some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// The expected value.
    pub expected: f64,
    /// The lowest that would be usual; `None`: however low.
    pub lower: Option<f64>,
    /// The highest that would be usual; `None`: however high.
    pub upper: Option<f64>,
}

/// What stands behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// What predictions are made from: `none` (the long-run mean), `day` or `week`.
    pub season: &'static str,
    /// Long-run mean of the values.
    pub mean: f64,
    /// Their deviation.
    pub deviation: f64,
    /// What the last 24 samples are above what was expected, on average.
    pub apart: f64,
    /// Samples so far.
    pub samples: u32,
    /// Time from the first to the last (seconds).
    pub age_s: i64,
    /// Usual time between two (seconds); `None` while there is none.
    pub interval_s: Option<f64>,
    /// Mean error of the predictions by the mean, by the time of the day and by the time of the week; `None` where they have
    /// not been tried.
    pub errors: [Option<f64>; 3],
    /// What the next spike has to reach to be told.
    pub spike_bar: f64,
}

impl Belief {
    pub(super) fn new(model: &Model, tuning: Tuning, local_time: LocalTime) -> Self {
        Self {
            model: Box::new(model.clone()),
            tuning,
            local_time,
        }
    }

    /// What would be usual at `timestamp`; `None` while no sample has been seen. Some 200 scores.
    pub fn at(&mut self, timestamp: i64) -> Option<Usual> {
        let local = self.local_time.at(timestamp);
        let basis = self.model.usual_at(Time { timestamp, local })?;
        let band = band::band(&basis, &self.tuning, self.model.seen(), basis.expected.value());
        Some(Usual {
            expected: basis.expected.value(),
            lower: band.lower,
            upper: band.upper,
        })
    }

    /// What stands behind it, at `timestamp`.
    pub fn facts(&mut self, timestamp: i64) -> Facts {
        let local = self.local_time.at(timestamp);
        let season = match self.model.season(local) {
            Season::None => "none",
            Season::Day => "day",
            Season::Week => "week",
        };
        Facts {
            season,
            ..self.model.facts()
        }
    }
}

impl Debug for Belief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Belief").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Engine, Settings, State};
    use crate::window::Point;

    /// A day's swing from 0 to 200 around 100, at a sample a minute for five days, and the time of the last.
    fn after_five_days() -> (Engine, State, i64) {
        let mut engine = Engine::new(Settings::default());
        let mut state = State::default();
        let mut last = 0;
        for timestamp in (0..5 * 86_400).step_by(60) {
            let noise = f64::from(i32::try_from(timestamp / 60 * 7919 % 13).unwrap() - 6);
            let value = swing(timestamp) + noise;
            engine.observe(&mut state, Point { timestamp, value });
            last = timestamp;
        }
        (engine, state, last)
    }

    fn swing(timestamp: i64) -> f64 {
        let day = f64::from(i32::try_from(timestamp % 86_400).unwrap()) / 86_400.0;
        100.0 + 100.0 * (std::f64::consts::TAU * day).sin()
    }

    #[test]
    fn it_expects_the_time_of_the_day_and_has_a_band_about_it() {
        let (engine, state, last) = after_five_days();
        let mut belief = engine.belief(&state);
        for timestamp in (last - 86_400..last + 86_400).step_by(3600) {
            let usual = belief.at(timestamp).unwrap();
            assert!(
                (usual.expected - swing(timestamp)).abs() < 15.0,
                "{usual:?} at {timestamp}"
            );
            let (lower, upper) = (usual.lower.unwrap(), usual.upper.unwrap());
            assert!(lower < usual.expected && usual.expected < upper, "{usual:?}");
            assert!(upper - lower < 200.0, "{usual:?}");
        }
        let facts = belief.facts(last);
        assert_eq!((facts.season, facts.samples, facts.age_s), ("day", 7200, last));
        assert_eq!(facts.interval_s, Some(60.0));
        let [mean, day, _] = facts.errors.map(Option::unwrap_or_default);
        assert!(day < mean / 4.0, "{facts:?}");
    }

    #[test]
    fn of_nothing_it_believes_nothing() {
        let engine = Engine::new(Settings::default());
        let mut belief = engine.belief(&State::default());
        assert_eq!(belief.at(1_700_000_000), None);
        assert_eq!(belief.facts(1_700_000_000).samples, 0);
    }
}
